"""Repairs that somebody else undoes: when they are given up, for how long, and when they are taken up again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netctl.agent.core import FULL_CHECK
from netctl.agent.fight import FIRST, LAST, ROUNDS, WINDOW, Fights
from netctl.agent.messages import Applied, Apply, Changed, CheckPorts, Command, HostObserved, Observe, Tick
from netctl.desired.device import Device
from netctl.desired.routing import Route, Rule
from netctl.plan import Found, Step
from tests.agent.test_core import ALL, POLICY, REST, TAP, Play

ROOMS = tuple(each for each in ALL if each.key[0] == "netns")
LOW = replace(TAP, mtu=1400)
CHANGED = Changed(frozenset({TAP.name}))


class Field(Play):
    """A host that is as the policy says, and somebody who changes it; `there` is what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.settle()
        self.now += 100
        self.there: tuple[Device, ...] = ALL
        self.applied: list[list[tuple[str, str]]] = []
        """What each Apply that came did: (verb, name)."""

    def look(self) -> None:
        """The kernel announced something: play until the agent has nothing to do any more."""
        self.follow(self.play(CHANGED, after=0.1) or self.play(Tick(), after=0.1))

    def follow(self, commands: list[Command]) -> None:
        while commands:
            command = commands.pop(0)
            if isinstance(command, Observe):
                commands += self.play(HostObserved(tuple(map(Found, self.there)), 0.001))
            elif isinstance(command, Apply):
                self.applied.append([(step.verb, step.key[-1]) for step in command.plan.steps])
                done = {step.key: step.after for step in command.plan.steps}
                left = [each for each in self.there if each.key not in done]
                self.there = (*left, *(each for each in done.values() if each is not None))
                commands += self.play(Applied(command.plan.steps))
            else:
                assert isinstance(command, CheckPorts)

    def undo(self, there: tuple[Device, ...] = (*REST, LOW)) -> int:
        """Somebody changes the host to this. How many repairs that made."""
        before = len(self.applied)
        self.there = there
        self.look()
        return len(self.applied) - before

    def wait(self) -> float:
        """Until the next repair: how many seconds that was."""
        before, start = len(self.applied), self.now
        while len(self.applied) == before:
            assert self.core.deadline is not None
            assert self.core.deadline > self.now, "it spins"
            assert self.core.deadline < start + LAST + FULL_CHECK
            self.now = self.core.deadline
            self.look()
        return self.now - start


def test_three_repairs_then_quiet() -> None:
    field = Field()
    assert [field.undo() for _ in range(6)] == [1] * ROUNDS + [0] * 3
    status = field.core.status
    assert status.repairs == ROUNDS
    assert status.repaired == {"tap": ROUNDS}
    assert not status.converged
    (fight,) = status.fights
    assert (fight.key, fight.fact, fight.theirs, fight.ours) == (("tap", "vm1-eth1"), "mtu", "1400", "1500")
    (problem,) = status.problems
    assert "mtu is set to 1400 by somebody each time that it is put to 1500 (lab.yaml:11:" in problem
    assert "nmcli device set vm1-eth1 managed no" in problem
    assert [text for text in field.said if text.startswith("error")] == [f"error: {problem}"]
    assert "info: repaired: ~ tap vm1-eth1: mtu 1400 -> 1500" in "\n".join(field.said)


def test_when_the_other_stops_one_more_repair_wins() -> None:
    field = Field()
    for _ in range(ROUNDS + 1):
        field.undo()
    assert field.wait() == pytest.approx(FIRST, abs=0.5)
    assert set(field.there) == set(ALL)
    assert field.core.status.converged
    assert field.core.status.fights == ()
    assert field.core.status.repairs == ROUNDS + 1
    field.now += WINDOW
    field.look()
    assert "info: nobody sets tap vm1-eth1: mtu back any more" in field.said
    assert [field.undo() for _ in range(4)] == [1, 1, 1, 0], "a new fight has three rounds again"


def test_it_is_tried_ever_later() -> None:
    field = Field()
    for _ in range(ROUNDS + 1):
        field.undo()
    waits = []
    for _ in range(10):
        waits.append(field.wait())
        assert field.undo() == 0
    assert waits[:4] == pytest.approx([FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST], abs=0.5)
    assert waits[-1] == pytest.approx(LAST, abs=1)
    assert len([text for text in field.said if text.startswith("error")]) == 1, "it is said once"
    assert field.core.status.fights[0].repairs == ROUNDS + 10


def test_all_else_is_repaired_at_once() -> None:
    field = Field()
    for _ in range(ROUNDS + 1):
        field.undo()
    assert field.undo((*ROOMS, LOW)) == 1
    assert ("add", "ns1-eth0") in field.applied[-1]
    assert field.undo((*REST, replace(LOW, mac="fe:00:00:00:00:99"))) == 1, "another fact of the same device"
    assert field.applied[-1] == [("change", "vm1-eth1")]


def test_a_device_that_somebody_removes_again_and_again() -> None:
    field = Field()
    assert [field.undo(REST) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert "tap vm1-eth1: somebody removes it each time that it is made" in field.core.status.problems[0]


def test_one_who_removes_it_again_and_again_and_is_heard_of_by_the_kernel() -> None:
    field = Field()
    gone = Changed(frozenset({TAP.name}), gone=frozenset({TAP.name}))
    done = []
    for _ in range(6):
        field.there = REST
        commands = field.play(gone, after=0.1)
        done.append(sum(isinstance(each, Apply) for each in commands))
        field.follow(commands)
    assert done == [1, 1, 1, 0, 0, 0]
    assert field.core.status.repairs == ROUNDS
    assert len(field.core.status.fights) == 1


def test_repairs_that_are_far_between_are_no_fight() -> None:
    field = Field()
    for _ in range(10):
        field.now += WINDOW
        assert field.undo() == 1
    assert field.core.status.fights == ()


def test_one_who_is_faster_than_the_look_back_is_told_from_a_failure_in_the_end() -> None:
    field = Field()
    field.there = (*REST, LOW)
    tries = []
    commands = field.play(CHANGED, after=0.1)
    while field.core.status.fights == ():
        if not commands:
            field.now = field.core.deadline or 0
            commands = field.play(Tick())
        command = commands.pop(0)
        if isinstance(command, Observe):
            commands += field.play(HostObserved(tuple(map(Found, field.there)), 0.001))
        elif isinstance(command, Apply):
            tries.append(field.now)
            commands += field.play(Applied(command.plan.steps))
    assert len(tries) == ROUNDS
    (problem,) = field.core.status.problems
    assert "by somebody each time" in problem


def test_a_new_policy_begins_anew() -> None:
    field = Field()
    for _ in range(ROUNDS + 1):
        field.undo()
    commands = field.policy(POLICY + "  # a remark\n")
    assert isinstance(commands[0], Observe)
    assert field.core.status.fights == ()
    assert isinstance(field.found((*REST, LOW))[0], Apply)


def test_a_repair_that_fails_in_a_fight_does_not_make_it_spin() -> None:
    field = Field()
    for _ in range(ROUNDS + 1):
        field.undo()
    looks = 0
    end = field.now + 60
    while field.now < end:
        assert field.core.deadline is not None
        field.now = max(field.core.deadline, field.now)
        for command in field.play(Tick()):
            if isinstance(command, Observe):
                looks += 1
                field.play(HostObserved(tuple(map(Found, field.there)), 0.001))
    assert looks < 60


def test_what_goes_with_a_link_that_is_set_down_is_no_fight() -> None:
    fights = Fights()
    route = Step("add", "lab.yaml:1:1", None, Route("0.0.0.0/0", "eth2", via="192.168.2.254", table=200))
    rule = Step("add", "lab.yaml:1:1", None, Rule(11010, 200, 4, "192.168.2.1"))
    for now in range(ROUNDS + 2):
        fights.fell({"eth2"})
        begun, _ = fights.seen([route, rule], now)
        assert [fight.key for fight in begun] == ([rule.key] if now == ROUNDS else [])
        assert not fights.holds(route)
        fights.repaired(route, now)
        fights.repaired(rule, now)
