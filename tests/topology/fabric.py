"""A fabric in memory: cables between ports, switches that send what they are told, and a clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from netctl.topology.discovery import Discovery, Send
from netctl.topology.links import Change, Link, Port
from netctl.topology.probe import Mint

MINT = Mint(b"a key that is kept", b"this run")
EPOCH = 1_700_000_000.0


def mac(port: Port) -> bytes:
    return bytes((2, 0)) + port.number.to_bytes(4, "big")


@dataclass
class Fabric:
    discovery: Discovery = field(default_factory=lambda: Discovery(MINT))
    cables: dict[Port, list[Port]] = field(default_factory=dict)
    """Where what leaves by a port comes in."""
    delay: float = 0.002
    """Seconds from the controller by a cable and back."""
    now: float = 100.0
    silent: set[int] = field(default_factory=set)
    """Switches that confirm nothing; what they are to send they keep, and send nothing that comes in on."""
    sent: list[tuple[float, Port, bytes]] = field(default_factory=list)
    sends: list[tuple[float, Send]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    drop: Callable[[Port, Port], bool] = lambda _begin, _end: False
    _due: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _kept: dict[int, list[Callable[[], None]]] = field(default_factory=dict)
    _count: int = 0

    def cable(self, one: Port, other: Port) -> None:
        self.cables.setdefault(one, []).append(other)
        self.cables.setdefault(other, []).append(one)

    def up(self, *ports: Port) -> None:
        for port in ports:
            self.discovery.listen(port, mac(port))

    def turn(self) -> None:
        """The controller does what is due now."""
        turn = self.discovery.settle()
        self.changes += turn.changes
        for send in turn.sends:
            self.sends.append((self.now, send))
            self._take(send)

    def run(self, seconds: float, step: Callable[[], None] = lambda: None) -> None:
        """Time passes; the controller is called when something happens or is due."""
        end = self.now + seconds
        self.tick()
        self.turn()
        while True:
            times = [self._due[0][0]] if self._due else []
            if self.discovery.deadline is not None:
                times.append(self.discovery.deadline)
            at = min(times, default=end)
            if at > end:
                break
            self.now = max(self.now, at)
            self.tick()
            self._deliver()
            step()
            self.turn()
            if not times:
                break
        self.now = end
        self.tick()

    def stall(self, seconds: float) -> None:
        """The controller is stopped, or does not get to run; what comes for it waits."""
        self.now += seconds

    def tick(self) -> None:
        self.discovery.tick(self.now)

    def hear(self, port: Port, frame: bytes) -> str | None:
        return self.discovery.hear(port, frame, EPOCH + self.now)

    def wake(self, dpid: int) -> None:
        """A switch that was silent goes on where it stopped."""
        self.silent.discard(dpid)
        for act in self._kept.pop(dpid, []):
            act()

    @property
    def links(self) -> set[tuple[Port, Port]]:
        return {(link.src, link.dst) for link in self.discovery.links}

    def link(self, begin: Port, end: Port) -> Link:
        return next(link for link in self.discovery.links if (link.src, link.dst) == (begin, end))

    def _take(self, send: Send) -> None:
        def act() -> None:
            for number, frame in send.frames:
                begin = Port(send.dpid, number)
                self.sent.append((self.now, begin, frame))
                for end in self.cables.get(begin, []):
                    if not self.drop(begin, end):
                        self._come(end, frame)
            if send.ask:
                self._later(lambda: self.discovery.confirm(send.dpid, send.ask))

        if send.dpid in self.silent:
            self._kept.setdefault(send.dpid, []).append(act)
        else:
            act()

    def _come(self, end: Port, frame: bytes) -> None:
        def act() -> None:
            self._later(lambda: self.hear(end, frame))

        if end.dpid in self.silent:
            self._kept.setdefault(end.dpid, []).append(act)
        else:
            act()

    def _later(self, act: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now + self.delay, self._count, act))

    def _deliver(self) -> None:
        while self._due and self._due[0][0] <= self.now:
            heapq.heappop(self._due)[2]()
