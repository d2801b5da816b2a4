"""`netctl wire check` against real bridges, good and bad, with namespaces and played guests at the ends."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from netctl.desired.flows import cookie_of
from netctl.probe import frames
from tests.e2e.box import Box, Process

CHECK = [sys.executable, "-m", "netctl.cli", "wire", "check", "--policy", "flows/lab.yaml"]

PORTS = {"lab-ns1-eth0": 1, "lab-ns2-eth0": 2, "lab-vm1-tap": 3, "lab-vm2-tap": 4}

KINDS = {kind.name for kind in frames.KINDS}

RESERVED = {"LLDP", "STP", "LACP", "PAUSE", "EAPOL", "CDP"}

NAMESPACES, TAPS = "lab-ns1-eth0--lab-ns2-eth0", "lab-vms"

HELD = "print('held', flush=True); time.sleep(600)"

CARRIERS = "cat /sys/class/net/lab-vm?-tap/carrier"

WORKER = """
import json, sys
from click.testing import CliRunner
from netctl.cli.main import cli
for line in sys.stdin:
    done = CliRunner().invoke(cli, json.loads(line))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    print(json.dumps([done.exit_code, done.stdout]), flush=True)
"""
"""Runs netctl again and again, so that a test need not wait for an interpreter to start."""

PLAY = """
import time
from netctl.policy import load
from netctl.probe.play import roles, start
playing = [start(role) for role in roles(load("flows/lab.yaml").policy, "lab")]
print("playing", flush=True)
time.sleep(600)
"""


def make_lab(box: Box) -> None:
    """What flows/lab.yaml asks for, by other means than netctl's; its flows are counted anew ten times a second."""
    box.start_ovs()
    make = [
        "ovs-vsctl set open . other_config:max-revalidator=100",
        "ovs-vsctl add-br lab0 -- set bridge lab0 datapath_type=netdev fail_mode=secure",
    ]
    for number in (1, 2):
        ns, veth, tap = f"lab-ns{number}", f"lab-ns{number}-eth0", f"lab-vm{number}-tap"
        make += [
            f"ip netns add {ns}",
            f"ip link add {veth} mtu 9000 type veth peer name eth0 mtu 9000 netns {ns}",
            f"ip link set {veth} up; ip -n {ns} link set eth0 up; ip -n {ns} link set lo up",
            f"ip netns exec {ns} ethtool -K eth0 tx off >/dev/null; ethtool -K {veth} tx off >/dev/null",
            f"ip -n {ns} addr add 10.99.1.{number}/24 dev eth0",
            f"ip tuntap add {tap} mode tap; ip link set {tap} mtu 9000 up; ethtool -K {tap} tx off >/dev/null",
        ]
    make += [
        f"ovs-vsctl add-port lab0 {port} -- set interface {port} ofport_request={number}"
        for port, number in PORTS.items()
    ]
    box.run("\n".join(make))


def flows(box: Box, *lines: str) -> None:
    box.run("ovs-ofctl -O OpenFlow13 replace-flows lab0 -", input="\n".join(lines) + "\n")


def cross(one: int, other: int, how: str = "") -> tuple[str, str]:
    """The two flows of a lab's wire, with the priority and the cookie that netctl gives them."""
    name = {1: NAMESPACES, 3: TAPS}.get(min(one, other), "")
    head = f"cookie={cookie_of(name):#x},priority=100"
    return f"{head},in_port={one},actions={how}output:{other}", f"{head},in_port={other},actions={how}output:{one}"


@pytest.fixture(scope="module")
def lab(module_box: Box) -> Iterator[Box]:
    make_lab(module_box)
    player = play(module_box)
    yield module_box
    player.terminate()


def play(box: Box) -> Process:
    """The guests of both taps, played by the children of a process."""
    player = box.popen([sys.executable, "-c", PLAY], stdout=-1)
    assert player.stdout
    assert player.stdout.readline() == "playing\n"
    box.wait_for(lambda: box.run(CARRIERS).stdout == "1\n1\n", what="the taps to be held")
    return player


WORKERS: dict[Box, Process] = {}


def say(box: Box, *arguments: str) -> tuple[int, str]:
    """The exit code of `netctl wire check ARGUMENTS`, and what it printed."""
    if box not in WORKERS:
        WORKERS[box] = box.popen([sys.executable, "-c", WORKER], stdin=-1, stdout=-1)
    worker = WORKERS[box]
    assert worker.stdin
    assert worker.stdout
    worker.stdin.write(json.dumps([*CHECK[3:], *arguments]) + "\n")
    worker.stdin.flush()
    status, out = json.loads(worker.stdout.readline())
    return status, out


def check(box: Box, *names: str, code: int | None = 0) -> dict[str, Any]:
    """What `netctl wire check --json` says; `code` is the exit code that it must have, None for any."""
    status, out = say(box, "--json", *names)
    assert code in (None, status), out
    return {each["wire"]: each for each in json.loads(out)}


def outcomes(wire: dict[str, Any], outcome: str) -> set[str]:
    return {row["kind"] for row in wire["frames"] if row["outcome"] == outcome}


def test_explicit_flows_are_a_cable(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    wires = check(lab)
    assert list(wires) == ["lab-ns1-eth0--lab-ns2-eth0", "lab-vms"]
    for wire in wires.values():
        assert wire["crossed"], wire
        assert outcomes(wire, "crossed") == KINDS
        assert len(wire["frames"]) == 2 * len(KINDS)
        assert all(0 < row["microseconds"] < 1_000_000 for row in wire["frames"])


def test_the_table_names_every_kind_and_the_verdict(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    out = lab.run(CHECK, env={"COLUMNS": "80"}).stdout
    assert all(kind in out for kind in KINDS)
    assert "lost" not in out
    assert "not installed" not in out
    assert "note" not in out
    assert out.endswith("2 of 2 wires carry everything.\n")


def test_a_terminal_without_arrows_is_no_trouble(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    out = lab.run(CHECK, env={"PYTHONIOENCODING": "ascii", "COLUMNS": "80"}).stdout
    assert "lab-vm1-tap -> lab-vm2-tap" in out
    assert out.isascii()


def test_a_learning_switch_is_no_cable(lab: Box) -> None:
    flows(lab, "in_port=1,actions=NORMAL", "in_port=2,actions=NORMAL", *cross(3, 4))
    wires = check(lab, code=1)
    assert wires[TAPS]["crossed"]
    wire = wires[NAMESPACES]
    assert not wire["crossed"]
    assert not wire["installed"]
    assert wire["problem"].startswith("bridge lab0 has no flow of this wire (cookie 0x6e63746c")
    assert outcomes(wire, "lost") == RESERVED
    for row in lost(wire):
        assert row["place"] == "flow"
        assert "met another flow than the wire's: table 0, priority 32768, in_port=" in row["detail"]
        assert row["detail"].endswith(": NORMAL (cookie 0x0, not netctl's)")
        assert "NORMAL holds reserved multicast back" in row["because"][0]["why"]
    out = say(lab)[1]
    assert out.startswith(f"not installed  {NAMESPACES}: bridge lab0 has no flow of this wire")
    assert f"lost  {NAMESPACES}: LLDP, STP, LACP, PAUSE, EAPOL, CDP, lab-ns1-eth0 → lab-ns2-eth0: it entered" in out
    assert out.endswith("1 of 2 wires carry everything.\n")


@pytest.mark.parametrize("ends", [(1, 2), (3, 4)], ids=["namespaces", "taps"])
def test_a_bridge_that_meddles_is_found_out(lab: Box, ends: tuple[int, int]) -> None:
    """Tags stripped, then every frame touched: at packet sockets, where the kernel hides tags, and taps."""
    name = NAMESPACES if ends == (1, 2) else TAPS
    one, other = ends
    strip = (flow.replace("priority=100", "priority=200,dl_vlan=100") for flow in cross(*ends, "strip_vlan,"))
    flows(lab, *cross(*ends), *strip)
    wire = check(lab, name, code=1)[name]
    assert outcomes(wire, "changed") == {"802.1Q tag"}
    assert outcomes(wire, "crossed") == KINDS - {"802.1Q tag"}
    assert {row["detail"] for row in wire["frames"]} == {"", "arrived without its VLAN tag"}
    touch = f"in_port={one},actions=mod_dl_src:02:00:00:00:00:01,output:{other}"
    flows(lab, touch, f"in_port={other},actions=drop")
    wire = check(lab, name, code=1)[name]
    there = [row for row in wire["frames"] if row["sender"] == list(PORTS)[one - 1]]
    assert {row["outcome"] for row in there} == {"changed"}
    assert {row["outcome"] for row in wire["frames"] if row not in there} == {"lost"}


def test_a_dead_wire_is_known_within_a_second(lab: Box) -> None:
    flows(lab)
    start = time.monotonic()
    wire = check(lab, TAPS, code=1)[TAPS]
    assert outcomes(wire, "lost") == KINDS
    assert time.monotonic() - start < 5, "with the start of the interpreter"
    assert {row["detail"] for row in wire["frames"]} == {
        f"it entered port {tap} and met no flow at all" for tap in ("lab-vm1-tap", "lab-vm2-tap")
    }


@contextmanager
def broken(lab: Box, command: str, mend: str) -> Iterator[None]:
    lab.run(command)
    try:
        yield
    finally:
        lab.run(mend)


def lost(wire: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in wire["frames"] if row["outcome"] == "lost"]


def reasons(row: dict[str, Any]) -> str:
    return "; ".join(reason["why"] for reason in row["because"])


def test_what_an_end_cannot_send_cannot_be_tested(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    small = "; ".join(f"ip -n lab-ns{n} link set eth0 mtu MTU" for n in (1, 2))
    with broken(lab, small.replace("MTU", "1500"), small.replace("MTU", "9000")):
        wire = check(lab, NAMESPACES)[NAMESPACES]
    assert outcomes(wire, "not testable") == {"9000 bytes"}
    assert outcomes(wire, "crossed") == KINDS - {"9000 bytes"}
    assert {row["detail"] for row in wire["frames"]} == {
        "",
        *(f"lab-ns{n}-eth0 has MTU 1500 and sends no frame of that size" for n in (1, 2)),
    }


def test_an_mtu_too_small_on_the_far_side_is_named(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    with broken(lab, "ip -n lab-ns2 link set eth0 mtu 1500", "ip -n lab-ns2 link set eth0 mtu 9000"):
        wire = check(lab, NAMESPACES, code=1)[NAMESPACES]
    (row,) = lost(wire)
    assert (row["kind"], row["sender"], row["place"]) == ("9000 bytes", "lab-ns1-eth0", "output")
    assert reasons(row) == "MTU 1500 of eth0 in namespace lab-ns2, and the frame carries 9000 bytes"
    assert outcomes(wire, "not testable") == {"9000 bytes"}


def test_an_mtu_too_small_at_a_port_is_named_both_ways(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    with broken(lab, "ip link set lab-ns2-eth0 mtu 1500", "ip link set lab-ns2-eth0 mtu 9000"):
        wire = check(lab, NAMESPACES, code=1)[NAMESPACES]
    there, back = lost(wire)
    assert [(row["kind"], row["place"]) for row in (there, back)] == [("9000 bytes", "output"), ("9000 bytes", "entry")]
    assert {reasons(row) for row in (there, back)} == {"MTU 1500 of lab-ns2-eth0, and the frame carries 9000 bytes"}
    assert back["detail"].endswith(
        "it never entered port lab-ns2-eth0: eth0 in namespace lab-ns2 (tx) has not (8 dropped there)"
    )


def test_an_interface_that_speaks_lldp_is_named(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    speak = "ovs-vsctl set interface lab-vm1-tap lldp:enable=true"
    with broken(lab, speak, "ovs-vsctl remove interface lab-vm1-tap lldp enable"):
        wire = check(lab, TAPS, code=1)[TAPS]
    (row,) = lost(wire)
    assert (row["kind"], row["sender"], row["place"]) == ("LLDP", "lab-vm1-tap", "output")
    assert row["detail"] == "it met the wire's flow and did not leave by port lab-vm2-tap"
    assert reasons(row).startswith("lldp:enable of interface lab-vm1-tap: Open vSwitch takes LLDP for itself")


def test_a_bridge_that_speaks_stp_is_named(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    speak = "ovs-vsctl set bridge lab0 stp_enable=true"
    with broken(lab, speak, "ovs-vsctl set bridge lab0 stp_enable=false"):
        wire = check(lab, NAMESPACES, code=1)[NAMESPACES]
    by_kind = {row["kind"]: reasons(row) for row in lost(wire)}
    assert set(by_kind) == KINDS
    assert "lab-ns1-eth0 is listening in bridge lab0's spanning tree" in by_kind["ARP"]
    assert "stp_enable of bridge lab0: Open vSwitch takes BPDUs for itself" in by_kind["STP"]


def test_a_flow_above_the_wires_is_named(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4), "cookie=0x77,priority=40000,arp,in_port=2,actions=drop")
    wire = check(lab, NAMESPACES, code=1)[NAMESPACES]
    assert wire["installed"]
    (row,) = lost(wire)
    assert (row["kind"], row["sender"], row["place"]) == ("ARP", "lab-ns2-eth0", "flow")
    assert row["detail"] == (
        "it entered port lab-ns2-eth0 and met another flow than the wire's: "
        "table 0, priority 40000, in_port=2,dl_type=0x0806: drop (cookie 0x77, not netctl's)"
    )


@pytest.mark.parametrize(
    "command",
    ["ip link set lab-ns2-eth0", "ovs-ofctl -O OpenFlow13 mod-port lab0 lab-ns2-eth0"],
    ids=["device", "port"],
)
def test_a_port_that_is_down_is_named(lab: Box, command: str) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    with broken(lab, f"{command} down", f"{command} up"):
        wire = check(lab, NAMESPACES, code=1)[NAMESPACES]
    assert outcomes(wire, "lost") == KINDS
    places = {(row["sender"], row["place"]) for row in lost(wire)}
    assert places == {("lab-ns1-eth0", "output"), ("lab-ns2-eth0", "entry")}
    assert all("port lab-ns2-eth0 is administratively down in Open vSwitch" in reasons(row) for row in lost(wire))


def test_an_end_that_is_down_is_no_traceback(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    with broken(lab, "ip -n lab-ns1 link set eth0 down", "ip -n lab-ns1 link set eth0 up"):
        wires = check(lab, code=1)
    wire = wires[NAMESPACES]
    assert outcomes(wire, "lost") == KINDS
    there = [row for row in lost(wire) if row["sender"] == "lab-ns1-eth0"]
    assert all(row["detail"].startswith("lab-ns1-eth0: the end is down; it never entered port") for row in there)
    assert all("eth0 in namespace lab-ns1 is down" in reasons(row) for row in lost(wire))
    assert wires[TAPS]["crossed"]


def test_a_linux_bridge_between_is_found_and_named(box: Box) -> None:
    """Its masks open it as far as the kernel lets them."""
    make_lab(box)
    flows(box, *cross(1, 2))
    box.run(
        """
        ovs-vsctl del-port lab-ns1-eth0
        ip -n lab-ns1 link del eth0
        ip link add lbr type bridge forward_delay 0; ip link set lbr mtu 9000
        ip link add guestside mtu 9000 type veth peer name eth0 mtu 9000 netns lab-ns1
        ip link add lab-ns1-eth0 mtu 9000 type veth peer name portside mtu 9000
        ip netns exec lab-ns1 ethtool -K eth0 tx off >/dev/null
        ip -n lab-ns1 link set eth0 up
        for each in guestside portside; do ip link set $each master lbr up; done
        ip link set lab-ns1-eth0 up; ip link set lbr up
        ovs-vsctl add-port lab0 lab-ns1-eth0 -- set interface lab-ns1-eth0 ofport_request=1
        """
    )
    box.wait_for(
        lambda: outcomes(check(box, NAMESPACES, code=None)[NAMESPACES], "crossed"), 5, "the Linux bridge to forward"
    )
    wire = check(box, NAMESPACES, code=1)[NAMESPACES]
    assert outcomes(wire, "lost") == {"LLDP", "LACP", "PAUSE", "EAPOL"}
    places = {(row["sender"], row["place"]) for row in lost(wire)}
    assert places == {("lab-ns1-eth0", "entry"), ("lab-ns2-eth0", "exit")}
    by_kind = {row["kind"]: reasons(row) for row in lost(wire)}
    assert by_kind["LLDP"] == "the Linux bridge lbr keeps LLDP to itself (group_fwd_mask 0x0)"
    assert by_kind["PAUSE"] == "a Linux bridge (lbr) never forwards PAUSE"
    details = {row["sender"]: row["detail"] for row in lost(wire) if row["kind"] == "LLDP"}
    assert details["lab-ns1-eth0"].endswith(": guestside (rx) has it, portside (tx) has not")
    assert details["lab-ns2-eth0"].endswith(": portside (rx) has it, guestside (tx) has not")
    assert "the Linux bridge lbr is on the way to port lab-ns1-eth0" in wire["notes"][0]["why"]
    box.run("for each in guestside portside; do ip link set $each type bridge_slave group_fwd_mask 0xfffd; done")
    wire = check(box, NAMESPACES, code=1)[NAMESPACES]
    assert outcomes(wire, "lost") == {"PAUSE"}


def test_checksum_offload_is_told_of_though_everything_crosses(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    on, off = (f"ip netns exec lab-ns1 ethtool -K eth0 tx {state} >/dev/null" for state in ("on", "off"))
    with broken(lab, on, off):
        wire = check(lab, NAMESPACES)[NAMESPACES]
        out = say(lab, NAMESPACES)[1]
    (note,) = wire["notes"]
    assert note["why"].startswith("TX checksum offload is on at eth0 in namespace lab-ns1, and the bridge's datapath")
    assert note["cure"] == "«ip netns exec lab-ns1 ethtool -K eth0 tx off»"
    assert f"note  {NAMESPACES}: TX checksum offload is on" in out


def test_policing_is_told_of(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    slow = "ovs-vsctl set interface lab-vm1-tap ingress_policing_rate="
    with broken(lab, f"{slow}5000", f"{slow}0"):
        wire = check(lab, TAPS)[TAPS]
    assert "port lab-vm1-tap takes in at most 5000 kbit/s" in wire["notes"][0]["why"]


def test_without_open_vswitch_it_says_so(box: Box) -> None:
    make_lab(box)
    box.stop_ovs()
    wire = check(box, NAMESPACES, code=1)[NAMESPACES]
    assert wire["problem"].startswith("Open vSwitch is not running")
    assert all("where is not known: Open vSwitch is not running" in row["detail"] or row["place"] for row in lost(wire))


def test_played_guests_answer_like_guests(lab: Box) -> None:
    flows(lab, *cross(1, 3))
    lab.run("ip -n lab-ns1 addr add 10.99.2.9/24 dev eth0")
    lab.run("ip netns exec lab-ns1 ping -c 3 -i 0.05 -W 1 10.99.2.1")
    lab.run("ip netns exec lab-ns1 ping -c 1 -W 1 -s 8972 -M do 10.99.2.1")
    neighbour = lab.run("ip -n lab-ns1 neigh show 10.99.2.1").stdout
    assert "52:54:00:6c:01:01" in neighbour
    assert lab.run("ip netns exec lab-ns1 ping -c 1 -W 0.3 10.99.2.7", check=False).returncode == 1


def test_bad_names_and_policies_are_said_and_exit_2(lab: Box) -> None:
    done = lab.run([*CHECK, "lab-vmz"], check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "the policy has no wire called 'lab-vmz'; did you mean lab-vms?\n",
    )
    done = lab.run([*CHECK[:-1], "nowhere.yaml"], check=False)
    assert done.returncode == 2
    assert "nowhere.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_guest_takes_its_tap_again_after_it_was_deleted(box: Box) -> None:
    make_lab(box)
    player = play(box)
    flows(box, *cross(3, 4))
    box.run("ip link del lab-vm1-tap")
    wire = check(box, "lab-vms", code=1)["lab-vms"]
    assert wire["problem"].startswith("lab-vm1-tap: the guest that netctl plays waits for the tap;")
    box.run("ip tuntap add lab-vm1-tap mode tap; ip link set lab-vm1-tap mtu 9000 up")
    box.run("ovs-vsctl del-port lab-vm1-tap")
    box.run("ovs-vsctl add-port lab0 lab-vm1-tap -- set interface lab-vm1-tap ofport_request=3")
    box.wait_for(lambda: check(box, TAPS, code=None)[TAPS]["crossed"], 5)
    assert box.run("ip -d link show lab-vm1-tap").stdout.count("persist on") == 1
    player.kill()
    player.wait(5)
    box.wait_for(lambda: box.run(CARRIERS).stdout == "0\n0\n", 2, "the guests to end with their parent")


def test_ends_that_have_no_way_in_are_explained(box: Box) -> None:
    make_lab(box)
    assert "lab-vm1-tap: no guest holds the tap" in check(box, "lab-vms", code=1)["lab-vms"]["problem"]
    hold = "import os, fcntl, struct, time; f = os.open('/dev/net/tun', os.O_RDWR)\n"
    hold += "fcntl.ioctl(f, 0x400454ca, struct.pack('16sH22x', b'lab-vm1-tap', 0x1002))\n"
    holder = box.popen([sys.executable, "-c", hold + HELD], stdout=-1)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    flows(box, *cross(1, 2), *cross(3, 4))
    problem = check(box, TAPS, code=1)[TAPS]["problem"]
    assert problem == "lab-vm2-tap: no guest holds the tap; `netctl up --play-guests` plays one"
    both = box.popen([sys.executable, "-c", hold.replace("vm1", "vm2") + HELD], stdout=-1)
    assert both.stdout
    assert both.stdout.readline() == "held\n"
    wires = check(box)
    assert not wires[TAPS]["testable"]
    assert wires[TAPS]["problem"].startswith("lab-vm1-tap: a guest that netctl does not play holds the tap")
    out = say(box)[1]
    assert f"not testable here  {TAPS}: lab-vm1-tap: a guest that netctl does not play" in out
    assert out.endswith("1 of 2 wires carry everything. 1 cannot be tested here.\n")
    box.run("ip link del lab-vm2-tap; ip netns del lab-ns1; ip -n lab-ns2 link del eth0")
    holder.kill()
    holder.wait(5)
    wires = check(box, code=1)
    problem = wires["lab-ns1-eth0--lab-ns2-eth0"]["problem"]
    assert problem.startswith("lab-ns1-eth0: there is no namespace lab-ns1")
    assert not any(wire["frames"] for wire in wires.values())


def test_clear_ends_guests_whoever_started_them(box: Box) -> None:
    make_lab(box)
    player = play(box)
    guest = [sys.executable, "-m", "netctl.probe.guest", "--tap", "lab-vm1-tap"]
    again = box.run([*guest, "--mac", "52:54:00:00:00:01"], check=False)
    assert again.returncode == 1
    assert "a guest is played there already" in again.stderr
    box.path("/run/netctl/guest-dead.pid").write_text("1 1\n")
    box.python("from netctl.probe.play import clear; clear()")
    assert not list(box.path("/run/netctl").glob("guest-*"))
    assert box.run(CARRIERS).stdout == "0\n0\n"
    assert player.poll() is None
