"""Which hosts are heard at the ports without a wire, and what of that is worth a line in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from netctl.controller.commands import Command, Log
from netctl.controller.events import Heard
from netctl.controller.happenings import (
    Happening,
    LinkAdded,
    LinkDeleted,
    StationAdded,
    StationChanged,
    StationRemoved,
)
from netctl.controller.snapshot import Station, SwitchPort
from netctl.topology.hosts import Appeared, Change, Gone, Host, Hosts, Place, sight

LOGGED = 10
"""Lines in a second at most."""

AGE_SECONDS = 1.0
"""So often those are looked for that were not heard of for long."""

Where = Callable[[Place], SwitchPort | None]
"""The port of a place; None where no hosts are looked for."""


class Locating:
    def __init__(self) -> None:
        self.hosts = Hosts()
        self._ports: dict[Place, SwitchPort] = {}
        """Where there are hosts, as the port was when the last of them was heard."""
        self._fabric: Counter[Place] = Counter()
        """How many links begin or end at a place."""
        self._ticked = 0.0
        self._left = LOGGED
        self._unsaid = 0

    def hear(
        self, event: Heard, now: float, where: Where, guests: Callable[[], frozenset[str]]
    ) -> tuple[list[Happening], list[Command]]:
        """Take a frame. A MAC that a guest of the policy has, of those that `guests` gives, is that guest's alone."""
        place = Place(event.dpid, event.port)
        port = where(place)
        seen = sight(event.frame) if port is not None and place not in self._fabric else None
        if seen is None or port is None or seen.mac in guests():
            return [], []
        self._ports[place] = port
        return self._tell(self.hosts.hear(place, seen, now, event.at))

    def tick(self, now: float, where: Where) -> tuple[list[Happening], list[Command]]:
        """Time passes; once in a second there is something to do."""
        if now - self._ticked < AGE_SECONDS:
            return [], []
        self._ticked = now
        unsaid, self._unsaid, self._left = self._unsaid, 0, LOGGED
        more: list[Command] = [Log("info", f"and {unsaid} more changes of hosts")] if unsaid else []
        changes = [*self.hosts.age(now), *self.hosts.keep(lambda place: where(place) is not None)]
        happened, told = self._tell(changes)
        return happened, more + told

    def lose(self, dpid: int, port: int | None = None) -> tuple[list[Happening], list[Command]]:
        """A port is down or gone; with no port, the switch is."""
        return self._tell(self.hosts.forget(dpid, port))

    def follow(self, links: Iterable[Happening]) -> tuple[list[Happening], list[Command]]:
        """Links came and went: at their ends no host is."""
        changes: list[Change] = []
        for each in links:
            if isinstance(each, LinkAdded | LinkDeleted):
                link = each.link
                for place in (Place(link.src_dpid, link.src_port), Place(link.dst_dpid, link.dst_port)):
                    if isinstance(each, LinkAdded):
                        self._fabric[place] += 1
                        changes += self.hosts.forget(*place, "fabric")
                    else:
                        self._fabric[place] -= 1
                        if self._fabric[place] <= 0:
                            del self._fabric[place]
        return self._tell(changes)

    def stations(self) -> Iterator[Station]:
        for host in self.hosts:
            yield self._station(host)

    def _station(self, host: Host) -> Station:
        port = self._ports[host.place]
        return Station(host.mac, host.ipv4, host.ipv6, host.place.dpid, port.name, since=host.since)

    def _tell(self, changes: Iterable[Change]) -> tuple[list[Happening], list[Command]]:
        happened: list[Happening] = []
        told: list[Command] = []
        for change in changes:
            line = ""
            station, port = self._station(change.host), self._ports[change.host.place]
            if isinstance(change, Appeared):
                happened.append(StationAdded(station, port))
                line = f"host {station.mac} is at {_called(station)}"
            elif isinstance(change, Gone):
                happened.append(StationRemoved(station, change.why))
                line = f"host {station.mac} is not at {_called(station)} any more: {_WHY[change.why]}"
            else:
                before = self._station(change.before)
                happened.append(StationChanged(station, port, before))
                if change.before.place != change.host.place:
                    line = f"host {station.mac} moved from {_called(before)} to {_called(station)}"
            if line and self._left:
                self._left -= 1
                told.append(Log("info", line))
            elif line:
                self._unsaid += 1
        return happened, told


_WHY = {
    "aged": "nothing was heard of it any more",
    "port": "its port is down or not listened to any more",
    "fabric": "the port leads to another switch",
}


def _called(station: Station) -> str:
    return f"switch {station.dpid:016x} port {station.port}"
