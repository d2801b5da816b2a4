"""Links are found at once, missed soon, and cannot be made up."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netctl.topology.discovery import Discovery
from netctl.topology.links import Added, Lost, Port, Turned
from netctl.topology.probe import Mint
from tests.topology.fabric import MINT, Fabric

A, B, C = Port(1, 1), Port(2, 1), Port(2, 2)


def both(one: Port, other: Port) -> set[tuple[Port, Port]]:
    return {(one, other), (other, one)}


@pytest.fixture
def fabric() -> Fabric:
    made = Fabric()
    made.cable(A, B)
    return made


@pytest.fixture
def linked(fabric: Fabric) -> Fabric:
    fabric.up(A, B)
    fabric.run(0.05)
    assert fabric.links == both(A, B)
    fabric.changes.clear()
    return fabric


def test_both_directions_are_found_at_once(fabric: Fabric) -> None:
    fabric.up(A, B)
    fabric.run(0.003)
    assert fabric.links == both(A, B)
    assert [type(each) for each in fabric.changes] == [Added, Added]
    assert fabric.link(A, B).since == pytest.approx(1_700_000_100, abs=0.01)
    assert not fabric.link(A, B).one_way


def test_a_port_that_comes_later_is_found_at_once_from_both_sides(fabric: Fabric) -> None:
    fabric.up(A)
    fabric.run(0.3)
    assert not fabric.links
    fabric.up(B)
    fabric.run(0.01)
    assert fabric.links == both(A, B)
    assert len(fabric.sent) <= 4


def test_links_inside_one_switch(fabric: Fabric) -> None:
    fabric.cable(C, Port(2, 3))
    fabric.up(C, Port(2, 3))
    fabric.run(0.01)
    assert fabric.links == both(C, Port(2, 3))


def test_a_port_that_goes_takes_its_links_along_both_ways(linked: Fabric) -> None:
    linked.discovery.ignore(A)
    linked.turn()
    assert not linked.links
    assert [(type(each), each.why) for each in linked.changes if isinstance(each, Lost)] == [
        (Lost, "its port is down"),
        (Lost, "its port is down"),
    ]
    linked.up(A)
    linked.run(0.01)
    assert linked.links == both(A, B)


def test_a_switch_that_goes_takes_its_links_along(linked: Fabric) -> None:
    linked.discovery.forget(1)
    linked.run(5)
    assert not linked.links
    assert {port for at, port, _ in linked.sent if at > 102} == {B}


def test_links_are_the_same_object_until_one_changes(linked: Fabric) -> None:
    before = linked.discovery.links
    linked.run(10)
    assert linked.discovery.links is before
    linked.discovery.ignore(A)
    assert linked.discovery.links == ()


@given(st.floats(0, 5))
def test_silence_is_known_after_three_probes_within_three_and_a_half_intervals(rest: float) -> None:
    fabric = Fabric()
    fabric.cable(A, B)
    fabric.up(A, B)
    fabric.run(2 + rest)
    broken = fabric.now
    fabric.drop = lambda begin, _end: begin == A
    while (A, B) in fabric.links:
        fabric.run(0.01)
        assert fabric.now < broken + 3.5
    assert len([port for at, port, _ in fabric.sent if port == A and at >= broken]) >= 3
    assert (B, A) in fabric.links


def test_two_probes_lost_are_no_link_lost(linked: Fabric) -> None:
    lost = Counter[Port]()

    def drop(begin: Port, _end: Port) -> bool:
        lost[begin] += 1
        return lost[begin] % 3 != 0

    linked.drop = drop
    linked.run(60)
    assert lost[A] >= 60
    assert not linked.changes


def test_a_link_one_way_is_said_to_be_one_after_an_interval(fabric: Fabric) -> None:
    fabric.drop = lambda begin, _end: begin == B
    fabric.up(A, B)
    fabric.run(0.9)
    assert fabric.links == {(A, B)}
    assert not fabric.link(A, B).one_way
    fabric.run(0.3)
    assert fabric.link(A, B).one_way
    fabric.drop = lambda _begin, _end: False
    fabric.run(1)
    assert fabric.links == both(A, B)
    assert not fabric.link(A, B).one_way
    assert [type(each) for each in fabric.changes] == [Added, Turned, Added, Turned]


def test_what_is_left_of_a_link_goes_one_way(linked: Fabric) -> None:
    linked.drop = lambda begin, _end: begin == A
    linked.run(5)
    assert linked.links == {(B, A)}
    assert linked.link(B, A).one_way


def test_a_hub_links_everybody_with_everybody() -> None:
    fabric = Fabric()
    for one, other in ((A, B), (A, C), (B, C)):
        fabric.cable(one, other)
    fabric.up(A, B, C)
    fabric.run(5)
    assert fabric.links == both(A, B) | both(A, C) | both(B, C)


# What makes no link


def test_a_forged_token_makes_no_link(linked: Fabric) -> None:
    theirs = Mint(b"another key", b"this run")
    earlier = Mint(b"a key that is kept", b"an earlier run")
    linked.up(C)
    linked.run(0.1)
    for mint in (theirs, earlier):
        assert linked.hear(C, mint.probe(mint.head(*A, bytes(6), 5), 1)) == "forged"
    assert linked.links == both(A, B)
    assert linked.discovery.refused == {(C, "forged"): 2}


@given(st.data())
def test_no_octet_of_a_probe_can_be_another(data: st.DataObject) -> None:
    frame = bytearray(MINT.probe(MINT.head(*A, bytes(6), 5), 7))
    at = data.draw(st.integers(14, len(frame) - 3))
    frame[at] ^= data.draw(st.integers(1, 255))
    assert MINT.read(bytes(frame)) is None


@given(st.binary(max_size=200))
def test_whatever_comes_in_is_refused(frame: bytes) -> None:
    fabric = Fabric()
    fabric.up(A)
    fabric.run(0.1)
    assert fabric.hear(A, frame) == "forged"


def test_a_probe_is_heard_once_by_a_port(linked: Fabric) -> None:
    (frame,) = [frame for _, port, frame in linked.sent if port == A][-1:]
    assert linked.hear(B, frame) == "replayed"


def test_a_probe_that_is_relayed_late_makes_no_link(linked: Fabric) -> None:
    (frame,) = [frame for _, port, frame in linked.sent if port == A][-1:]
    linked.up(C)
    linked.run(1.1)
    assert linked.hear(C, frame) == "late"
    linked.run(30)
    assert linked.hear(C, frame) == "late"
    assert linked.links == both(A, B)


def test_replaying_keeps_no_link_alive(linked: Fabric) -> None:
    recorded = [frame for _, port, frame in linked.sent if port == A][-1]
    linked.drop = lambda begin, _end: begin == A

    def replay() -> None:
        linked.hear(B, recorded)

    linked.run(5, replay)
    assert linked.links == {(B, A)}


def test_a_probe_makes_no_link_where_none_is_looked_for(linked: Fabric) -> None:
    linked.run(1)
    frame = next(frame for at, port, frame in reversed(linked.sent) if port == A)
    assert linked.hear(C, frame) == "unexpected"


def test_a_probe_that_comes_back_to_its_port_makes_no_link() -> None:
    fabric = Fabric()
    fabric.cables[A] = [A]
    fabric.up(A)
    fabric.run(3)
    assert not fabric.links
    assert fabric.discovery.refused[A, "reflected"] >= 3


def test_a_probe_of_before_the_port_went_makes_no_link(linked: Fabric) -> None:
    frame = [frame for _, port, frame in linked.sent if port == A][-1]
    linked.discovery.ignore(A)
    linked.up(A, C)
    assert linked.hear(C, frame) == "late"
    assert not linked.links


# Time


def test_probes_of_a_thousand_ports_are_spread_evenly() -> None:
    fabric = Fabric()
    ports = [Port(1 + number % 2, number) for number in range(1, 1001)]
    for one, other in zip(ports[::2], ports[1::2], strict=True):
        fabric.cable(one, other)
    fabric.up(*ports)
    fabric.turn()
    assert len(fabric.sends) == 2, "the first of all ports leave at once, in one message to each switch"
    assert sum(len(send.frames) for _, send in fabric.sends) == 1000
    fabric.run(0.01)
    assert len(fabric.links) == 1000
    fabric.run(2)
    fabric.sends.clear()
    start = fabric.now
    fabric.run(10)
    frames = Counter({at: 0 for at, _ in fabric.sends})
    for at, send in fabric.sends:
        frames[at] += len(send.frames)
    assert sum(frames.values()) == pytest.approx(10_000, abs=40)
    assert max(frames.values()) <= 21
    times = sorted(at for at, count in frames.items() if count)
    assert times[0] - start < 0.03
    assert max(after - before for before, after in pairwise(times)) < 0.025
    pairs = zip(ports[::2], ports[1::2], strict=True)
    assert fabric.links == {pair for one, other in pairs for pair in both(one, other)}
    assert not [each for each in fabric.changes if not isinstance(each, Added)]


def test_each_port_is_probed_once_in_an_interval() -> None:
    fabric = Fabric()
    ports = [Port(1, number) for number in range(1, 8)]
    fabric.up(*ports)
    fabric.run(1.5)
    fabric.sent.clear()
    fabric.run(20)
    for port in ports:
        times = [at for at, who, _ in fabric.sent if who == port]
        assert len(times) in (19, 20, 21)
        assert all(after - before == pytest.approx(1, abs=0.021) for before, after in pairwise(times))


def test_nothing_is_due_while_nothing_is_listened_for(fabric: Fabric) -> None:
    assert fabric.discovery.deadline is None
    fabric.up(A)
    fabric.run(3)
    fabric.discovery.ignore(A)
    fabric.run(3)
    assert fabric.discovery.deadline is None


@pytest.mark.parametrize("seconds", [0.5, 3.0, 3600.0])
def test_a_controller_that_was_stopped_loses_no_link(linked: Fabric, seconds: float) -> None:
    """And there is no burst of what it did not send meanwhile."""
    for _ in range(5):
        linked.stall(seconds)
        linked.run(0.7)
    linked.run(10)
    assert not linked.changes
    assert len(linked.sent) < 2 * (10 + 5 + 3)


def test_a_clock_that_is_set_back_loses_no_link(linked: Fabric) -> None:
    linked.now -= 50
    linked._due.clear()
    linked.run(10)
    assert linked.links == both(A, B)
    assert len([at for at, port, _ in linked.sent if port == A]) >= 9


def test_a_controller_that_is_always_late_loses_no_link(linked: Fabric) -> None:
    """Every turn comes later than it was due, by anything up to a second."""
    chance = random.Random(7)
    for _ in range(300):
        deadline = linked.discovery.deadline
        assert deadline is not None
        linked.now = max(linked.now, deadline) + chance.random()
        linked.run(0)
    assert not [each for each in linked.changes if isinstance(each, Lost)]


@pytest.mark.parametrize("dpid", [1, 2])
def test_a_switch_that_is_busy_for_long_loses_no_link(linked: Fabric, dpid: int) -> None:
    """What it is to send or to tell waits, for seconds, and comes in the end."""
    for _ in range(4):
        linked.run(1.3)
        linked.silent.add(dpid)
        linked.run(6)
        linked.wake(dpid)
    linked.run(3)
    assert not [each for each in linked.changes if isinstance(each, Lost)]


def test_a_link_that_breaks_while_its_switch_is_busy_is_missed_afterwards(linked: Fabric) -> None:
    linked.silent.add(1)
    linked.run(3)
    linked.drop = lambda _begin, _end: True
    linked.wake(1)
    linked.run(3.5)
    assert not linked.links


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("udbsw"), st.integers(0, 5), st.floats(0, 1.5)), max_size=25))
def test_whatever_happens_the_links_are_right_in_the_end(steps: list[tuple[str, int, float]]) -> None:
    """Ports come and go, cables are silent for a while, the controller stalls, a switch is busy."""
    fabric = Fabric()
    ports = [Port(1 + number // 3, number) for number in range(6)]
    pairs = list(zip(ports[:3], ports[3:], strict=True))
    for one, other in pairs:
        fabric.cable(one, other)
    there: set[Port] = set()
    broken: set[int] = set()
    fabric.drop = lambda begin, _end: begin.number % 3 in broken
    for what, which, seconds in steps:
        port = ports[which]
        if what == "u":
            fabric.up(port)
            there.add(port)
        elif what == "d":
            fabric.discovery.ignore(port)
            there.discard(port)
        elif what == "b":
            broken ^= {which % 3}
        elif what == "s":
            fabric.stall(seconds)
        else:
            fabric.silent.add(port.dpid)
        fabric.run(seconds)
    fabric.wake(1)
    fabric.wake(2)
    fabric.run(5)
    whole = [(one, other) for one, other in pairs if one.number % 3 not in broken and {one, other} <= there]
    assert fabric.links == {pair for one, other in whole for pair in both(one, other)}
    assert not any(link.one_way for link in fabric.discovery.links)
    known: set[tuple[Port, Port]] = set()
    for change in fabric.changes:
        pair = (change.link.src, change.link.dst)
        assert (pair in known) is not isinstance(change, Added)
        if isinstance(change, Added):
            known.add(pair)
        elif isinstance(change, Lost):
            known.discard(pair)
    assert known == fabric.links


def test_the_interval_can_be_another() -> None:
    fabric = Fabric(Discovery(MINT, 0.2))
    fabric.cable(A, B)
    fabric.up(A, B)
    fabric.run(1)
    fabric.drop = lambda _begin, _end: True
    fabric.run(0.75)
    assert not fabric.links
