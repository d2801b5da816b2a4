"""Which ports are linked, found by probes: what happens in, what to send and which links came and went out.

    discovery.tick(now)                       # first of all, in every turn
    discovery.listen(port, mac)               # what happened, in its order
    discovery.hear(port, frame, at)
    turn = discovery.settle()                 # last of all
    discovery.deadline                        # when the next turn is, if nothing happens

A port is probed as soon as it is listened at, then once in an interval, each port at its own time. Who hears a
probe is linked with who sent it, until a port is down or MISSED probes in a row did not come. A probe that did not
come counts only if the switch confirmed that it was sent, and the one that should have heard it is not behind with
its answers. Time in which nobody took a turn that was due counts for nothing: a process that was stopped, or a machine
that was busy, loses no link.

A probe makes a link only if its token is right, it was sent no longer than LATE_SECONDS ago, and the port has
not heard it before. Every other is counted.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from netctl.topology.links import Added, Change, Link, Lost, Port, Turned
from netctl.topology.probe import Mint
from netctl.topology.schedule import Schedule

INTERVAL_SECONDS = 1.0
MISSED = 3
LATE_SECONDS = 1.0
"""A probe that is heard later than this after it was sent makes no link."""
RETURN_PART = 0.4
"""After this part of an interval a probe should have been heard."""
BEHIND_PART = 0.2
"""A switch that owes an answer for this part of an interval is behind."""
STALL_SECONDS = 0.1
"""By so much a turn may be late before that time counts for nothing."""
SAME_SECONDS = 1e-4
"""And by so much a turn may seem early or late by rounding."""
TTL_INTERVALS = 4
ASKS = (1 << 28) - 1

Reason = Literal["forged", "replayed", "late", "reflected", "unexpected"]
"""Why a probe made no link. forged: its token is wrong; replayed: the port heard it before; late: it was sent too long
ago; reflected: by the same port; unexpected: nothing is listened for at the port."""


@dataclass(frozen=True, slots=True)
class Send:
    """Probes for one switch."""

    dpid: int
    frames: tuple[tuple[int, bytes], ...]
    """Each with the number of the port that it leaves by."""
    ask: int
    """Not 0, and at most ASKS: the switch is to confirm by this number that it has done all that it was told."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows from what happened."""

    sends: tuple[Send, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(slots=True, eq=False)
class _Port:
    port: Port
    head: bytes
    since: int
    """The last nonce before it was listened at."""
    nonce: int = 0
    """Of its last probe."""
    out: dict[Port, _Link] = field(default_factory=dict)
    """The links that begin here, by where they end."""
    into: set[Port] = field(default_factory=set)
    """Where those begin that end here."""


@dataclass(slots=True, eq=False)
class _Link:
    link: Link
    nonce: int
    """Of the latest probe that came by it."""
    missed: int = 0
    alone: float = math.inf
    """When it is a one-way link, unless another comes the other way before."""


@dataclass(slots=True, eq=False)
class _Probe:
    by: _Port
    nonce: int
    sent: float
    heard: tuple[Port, ...] = ()


@dataclass(slots=True)
class _Switch:
    asked: float = 0.0
    """When it was last asked to confirm; it owes the answer while `ask` is not 0."""
    ask: int = 0
    confirmed: float = -math.inf
    """All that was sent until then it has done."""
    unasked: bool = False
    """Probes were sent since it was asked."""
    frames: list[tuple[int, bytes]] = field(default_factory=list)


class Discovery:
    """See the module. Not thread-safe. `now` is monotonic, `at` seconds since the epoch."""

    def __init__(self, mint: Mint, interval: float = INTERVAL_SECONDS) -> None:
        self.interval = interval
        self.sent = 0
        self.heard = 0
        self.refused: Counter[tuple[Port, Reason]] = Counter()
        """Probes that made no link, by the port that heard them."""
        self._mint = mint
        self._ttl = math.ceil(interval * TTL_INTERVALS) + 1
        self._ports: dict[Port, _Port] = {}
        self._switches: dict[int, _Switch] = {}
        self._schedule: Schedule[_Port] = Schedule(interval)
        self._at_once: dict[_Port, None] = {}
        self._probes: dict[int, _Probe] = {}
        """Those that may still be heard, by nonce."""
        self._to_judge: deque[_Probe] = deque()
        self._to_expire: deque[_Probe] = deque()
        self._alone: deque[tuple[float, _Link]] = deque()
        """When to look whether another comes the other way."""
        self._changes: list[Change] = []
        self._links: tuple[Link, ...] | None = ()
        self._nonce = 0
        self._ask = 0
        self._now = 0.0
        """By a clock that stands still while nobody takes the turn that is due."""
        self._ahead = 0.0
        """By so much the caller's clock is ahead of that."""
        self._deadline: float | None = None

    @property
    def deadline(self) -> float | None:
        """When the next turn is to be taken at the latest, by the caller's clock."""
        return None if self._deadline is None else self._deadline + self._ahead

    @property
    def links(self) -> tuple[Link, ...]:
        """The same object until a link comes, goes or changes."""
        if self._links is None:
            self._links = tuple(each.link for port in self._ports.values() for each in port.out.values())
        return self._links

    def listening(self, port: Port) -> bool:
        return port in self._ports

    # What happens

    def tick(self, now: float) -> None:
        """Time passes."""
        here = now - self._ahead
        late = here - self._deadline if self._deadline is not None else 0.0
        if self._deadline is not None and (abs(late) < SAME_SECONDS or late > STALL_SECONDS):
            here = max(self._now, self._deadline)
        if late > STALL_SECONDS or here < self._now:
            here = max(self._now, here)
            self._ahead = now - here
        self._now = here

    def listen(self, port: Port, mac: bytes) -> None:
        """A port that can hear and be heard from now on; `mac` is its address."""
        if port in self._ports:
            self.ignore(port)
        found = _Port(port, self._mint.head(*port, mac, self._ttl), self._nonce)
        self._ports[port] = found
        self._switches.setdefault(port.dpid, _Switch())
        self._schedule.add(found)
        self._at_once[found] = None

    def ignore(self, port: Port, why: str = "its port is down") -> None:
        """A port that is down, gone, or not to be probed any more. Its links go with it."""
        found = self._ports.get(port)
        if found is None:
            return
        for end in list(found.out):
            self._lose(port, end, why)
        for begin in list(found.into):
            self._lose(begin, port, why)
        del self._ports[port]
        self._schedule.remove(found)
        self._at_once.pop(found, None)

    def forget(self, dpid: int) -> None:
        """A switch is gone."""
        for port in [port for port in self._ports if port.dpid == dpid]:
            self.ignore(port, "its switch is gone")
        self._switches.pop(dpid, None)
        for each in [each for each in self.refused if each[0].dpid == dpid]:
            del self.refused[each]

    def confirm(self, dpid: int, ask: int) -> None:
        """A switch has done all that it was told before it was asked."""
        switch = self._switches.get(dpid)
        if switch is not None and switch.ask == ask:
            switch.ask, switch.confirmed = 0, switch.asked

    def hear(self, port: Port, frame: bytes, at: float) -> Reason | None:
        """A frame came in that looks like a probe. Why it makes no link, if it makes none."""
        self.heard += 1
        reason = self._hear(port, frame, at)
        if reason is not None:
            self.refused[port, reason] += 1
        return reason

    def _hear(self, port: Port, frame: bytes, at: float) -> Reason | None:
        said = self._mint.read(frame)
        if said is None:
            return "forged"
        here = self._ports.get(port)
        if here is None:
            return "unexpected"
        probe = self._probes.get(said.nonce)
        if probe is None or self._now - probe.sent > LATE_SECONDS:
            return "late"
        if port in probe.heard:
            return "replayed"
        probe.heard += (port,)
        by = probe.by
        if by is here:
            return "reflected"
        if self._ports.get(by.port) is not by:
            return "late"
        link = by.out.get(port)
        if link is None:
            self._add(by, here, said.nonce, at)
        else:
            link.missed = 0
            link.nonce = max(link.nonce, said.nonce)
        return None

    # What follows

    def settle(self) -> Turn:
        """What is to be done now."""
        self._judge()
        self._expire()
        self._see_one_way()
        for port in self._schedule.due(self._now):
            self._at_once[port] = None
        for port in self._at_once:
            self._send(port)
        self._at_once.clear()
        sends = tuple(self._sends())
        changes, self._changes = tuple(self._changes), []
        self._deadline = min(filter(None, self._deadlines()), default=None)
        return Turn(sends, changes)

    def _deadlines(self) -> Iterable[float | None]:
        yield self._schedule.deadline
        if self._to_judge:
            yield self._to_judge[0].sent + self.interval * RETURN_PART
        if self._alone:
            yield self._alone[0][0]

    def _send(self, port: _Port) -> None:
        self._nonce += 1
        self.sent += 1
        port.nonce = self._nonce
        probe = self._probes[self._nonce] = _Probe(port, self._nonce, self._now)
        self._to_judge.append(probe)
        self._to_expire.append(probe)
        self._switches[port.port.dpid].frames.append((port.port.number, self._mint.probe(port.head, self._nonce)))

    def _sends(self) -> Iterable[Send]:
        for dpid, switch in self._switches.items():
            switch.unasked |= bool(switch.frames)
            if not switch.unasked or (switch.ask and not switch.frames):
                continue
            ask = 0
            if not switch.ask:
                ask = switch.ask = self._ask = self._ask % ASKS + 1
                switch.asked, switch.unasked = self._now, False
            frames, switch.frames = tuple(switch.frames), []
            yield Send(dpid, frames, ask)

    def _judge(self) -> None:
        """Count the probes that were not heard though there was time."""
        while self._to_judge and self._to_judge[0].sent + self.interval * RETURN_PART <= self._now:
            probe = self._to_judge.popleft()
            switch = self._switches.get(probe.by.port.dpid)
            if switch is None or switch.confirmed < probe.sent:
                continue
            for end, link in list(probe.by.out.items()):
                if link.nonce >= probe.nonce or self._behind(end.dpid):
                    continue
                link.missed += 1
                if link.missed >= MISSED:
                    self._lose(probe.by.port, end, f"{MISSED} probes did not come")

    def _expire(self) -> None:
        late = self._now - LATE_SECONDS
        while self._to_expire and self._to_expire[0].sent < late:
            del self._probes[self._to_expire.popleft().nonce]

    def _behind(self, dpid: int) -> bool:
        switch = self._switches[dpid]
        return bool(switch.ask) and self._now - switch.asked > self.interval * BEHIND_PART

    def _see_one_way(self) -> None:
        while self._alone and self._alone[0][0] <= self._now:
            due, found = self._alone.popleft()
            if found.alone == due and self._there(found):
                self._turn(found, True)

    def _wait_for_another(self, found: _Link) -> None:
        """Look after an interval whether another comes the other way."""
        found.alone = self._now + self.interval
        self._alone.append((found.alone, found))

    def _there(self, found: _Link) -> bool:
        begin = self._ports.get(found.link.src)
        return begin is not None and begin.out.get(found.link.dst) is found

    def _add(self, begin: _Port, end: _Port, nonce: int, at: float) -> None:
        link = Link(*begin.port, *end.port, at)
        made = begin.out[end.port] = _Link(link, nonce)
        end.into.add(begin.port)
        self._links = None
        self._changes.append(Added(link))
        back = end.out.get(begin.port)
        if back is not None:
            back.alone = math.inf
            self._turn(back, False)
            return
        self._wait_for_another(made)
        if end.nonce <= begin.since:
            self._at_once[end] = None

    def _lose(self, begin: Port, end: Port, why: str) -> None:
        link = self._ports[begin].out.pop(end)
        self._ports[end].into.discard(begin)
        self._links = None
        self._changes.append(Lost(link.link, why))
        back = self._ports[end].out.get(begin)
        if back is not None:
            self._wait_for_another(back)

    def _turn(self, found: _Link, one_way: bool) -> None:
        link = found.link
        if link.one_way is one_way:
            return
        found.link = Link(*link.src, *link.dst, link.since, one_way)
        self._links = None
        self._changes.append(Turned(found.link))
