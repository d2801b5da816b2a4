"""How the controller hears a wire's LLDP without the wire noticing."""

from __future__ import annotations

import pytest

from netctl.desired import meter, observe
from netctl.desired.flow import (
    LLDP,
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
