"""Where frames are lost, told from counters: a wire of sockets, and counters that the test moves."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import pytest

from netctl.path import Device, Path, Side, Step
from netctl.probe.crossing import Row, check
from netctl.probe.diagnosis import COPIES, diagnose
from netctl.probe.ends import End
from netctl.probe.frames import KINDS
from netctl.probe.witness import FlowCount

Fate = Callable[[str, int], str]
"""What becomes of a kind on its way from an end: "entry", "flow:NAME", "output", "exit" or "" for crossed."""


def name_of(frame: bytes) -> str:
    """The kind of a frame, by what tells the kinds apart."""
    for kind in KINDS:
        like = kind.build(frame[6:12], frame[:6], bytes(16))
        if len(like) == len(frame) and like[:6] == frame[:6] and like[12:14] == frame[12:14]:
            return kind.name
    raise AssertionError(frame.hex())


class Bus:
    """A wire with counters. What is put in at an end happens at once."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.counts: dict[tuple[int, str], int] = {}
        self.flow_counts: dict[str, int] = {"wire 0": 0, "wire 1": 0, "rest": 0}
        self.looks = 0
        self.frames = 0
        self.ends: list[BusEnd] = []

    def carry(self, sender: int, frame: bytes) -> None:
        self.frames += 1
        fate = self.fate(name_of(frame), sender)
        if fate == "entry":
            return
        self._count(sender, "in")
        flow = fate.partition(":")[2] or f"wire {sender}"
        if flow != "none":
            self.flow_counts[flow] = self.flow_counts.get(flow, 0) + 1
        if fate.startswith("flow") or fate == "output":
            return
        self._count(sender, "out")
        if fate != "exit":
            self.ends[1 - sender].inside_link.send(frame)

    def _count(self, sender: int, what: str) -> None:
        self.counts[sender, what] = self.counts.get((sender, what), 0) + 1

    def path(self) -> Path:
        sides = [Side(f"port{n}", (Device(f"port{n}"),), number=n + 1) for n in (0, 1)]
        return Path("br0", (sides[0], sides[1]), "netdev")

    def installed(self) -> str:
        return ""

    def steps(self, sender: int) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        return (
            (Step("port A", self.counts.get((sender, "in"), 0)),),
            (Step("port B", self.counts.get((sender, "out"), 0)), Step("guest", 0)),
        )

    def flows(self) -> Mapping[object, FlowCount]:
        self.looks += 1
        numbers = {"wire 0": 1, "wire 1": 2}
        return {
            name: FlowCount(partial(str, name), count, 0, numbers.get(name), name in numbers, name == "NORMAL")
            for name, count in self.flow_counts.items()
        }


class BusEnd(End):
    def __init__(self, bus: Bus, number: int) -> None:
        mine, self.inside_link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(f"port{number}", mine, bytes([2, 0, 0, 0, 0, number]), 9000)
        self.bus, self.number = bus, number
        bus.ends.append(self)

    def send(self, frame: bytes) -> str:
        self.bus.carry(self.number, frame)
        return ""

    def receive(self) -> bytes | None:
        try:
            return self.link.recv(10_000)
        except BlockingIOError:
            return None


@dataclass
class Setting:
    bus: Bus
    sockets: list[socket.socket] = field(default_factory=list)

    def run(self) -> list[Row]:
        one, other = BusEnd(self.bus, 0), BusEnd(self.bus, 1)
        self.sockets += [each for end in (one, other) for each in (end.link, end.inside_link)]
        rows = check(one, other)
        self.bus.frames = 0
        return diagnose((one, other), rows, self.bus)


@pytest.fixture
def setting() -> Iterator[Callable[[Fate], Setting]]:
    made: list[Setting] = []

    def make(fate: Fate) -> Setting:
        made.append(Setting(Bus(fate)))
        return made[-1]

    yield make
    for each in made:
        for link in each.sockets:
            link.close()


def places(rows: list[Row]) -> dict[tuple[str, str], str]:
    return {(row.kind, row.sender): row.place for row in rows if row.outcome == "lost"}


Make = Callable[[Fate], Setting]


def test_nothing_is_sent_when_nothing_is_lost(setting: Make) -> None:
    made = setting(lambda _kind, _sender: "")
    assert places(made.run()) == {}
    assert (made.bus.frames, made.bus.looks) == (0, 0)


@pytest.mark.parametrize("fate", ["entry", "exit"])
def test_what_ports_tell_takes_no_look_at_flows(setting: Make, fate: str) -> None:
    made = setting(lambda kind, sender: fate if kind == "LLDP" and sender == 1 else "")
    assert places(made.run()) == {("LLDP", "port1"): fate}
    assert (made.bus.frames, made.bus.looks) == (COPIES, 0)


@pytest.mark.parametrize(("fate", "place"), [("output", "output"), ("flow:rest", "flow"), ("flow:none", "flow")])
def test_a_dead_wire_takes_three_looks_at_flows(setting: Make, fate: str, place: str) -> None:
    made = setting(lambda _kind, _sender: fate)
    found = places(made.run())
    assert len(found) == 2 * len(KINDS)
    assert set(found.values()) == {place}
    assert made.bus.looks == 3


def test_each_of_several_faults_is_found_where_it_is(setting: Make) -> None:
    fates = {"ARP": "flow:rest", "LLDP": "output", "9000 bytes": "entry", "CDP": "exit"}
    found = places(setting(lambda kind, _sender: fates.get(kind, "")).run())
    assert found == {
        (kind, sender): fate.partition(":")[0] for kind, fate in fates.items() for sender in ("port0", "port1")
    }


def test_the_flow_that_took_it_is_named(setting: Make) -> None:
    rows = setting(lambda kind, _sender: {"ARP": "flow:rest", "STP": "flow:other"}.get(kind, "")).run()
    details = {row.kind: row.detail for row in rows if row.place == "flow"}
    assert details == {
        "ARP": "it entered port port1 and met another flow than the wire's: rest",
        "STP": "it entered port port1 and met another flow than the wire's: other",
    }


def test_what_a_learning_switch_holds_back_is_said_to_be(setting: Make) -> None:
    rows = setting(lambda kind, _sender: "flow:NORMAL" if kind == "LACP" else "").run()
    (reason,) = next(row for row in rows if row.place == "flow").because
    assert "NORMAL holds reserved multicast back" in reason.why
    assert "set bridge br0 other-config:forward-bpdu=true" in reason.cure


def test_what_crosses_at_the_second_try_is_lost_now_and_then(setting: Make) -> None:
    left = {"ARP": 4}

    def fate(kind: str, sender: int) -> str:
        if kind == "ARP" and sender == 0 and left["ARP"]:
            left["ARP"] -= 1
            return "output"
        return ""

    found = [row for row in setting(fate).run() if row.outcome == "lost"]
    assert [(row.kind, row.place) for row in found] == [("ARP", "sometimes")]
    assert found[0].detail == "sent 8 times more, it crossed: lost now and then"
