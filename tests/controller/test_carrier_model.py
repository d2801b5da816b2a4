"""Every order in which two and three ports, their guests, a switch and a controller can meet: it comes to rest, soon,
and then every guest has carrier exactly where a cable would give it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netctl.controller.carrier import Carrier, PortChange
from netctl.controller.snapshot import SwitchPort
from netctl.policy import Cable, PortRef

HOST, BRIDGE = "hv1", "ovbr0"
GONE = "00:00:00:00:00:00"

Wires = Sequence[tuple[str, str]]


def ref(name: str) -> PortRef:
    return PortRef(HOST, BRIDGE, name)


@dataclass
class Port:
    """A device: what the kernel knows, and what the switch knows of it."""

    guest: bool = True
    held: bool = False
    there: bool = True
    told: SwitchPort | None = None

    @property
    def link(self) -> bool:
        return self.guest and not self.held and self.there


@dataclass
class World:
    """One switch and its controller, in a state that can be copied and compared."""

    wires: Wires
    ports: dict[str, Port]
    now: float = 0.0
    carrier: Carrier = field(default_factory=Carrier)
    agent: Carrier | None = None
    """One more that decides, and sees and sets the devices themselves."""
    to_switch: tuple[tuple[PortChange, ...], ...] = ()
    to_controller: tuple[SwitchPort | tuple[PortChange, ...], ...] = ()
    unheard: tuple[str, ...] = ()
    """The devices of which the switch has something to hear,"""
    unseen: tuple[str, ...] = ()
    """and the agent."""
    mods: int = 0
    """Since the last thing that happened from outside."""

    def copy(self) -> World:
        carrier, agent = copied(self.carrier), self.agent and copied(self.agent)
        ports = {name: Port(each.guest, each.held, each.there, each.told) for name, each in self.ports.items()}
        ways = (self.to_switch, self.to_controller, self.unheard, self.unseen)
        return World(self.wires, ports, self.now, carrier, agent, *ways, self.mods)

    def state(self) -> tuple[object, ...]:
        """All that what follows depends on; times are those that are left."""
        return (
            tuple((each.guest, each.held, each.there, each.told) for each in self.ports.values()),
            self.to_switch,
            self.to_controller,
            self.unheard,
            self.unseen if self.agent is not None else (),
            remembered(self.carrier, self.now),
            self.agent and remembered(self.agent, self.now),
        )

    def at(self, port: PortRef) -> list[Cable]:
        return [Cable(f"{a}-{b}", (ref(a), ref(b)), "here") for a, b in self.wires if port.port in (a, b)]

    def describe(self, name: str) -> SwitchPort:
        port = self.ports[name]
        if not port.there:
            return SwitchPort(list(self.ports).index(name) + 1, name, GONE, False, True)
        return SwitchPort(list(self.ports).index(name) + 1, name, "02:00:00:00:00:01", port.link, port.held)

    def decide(self) -> None:
        _, changes = self.carrier.settle(HOST, BRIDGE, self.at, self.now)
        if changes:
            self.mods += len(changes)
            self.to_switch += (changes,)

    def act(self) -> None:
        """What the agent does at once."""
        assert self.agent is not None
        _, changes = self.agent.settle(HOST, BRIDGE, self.at, self.now)
        for number, _, down in changes:
            name = list(self.ports)[number - 1]
            self.ports[name].held = down
            self.touched(name)
        self.mods += len(changes)
        self.agent.answered(changes, {}, self.now)

    def connect(self) -> None:
        """A controller that knows nothing, and what the switch tells it first."""
        self.to_switch = self.to_controller = self.unheard = ()
        for name in self.ports:
            self.ports[name].told = self.describe(name)
        self.carrier = Carrier([port.told for port in self.ports.values() if port.told is not None])
        self.decide()

    def notice(self, name: str) -> None:
        """The switch hears of a device from the kernel, and tells what has changed."""
        told = self.describe(name)
        if self.ports[name].told != told:
            self.ports[name].told = told
            self.to_controller += (told,)
        self.unheard = tuple(each for each in self.unheard if each != name)

    def touched(self, name: str) -> None:
        """A device has changed, which the switch and the agent hear in the order in which it happens."""
        self.unheard += (name,) if name not in self.unheard else ()
        self.unseen += (name,) if name not in self.unseen else ()

    def inner(self) -> Iterator[World]:
        """What can happen next of itself."""
        for name in self.unheard if self.agent is None else self.unheard[:1]:
            after = self.copy()
            after.notice(name)
            yield after
        if self.to_switch:
            after = self.copy()
            changes, after.to_switch = self.to_switch[0], self.to_switch[1:]
            for number, mac, down in changes:
                port = list(after.ports.values())[number - 1]
                if port.there and port.told is not None and port.told.mac == mac:
                    port.held = down
                    after.touched(port.told.name)
                    port.told = SwitchPort(port.told.number, port.told.name, mac, port.told.link, down)
            after.to_controller += (changes,)
            yield after
        if self.to_controller:
            after = self.copy()
            message, after.to_controller = self.to_controller[0], self.to_controller[1:]
            if isinstance(message, SwitchPort):
                after.carrier.seen(message, self.now)
            else:
                refused = {n: "bad" for n, mac, _ in message if self.carrier.ports[self.carrier._names[n]].mac == GONE}
                after.carrier.answered(message, refused, self.now)
            after.decide()
            yield after
        if self.agent is not None and self.unseen:
            after = self.copy()
            after.unseen = self.unseen[1:]
            assert after.agent is not None
            after.agent.seen(self.describe(self.unseen[0]), self.now)
            after.act()
            yield after

    def later(self) -> World | None:
        """Nothing happens until somebody looks again without being told. Messages take less time than that."""
        deadlines = [each.deadline for each in (self.carrier, self.agent) if each is not None and each.deadline]
        if not deadlines:
            return None
        after = self.copy()
        after.now = max(min(deadlines), self.now)
        after.decide()
        if after.agent is not None:
            after.act()
        return after

    def outer(self, *, guests_only: bool = False) -> Iterator[World]:
        """What can happen from outside."""
        for name in self.ports:
            for what in ("guest",) if guests_only else ("guest", "held", "there"):
                after = self.copy()
                port = after.ports[name]
                setattr(port, what, not getattr(port, what))
                after.touched(name)
                if what == "there":
                    port.held = port.there
                    after.notice(name)
                after.mods = 0
                yield after
        if not guests_only:
            after = self.copy()
            after.mods = 0
            after.connect()
            yield after

    def rewired(self, wire: tuple[str, str]) -> World:
        """The wire is there if it was not, and not if it was."""
        after = self.copy()
        after.wires = [each for each in self.wires if each != wire] if wire in self.wires else [*self.wires, wire]
        after.carrier.rewired(wire)
        after.decide()
        return after

    def far(self, name: str) -> set[str]:
        return {b if a == name else a for a, b in self.wires if name in (a, b) and a != b}

    def right(self) -> bool:
        """Whether every guest has carrier where there is something at the other end of its wires, and only there."""

        def plugged(name: str) -> bool:
            return self.ports[name].guest and self.ports[name].there

        return all(
            port.link == (plugged(name) and any(map(plugged, self.far(name))))
            for name, port in self.ports.items()
            if self.far(name)
        )


def copied(carrier: Carrier) -> Carrier:
    made = Carrier()
    for name, value in vars(carrier).items():
        made.__dict__[name] = value.copy() if value is not None else None
    made._asked = {name: replace(ask) for name, ask in carrier._asked.items()}
    return made


def remembered(carrier: Carrier, now: float) -> tuple[object, ...]:
    return (
        tuple(carrier.ports[name] for name in sorted(carrier.ports)),
        tuple(sorted((name, round(until - now, 3)) for name, until in carrier._doubt.items() if until > now)),
        tuple(sorted((name, ask.down, round(ask.again - now, 3)) for name, ask in carrier._asked.items())),
        tuple(sorted({(round(when - now, 3), name) for when, name in carrier._alarms})),
        tuple(sorted(carrier._led)),
        tuple(sorted(carrier._under_way.items())),
    )


class Explorer:
    """Follows every way that things can go, depth first."""

    def __init__(self) -> None:
        self.known: set[tuple[object, int]] = set()
        self.most = 0
        """Changes after any event until it rests."""

    def explore(self, start: World, events: int) -> None:
        """Raises AssertionError where a resting state is wrong, or where a state can come again without an event."""
        frontier = [start]
        for _ in range(events + 1):
            found: dict[object, World] = {}
            for each in frontier:
                self.follow(each, found)
            frontier = [after for world in found.values() for after in world.outer()]

    def follow(self, start: World, found: dict[object, World]) -> None:
        path: list[object] = []
        todo: list[tuple[World | None, object]] = [(start, None)]
        while todo:
            world, state = todo.pop()
            if world is None:
                path.remove(state)
                continue
            state = world.state()
            assert state not in path, "it never rests"
            if (state, world.mods) in self.known:
                continue
            self.known.add((state, world.mods))
            self.most = max(self.most, world.mods)
            found.setdefault(state, world)
            path.append(state)
            todo.append((None, state))
            nexts = list(world.inner())
            if not nexts:
                later = world.later()
                assert later is not None or world.right(), world
                nexts = [later] if later is not None else []
            todo += [(each, None) for each in nexts]


def world(text: str, guests: str) -> World:
    """Wires like «a-b a-c», and the ports with something plugged in."""
    wires = [(each[0], each[2]) for each in text.split()]
    made = World(wires, {name: Port(name in guests) for name in sorted(set(text) - set("- "))})
    made.connect()
    return made


@pytest.mark.parametrize(
    ("wires", "guests", "events"),
    [
        ("a-b", "ab", 3),
        ("a-b", "a", 2),
        ("a-b", "", 2),
        ("a-b a-c", "abc", 1),
        ("a-b a-c", "ac", 2),
        ("a-b a-c", "b", 1),
        ("a-b b-c c-a", "ab", 1),
        ("a-b b-b", "ab", 1),
    ],
)
def test_every_order_of_events_comes_to_rest(wires: str, guests: str, events: int) -> None:
    start = world(wires, guests)
    explorer = Explorer()
    explorer.explore(start, events)
    assert len(explorer.known) > 50
    assert 0 < explorer.most <= 2 * len(start.ports) + 1


@pytest.mark.parametrize("guests", ["ab", "a"])
def test_with_an_agent_that_acts_as_well(guests: str) -> None:
    """Neither undoes what the other does."""
    start = world("a-b", guests)
    start.agent = Carrier([start.describe(name) for name in start.ports])
    start.act()
    explorer = Explorer()
    explorer.explore(start, 1)
    assert len(explorer.known) > 50
    assert 0 < explorer.most <= 8


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_panel_comes_to_rest(data: st.DataObject) -> None:
    """Larger panels, which are rewired meanwhile, along random ways."""
    pairs = [(a, b) for a in "abcd" for b in "abcd" if a <= b]
    now = World(data.draw(st.lists(st.sampled_from(pairs), min_size=1, unique=True)), {name: Port() for name in "abcd"})
    now.connect()
    guests_only = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.integers(0, 3)) == 0:
            now = now.rewired(data.draw(st.sampled_from(pairs)))
        else:
            now = data.draw(st.sampled_from(list(now.outer(guests_only=guests_only))))
        for _ in range(data.draw(st.integers(0, 6))):
            nexts = list(now.inner())
            if not nexts:
                break
            now = data.draw(st.sampled_from(nexts))
    while after := next(now.inner(), None) or now.later():
        now = after
    assert now.right(), now
    if guests_only:
        assert not any(port.held for name, port in now.ports.items() if not now.far(name)), "held, and nobody raises it"
