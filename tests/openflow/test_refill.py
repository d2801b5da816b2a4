"""An empty bridge filled again, on real Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from netctl.desired.flow import COOKIE, Flow, Match, Output
from netctl.openflow import aggregate
from netctl.openflow.frame import DecodeError
from netctl.openflow.refill import EmptySwitch, pack
from netctl.plan import Wanted, delta
from tests.e2e.box import Box

WIRES = [
    *(Flow("br0", 100, Match(1, vlan), (Output(2),), COOKIE | vlan) for vlan in range(1, 1500)),
    Flow("br0", 0, Match()),
]


@pytest.fixture(scope="module")
def ovs(module_box: Box) -> Box:
    module_box.start_ovs()
    return module_box


@pytest.fixture
def bridge(ovs: Box) -> Iterator[Path]:
    ovs.run("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure")
    yield ovs.path("/run/openvswitch/br0.mgmt")
    ovs.run("ovs-vsctl del-br br0")


@pytest.mark.e2e
def test_it_has_what_was_packed(bridge: Path, ovs: Box) -> None:
    plan = delta([Wanted(flow, "the test") for flow in WIRES], [])
    packed = pack(plan)
    assert packed.count == len(WIRES)
    ovs.run("ovs-ofctl add-flow br0 cookie=5,priority=7,in_port=9,actions=drop")
    with EmptySwitch(bridge) as switch:
        assert switch.count() == (1, 0)
        assert switch.refill(packed) == ""
        assert switch.count() == (1 + len(WIRES), len(WIRES))
        assert not delta(plan_wanted := [Wanted(flow, "the test") for flow in WIRES], switch.flows())
    with EmptySwitch(bridge) as switch:
        assert switch.refill(packed) == ""
        assert not delta(plan_wanted, switch.flows()), "twice is once"


@pytest.mark.e2e
def test_all_or_nothing(bridge: Path) -> None:
    wrong = Flow("br0", 100, Match(3), (Output(70000),), COOKIE | 3)
    plan = delta([Wanted(flow, "the test") for flow in (*WIRES, wrong, wrong._replace(match=Match(4)))], [])
    with EmptySwitch(bridge) as switch:
        assert switch.refill(pack(plan)) == "bad action: bad output port"
        assert switch.count() == (0, 0)
        changed = switch.change(plan)
        assert len(changed.errors) == 2, "a plan names what is refused"
        assert switch.refill(pack(delta([Wanted(flow, "the test") for flow in WIRES], []))) == ""
        assert switch.count() == (len(WIRES), len(WIRES))


def test_what_is_no_aggregate() -> None:
    with pytest.raises(DecodeError):
        aggregate.reply(bytes.fromhex("04130010800000010002000000000000"))
    with pytest.raises(DecodeError):
        aggregate.reply(bytes.fromhex("04130010800000010001000000000000"))
