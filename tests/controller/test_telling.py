"""What is told, added up, is what the snapshot shows: nothing is missing, nothing is told twice."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from netctl.controller import telling
from netctl.controller.events import Heard, PortGone, PortSeen, SwitchDown
from netctl.controller.happenings import (
    Happening,
    LinkAdded,
    LinkDeleted,
    NeighbourAdded,
    NeighbourChanged,
    NeighbourRemoved,
    PortAdded,
    PortChanged,
    PortRemoved,
    StationAdded,
    StationChanged,
    StationRemoved,
    SwitchEntered,
    SwitchLeft,
    WireChanged,
)
from netctl.controller.snapshot import LinkView, NeighbourView, Station, SwitchPort
from netctl.controller.telling import Telling
from netctl.controller.view import snapshot
from netctl.desired.flows import cookie_of
from tests.controller.world import World
from tests.topology import frames

PORTS = [f"p{number}" for number in range(8)]
GUESTS = """
    guests:
      vm1: {nics: {eth1: {device: tap, bridge: br0, mac: "52:54:00:00:00:01", addresses: [10.0.0.1/24]}}}
      vm2: {nics: {eth1: {device: tap, bridge: br0, mac: "52:54:00:00:00:02", addresses: ["fd00::2/64"]}}}
"""


def policy(wires: list[list[str]], guests: str = GUESTS) -> str:
    said = "".join(f"  - {{ends: [{a}, {b}], observe: lldp}}\n" for a, b in wires)
    bridges = f"bridges: {{br0: {{ports: [{', '.join(PORTS)}]}}}}"
    return f"version: 1\nhosts:\n  hv1:\n    {bridges}\n{guests}\nwires:\n{said}" if wires else (
        f"version: 1\nhosts:\n  hv1:\n    {bridges}\n{guests}\n"
    )


@dataclass
class Told:
    """Everything that was told, added up; an event that does not fit to what is known is an error."""

    switches: dict[int, dict[int, SwitchPort]] = field(default_factory=dict)
    wires: dict[str, tuple[str, str]] = field(default_factory=dict)
    stations: dict[tuple[str, str], Station] = field(default_factory=dict)
    neighbours: list[NeighbourView] = field(default_factory=list)

    def add(self, happening: Happening) -> None:
        if isinstance(happening, SwitchEntered):
            assert happening.switch.dpid not in self.switches
            self.switches[happening.switch.dpid] = {port.number: port for port in happening.switch.ports}
        elif isinstance(happening, SwitchLeft):
            assert {port.number: port for port in happening.switch.ports} == self.switches.pop(happening.switch.dpid)
        elif isinstance(happening, PortAdded):
            assert happening.port.number not in self.switches[happening.dpid]
            self.switches[happening.dpid][happening.port.number] = happening.port
        elif isinstance(happening, PortChanged):
            assert self.switches[happening.dpid][happening.port.number] != happening.port
            self.switches[happening.dpid][happening.port.number] = happening.port
        elif isinstance(happening, PortRemoved):
            assert self.switches[happening.dpid].pop(happening.port.number) == happening.port
        elif isinstance(happening, WireChanged):
            wire = happening.wire
            known = self.wires.get(wire.name)
            assert happening.before == (known[0] if known else None)
            if happening.gone:
                del self.wires[wire.name]
            else:
                assert known != (wire.state, wire.why)
                self.wires[wire.name] = wire.state, wire.why
        elif isinstance(happening, StationAdded):
            assert (happening.station.mac, happening.station.port) not in self.stations
            self.stations[happening.station.mac, happening.station.port] = happening.station
        elif isinstance(happening, StationChanged):
            del self.stations[happening.before.mac, happening.before.port]
            self.stations[happening.station.mac, happening.station.port] = happening.station
        elif isinstance(happening, StationRemoved):
            del self.stations[happening.station.mac, happening.station.port]
        elif isinstance(happening, NeighbourAdded):
            self.neighbours.append(happening.neighbour)
        elif isinstance(happening, NeighbourRemoved):
            self.neighbours.remove(happening.neighbour)
        elif isinstance(happening, NeighbourChanged):
            self.neighbours = [
                happening.neighbour if each.announced.chassis == happening.neighbour.announced.chassis else each
                for each in self.neighbours
            ]


class Teller:
    def __init__(self) -> None:
        self.world = World()
        self.telling = Telling(self.world.brain)
        self.told = Told()

    def listen(self) -> list[Happening]:
        """Until there is nothing more to tell."""
        heard = self.telling.tell()
        while self.telling.unfinished:
            heard += self.telling.tell()
        for each in heard:
            self.told.add(each)
        return heard

    def same(self) -> None:
        now = snapshot(self.world.brain)
        assert self.told.switches == {
            switch.dpid: {port.number: port for port in switch.ports} for switch in now.switches
        }
        assert {name: state for name, (state, _) in self.told.wires.items()} == {w.name: w.state for w in now.wires}
        assert sorted(self.told.stations.values(), key=str) == sorted(now.stations, key=str)
        assert sorted(self.told.neighbours, key=str) == sorted(now.neighbours, key=str)


def started(wires: list[list[str]]) -> Teller:
    teller = Teller()
    world = teller.world
    world.policy(policy(wires))
    world.connect("br0")
    teller.listen()
    return teller


def test_each_wire_is_told_once_and_then_when_it_changes() -> None:
    teller = started([["p0", "p1"], ["p2", "p3"]])
    world, dpid = teller.world, teller.world.dpid("br0")
    assert teller.told.wires == {"p0--p1": ("up", ""), "p2--p3": ("up", "")}
    world.tick()
    assert teller.listen() == []

    dark = replace(world.port("p0"), link=False)
    world.play([PortSeen(dpid, dark)])
    heard = [each for each in teller.listen() if isinstance(each, WireChanged)]
    assert [(each.wire.name, each.before, each.wire.state) for each in heard] == [("p0--p1", "up", "down")]

    world.play([SwitchDown(dpid)])
    heard = [each for each in teller.listen() if isinstance(each, WireChanged)]
    assert [(each.wire.name, each.before, each.wire.state) for each in heard] == [
        ("p0--p1", "down", "waiting"),
        ("p2--p3", "up", "waiting"),
    ]
    teller.same()


def test_a_wire_that_is_patched_in_and_taken_out() -> None:
    teller = started([["p0", "p1"]])
    teller.world.patch("[p2, p3]")
    heard = [each for each in teller.listen() if isinstance(each, WireChanged)]
    assert [(each.wire.name, each.before, each.wire.state) for each in heard] == [("p2--p3", None, "up")]
    teller.world.patch(remove=("p2--p3",))
    heard = [each for each in teller.listen() if isinstance(each, WireChanged)]
    assert [(each.wire.name, each.before, each.gone) for each in heard] == [("p2--p3", "up", True)]
    teller.same()


def test_a_policy_that_only_says_it_elsewhere_tells_nothing() -> None:
    teller = started([["p0", "p1"], ["p2", "p3"]])
    teller.world.policy("# a line more\n" + policy([["p0", "p1"], ["p2", "p3"]]))
    assert teller.listen() == []


def test_one_wire_among_many_costs_one_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    teller = Teller()
    world = teller.world
    ports = [f"w{number}" for number in range(2000)]
    wires = "".join(f"  - [{a}, {b}]\n" for a, b in zip(ports[::2], ports[1::2], strict=True))
    world.policy(f"version: 1\nhosts: {{hv1: {{bridges: {{br0: {{ports: [{', '.join(ports)}]}}}}}}}}\nwires:\n{wires}")
    world.connect("br0")
    teller.listen()
    assert len(teller.told.wires) == 1000
    looked: list[str] = []
    state_of = telling.view.state_of
    monkeypatch.setattr(
        telling.view, "state_of", lambda brain, cable, here: looked.append(cable.name) or state_of(brain, cable, here)
    )
    world.play([PortSeen(world.dpid("br0"), replace(world.port("w6"), link=False))])
    teller.listen()
    assert set(looked) == {"w6--w7"}


def test_many_wires_are_told_in_parts() -> None:
    teller = started([["p0", "p1"]])
    teller.world.play([])
    ports = [f"w{number}" for number in range(2 * telling.SLICE + 10)]
    wires = "".join(f"  - [{a}, {b}]\n" for a, b in zip(ports[::2], ports[1::2], strict=True))
    teller.world.policy(
        f"version: 1\nhosts: {{hv1: {{bridges: {{br0: {{ports: [{', '.join(ports)}]}}}}}}}}\nwires:\n{wires}"
    )
    first = teller.telling.tell()
    assert teller.telling.unfinished
    for each in first:
        teller.told.add(each)
    teller.listen()
    teller.same()


def test_neighbours_with_the_names_of_where_they_are_also_when_that_is_gone() -> None:
    teller = started([["p0", "p1"]])
    world, dpid = teller.world, teller.world.dpid("br0")
    number = world.port("p0").number
    world.play([Heard(dpid, number, cookie_of("p0--p1"), frames.frame(*frames.BASIC), 1000.0)])
    (heard,) = teller.listen()
    assert isinstance(heard, NeighbourAdded)
    assert (heard.neighbour.bridge, heard.neighbour.port, heard.neighbour.wire) == ("br0", "p0", "p0--p1")
    teller.same()
    world.play([SwitchDown(dpid)])
    gone = next(each for each in teller.listen() if isinstance(each, NeighbourRemoved))
    assert (gone.neighbour, gone.why) == (heard.neighbour, "port")


def test_links_have_their_ports_also_when_those_are_gone() -> None:
    teller = started([["p0", "p1"]])
    world, dpid = teller.world, teller.world.dpid("br0")
    one, other = world.port("p2"), world.port("p3")
    link = LinkView(dpid, one.number, dpid, other.number, 1000.0)
    world.brain.happened.append(LinkAdded(link))
    assert teller.listen() == [LinkAdded(link, (one, other))]
    world.play([PortGone(dpid, one.number)])
    world.brain.happened.append(LinkDeleted(link))
    assert LinkDeleted(link, (one, other)) in teller.listen()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_what_was_told_is_what_there_is(seed: int) -> None:
    """Neighbours at a place where nobody listens any more are forgotten within a second."""
    dice = random.Random(seed)
    teller = started([["p0", "p1"], ["p2", "p3"]])
    world, dpid = teller.world, teller.world.dpid("br0")
    pairs = [["p0", "p1"], ["p2", "p3"], ["p4", "p5"], ["p6", "p7"], ["vm1-eth1", "vm2-eth1"]]
    for _ in range(40):
        name = dice.choice([*PORTS, "vm1-eth1"])
        what = dice.randrange(7)
        if what == 0:
            world.policy(policy(dice.sample(pairs, dice.randrange(6)), dice.choice([GUESTS, ""])))
        elif what == 1 and name in world.numbers:
            world.unplugged ^= {name}
            if dpid in world.brain.switches:
                world.play([PortSeen(dpid, world.port(name))])
        elif what == 2 and name in world.numbers and dpid in world.brain.switches:
            world.play([PortGone(dpid, world.numbers[name])])
        elif what == 3:
            if dpid in world.brain.switches:
                world.play([SwitchDown(dpid)])
            else:
                world.connect("br0")
        elif what == 4:
            there = list(snapshot(world.brain).wires)
            if there and dice.random() < 0.5:
                world.patch(remove=(dice.choice(there).name,), rest=30)
            else:
                one, other = dice.choice(pairs)
                world.patch(f"{{ends: [{one}, {other}], observe: lldp}}", rest=30)
        elif what == 5 and "p0" in world.numbers:
            frame = frames.frame(*frames.BASIC) if dice.random() < 0.5 else frames.frame(*frames.BASIC, frames.DOT1[0])
            world.play([Heard(dpid, world.numbers["p0"], cookie_of("p0--p1"), frame, world.now)])
        else:
            world.tick(dice.choice([1.0, 15.0]))
        if dice.random() < 0.6:
            world.tick()
            teller.listen()
            teller.same()
