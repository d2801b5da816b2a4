"""The flows that let the controller hear LLDP, on a real switch: their meters come with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from netctl.desired import meter, observe
from netctl.desired.flow import Flow, Match, Output
from netctl.openflow.local import LocalSwitch
from netctl.openflow.refill import EmptySwitch, pack
from netctl.plan import Plan, Step
from tests.e2e.box import Box

pytestmark = pytest.mark.e2e


def steps(*ports: int) -> Plan[Flow]:
    wires = [Flow("br0", 100, Match(port), (Output(port % 2 + 1),), 0x6E63_746C_0000_0001) for port in ports]
    return Plan(tuple(Step("add", "", None, flow) for wire in wires for flow in (wire, *observe.observing(wire))))


@pytest.fixture
def bridge(box: Box) -> Path:
    box.start_ovs()
    box.run("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure")
    return box.path("/run/openvswitch/br0.mgmt")


def test_a_change_brings_the_meters(bridge: Path) -> None:
    """Whether they are there, are otherwise, or are not; with a bundle or without one."""
    with LocalSwitch(bridge) as switch:
        wanted = {meter.FIRST + port: observe.PUNT_RATE for port in (1, 2)} | {meter.CONTROLLER: observe.ALL_RATE}
        for round in range(3):
            done = switch.change(steps(1, 2) if round == 0 else steps(2, 1))
            assert done.ok, done.errors
            assert {each.item.number: each.item.rate for each in switch.limits()} == wanted
            assert len([each for each in switch.flows() if each.ours]) == 6
            if round == 0:
                other = meter.Meter("br0", meter.FIRST + 1, 77, 5)
                switch.limit(Plan((Step("change", "", other, other),)))
            else:
                gone = meter.Meter("br0", meter.FIRST + 2, 10, 40)
                switch.limit(Plan((Step("remove", "", gone),)))
                assert len([each for each in switch.flows() if each.ours]) == 5
        switch._exchange.bundles = False
        done = switch.change(steps(1, 2))
        assert done.ok, done.errors
        assert {each.item.number: each.item.rate for each in switch.limits()} == wanted


def test_a_refill_brings_the_meters(bridge: Path) -> None:
    with EmptySwitch(bridge) as switch:
        for _ in range(2):
            switch.refill(pack(steps(1, 2)))
            assert switch.count() == (6, 6)
            assert len(switch.limits()) == 3
