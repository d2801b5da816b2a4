"""How the controller hears a wire's LLDP without the wire noticing."""

from __future__ import annotations

import pytest

from netctl.desired import meter, observe
from netctl.desired.flow import (
    LLDP,
    NORMAL,
    Action,
    Clone,
    Flow,
    GotoTable,
    Match,
    Metered,
    Output,
    PopVlan,
    SetVlan,
    ToController,
)
from netctl.desired.flows import cookie_of, crossing, wire_flows
from netctl.desired.meter import Meter
from netctl.policy import Cable, PortRef

A, B = PortRef("hv1", "ovbr0", "a"), PortRef("hv1", "ovbr0", "b")


def test_a_wire_has_four_flows_more() -> None:
    cable = Cable("core", (A, B), "lab.yaml:1:1", observe=True)
    cookie = cookie_of("core")
    flows = wire_flows("ovbr0", cable, cookie, {"a": 1, "b": 2})
    assert flows[:2] == wire_flows("ovbr0", Cable("core", (A, B), "", observe=False), cookie, {"a": 1, "b": 2})
    assert flows[2:] == (
        Flow("ovbr0", 110, Match(1, None, LLDP), (Output(2), GotoTable(250)), cookie),
        Flow("ovbr0", 110, Match(1, None, LLDP), (Metered(meter.FIRST + 1), ToController(1600)), cookie, 250),
        Flow("ovbr0", 110, Match(2, None, LLDP), (Output(1), GotoTable(250)), cookie),
        Flow("ovbr0", 110, Match(2, None, LLDP), (Metered(meter.FIRST + 2), ToController(1600)), cookie, 250),
    )
    assert wire_flows("ovbr0", cable, cookie, {"a": 1}) == ()
    assert observe.limits((None, *flows)) == (
        Meter("ovbr0", meter.CONTROLLER, 2000),
        Meter("ovbr0", meter.FIRST + 1, 10, 40),
        Meter("ovbr0", meter.FIRST + 2, 10, 40),
    )


@pytest.mark.parametrize(
    ("vlan", "tag", "copies", "expected"),
    [
        (100, 100, (), (Output(2),)),
        (100, None, (), (Clone((PopVlan(), Output(2))),)),
        (100, 200, (), (Clone((SetVlan(200), Output(2))),)),
        (100, 200, (7,), (Clone((SetVlan(200), Output(2))), Output(7))),
        (None, None, (7, 8), (Output(2), Output(7), Output(8))),
    ],
)
def test_the_controller_hears_the_frame_as_it_came_in(
    vlan: int | None, tag: int | None, copies: tuple[int, ...], expected: tuple[Action, ...]
) -> None:
    wire = Flow("ovbr0", 100, Match(1, vlan), crossing(vlan, tag, 2, copies), 5)
    through, heard = observe.observing(wire)
    assert through == Flow("ovbr0", 110, Match(1, vlan, LLDP), (*expected, GotoTable(250)), 5)
    assert heard.match == through.match


ARP, IPV6 = 0x0806, 0x86DD
SOLICITED, ADVERTISED = "ip_proto=3a,icmpv6_type=87", "ip_proto=3a,icmpv6_type=88"
HEARD = (Metered(meter.HOSTS + 3), ToController(128))


def test_hosts_are_heard_where_nothing_else_becomes_of_their_frames() -> None:
    assert list(observe.locating("ovbr0", 3, learns=False)) == [
        Flow("ovbr0", 55, Match(3, None, ARP), HEARD),
        Flow("ovbr0", 55, Match(3, None, IPV6), HEARD, extra=SOLICITED),
        Flow("ovbr0", 55, Match(3, None, IPV6), HEARD, extra=ADVERTISED),
    ]


def test_hosts_are_heard_beside_the_learning_switch_and_not_past_its_guard() -> None:
    flows = list(observe.locating("ovbr0", 3, learns=True))
    assert flows[0] == Flow("ovbr0", 56, Match(3, 4095))
    assert [(flow.table, flow.actions) for flow in flows[1:]] == [
        (0, (Output(NORMAL), GotoTable(250))),
        (250, HEARD),
    ] * 3
    assert all(flow.priority < observe.LISTEN_PRIORITY for flow in flows)
    assert observe.limits(flows) == (Meter("ovbr0", meter.CONTROLLER, 2000), Meter("ovbr0", meter.HOSTS + 3, 5, 20))
    assert meter.ours(meter.HOSTS + 3)
