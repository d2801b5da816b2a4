"""The carrier of one switch's wires: which of its ports to take down and which to raise, and when to be asked again.

What a switch does not tell must be known here. It tells a port that is taken down or raised only where its link
changes by that: one that is raised with nothing plugged in is not heard of. So a change counts as done when the
switch confirmed it by a barrier, and a port that was raised is without carrier when it has not told otherwise for a
moment.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from netctl.controller.snapshot import SwitchPort
from netctl.desired.carrier import At, Light, PortAdmin, around, follows, step, wanted_down
from netctl.plan import Plan, Step
from netctl.policy import PortRef

SETTLE_SECONDS = 0.2
"""So long a port that was just raised, or is new, may take to tell that it has carrier."""

ABSENT_SECONDS = 1.0
"""So long a port that a wire needs may take to be there."""

ASK_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long to wait before a change that was asked for once, twice, … and not confirmed is asked for again."""

PortChange = tuple[int, str, bool]
"""The number of a port, its MAC (which the switch compares), and whether it goes down."""


@dataclass
class _Ask:
    down: bool
    at: float
    tries: int = 1
    error: str = ""
    """Why the switch refused it, as it was told."""

    @property
    def again(self) -> float:
        return self.at + ASK_SECONDS[min(self.tries, len(ASK_SECONDS)) - 1]


def light_of(port: SwitchPort | None) -> Light:
    """What is seen of a port by what the switch tells of it."""
    if port is None or port.gone:
        return Light.DARK
    if port.held:
        return Light.HELD
    return Light.LIT if port.link else Light.DARK


def plan_ports(
    host: str, bridge: str, at: At, ports: Iterable[SwitchPort]
) -> tuple[Plan[PortAdmin], tuple[PortChange, ...]]:
    """What the ports of a bridge, as they are now, are to be, and how to say it to the switch."""
    named = {port.name: port for port in ports}

    def see(ref: PortRef) -> Light:
        return light_of(named.get(ref.port))

    steps = []
    changes = []
    for name, port in sorted(named.items()):
        ref = PortRef(host, bridge, name)
        cables = at(ref)
        down = wanted_down(ref, cables, see) if follows(ref, cables) else None
        if down is not None and down is not port.held and not port.gone:
            steps.append(step(ref, down, cables, see))
            changes.append((port.number, port.mac, down))
    return Plan(tuple(steps)), tuple(changes)


class Carrier:
    """See the module. Times are seconds of a clock that only goes forward."""

    def __init__(self, ports: Iterable[SwitchPort] = ()) -> None:
        self.ports = {port.name: port for port in ports}
        """By name, as the switch told of them or confirmed it."""
        self.news: set[str] = set()
        """The ports of which something else is known than before; whoever looks at them takes it away."""
        self._names = {port.number: port.name for port in self.ports.values()}
        self._due: set[str] | None = None
        """The ports to decide, with those around them; None is all."""
        self._led: set[str] = set()
        """The ports whose wires passed carrier on when they were last decided."""
        self._doubt: dict[str, float] = {}
        """Until when a port that does not tell of carrier is not known to have none."""
        self._asked: dict[str, _Ask] = {}
        """What was asked for, until it is so, or no longer wanted."""
        self._under_way: Counter[str] = Counter()
        """The changes of each port that went out and are not answered."""
        self._alarms: list[tuple[float, str]] = []
        """When to decide a port though nothing was heard of it."""

    @property
    def deadline(self) -> float | None:
        """When `settle` has something to do though nothing happens."""
        return self._alarms[0][0] if self._alarms else None

    def due(self, now: float) -> bool:
        """Whether `settle` has anything to do now."""
        return self._due is None or bool(self._due) or (self.deadline is not None and self.deadline <= now)

    def rewired(self, names: Iterable[str] | None = None) -> None:
        """Wires came or went, at the ports called so; None is anywhere."""
        if names is None:
            self._due = None
        elif self._due is not None:
            self._due.update(names)

    def seen(self, port: SwitchPort, now: float) -> None:
        """The switch told of a port that is new or has changed."""
        renamed = self._names.get(port.number)
        if renamed is not None and renamed != port.name:
            self.gone(port.number)
        before, ask = self.ports.get(port.name), self._asked.get(port.name)
        if before == port:
            return
        if before is not None and before.number != port.number:
            self.gone(before.number)
            before = None
        self._put(port)
        was, light = (Light.DOUBT if before is None or before.gone else light_of(before)), light_of(port)
        asked = light is Light.HELD and ask is not None and ask.down
        if light is Light.LIT or port.gone or asked:
            self._doubt.pop(port.name, None)
        elif was is Light.DOUBT or (was is not light and Light.HELD in (was, light)):
            self._wait(port.name, now + SETTLE_SECONDS)

    def gone(self, number: int) -> None:
        """The switch has no such port any more."""
        name = self._names.pop(number, None)
        if name is not None:
            del self.ports[name]
            self.news.add(name)
            self._doubt.pop(name, None)
            self._asked.pop(name, None)
            self._under_way.pop(name, None)
            self.rewired([name])

    def answered(self, changes: Iterable[PortChange], refused: Mapping[int, str], now: float) -> list[str]:
        """The switch confirmed changes by a barrier, all but those in `refused` (by number, in its words).

        What it told of a port before that, it told before the change; of its link it tells what changes. Returns what
        nobody was told yet.
        """
        news = []
        for number, _, down in changes:
            name = self._names.get(number)
            if name is None:
                continue
            port, ask = self.ports[name], self._asked.get(name)
            self._under_way[name] -= 1
            self.rewired([name])
            if number in refused:
                if ask is not None and ask.error != refused[number]:
                    ask.error = refused[number]
                    news.append(f"port {name} cannot be {'taken down' if down else 'raised'}: {ask.error}")
            elif port.held is not down:
                self._put(replace(port, held=down))
                if not (down or port.link):
                    self._wait(name, now + SETTLE_SECONDS)
        return news

    def settle(self, host: str, bridge: str, at: At, now: float) -> tuple[Plan[PortAdmin], tuple[PortChange, ...]]:
        """What to do now, and how to say it to the switch. `host` and `bridge` are what the policy calls it."""

        def see(ref: PortRef) -> Light:
            return self._see(ref.port, now)

        steps: list[Step[PortAdmin]] = []
        changes: list[PortChange] = []
        for name in sorted(self._take_due(host, bridge, at, now)):
            port = self.ports.get(name)
            if port is None or port.gone:
                continue
            ref = PortRef(host, bridge, name)
            cables = at(ref)
            if follows(ref, cables):
                self._led.add(name)
                down = wanted_down(ref, cables, see)
            elif name not in self._led:
                continue
            else:
                down = False
                if not (port.held or self._under_way[name] > 0):
                    self._led.discard(name)
            if down is None or down is port.held:
                self._asked.pop(name, None)
            elif self._ask(name, down, now):
                steps.append(step(ref, down, cables, see))
                changes.append((port.number, port.mac, down))
                self._under_way[name] += 1
        return Plan(tuple(steps)), tuple(changes)

    def _take_due(self, host: str, bridge: str, at: At, now: float) -> set[str]:
        due, self._due = self._due, set()
        if due is None:
            due = set(self.ports)
            while self._alarms and self._alarms[0][0] <= now:
                heapq.heappop(self._alarms)
            return due
        while self._alarms and self._alarms[0][0] <= now:
            due.add(heapq.heappop(self._alarms)[1])
        places = (each for name in due for each in around(PortRef(host, bridge, name), at))
        return due | {each.port for each in places if (each.host, each.bridge) == (host, bridge)}

    def _see(self, name: str, now: float) -> Light:
        port = self.ports.get(name)
        light = light_of(port)
        if port is None and name not in self._doubt:
            self._wait(name, now + ABSENT_SECONDS)
        if light is not Light.LIT and now < self._doubt.get(name, now):
            return Light.DOUBT
        return light

    def _put(self, port: SwitchPort) -> None:
        self.ports[port.name] = port
        self._names[port.number] = port.name
        self.news.add(port.name)
        self.rewired([port.name])

    def _wait(self, name: str, until: float) -> None:
        self._doubt[name] = until
        heapq.heappush(self._alarms, (until, name))

    def _ask(self, name: str, down: bool, now: float) -> bool:
        """Whether it is time to."""
        ask = self._asked.get(name)
        if ask is None or ask.down is not down:
            ask = self._asked[name] = _Ask(down, now)
        elif now < ask.again:
            return False
        else:
            ask.at, ask.tries = now, ask.tries + 1
        heapq.heappush(self._alarms, (ask.again, name))
        return True
