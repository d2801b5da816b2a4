"""The flows of a bridge from its policy, and what of them is still to be done."""

from __future__ import annotations

import pytest

from netctl.controller.planning import Panel
from netctl.controller.table import Table
from netctl.desired.flow import (
    COOKIE,
    COOKIE_MASK,
    IN_PORT,
    NORMAL,
    WHOLE_COOKIE,
    Clone,
    Flow,
    Match,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
)
from netctl.desired.flows import cookie_of
from netctl.plan import Found
from netctl.policy import Loaded, loads

LAB = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {ports: [a, b, c, d]}
      brs: {unpatched: normal}
wires:
  - [a, b]
  - {name: second, ends: [c, d]}
"""


@pytest.fixture
def lab() -> Loaded:
    loaded = loads(LAB, "lab.yaml")
    assert not loaded.problems
    return loaded


def table(loaded: Loaded, bridge: str = "ovbr0", **numbers: int) -> Table:
    """An empty switch."""
    made = Table(Panel(loaded), "hv1", bridge)
    made.use(numbers)
    made.read([])
    return made


def flows(loaded: Loaded, bridge: str = "ovbr0", **numbers: int) -> set[Flow]:
    return {step.item for step in table(loaded, bridge, **numbers).plan().steps}


def test_a_wire_is_two_flows_that_look_at_the_port_only(lab: Loaded) -> None:
    cookie = cookie_of("a--b")
    assert flows(lab, a=3, b=7) == {
        Flow("ovbr0", 100, Match(in_port=3), (Output(7),), cookie),
        Flow("ovbr0", 100, Match(in_port=7), (Output(3),), cookie),
        Flow("ovbr0", 0, Match()),
    }
    assert cookie & COOKIE_MASK == COOKIE


def test_half_a_cable_is_none(lab: Loaded) -> None:
    assert [flow.priority for flow in flows(lab, a=3)] == [0]


def test_the_rest_of_a_learning_bridge(lab: Loaded) -> None:
    assert flows(lab, "brs") == {
        Flow("brs", 1, Match(vlan=4095)),
        Flow("brs", 0, Match(), (Output(NORMAL),)),
    }


VLANS = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {ports: [a, b, c, mon, mon2], unpatched: UNPATCHED}
wires:
  - {name: w, ends: WIRED}
taps: TAPS
"""
NUMBERS = {"a": 1, "b": 2, "c": 3, "mon": 8, "mon2": 9}


def wire_flows(ends: str, taps: str = "[]", unpatched: str = "drop", **numbers: int) -> set[Flow]:
    """The flows of the policy above, those at the bottom of the table aside."""
    loaded = loads(VLANS.replace("UNPATCHED", unpatched).replace("WIRED", ends).replace("TAPS", taps), "x")
    assert not loaded.problems
    wanted = flows(loaded, **numbers or NUMBERS)
    assert all(flow.cookie == (cookie_of("w") if flow.priority == 100 else COOKIE) for flow in wanted)
    return {Flow("ovbr0", flow.priority, flow.match, flow.actions) for flow in wanted if flow.priority > 1}


def test_between_two_vlans_the_tag_is_rewritten() -> None:
    assert wire_flows("[{port: a, vlan: 100}, {port: b, vlan: 200}]") == {
        Flow("ovbr0", 100, Match(1, 100), (SetVlan(200), Output(2))),
        Flow("ovbr0", 100, Match(2, 200), (SetVlan(100), Output(1))),
    }


def test_between_the_same_vlan_nothing_is_rewritten() -> None:
    assert wire_flows("[{port: a, vlan: 100}, {port: b, vlan: 100}]") == {
        Flow("ovbr0", 100, Match(1, 100), (Output(2),)),
        Flow("ovbr0", 100, Match(2, 100), (Output(1),)),
    }


def test_between_a_vlan_and_a_whole_port_the_tag_comes_off_and_on() -> None:
    assert wire_flows("[{port: a, vlan: 100}, b]") == {
        Flow("ovbr0", 100, Match(1, 100), (PopVlan(), Output(2))),
        Flow("ovbr0", 100, Match(2), (PushVlan(), SetVlan(100), Output(1))),
    }


def test_two_vlans_of_one_port_go_back_out_of_it() -> None:
    """OpenFlow 1.3.5, 4.5: a plain output to the port a frame came in by does nothing."""
    assert wire_flows("[{port: a, vlan: 100}, {port: a, vlan: 200}]") == {
        Flow("ovbr0", 100, Match(1, 100), (SetVlan(200), Output(IN_PORT))),
        Flow("ovbr0", 100, Match(1, 200), (SetVlan(100), Output(IN_PORT))),
    }


def test_a_tap_comes_after_the_wire_and_gets_what_came_in() -> None:
    taps = "[{of: w, to: mon2}, {of: w, to: mon}]"
    assert wire_flows("[a, b]", taps) == {
        Flow("ovbr0", 100, Match(1), (Output(2), Output(9), Output(8))),
        Flow("ovbr0", 100, Match(2), (Output(1), Output(9), Output(8))),
    }
    assert wire_flows("[{port: a, vlan: 100}, b]", taps) == {
        Flow("ovbr0", 100, Match(1, 100), (Clone((PopVlan(), Output(2))), Output(9), Output(8))),
        Flow("ovbr0", 100, Match(2), (Clone((PushVlan(), SetVlan(100), Output(1))), Output(9), Output(8))),
    }


def test_a_monitor_port_that_is_missing_keeps_nobody_waiting() -> None:
    assert wire_flows("[a, b]", "[{of: w, to: mon}, {of: w, to: mon2}]", a=1, b=2, mon2=9) == {
        Flow("ovbr0", 100, Match(1), (Output(2), Output(9))),
        Flow("ovbr0", 100, Match(2), (Output(1), Output(9))),
    }


def test_on_a_learning_bridge_nothing_else_of_a_wired_port_or_a_monitor_passes() -> None:
    got = wire_flows("[{port: a, vlan: 100}, b]", "[{of: w, to: mon}]", "normal")
    assert {flow for flow in got if flow.priority < 100} == {
        Flow("ovbr0", 50, Match(1)),
        Flow("ovbr0", 50, Match(8)),
    }


def test_a_cookie_tells_the_wire(lab: Loaded) -> None:
    assert {flow.cookie for flow in flows(lab, a=1, b=2, c=3, d=4)} == {COOKIE, cookie_of("a--b"), cookie_of("second")}


def test_what_is_there_is_not_made_again(lab: Loaded) -> None:
    whole = flows(lab, a=1, b=2, c=3, d=4)
    again = table(lab, a=1, b=2, c=3, d=4)
    again.read(map(Found, whole))
    assert not again.plan()
    assert again.installed(cookie_of("a--b"))


def test_a_port_that_moves_takes_its_wire_along_and_no_other(lab: Loaded) -> None:
    there = table(lab, a=1, b=2, c=3, d=4)
    there.done(there.plan().steps)
    assert not there.plan()
    there.use({"a": 1, "b": 9, "c": 3, "d": 4})
    assert not there.installed(cookie_of("a--b"))
    steps = there.plan().steps
    assert {(step.verb, step.item.match.in_port) for step in steps} == {("change", 1), ("remove", 2), ("add", 9)}
    there.done(steps)
    assert not there.plan()
    assert there.installed(cookie_of("a--b"))


def test_a_port_that_goes_takes_its_wire_along(lab: Loaded) -> None:
    there = table(lab, a=1, b=2, c=3, d=4)
    there.done(there.plan().steps)
    there.use({"a": 1, "c": 3, "d": 4})
    steps = there.plan().steps
    assert [step.verb for step in steps] == ["remove", "remove"]
    assert steps[0].why == "wire a--b has no port b; lab.yaml:9:5"


def test_ports_that_swap_their_numbers(lab: Loaded) -> None:
    there = table(lab, a=1, b=2, c=3, d=4)
    there.done(there.plan().steps)
    there.use({"a": 3, "b": 2, "c": 1, "d": 4})
    there.done(there.plan().steps)
    assert not there.plan()
    assert set(there.flows()) == flows(lab, a=3, b=2, c=1, d=4)


def test_what_somebody_else_has_in_its_place_is_a_collision(lab: Loaded) -> None:
    there = table(lab, a=1, b=2)
    there.read([Found(Flow("ovbr0", 100, Match(1), (), cookie=7), ours=False)])
    plan = there.plan()
    assert [collision.key[2] for collision in plan.collisions] == ["table=0,priority=100,in_port=1"]
    assert {step.item.match.in_port for step in plan.steps} == {2, None}


def test_what_is_known_is_held_against_the_switch_part_by_part(lab: Loaded) -> None:
    there = table(lab, a=1, b=2, c=3, d=4)
    there.done(there.plan().steps)
    assert there.count() == 5
    found = [Found(flow) for flow in there.flows()]
    for mask in (0, 1, 7, 0xFFFF):
        seen = 0
        for part in {each.item.cookie & mask for each in found} | {0}:
            those = [each for each in found if each.item.cookie & mask == part]
            assert there.check(those, [part], mask)
            assert all(not there.check(those[:n] + those[n + 1 :], [part], mask) for n in range(len(those)))
            seen += len(those)
        assert seen == len(found)


def test_one_wire_is_held_against_the_switch(lab: Loaded) -> None:
    there = table(lab, a=1, b=2, c=3, d=4)
    there.done(there.plan().steps)
    cookie = cookie_of("second")
    found = [Found(flow) for flow in there.flows() if flow.cookie == cookie]
    assert there.check(found, [cookie], WHOLE_COOKIE)
    assert not there.check([], [cookie], WHOLE_COOKIE)
    assert not there.check([], [COOKIE], WHOLE_COOKIE)
    other = Flow("ovbr0", 100, Match(3), (Output(1),), cookie)
    assert not there.check([Found(other), *found[1:]], [cookie], WHOLE_COOKIE)
    assert not there.check([Found(other), *found], [cookie], WHOLE_COOKIE)
    assert there.check([], [cookie_of("no wire")], WHOLE_COOKIE)


def test_what_others_have_is_taken_note_of_part_by_part(lab: Loaded) -> None:
    there = table(lab, a=1, b=2)
    even, odd = (Flow("ovbr0", 100, Match(port), (), cookie) for port, cookie in ((3, 6), (4, 7)))
    there.read([Found(even, ours=False), Found(odd, ours=False)])
    assert there.check([], [0], 1)
    assert list(there.others.values()) == [odd]
    assert there.check([Found(even, ours=False)], [0], 1)
    assert set(there.others.values()) == {even, odd}
