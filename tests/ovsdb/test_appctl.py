"""What ovs-vswitchd says that it would do with a frame, taken apart: answers of Open vSwitch 3.1."""

from __future__ import annotations

from netctl.ovsdb.appctl import Rule, read_trace

WIRE = """Flow: in_port=1,vlan_tci=0x0000,dl_src=52:54:00:00:00:01,dl_dst=01:80:c2:00:00:0e,dl_type=0x88cc

bridge("br0")
-------------
 0. in_port=1, priority 100, cookie 0x6e63746c00000001

Final flow: unchanged
Megaflow: recirc_id=0,eth,in_port=1,dl_type=0x88cc
Datapath actions: drop
This flow is handled by the userspace slow path because it:
  - Consists of LLDP packets.
"""

TABLES = """Flow: arp,in_port=2,dl_vlan=256,dl_vlan_pcp=0,vlan_tci1=0x0000

bridge("br0")
-------------
 0. arp,in_port=2,dl_vlan=256,arp_tpa=1.2.3.4, priority 200, cookie 0x5
    write_actions(output:1)
     -> action set is: output:1
    goto_table:3
     3. priority 7
            NORMAL
             -> no learned MAC for destination, flooding
--. Executing action set:
    output:1

Final flow: unchanged
Datapath actions: 1,2,2
"""

NOTHING = """Flow: arp,in_port=9

bridge("br0")
-------------
 0. No match.
    drop

Final flow: unchanged
Megaflow: recirc_id=0,eth,arp,in_port=9
Datapath actions: drop
"""


def test_a_wires_flow_and_why_nothing_comes_of_it() -> None:
    told = read_trace(WIRE)
    assert told.rules == (Rule(0, "in_port=1", 100, 0x6E63746C00000001),)
    assert told.actions == "drop"
    assert told.remarks == (
        "This flow is handled by the userspace slow path because it: - Consists of LLDP packets."
    )
    assert told.text == WIRE.strip()


def test_several_tables() -> None:
    told = read_trace(TABLES)
    assert told.rules == (
        Rule(0, "arp,in_port=2,dl_vlan=256,arp_tpa=1.2.3.4", 200, 5),
        Rule(3, "any", 7, 0),
    )
    assert (told.missed, told.actions, told.remarks) == ((), "1,2,2", "")


def test_no_flow() -> None:
    told = read_trace(NOTHING)
    assert (told.rules, told.missed, told.actions) == ((), (0,), "drop")


def test_anything_else_is_no_traceback() -> None:
    told = read_trace("bad syntax\n")
    assert (told.rules, told.missed, told.actions, told.text) == ((), (), "", "bad syntax")
