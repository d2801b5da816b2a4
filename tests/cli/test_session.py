"""Which plans would cut the session that somebody types in, and by what that comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from netctl.cli.session import connection, cut
from netctl.desired.device import Device, Namespace, plan_host
from netctl.desired.link import Bridge, BridgePort, Macvtap, Nic, Veth, Vlan
from netctl.desired.routing import Address, Route, Rule
from netctl.desired.row import Bridge as BridgeRow
from netctl.desired.row import Port, Row
from netctl.kernel.reach import Reach
from netctl.plan import Found, Plan, Wanted, delta

RULES = (
    Rule(0, 255),
    Rule(100, 254, suppress_prefixlength=0),
    Rule(1000, 100, source="192.0.2.1"),
    Rule(32766, 254),
    Rule(900, 300, more="and more"),
)
BY_TABLE = Route("0.0.0.0/0", "eth0", via="192.0.2.254", table=100)
BY_MAIN = Route("0.0.0.0/0", "eth1", via="198.51.100.254")
PATH = Reach("203.0.113.5", "192.0.2.1", frozenset({"eth0", "br0", "eth0.5"}), RULES, (BY_TABLE, BY_MAIN))
NEAR = Reach(
    "192.0.2.99", "192.0.2.1", frozenset({"eth0"}), RULES, (BY_TABLE, BY_MAIN, Route("192.0.2.0/24", "eth0"))
)
NIC = Nic(name="eth0", mtu=1500, mac="02:00:00:00:00:01", addresses=("192.0.2.1/24",))
OTHER = Nic(name="eth1", mtu=1500, mac="02:00:00:00:00:02", addresses=("198.51.100.1/24",))
BRIDGE = Bridge(name="br0", mac="02:00:00:00:00:01")
VLAN = Vlan(name="eth0.5", link="eth0", id=5)


def told(have: Sequence[Device], want: Sequence[Device], path: Reach = PATH) -> str:
    """Why the plan from one to the other would cut the path."""
    plan = plan_host([Wanted(item, "test") for item in want], [Found(item) for item in have])
    assert plan.steps
    found = cut(plan, Plan(), path)
    return found.how if found else ""


@pytest.mark.parametrize(
    ("want", "how"),
    [
        (replace(NIC, up=False), "takes eth0 down"),
        (replace(NIC, master="br9"), "makes eth0 a port of br9"),
        (replace(NIC, mac="02:00:00:00:00:09"), "gives eth0 another MAC"),
        (replace(NIC, addresses=("192.0.2.7/24",)), "takes the address 192.0.2.1 from eth0"),
        (replace(NIC, addresses=()), "takes the address 192.0.2.1 from eth0"),
        (replace(NIC, port=BridgePort(pvid=9)), "changes what eth0 passes as a port"),
        (replace(NIC, mtu=9000), ""),
        (replace(NIC, promisc=True), ""),
        (replace(NIC, addresses=("192.0.2.1/24", "192.0.2.7/24")), ""),
        (replace(NIC, addresses=("192.0.2.1/28",)), ""),
    ],
)
def test_what_is_done_to_the_nic(want: Nic, how: str) -> None:
    assert told([NIC], [want]) == how
    assert told([replace(NIC, name="eth1")], [replace(want, name="eth1")]) == ""


def test_it_is_moved_let_go_removed_made_again() -> None:
    assert told([], [Namespace("ns1"), replace(NIC, netns="ns1")]) == "moves eth0 to the namespace ns1"
    assert told([], [Namespace("ns1"), replace(OTHER, netns="ns1")]) == ""
    assert told([replace(NIC, master="br0")], []) == "takes eth0 from br0"
    assert told([NIC], []) == ""
    assert told([BRIDGE], []) == "removes br0"
    assert told([VLAN], [replace(VLAN, id=6)]) == "removes eth0.5 and makes it again"
    assert told([BRIDGE], [replace(BRIDGE, vlan_filtering=True)]) == "changes which VLANs br0 looks at"
    assert told([replace(BRIDGE, netns="ns1")], []) == ""


def test_what_takes_its_frames() -> None:
    tap = Macvtap(name="vm1", lower="eth0", mode="passthru")
    assert told([], [tap]) == "takes what comes in by eth0"
    assert told([], [replace(tap, mode="vepa")]) == ""
    assert told([], [replace(tap, lower="eth1")]) == ""
    assert told([], [Veth(name="ns1-eth0", peer="x")]) == ""


def test_an_address_of_its_own() -> None:
    assert told([Address("eth0", "192.0.2.1/24")], []) == "takes the address 192.0.2.1 away"
    assert told([Address("eth0", "192.0.2.2/24")], []) == ""
    assert told([], [Address("eth0", "192.0.2.2/24")]) == ""


def test_answers_that_would_leave_otherwise() -> None:
    other_way = "sends the answers to 203.0.113.5 by eth1 via 198.51.100.254"
    assert told([RULES[2]], []) == other_way
    assert told([BY_TABLE], []) == other_way
    assert told([BY_TABLE], [replace(BY_TABLE, via="192.0.2.253")]).endswith("by eth0 via 192.0.2.253")
    assert told([], [Rule(500, 254, source="192.0.2.0/24")]) == other_way
    assert told([], [Rule(500, 254, source="198.51.100.1")]) == ""
    assert told([], [Rule(1500, 254, source="192.0.2.1")]) == ""
    assert told([], [Rule(500, 400)]) == "", "an empty table is passed over"
    assert told([], [Rule(500, 400), replace(BY_TABLE, table=400)]) == "", "it says the same"
    assert told([], [Rule(500, 400), replace(BY_MAIN, table=400)]) == other_way
    assert told([], [Route("203.0.113.0/24", "eth1", table=100)]) == "sends the answers to 203.0.113.5 by eth1"
    assert told([], [Route("203.0.113.0/24", "eth1")]) == "sends the answers to 203.0.113.5 by eth1", "rule 100"
    assert told([], [Route("203.0.114.0/24", "eth1")]) == ""
    assert told([], [replace(BY_MAIN, dev="eth0", metric=5)]) == ""
    gone = replace(PATH, routes=(BY_TABLE,), rules=RULES[2:3])
    assert told([BY_TABLE], [], gone) == "leaves no way back to you"


def test_a_client_nearby_is_answered_by_the_link_s_own_route() -> None:
    assert told([RULES[2]], [], NEAR) == ""
    assert told([BY_TABLE, BY_MAIN], [], NEAR) == ""
    assert told([RULES[1]], [], NEAR) == "sends the answers to 192.0.2.99 by eth0 via 192.0.2.254"


def test_a_route_that_is_made_again_in_the_same_plan_is_none_the_worse() -> None:
    assert told([BY_TABLE, RULES[2]], [replace(BY_TABLE, table=200), Rule(1000, 200, source="192.0.2.1")]) == ""


@pytest.mark.parametrize(
    ("have", "want", "how"),
    [
        ([], [Port("ovbr0", "eth0")], "makes eth0 a port of ovbr0"),
        ([Port("ovbr0", "eth0")], [], "takes eth0 from ovbr0"),
        ([], [Port("ovbr0", "vm1-eth0")], ""),
        ([BridgeRow("br0", "system", None)], [], "changes the bridge br0"),
        ([], [BridgeRow("ovbr0", "system", None)], ""),
    ],
)
def test_rows_of_open_vswitch(have: list[Row], want: list[Row], how: str) -> None:
    rows = delta([Wanted(row, "test") for row in want], [Found(row) for row in have])
    found = cut(Plan(), rows, PATH)
    assert (found.how if found else "") == how
    if found:
        assert "SSH from 203.0.113.5 to 192.0.2.1" in found.told(PATH)


def test_the_first_environment_that_tells_of_a_session_counts() -> None:
    mine = {"SSH_CONNECTION": "192.0.2.99 50000 192.0.2.1 22"}
    assert connection([{}, {"SSH_CONNECTION": ""}, mine, {"SSH_CONNECTION": "9.9.9.9 1 8.8.8.8 2"}]) == (
        "192.0.2.99",
        "192.0.2.1",
    )
    assert connection([{"SSH_CONNECTION": "fe80::1%eth0 1 fe80::2%eth0 22"}]) == ("fe80::1%eth0", "fe80::2%eth0")
    assert connection([{"SSH_CONNECTION": "UNKNOWN 65535 UNKNOWN 65535"}, {}]) is None
    assert connection([]) is None
