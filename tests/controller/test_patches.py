"""Patching at run time: what is asked for, what is saved, what the switch gets, what is answered."""

from __future__ import annotations

import pytest

from netctl.controller.commands import ApplyFlows, ApplyRows, Log, ReadFlows
from netctl.controller.events import PatchAsked, SwitchDown
from netctl.controller.patching import Change, Outcome
from netctl.desired.flow import Flow, Match
from netctl.plan import Found
from tests.controller.world import World

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, ports: [a, b, c, d, e, f]}
wires:
  - [a, b]
"""
LEARNING = POLICY.replace("netdev,", "netdev, unpatched: normal,")
BOTH = {("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")}
SECOND = "{name: second, ends: [c, d]}"


@pytest.fixture
def world() -> World:
    world = World()
    world.policy(POLICY)
    return world


def test_a_wire_is_put_in_and_saved(world: World) -> None:
    outcome = world.patch(SECOND)
    assert outcome is not None
    assert (outcome.result, outcome.saved) == ("done", "flows/patched.yaml")
    assert [step.partition("  (")[0] for step in outcome.steps] == [
        "+ flow ovbr0/table=0,priority=100,in_port=3",
        "+ flow ovbr0/table=0,priority=100,in_port=4",
    ]
    assert world.wired() == BOTH
    assert list(world.saved.wires) == ["second"]
    seen = world.snapshot()
    assert seen.converged
    assert {wire.name: wire.state for wire in seen.wires} == {"a--b": "up", "second": "up"}
    assert seen.policy.digest.startswith("digest of")


def test_one_wire_is_all_that_is_sent_and_read_again(world: World) -> None:
    world.heard.clear()
    world.patch(SECOND)
    (change,) = [command for command in world.heard if isinstance(command, ApplyFlows)]
    assert {step.item.match.in_port for step in change.plan.steps} == {3, 4}
    (read,) = [command for command in world.heard if isinstance(command, ReadFlows)]
    assert read.cookies == (change.plan.steps[0].item.cookie,)
    assert not [command for command in world.heard if isinstance(command, ApplyRows)]


def test_a_wire_is_taken_out_and_stays_out(world: World) -> None:
    outcome = world.patch(remove=("a--b",))
    assert outcome is not None
    assert outcome.result == "done"
    assert world.wired() == set()
    assert world.saved.unwire == {"a--b"}


def test_a_wire_is_replaced_in_one_change(world: World) -> None:
    world.heard.clear()
    outcome = world.patch("{name: a--b, ends: [a, c]}")
    assert outcome is not None
    assert outcome.result == "done"
    assert world.wired() == {("a", "c"), ("c", "a")}
    assert len([command for command in world.heard if isinstance(command, ApplyFlows)]) == 1


def test_what_is_so_already_changes_nothing(world: World) -> None:
    world.heard.clear()
    assert world.patch("[a, b]") == Outcome("unchanged")
    assert [type(command).__name__ for command in world.heard] == ["Answer"]
    assert not world.saved


def test_a_dry_run_touches_nothing(world: World) -> None:
    before = world.flows[world.dpid("ovbr0")].copy()
    outcome = world.patch(SECOND, remove=("a--b",), dry_run=True)
    assert outcome is not None
    assert outcome.result == "planned"
    assert sorted(step[0] for step in outcome.steps) == ["+", "+", "-", "-"]
    assert world.flows[world.dpid("ovbr0")] == before
    assert not world.saved
    assert [wire.name for wire in world.snapshot().wires] == ["a--b"]
    assert world.patch(SECOND, remove=("a--b",), dry_run=True) == outcome


@pytest.mark.parametrize(
    ("put", "remove", "result", "said"),
    [
        (("[a, c]",), (), "invalid", "hv1/ovbr0/a is on a wire already: a--b at lab.yaml:8:6"),
        (("[c, nowhere]",), (), "invalid", "no port is called 'nowhere'"),
        ((SECOND, "{name: third, ends: [d, e]}"), (), "invalid", "hv1/ovbr0/d is on a wire already: second"),
        ((), ("a--c",), "missing", "did you mean 'a--b'"),
        ((SECOND,), ("a--c",), "missing", "a--c"),
    ],
)
def test_what_is_wrong_changes_nothing(
    world: World, put: tuple[str, ...], remove: tuple[str, ...], result: str, said: str
) -> None:
    world.heard.clear()
    outcome = world.patch(*put, remove=remove)
    assert outcome is not None
    assert outcome.result == result
    assert said in outcome.problems[0]
    assert [type(command).__name__ for command in world.heard] == ["Answer"]
    assert world.wired() == {("a", "b"), ("b", "a")}


def test_what_cannot_be_saved_is_not_done(world: World) -> None:
    world.refuse_save = "flows/patched.yaml: no space left on device"
    world.heard.clear()
    assert world.patch(SECOND) == Outcome("unsaved", (world.refuse_save,))
    assert not [command for command in world.heard if isinstance(command, ApplyFlows)]
    assert [wire.name for wire in world.snapshot().wires] == ["a--b"]
    world.refuse_save = ""
    outcome = world.patch(SECOND)
    assert outcome is not None
    assert outcome.result == "done"


def test_what_the_switch_refuses_is_taken_back_and_the_old_wires_work(world: World) -> None:
    world.patch(SECOND)
    world.refuse_flows = ("lab.yaml wire second: table full",)
    outcome = world.patch("{name: third, ends: [e, f]}", remove=("second",))
    assert outcome is not None
    assert (outcome.result, outcome.problems) == ("refused", world.refuse_flows)
    assert list(world.saved.wires) == ["second"]
    assert world.wired() == BOTH
    world.refuse_flows = ()
    world.tick(2)
    assert world.wired() == BOTH
    assert world.snapshot().converged
    assert {wire.name for wire in world.snapshot().wires} == {"a--b", "second"}


def test_somebody_elses_flow_in_the_way_is_named_and_the_wire_is_not_kept(world: World) -> None:
    foreign = Flow("ovbr0", 100, Match(3), (), cookie=7)
    world.flows[world.dpid("ovbr0")][foreign.key] = Found(foreign, ours=False)
    world.tick(11)
    outcome = world.patch(SECOND)
    assert outcome is not None
    assert outcome.result == "refused"
    assert "in_port=3 is there already and netctl did not make it" in outcome.problems[0]
    assert not world.saved
    world.tick(2)
    assert world.wired() == {("a", "b"), ("b", "a")}


def test_a_switch_that_is_away_gets_the_wire_when_it_comes(world: World) -> None:
    dpid = world.dpid("ovbr0")
    world.play([SwitchDown(dpid)])
    outcome = world.patch(SECOND)
    assert outcome is not None
    assert outcome.result == "pending"
    assert outcome.problems == ("bridge ovbr0 of host hv1 is not connected to this controller",)
    assert list(world.saved.wires) == ["second"]
    world.connect("ovbr0")
    assert world.wired() == BOTH


def test_a_port_that_only_the_wire_names_is_put_on_the_bridge_first(world: World) -> None:
    outcome = world.patch("[c, hv1/ovbr0/eno3]", rest=5)
    assert outcome is not None
    assert outcome.result == "done"
    assert ("c", "eno3") in world.wired()
    world.patch(remove=("c--eno3",))
    assert "eno3" not in {key[1] for key in world.rows}


def test_a_port_without_a_device_is_waited_for_a_moment(world: World) -> None:
    world.missing.add("eno3")
    outcome = world.patch("[c, hv1/ovbr0/eno3]", rest=5)
    assert outcome is not None
    assert (outcome.result, outcome.problems) == ("pending", ("bridge ovbr0 has no port eno3 yet",))
    world.appear("eno3")
    assert ("c", "eno3") in world.wired()


def test_on_a_learning_bridge_the_ports_are_isolated_first() -> None:
    world = World()
    world.policy(LEARNING)
    outcome = world.patch(SECOND, rest=5)
    assert outcome is not None
    assert outcome.result == "done"
    assert world.wired() >= BOTH
    assert {found.item.tag for key, found in world.rows.items() if key[1] in ("c", "d")} == {4095}  # type: ignore[union-attr]
    world.patch(remove=("second",))
    world.tick()
    assert {found.item.tag for key, found in world.rows.items() if key[1] in ("c", "d")} == {None}  # type: ignore[union-attr]


def test_changes_that_come_together_are_done_one_after_another(world: World) -> None:
    asked = [
        PatchAsked(number, Change((wire,)))
        for number, wire in enumerate(
            [world.wire("{name: one, ends: [c, d]}"), world.wire("{name: two, ends: [c, e]}"), world.wire("[e, f]")]
        )
    ]
    world.play(asked)
    assert [world.answers[number].result for number in range(3)] == ["done", "invalid", "done"]
    assert world.wired() == BOTH | {("e", "f"), ("f", "e")}


def test_a_change_of_many_wires_is_logged_in_short(world: World) -> None:
    ends = "[{{port: c, vlan: {0}}}, {{port: d, vlan: {0}}}]"
    world.heard.clear()
    world.patch(*(f"{{name: w{vlan}, ends: {ends.format(vlan)}}}" for vlan in range(1, 101)), remove=("a--b",))
    logs = [each.text for each in world.heard if isinstance(each, Log)]
    (patched,) = [text for text in logs if text.startswith("patched at run time: - a--b, + w1, ")]
    assert patched.endswith("and 81 more")
    assert len(logs) < 30


def test_nothing_is_patched_before_there_is_a_policy() -> None:
    outcome = World().patch(SECOND)
    assert outcome is not None
    assert outcome.result == "unready"


def test_a_new_policy_in_the_middle_keeps_what_is_patched(world: World) -> None:
    commands = world.brain.handle([PatchAsked(9, Change((world.wire(SECOND),)))])
    world.policy(POLICY + "  - [e, f]\n")
    world.play([event for command in commands for event in world.carry_out(command)])
    assert world.answers[9].result == "done"
    assert world.wired() == BOTH | {("e", "f"), ("f", "e")}
