"""The Open vSwitch of this machine, as the agent watches it: its database, and a line to each bridge of netctl's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netctl.agent.line import Line
from netctl.agent.messages import BridgeSeen, BridgesSeen, Event, PortSeen, SwitchDown, SwitchUp
from netctl.desired.row import ISOLATED, Bridge, Observed, Port
from netctl.ovsdb.remote import default_remote

if TYPE_CHECKING:
    from netctl.ovsdb.database import Database


class Switches:
    """Nothing is watched before `follow`. Nothing here waits."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self._host = ""
        self._remote = ""
        self._named: frozenset[str] = frozenset()
        self._database: Database | None = None
        self._seen: BridgesSeen | None = None
        self._read: Observed | None = None
        self._said: dict[str, str] = {}

    @property
    def observed(self) -> Observed:
        """What the database said last; empty when it never did."""
        return self._database.observe() if self._database is not None else Observed()

    @property
    def ports(self) -> frozenset[str] | None:
        """The ports of every bridge in the database; None while that is not known."""
        if self._database is None or not self._database.connected:
            return None
        return frozenset(self._database.observe().ports)

    def follow(self, host: str, remote: str | None, bridges: frozenset[str]) -> None:
        """Watch those of `bridges` that the database marks as netctl's on `host`.

        `remote` is what the policy says of the database; one that is not of this machine is for the controller.
        """
        remote = remote if remote is not None and remote.startswith("unix:") else default_remote()
        if self._database is not None and (not bridges or (host, remote) != (self._host, self._remote)):
            self.close()
        if bridges and self._database is None:
            from netctl.ovsdb.database import Database

            self._database = Database(remote, host)
        self._host, self._remote, self._named = host, remote, bridges
        self._seen = self._read = None

    def close(self) -> None:
        for line in self.lines.values():
            line.close()
        self.lines.clear()
        self._said.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    def filenos(self) -> list[int]:
        """What to listen at."""
        database = [] if self._database is None else [self._database.fileno()]
        return [number for number in (*database, *(line.fileno() for line in self.lines.values())) if number >= 0]

    def due(self, now: float) -> float | None:
        """When to `look` at the latest; None for never."""
        if self._database is None:
            return None
        lines = (line.due for line in self.lines.values() if line.due is not None)
        return min([now + self._database.patience(), *lines])

    def look(self, now: float) -> Iterator[Event]:
        """What has changed since the last time."""
        if self._database is None:
            return
        self._database.wait(0)
        if self._database.connected and self._read is not self._database.observe():
            self._read = self._database.observe()
            seen = bridges_of(self._read, self._named)
            if seen != self._seen:
                self._seen = seen
                self._draw({bridge.name for bridge in seen.bridges}, now)
                yield seen
        for name, line in self.lines.items():
            was_up = line.up
            line.move(now)
            if was_up and not line.up:
                was_up = False
                yield self._down(line)
                line.move(now)
            if line.up and not was_up:
                self._said.pop(name, None)
                yield SwitchUp(name)
            elif not line.up and line.why != self._said.get(name):
                yield self._down(line)

    def _down(self, line: Line) -> SwitchDown:
        self._said[line.bridge] = line.why
        return SwitchDown(line.bridge, line.why)

    def _draw(self, bridges: set[str], now: float) -> None:
        for gone in self.lines.keys() - bridges:
            self.lines.pop(gone).close()
            self._said.pop(gone, None)
        for new in sorted(bridges - self.lines.keys()):
            self.lines[new] = Line(new, now)


def bridges_of(observed: Observed, named: frozenset[str]) -> BridgesSeen:
    """Those of netctl's bridges in a database that the policy names."""
    ours = {f.item.name for f in observed.rows if f.ours and isinstance(f.item, Bridge)} & named
    ports: dict[str, set[PortSeen]] = {name: set() for name in ours}
    for found in observed.rows:
        if isinstance(found.item, Port) and found.item.bridge in ours:
            number = observed.ports[found.item.name].ofport
            if number is not None:
                port = PortSeen(found.item.name, number, found.item.tag == ISOLATED)
                ports[found.item.bridge].add(port)
    return BridgesSeen(
        tuple(BridgeSeen(name, frozenset(ports[name]), observed.bridges[name].controlled) for name in sorted(ours))
    )
