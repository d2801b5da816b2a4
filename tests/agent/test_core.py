"""Events in, commands out. Time is what the test says it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from netctl.agent.core import FULL_CHECK, GAP, RETRY_FIRST, RETRY_LAST, Core
from netctl.agent.messages import (
    Applied,
    Apply,
    Changed,
    CheckPorts,
    Command,
    Event,
    Failure,
    Follow,
    HostObserved,
    Log,
    Observe,
    ObserveFailed,
    PolicyRead,
    PortsRevived,
    Tick,
    WriteStatus,
)
from netctl.desired.device import Device, Namespace, Stranger
from netctl.desired.link import Tap, Veth
from netctl.plan import Found, Step
from netctl.policy import loads

POLICY = """
version: 1
hosts:
  hv1:
    bridges: {br0: {datapath: netdev}}
    guests:
      ns1:
        namespace: true
        nics: {eth0: {device: veth, bridge: br0, mac: "02:00:00:00:00:01"}}
      vm1:
        nics: {eth1: {device: tap, bridge: br0, mac: "52:54:00:00:00:01"}}
"""
TWO_TAPS = POLICY + """
      vm2:
        nics: {eth1: {device: tap, bridge: br0, mac: "52:54:00:00:00:02"}}
"""

NS = Namespace("ns1")
VETH = Veth(name="ns1-eth0", peer="eth0", peer_netns="ns1", mtu=1500, tx_checksum=False, promisc=None, master=None)
INNER = Veth(
    name="eth0", netns="ns1", peer="ns1-eth0", mac="02:00:00:00:00:01", mtu=1500, tx_checksum=False, master=None
)
TAP = Tap(
    name="vm1-eth1", mac="fe:54:00:00:00:01", mtu=1500, tx_checksum=False, promisc=None, master=None, owner=0, group=-1
)
TAP2 = replace(TAP, name="vm2-eth1", mac="fe:54:00:00:00:02")
ALL: tuple[Device, ...] = (NS, VETH, INNER, TAP)


REST = tuple(each for each in ALL if each is not TAP)


class Play:
    """A core and a clock. What it writes and says is kept; what it wants done comes back."""

    def __init__(self, policy: str | None = POLICY, host: str | None = None) -> None:
        self.now = 100.0
        self.core = Core(host, "somewhere", self.now)
        self.said: list[str] = []
        self.written = 0
        self.followed: list[Follow] = []
        if policy is not None:
            self.first = self.policy(policy)

    def play(self, event: Event, after: float = 0.0) -> list[Command]:
        self.now += after
        rest: list[Command] = []
        for command in self.core.handle(event, self.now):
            match command:
                case Log(level, text):
                    self.said.append(f"{level}: {text}")
                case WriteStatus(status):
                    assert status == self.core.status
                    self.written += 1
                case Follow():
                    self.followed.append(command)
                case _:
                    rest.append(command)
        return rest

    def policy(self, text: str, after: float = 1.0) -> list[Command]:
        return self.play(PolicyRead(loads(text, "lab.yaml")), after)

    def found(self, devices: Iterable[Device] = (), took: float = 0.001, ours: bool = True) -> list[Command]:
        return self.play(HostObserved(tuple(Found(each, ours) for each in devices), took))

    def settle(self) -> None:
        """Through the first plan to the point where there is nothing to do."""
        (apply,) = self.found()
        assert isinstance(apply, Apply)
        assert self.play(Applied(apply.plan.steps)) == [Observe("hv1", ALL)]
        assert self.found(ALL) == []
        assert self.core.status.converged


def steps(commands: list[Command]) -> list[tuple[str, str]]:
    (apply,) = commands
    assert isinstance(apply, Apply), commands
    return [(step.verb, "/".join(step.key[1:])) for step in apply.plan.steps]


def plan(commands: list[Command]) -> tuple[Step[Device], ...]:
    (apply,) = commands
    assert isinstance(apply, Apply)
    return apply.plan.steps


def test_from_a_policy_to_a_host_that_is_so() -> None:
    game = Play()
    assert game.first == [Observe("hv1", ALL)]
    assert game.followed == [Follow("hv1", None, frozenset({"br0"}))]
    todo = game.found()
    assert steps(todo) == [("add", "ns1"), ("add", "ns1-eth0"), ("add", "ns1/eth0"), ("add", "vm1-eth1")]
    assert not game.core.status.converged
    assert "+ tap vm1-eth1  (not there; lab.yaml:11:" in game.core.status.plan[3]
    assert game.play(Applied(plan(todo))) == [Observe("hv1", ALL)]
    assert game.found(ALL) == []
    status = game.core.status
    assert status.converged
    assert status.host == "hv1"
    assert status.digest == loads(POLICY, "lab.yaml").digest
    assert status.repairs == 0
    assert status.problems == ()


def test_a_deleted_device_is_looked_for_at_once_and_made_again() -> None:
    game = Play()
    game.settle()
    assert game.play(Changed(frozenset({"vm1-eth1"})), after=1) == [Observe("hv1", ALL)]
    todo = game.found([NS, VETH, INNER])
    assert steps(todo) == [("add", "vm1-eth1")]
    assert game.play(Applied(plan(todo))) == [Observe("hv1", ALL)]
    assert game.found(ALL) == [CheckPorts(frozenset({"vm1-eth1"}))]
    assert game.core.status.converged
    assert game.core.status.repairs == 1


def test_a_device_that_the_kernel_says_is_gone_is_made_again_before_anything_is_looked_at() -> None:
    game = Play()
    game.settle()
    todo = game.play(Changed(frozenset({"vm1-eth1"}), gone=frozenset({"vm1-eth1"})), after=1)
    assert steps(todo) == [("add", "vm1-eth1")]
    assert "not there; lab.yaml:11:" in plan(todo)[0].why
    assert game.play(Applied(plan(todo))) == [Observe("hv1", ALL)]
    assert game.found(ALL) == [CheckPorts(frozenset({"vm1-eth1"}))]
    assert game.core.status.repaired == {"tap": 1}
    todo = game.play(Changed(frozenset({"ns1-eth0"}), gone=frozenset({"ns1-eth0"})), after=1)
    assert sorted(steps(todo)) == [("add", "ns1-eth0"), ("add", "ns1/eth0")]


def test_where_more_may_be_the_matter_it_is_looked_at_first() -> None:
    tap = frozenset({"vm1-eth1"})
    game = Play()
    assert game.play(Changed(tap, gone=tap), after=1) == [Observe("hv1", ALL)], "not settled yet"
    game = Play()
    game.settle()
    assert game.play(Changed(tap, True, gone=tap), after=1) == [Observe("hv1", ALL)], "announcements were lost"
    game.found(ALL)
    assert game.play(Changed(tap), after=1) == [Observe("hv1", ALL)], "it is there again"
    game.found(ALL)
    other = frozenset({"vnet7"})
    assert game.play(Changed(other, gone=other), after=1) == []
    todo = game.play(Changed(tap, gone=tap), after=1)
    game.play(Applied((), Failure(plan(todo)[0], "the name vm1-eth1 is taken")))
    game.found(REST)
    assert not any(isinstance(each, Apply) for each in game.play(Changed(tap, gone=tap), after=0.1)), "it failed"


def test_the_ports_under_what_changed_are_looked_at_once_more() -> None:
    """Within two seconds, and without looking at any device."""
    game = Play()
    game.settle()
    assert game.play(Changed(frozenset({"vm1-eth1"})), after=1) == [Observe("hv1", ALL)]
    assert game.found(ALL) == [CheckPorts(frozenset({"vm1-eth1"}))]
    wait = (game.core.deadline or 0) - game.now
    assert wait < 2
    assert game.play(Tick(), after=wait) == [CheckPorts(frozenset({"vm1-eth1"}))]
    assert game.core.deadline > game.now + 50


def test_a_namespace_that_lost_its_name_is_looked_for_at_once() -> None:
    game = Play()
    game.settle()
    assert game.play(Changed(rooms=frozenset({"cni-1234"})), after=1) == []
    assert game.play(Changed(rooms=frozenset({"ns1"}))) == [Observe("hv1", ALL)]


def test_what_concerns_nobody_is_not_looked_at() -> None:
    game = Play()
    game.settle()
    assert game.play(Changed(frozenset({"docker0", "veth123"})), after=0.5) == []
    assert game.play(Changed(frozenset({"eth0"})), after=0.1) == [Observe("hv1", ALL)]
    game.found(ALL)
    assert game.play(Changed(everything=True), after=0.1) == [Observe("hv1", ALL)]


def test_a_storm_is_answered_once_in_a_gap() -> None:
    game = Play()
    game.settle()
    game.now += 1
    looks = 0
    end = game.now + 1.0
    while game.now < end:
        if game.play(Changed(frozenset({"vm1-eth1"})), after=0.001):
            looks += 1
            game.found(ALL, took=0.001)
    assert 1.0 / GAP * 0.8 <= looks <= 1.0 / GAP + 1


def test_the_last_of_a_storm_is_not_lost() -> None:
    game = Play()
    game.settle()
    assert game.play(Changed(frozenset({"vm1-eth1"})), after=1)
    game.found(ALL)
    assert game.play(Changed(frozenset({"vm1-eth1"})), after=0.001) == []
    deadline = game.core.deadline
    assert deadline is not None
    assert deadline - game.now <= GAP
    assert game.play(Tick(), after=deadline - game.now) == [Observe("hv1", ALL)]


def test_looking_that_takes_long_is_done_less_often() -> None:
    game = Play()
    game.settle()
    game.play(Changed(everything=True), after=1)
    game.now += 0.2
    game.found(ALL, took=0.2)
    assert game.play(Changed(everything=True), after=0.1) == []
    assert game.play(Tick(), after=0.6) == [Observe("hv1", ALL)]


def test_what_makes_no_event_is_found_in_the_end() -> None:
    game = Play()
    game.settle()
    assert game.play(Tick(), after=FULL_CHECK * 0.9) == []
    assert game.play(Tick(), after=FULL_CHECK * 0.2) == [Observe("hv1", ALL)]
    assert game.found(ALL) == [CheckPorts(frozenset({"ns1-eth0", "vm1-eth1"}))]


def test_a_step_that_fails_is_left_out_and_tried_again_ever_later() -> None:
    game = Play(TWO_TAPS)
    todo = game.found()
    *good, bad = plan(todo)
    assert bad.key == TAP2.key
    failure = Failure(bad, "the name vm2-eth1 is taken")
    game.play(Applied(tuple(good), failure, tuple(good[::-1])))
    again = game.found()
    assert [step.key for step in plan(again)] == [step.key for step in good]
    game.play(Applied(tuple(good)))
    assert game.found(ALL) == []
    assert not game.core.status.converged
    assert game.core.status.problems == ("the name vm2-eth1 is taken",)
    waits = []
    before = game.now
    while game.now < before + 120:
        game.now = game.core.deadline or 0
        assert game.play(Tick()), "a deadline at which there is nothing to do"
        retry = game.found(ALL)
        if retry:
            assert steps(retry) == [("add", "vm2-eth1")]
            waits.append(game.now - before)
            before = game.now
            game.play(Applied((), failure))
            game.found(ALL)
            if len(waits) > 8:
                break
    assert waits[0] == pytest.approx(RETRY_FIRST, abs=0.1)
    assert waits[1] == pytest.approx(2 * RETRY_FIRST, abs=0.1)
    assert waits[-1] == pytest.approx(RETRY_LAST, abs=0.1)
    assert sum("taken" in text for text in game.said if text.startswith("error")) == 1
    game.found([*ALL, TAP2])
    assert game.core.status.converged
    assert game.core.status.problems == ()


def test_what_needs_a_namespace_that_failed_waits_with_it() -> None:
    game = Play()
    todo = game.found()
    game.play(Applied((), Failure(plan(todo)[0], "no more namespaces")))
    assert steps(game.found()) == [("add", "vm1-eth1")]
    game.play(Applied())
    game.found([TAP])
    game.play(Tick(), after=RETRY_FIRST)
    retry = game.found([TAP])
    assert steps(retry) == [("add", "ns1")]
    game.play(Applied(plan(retry)))
    assert steps(game.found([TAP, NS])) == [("add", "ns1-eth0"), ("add", "ns1/eth0")]


def test_a_missing_module_holds_back_every_device_of_its_kind() -> None:
    game = Play(TWO_TAPS)
    todo = plan(game.found())
    game.play(Applied(todo[:3], Failure(todo[3], "no module tun", whole_kind=True), todo[2::-1]))
    assert steps(game.found()) == [("add", "ns1"), ("add", "ns1-eth0"), ("add", "ns1/eth0")]
    game.play(Applied(todo[:3]))
    assert game.found([NS, VETH, INNER]) == []
    game.play(Tick(), after=RETRY_FIRST)
    retry = game.found([NS, VETH, INNER])
    assert steps(retry) == [("add", "vm1-eth1")]
    game.play(Applied(plan(retry)))
    assert steps(game.found(ALL)) == [("add", "vm2-eth1")]


def test_what_is_done_and_does_not_hold_is_a_failure() -> None:
    game = Play()
    game.settle()
    broken = [NS, VETH, INNER, replace(TAP, mtu=68)]
    game.play(Changed(everything=True), after=1)
    todo = game.found(broken)
    assert steps(todo) == [("change", "vm1-eth1")]
    game.play(Applied(plan(todo)))
    for _ in range(3):
        assert not [each for each in game.found(broken) if isinstance(each, Apply)]
        game.play(Changed(everything=True), after=0.1)
    assert "mtu 68 -> 1500" in game.core.status.problems[0]
    assert "was done, and is not so" in game.core.status.problems[0]


def test_a_wrong_policy_is_refused_and_the_one_before_stays() -> None:
    game = Play()
    game.settle()
    digest = game.core.status.digest
    assert game.policy(POLICY.replace("tap,", "tarp,")) == []
    status = game.core.status
    assert status.digest == digest
    assert status.converged
    assert any(text.startswith("lab.yaml:11:") for text in status.refused)
    assert any("lab.yaml:11:" in text for text in game.said)
    assert "the one before stays in force" in game.said[-1]
    said = len(game.said)
    game.policy(POLICY.replace("tap,", "tarp,"))
    assert len(game.said) == said
    game.play(Changed(frozenset({"vm1-eth1"})), after=1)
    assert steps(game.found([NS, VETH, INNER])) == [("add", "vm1-eth1")]
    assert game.policy(POLICY) == [Observe("hv1", ALL)]
    assert game.core.status.refused == ()


def test_without_a_good_policy_it_waits() -> None:
    game = Play(None)
    assert game.policy("version: 1\nhots: {}\n") == []
    assert game.core.status.refused
    assert game.core.deadline is None
    assert game.play(Changed(everything=True)) == []
    assert game.play(Tick(), after=100) == []
    assert "waiting for a good one" in game.said[-1]
    assert game.policy(POLICY) == [Observe("hv1", ALL)]


def test_a_policy_that_no_longer_names_the_host_takes_nothing_away() -> None:
    game = Play()
    game.settle()
    assert game.policy(POLICY.replace("hv1:", "hv7:")) == []
    assert "hv1" in game.core.status.refused[0]
    game.play(Changed(frozenset({"vm1-eth1"})), after=1)
    assert steps(game.found([NS, VETH, INNER])) == [("add", "vm1-eth1")]


def test_a_new_policy_is_a_change_and_not_a_repair() -> None:
    game = Play()
    game.settle()
    game.policy(TWO_TAPS)
    todo = game.found(ALL)
    assert steps(todo) == [("add", "vm2-eth1")]
    game.play(Applied(plan(todo)))
    game.found([*ALL, TAP2])
    assert game.core.status.repairs == 0
    game.policy(POLICY)
    assert steps(game.found([*ALL, TAP2])) == [("remove", "vm2-eth1")]


def test_a_stranger_is_a_problem_that_is_said_once_and_goes_away() -> None:
    game = Play()
    game.found()
    game.play(Applied())
    stranger = Found[Device](Stranger(("tap", "vm1-eth1"), "bridge"), ours=False)
    for _ in range(3):
        todo = game.play(HostObserved((Found(NS), Found(VETH), Found(INNER), stranger), 0.001))
        assert not any(isinstance(each, Apply) for each in todo)
        game.play(Changed(everything=True), after=1)
    assert not game.core.status.converged
    assert "netctl did not make it (kind bridge -> tap" in game.core.status.problems[0]
    assert len([text for text in game.said if "did not make it" in text]) == 1
    game.found(ALL)
    assert game.core.status.converged


def test_a_look_that_fails_is_tried_again_and_later() -> None:
    game = Play()
    game.settle()
    game.play(Changed(frozenset({"lo"})), after=1)
    times = []
    for _ in range(12):
        assert game.play(ObserveFailed("another netctl is at work")) == []
        assert game.core.deadline is not None
        times.append(game.core.deadline - game.now)
        game.now = game.core.deadline
        assert game.play(Tick()) == [Observe("hv1", ALL)]
    assert times[0] < 0.1
    assert times == sorted(times)
    assert times[-1] <= FULL_CHECK
    assert game.core.status.problems == ("another netctl is at work",)
    assert len([text for text in game.said if "at work" in text]) == 1
    game.found(ALL)
    assert game.core.status.converged


def test_status_is_written_when_it_changes_and_not_otherwise() -> None:
    game = Play()
    game.settle()
    written = game.written
    for _ in range(5):
        game.play(Tick(), after=FULL_CHECK)
        game.found(ALL)
    assert game.written == written
    game.play(PortsRevived(("vm1-eth1",)))
    assert game.written == written + 1
    assert game.core.status.repairs == 1


def test_host_said_by_option_and_unknown_host() -> None:
    two = POLICY + "  hv2: {}\n"
    game = Play(two)
    assert game.first == []
    assert "say which one this is with --host: hv1, hv2" in game.core.status.refused[0]
    assert Play(two, host="hv1").first == [Observe("hv1", ALL)]
