"""Events in, commands out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from netctl.controller import switch
from netctl.controller.commands import ApplyFlows, ApplyRows, Log, ReadFlows, Unwatch, Wake, Watch
from netctl.controller.events import (
    FlowsUnread,
    HostLost,
    HostSeen,
    PortSeen,
    SwitchDown,
    SwitchUp,
)
from netctl.desired.flow import Flow, Match, Output
from netctl.desired.row import ISOLATED, Bridge, Port
from netctl.plan import Found
from tests.controller.world import TARGET, World

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, ports: [a, b, c, d]}
wires:
  - [a, b]
"""
TWO = POLICY + "  - {name: second, ends: [c, d]}\n"
LEARNING = POLICY.replace("datapath: netdev", "datapath: netdev, unpatched: normal")


@pytest.fixture
def world() -> World:
    return World()


def kinds(commands: Sequence[object]) -> list[str]:
    return [type(command).__name__ for command in commands if not isinstance(command, Log | Wake)]


def test_a_policy_becomes_a_wire(world: World) -> None:
    said = world.policy(POLICY)
    assert kinds(said) == ["Watch", "ApplyRows", "ReadFlows", "ApplyFlows", "ReadFlows"]
    assert world.wired() == {("a", "b"), ("b", "a")}
    seen = world.snapshot()
    assert seen.converged
    assert [(wire.name, wire.state) for wire in seen.wires] == [("a--b", "up")]
    assert seen.wires[0].said == "lab.yaml:8:5"


def test_the_second_look_finds_nothing_to_do(world: World) -> None:
    world.policy(POLICY)
    sent = world.snapshot().flow_changes
    assert kinds(world.tick()) == []
    assert kinds(world.policy(POLICY + "# a comment\n")) == []
    assert world.snapshot().flow_changes == sent == 3


def test_one_more_wire_leaves_the_others_alone(world: World) -> None:
    world.policy(POLICY)
    said = world.policy(TWO)
    changes = [step for command in said if isinstance(command, ApplyFlows) for step in command.plan.steps]
    assert [step.verb for step in changes] == ["add", "add"]
    assert all("second" in step.why for step in changes)
    assert world.wired() == {("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")}


def test_a_removed_wire_goes(world: World) -> None:
    world.policy(TWO)
    world.policy(POLICY)
    assert world.wired() == {("a", "b"), ("b", "a")}


def test_a_bad_policy_is_refused_and_the_old_one_stays(world: World) -> None:
    world.policy(POLICY)
    said = world.policy(POLICY.replace("[a, b]", "[a, nowhere]"))
    assert kinds(said) == []
    assert any(isinstance(c, Log) and c.level == "error" and "lab.yaml:" in c.text for c in said)
    seen = world.snapshot()
    assert seen.policy.refused[0].at == "lab.yaml:8:9"
    assert not seen.converged
    assert [wire.name for wire in seen.wires] == ["a--b"]
    assert world.wired() == {("a", "b"), ("b", "a")}
    world.policy(POLICY)
    assert world.snapshot().converged


def test_nothing_happens_before_the_first_good_policy(world: World) -> None:
    assert kinds(world.policy("version: 2")) == []
    assert kinds(world.play([SwitchUp(7, ())])) == []
    assert not world.snapshot().converged


def test_a_controller_that_comes_back_changes_no_flow(world: World) -> None:
    world.policy(TWO)
    again = World(rows=world.rows, flows=world.flows, numbers=world.numbers)
    said = again.policy(TWO)
    dpid = again.dpid("ovbr0")
    said += again.play([SwitchUp(dpid, again.ports("ovbr0"))])
    assert kinds(said) == ["Watch", "ReadFlows"]
    assert again.snapshot().flow_changes == 0
    assert again.snapshot().converged


def test_a_wire_waits_for_a_device_that_is_missing(world: World) -> None:
    world.missing.add("b")
    world.policy(TWO)
    seen = world.snapshot()
    assert {wire.name: wire.state for wire in seen.wires} == {"a--b": "waiting", "second": "up"}
    assert "could not open b" in seen.wires[0].why
    world.appear("b")
    assert world.snapshot().wires[0].state == "up"


def test_a_wire_without_carrier_is_down_and_its_flows_stay(world: World) -> None:
    world.policy(POLICY)
    assert kinds(world.carrier("a", False)) == ["SetPorts"]
    seen = world.snapshot()
    assert (seen.wires[0].state, seen.wires[0].why) == ("down", "a has no carrier, so b was taken down")
    assert seen.converged


def test_a_flow_that_somebody_deletes_comes_back(world: World) -> None:
    world.policy(POLICY)
    world.flows[world.dpid("ovbr0")].clear()
    assert "ApplyFlows" not in kinds(world.tick(1))
    assert "ApplyFlows" in kinds(world.tick(10))
    assert world.wired() == {("a", "b"), ("b", "a")}


def test_a_foreign_flow_is_left_alone(world: World) -> None:
    world.policy(POLICY)
    table = world.flows[world.dpid("ovbr0")]
    theirs = Flow("ovbr0", 7, Match(in_port=1), (Output(2),), cookie=5)
    table[theirs.key] = Found(theirs, ours=False)
    world.tick(10)
    assert world.snapshot().converged
    assert theirs.key in table


def test_a_foreign_flow_in_the_way_is_a_collision(world: World) -> None:
    world.policy(POLICY.replace("  - [a, b]\n", "[]\n").replace("wires:\n[]", "wires: []"))
    table = world.flows[world.dpid("ovbr0")]
    theirs = Flow("ovbr0", 100, Match(in_port=1), (Output(9),), cookie=5)
    table[theirs.key] = Found(theirs, ours=False)
    world.tick(10)
    world.policy(POLICY)
    seen = world.snapshot()
    assert "netctl did not make it" in seen.bridges[0].problems[0].message
    assert table[theirs.key].item == theirs


def test_a_foreign_bridge_is_a_collision_and_nothing_is_put_on_it(world: World) -> None:
    theirs = Bridge("ovbr0", "netdev", TARGET)
    world.rows[theirs.key] = Found(theirs, ours=False)
    said = world.policy(POLICY)
    said += world.play([SwitchUp(world.dpid("ovbr0"), ())])
    assert kinds(said) == ["Watch"]
    assert "netctl did not make it" in world.snapshot().hosts[0].problems[0].message


def test_a_port_that_somebody_else_put_on_our_bridge_is_wired_as_it_is(world: World) -> None:
    world.policy("version: 1\nhosts: {hv1: {bridges: {ovbr0: {datapath: netdev}}}}")
    theirs = Port("ovbr0", "a", tag=7)
    world.rows[theirs.key] = Found(theirs, ours=False)
    world.numbers["a"] = 1
    world.play([PortSeen(world.dpid("ovbr0"), world.ports("ovbr0")[0]), HostSeen("hv1", world.observed(), TARGET)])
    world.policy(POLICY)
    assert world.snapshot().converged
    assert world.rows[theirs.key] == Found(theirs, ours=False)
    assert world.wired() == {("a", "b"), ("b", "a")}


def test_somebody_elses_port_that_would_have_to_be_isolated_is_a_collision(world: World) -> None:
    theirs = Port("ovbr0", "a", tag=7)
    world.rows[theirs.key] = Found(theirs, ours=False)
    world.numbers["a"] = 1
    world.policy(LEARNING)
    assert "tag 7 -> 4095" in world.snapshot().hosts[0].problems[0].message
    assert world.wired() == set()


def test_a_refused_transaction_is_reported_and_tried_ever_more_slowly(world: World) -> None:
    world.refuse_rows = "constraint violation: no such thing"
    tries = [1 for c in world.policy(POLICY) if isinstance(c, ApplyRows)]
    assert "constraint" in world.snapshot().hosts[0].problems[0].message
    tries += [1 for _ in range(8) for c in world.tick(1) if isinstance(c, ApplyRows)]
    assert len(tries) == 4
    world.refuse_rows = ""
    for _ in range(10):
        world.tick(1)
    assert world.snapshot().converged


def test_a_refused_bundle_is_reported_and_tried_again(world: World) -> None:
    world.refuse_flows = ("lab.yaml:8:5 wire a--b: bad out port",)
    world.policy(POLICY)
    assert "bad out port" in world.snapshot().bridges[0].problems[0].message
    world.refuse_flows = ()
    for _ in range(3):
        world.tick(1)
    assert world.snapshot().converged


def test_a_switch_that_takes_a_change_and_does_not_show_it_is_found_out(world: World) -> None:
    world.forgetful = True
    said = world.policy(POLICY)
    assert sum(isinstance(command, ApplyFlows) for command in said) == 1
    assert "does not show it" in world.snapshot().bridges[0].problems[0].message
    assert not world.snapshot().converged


def test_flows_that_cannot_be_read_are_reported(world: World) -> None:
    world.policy(POLICY)
    world.brain.handle([FlowsUnread(world.dpid("ovbr0"), "no answer within 5 s")])
    assert "no answer" in world.snapshot().bridges[0].problems[0].message
    assert "ReadFlows" in kinds(world.tick(20))
    assert world.snapshot().converged


def crowded(monkeypatch: pytest.MonkeyPatch) -> World:
    """A switch with forty wires, of whose flows six may be read at once."""
    monkeypatch.setattr(switch, "CHECKED_FLOWS", 6)
    world = World()
    names = ", ".join([*(f"p{number}" for number in range(80)), "e", "f"])
    wires = "".join(f"  - [p{number}, p{number + 1}]\n" for number in range(0, 80, 2))
    world.policy(POLICY.replace("a, b, c, d", names).replace("  - [a, b]\n", wires))
    assert world.snapshot().converged
    return world


def looks(world: World, seconds: float) -> list[ReadFlows]:
    """What of the flows is read in so many seconds."""
    said = [command for _ in range(round(seconds)) for command in world.tick()]
    return [command for command in said if isinstance(command, ReadFlows)]


def test_many_flows_are_checked_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = crowded(monkeypatch)
    flows = [found.item.cookie for found in world.flows[world.dpid("ovbr0")].values()]
    seen = looks(world, 40)
    assert len({look.mask for look in seen}) == 1
    sizes = [sum(cookie & look.mask in look.cookies for cookie in flows) for look in seen]
    assert max(sizes) < 20
    round_of_looks = len({look.cookies for look in seen})
    assert sum(sizes[:round_of_looks]) == len(flows) == 81
    sent = world.snapshot().flow_changes
    assert len(looks(world, 40)) >= 10
    assert world.snapshot().flow_changes == sent


def test_a_change_is_verified_by_what_it_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless that is a good part of all."""
    world = crowded(monkeypatch)
    monkeypatch.setattr(switch, "VERIFIED_STEPS", 1)
    monkeypatch.setattr(switch, "VERIFIED_SHARE", 10)

    def verified(*vlans: int) -> list[ReadFlows]:
        world.heard.clear()
        ends = "[{{port: e, vlan: {0}}}, {{port: f, vlan: {0}}}]"
        world.patch(*(f"{{name: t{vlan}, ends: {ends.format(vlan)}}}" for vlan in vlans))
        return [command for command in world.heard if isinstance(command, ReadFlows)]

    (few,) = verified(1, 2, 3, 4)
    assert len(few.cookies) == 4
    many = verified(*range(10, 20))
    assert sorted(look.cookies[0] for look in many) == list(range(many[0].mask + 1)), "every part once"
    assert world.snapshot().converged


def test_a_large_change_that_the_switch_does_not_show_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = crowded(monkeypatch)
    world.forgetful = True
    ends = "[{{port: e, vlan: {0}}}, {{port: f, vlan: {0}}}]"
    world.patch(*(f"{{name: t{vlan}, ends: {ends.format(vlan)}}}" for vlan in range(1, 20)))
    said = [problem.message for problem in world.snapshot().bridges[0].problems]
    assert len([text for text in said if "does not show it" in text]) == 38
    assert not world.snapshot().converged
    world.forgetful = False
    for _ in range(5):
        world.tick()
    assert world.snapshot().converged
    assert world.snapshot().bridges[0].problems == ()


def test_a_part_that_is_not_as_it_was_makes_all_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = crowded(monkeypatch)
    table = world.flows[world.dpid("ovbr0")]
    before = dict(table)
    del table[next(key for key, found in table.items() if found.item.match.in_port == world.numbers["p40"])]
    assert any(not look.cookies for look in looks(world, 40))
    assert table == before
    assert world.snapshot().converged


def test_what_somebody_puts_in_the_place_of_a_wire_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    world = crowded(monkeypatch)
    table = world.flows[world.dpid("ovbr0")]
    key = next(key for key, found in table.items() if found.item.match.in_port == world.numbers["p40"])
    ours = table[key].item
    for cookie in range(32):
        table[key] = Found(ours._replace(cookie=cookie, actions=()), ours=False)
        looks(world, 40)
        assert table[key].item.cookie == cookie
        (problem,) = world.snapshot().bridges[0].problems
        assert f"in_port={world.numbers['p40']}" in problem.message
        del table[key]
        looks(world, 40)
        assert table[key] == Found(ours)
        assert world.snapshot().converged


def test_that_there_is_nothing_left_to_do_is_said_once(world: World) -> None:
    said = [*world.policy(TWO), *(command for _ in range(20) for command in world.tick())]
    logs = [each.text for each in said if isinstance(each, Log)]
    assert [text for text in logs if "nothing left" in text] == ["bridge ovbr0 on hv1: 5 flows, nothing left to do"]


def test_a_lost_database_is_said_once(world: World) -> None:
    world.policy(POLICY)
    lost = HostLost("hv1", "Open vSwitch is not running; start it")
    logs = [world.play([lost]), world.play([lost])]
    assert [len(each) for each in logs] == [1, 0]
    seen = world.snapshot()
    assert not seen.converged
    assert seen.hosts[0].problems[0].message.endswith("start it")
    world.play([HostSeen("hv1", world.observed(), TARGET)])
    assert world.snapshot().converged


def test_a_lost_switch_leaves_its_wires_waiting(world: World) -> None:
    world.policy(POLICY)
    world.play([SwitchDown(world.dpid("ovbr0"))])
    assert "not connected" in world.snapshot().wires[0].why


def test_a_host_that_the_policy_drops_is_cleaned_and_let_go(world: World) -> None:
    world.policy(POLICY)
    said = world.policy("version: 1\nhosts: {}\n")
    assert "Unwatch" in kinds(said)
    assert not world.rows


def test_another_database_address_is_another_connection(world: World) -> None:
    world.policy(POLICY)
    said = world.policy(POLICY.replace("    bridges", "    ovsdb: tcp:127.0.0.1:6640\n    bridges"))
    assert Unwatch("hv1") in said
    assert Watch("hv1", "tcp:127.0.0.1:6640") in said


def test_on_a_learning_bridge_a_port_is_isolated_before_it_is_wired(world: World) -> None:
    said = [c for c in world.policy(LEARNING) if isinstance(c, ApplyRows | ApplyFlows | ReadFlows)]
    assert isinstance(said[0], ApplyRows)
    tags = {f.item.name: f.item.tag for f in world.rows.values() if isinstance(f.item, Port)}
    assert tags == {"a": ISOLATED, "b": ISOLATED, "c": None, "d": None}
    said = [c for c in world.policy(LEARNING + "  - [c, d]\n") if isinstance(c, ApplyRows | ApplyFlows)]
    assert [type(command) for command in said] == [ApplyRows, ApplyFlows]


def test_on_a_learning_bridge_a_port_is_freed_after_its_wire_is_gone(world: World) -> None:
    world.policy(LEARNING)
    said = [
        command
        for command in world.policy(LEARNING.replace("wires:\n  - [a, b]", "wires: []"))
        if isinstance(command, ApplyRows | ApplyFlows)
    ]
    assert [type(command) for command in said] == [ApplyFlows, ApplyRows]
    assert {f.item.tag for f in world.rows.values() if isinstance(f.item, Port)} == {None}


def test_an_unknown_switch_is_shown_and_not_touched(world: World) -> None:
    world.policy(POLICY)
    assert kinds(world.play([SwitchUp(0xABC, ())])) == []
    assert 0xABC in [switch.dpid for switch in world.snapshot().switches]


VLANS = POLICY.replace("  - [a, b]", "  - {name: one, ends: [{port: a, vlan: 1}, {port: b, vlan: 2}]}\n"
                       "  - {name: two, ends: [{port: a, vlan: 2}, c]}")  # fmt: skip
TAPPED = LEARNING + "taps:\n  - {of: a--b, to: c}\n"


def test_several_wires_of_a_port_each_have_their_state(world: World) -> None:
    world.missing.add("c")
    world.policy(VLANS)
    seen = world.snapshot()
    assert [(wire.name, wire.state) for wire in seen.wires] == [("one", "up"), ("two", "waiting")]
    assert [end.vlan for wire in seen.wires for end in wire.ends] == [1, 2, 2, None]
    assert {port.name: port.wire for port in seen.ports} == {"a": "one, two", "b": "one", "c": "two", "d": None}
    world.appear("c")
    assert [wire.state for wire in world.snapshot().wires] == ["up", "up"]
    assert world.snapshot().converged


def test_a_wire_does_not_wait_for_its_monitor(world: World) -> None:
    world.missing.add("c")
    world.policy(POLICY + "taps:\n  - {of: a--b, to: c}\n")
    assert world.wired() == {("a", "b"), ("b", "a")}
    seen = world.snapshot()
    assert [wire.state for wire in seen.wires] == ["up"]
    assert seen.bridges[0].pending == ("+ tap ovbr0/a--b  (waits for port c; lab.yaml:8:5 wire a--b)",)
    assert not seen.converged
    world.appear("c")
    assert world.wired() == {("a", "b"), ("b", "a"), ("a", "c"), ("b", "c")}
    assert [wire.state for wire in world.snapshot().wires] == ["up"]
    assert world.snapshot().converged


def test_on_a_learning_bridge_a_monitor_is_isolated_before_its_copies_and_freed_after_them(world: World) -> None:
    world.policy(LEARNING)
    said = [type(c) for c in world.policy(TAPPED) if isinstance(c, ApplyRows | ApplyFlows)]
    assert said[0] is ApplyRows
    tags = {f.item.name: f.item.tag for f in world.rows.values() if isinstance(f.item, Port)}
    assert tags == {"a": ISOLATED, "b": ISOLATED, "c": ISOLATED, "d": None}
    assert world.wired() == {("a", "b"), ("b", "a"), ("a", "c"), ("b", "c")}
    said = [type(c) for c in world.policy(LEARNING) if isinstance(c, ApplyRows | ApplyFlows)]
    assert said == [ApplyFlows, ApplyRows]
    tags = {f.item.name: f.item.tag for f in world.rows.values() if isinstance(f.item, Port)}
    assert tags == {"a": ISOLATED, "b": ISOLATED, "c": None, "d": None}
    assert world.snapshot().converged
