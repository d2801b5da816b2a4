"""Who is heard by LLDP at the ports of the switches, and what of that is worth a line in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from netctl.controller.commands import Command, Log
from netctl.controller.events import Heard
from netctl.topology.announcement import Announcement, Id
from netctl.topology.neighbours import Appeared, Change, Changed, Neighbours, Place

LOGGED = 10
"""Lines in a second at most: who floods a wire with names fills no log."""

Where = Callable[[Place], str | None]
"""What people call a place; None for one that nobody listens at."""

_WHY = {
    "aged": "nothing was heard of it any more",
    "shutdown": "it said that it goes",
    "port": "its port is down or not listened to any more",
}


class Listening:
    def __init__(self) -> None:
        self.neighbours = Neighbours()
        self._changes: list[Change] = []
        self._ticked = 0.0
        self._left = LOGGED
        self._unsaid = 0

    def hear(self, event: Heard, now: float, where: Where) -> list[Command]:
        place = Place(event.dpid, event.port, event.cookie)
        if where(place) is None:
            return []
        changes = self.neighbours.hear(place, event.frame, now, event.at)
        self.neighbours.counts[event.dpid, event.port].lost += event.lost
        return self._tell(changes, where)

    def tick(self, now: float, where: Where, lit: Callable[[Place], bool]) -> list[Command]:
        """Time passes; once in a second there is something to do. `lit` is whether a port is up: a frame may overtake
        the news that its port went down, or came up, so only now it counts."""
        if now - self._ticked < 1:
            return []
        self._ticked = now
        unsaid, self._unsaid, self._left = self._unsaid, 0, LOGGED
        told: list[Command] = [Log("info", f"and {unsaid} more changes of neighbours")] if unsaid else []
        gone = self.neighbours.keep(lambda place: where(place) is not None and lit(place))
        changes = [*self.neighbours.age(now), *gone]
        return [*told, *self._tell(changes, where)]

    def lose(self, dpid: int, port: int | None = None) -> list[Command]:
        """A port is down or gone; with no port, the switch is."""
        return self._tell(self.neighbours.forget(dpid, port), lambda _: None)

    def take_changes(self) -> list[Change]:
        """What changed since the last time."""
        changes, self._changes = self._changes, []
        return changes

    def _tell(self, changes: Iterable[Change], where: Where) -> list[Command]:
        changes = list(changes)
        self._changes += changes
        told: list[Command] = []
        for change in changes:
            if isinstance(change, Changed):
                continue
            if not self._left:
                self._unsaid += 1
                continue
            self._left -= 1
            place = change.neighbour.place
            named = where(place) or f"switch {place.dpid:016x} port {place.port}"
            name = _name(change.neighbour.announced)
            if isinstance(change, Appeared):
                told.append(Log("info", f"{named}: neighbour {name} is there"))
            else:
                told.append(Log("info", f"{named}: neighbour {name} is gone: {_WHY[change.why]}"))
        return told


def _name(said: Announcement) -> str:
    name = f"{said.system_name or _id(said.chassis)}, {_id(said.port)}"
    return "".join(each if each.isprintable() else "?" for each in name)


def _id(identity: Id) -> str:
    return f"{identity.type} {identity.value}"
