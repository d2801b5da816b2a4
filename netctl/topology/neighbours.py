"""Who is at the other end: what was heard by LLDP, and for how long it holds (IEEE 802.1AB-2016, 9.2).

The table is bounded, so that nobody can fill it for others. A place holds PER_PLACE neighbours and all places
together TOTAL; one that does not fit is not taken, until one that is there is gone (the standard's "too many
neighbors", 9.2.7.7.5). Nobody is ever put out for a newcomer: who floods a port with invented names keeps newcomers
off that port, for as long as the names last, and touches no neighbour that was there before, nor any other port.

A frame that is octet for octet the last of a neighbour costs one look at a dictionary: only what changes is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from netctl.topology import lldp
from netctl.topology.announcement import Announcement, Id, Malformed

PER_PLACE = 8
"""One neighbour is the rule; several share a hub, or a bridge that lets LLDP pass."""

TOTAL = 16384
"""Some 40 MB with frames as lldpd sends them, and 340 MB where all are as large as a frame can be made."""


class Place(NamedTuple):
    """Where a neighbour is heard."""

    dpid: int
    port: int
    """The OpenFlow port number."""
    cookie: int = 0
    """Of the wire that it is heard on; 0 for none. A port can end several wires, one for each VLAN."""


class Msap(NamedTuple):
    """What tells one neighbour of a place from another (3.1, MSAP identifier), and the tags that its frames have."""

    chassis: Id
    port: Id
    tags: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One that is there now."""

    place: Place
    announced: Announcement
    since: float
    """When it was first heard, seconds since the epoch."""
    changed: float
    """When it last said something else than before, seconds since the epoch."""
    until: float
    """When it is forgotten unless it is heard again, by the monotonic clock."""

    @property
    def msap(self) -> Msap:
        return _msap(self.announced)


@dataclass(frozen=True, slots=True)
class Appeared:
    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class Changed:
    before: Neighbour
    neighbour: Neighbour


@dataclass(frozen=True, slots=True)
class Gone:
    neighbour: Neighbour
    why: Literal["aged", "shutdown", "port"]
    """aged: nothing was heard of it within its time to live; shutdown: it said that it goes; port: the port or the
    switch is gone or down."""


Change = Appeared | Changed | Gone


@dataclass(slots=True)
class Counts:
    """What came in at a port."""

    frames: int = 0
    malformed: int = 0
    refused: int = 0
    """Well-formed, of a neighbour that there was no room for."""
    why: str = ""
    """What is wrong with the last malformed one."""
    lost: int = 0
    """Frames that were dropped before anybody looked at them, because there were too many."""


@dataclass(slots=True)
class _Entry:
    neighbour: Neighbour
    frame: bytes


class Neighbours:
    """The table. Not thread-safe."""

    def __init__(self, per_place: int = PER_PLACE, total: int = TOTAL) -> None:
        self.per_place = per_place
        self.total = total
        self.counts: dict[tuple[int, int], Counts] = {}
        """By datapath ID and port."""
        self._places: dict[Place, dict[Msap, _Entry]] = {}
        self._by_frame: dict[tuple[Place, bytes], _Entry] = {}

    def __len__(self) -> int:
        return len(self._by_frame)

    def __iter__(self) -> Iterator[Neighbour]:
        for entries in self._places.values():
            for entry in entries.values():
                yield entry.neighbour

    def hear(self, place: Place, frame: bytes, now: float, at: float) -> list[Change]:
        """Take a frame, whatever is in it. `now` is monotonic, `at` seconds since the epoch."""
        counts = self.counts.setdefault((place.dpid, place.port), Counts())
        counts.frames += 1
        entry = self._by_frame.get((place, frame))
        if entry is not None:
            entry.neighbour = replace(entry.neighbour, until=now + entry.neighbour.announced.ttl)
            return []
        announced = lldp.decode(frame)
        if isinstance(announced, Malformed):
            counts.malformed += 1
            counts.why = announced.why
            return []
        gone = self._age(place, now)
        if announced.ttl == 0:
            return gone + self._shut_down(place, announced)
        return gone + self._take(place, announced, frame, now + announced.ttl, at, counts)

    def age(self, now: float) -> list[Change]:
        """Forget those whose time to live is over at `now`."""
        return [change for place in list(self._places) for change in self._age(place, now)]

    def _age(self, place: Place, now: float) -> list[Change]:
        entries = self._places.get(place, {})
        due = [msap for msap, entry in entries.items() if entry.neighbour.until <= now]
        return [Gone(self._remove(place, msap), "aged") for msap in due]

    def forget(self, dpid: int, port: int | None = None) -> list[Change]:
        """A port went down or away; with no port, the switch did, and its counts with it."""
        if port is None:
            for each in [each for each in self.counts if each[0] == dpid]:
                del self.counts[each]
        places = [place for place in self._places if place.dpid == dpid and port in (None, place.port)]
        return [Gone(self._remove(place, msap), "port") for place in places for msap in list(self._places[place])]

    def keep(self, listened: Callable[[Place], bool]) -> list[Change]:
        """Forget those at places that are not listened at any more."""
        places = [place for place in self._places if not listened(place)]
        return [Gone(self._remove(place, msap), "port") for place in places for msap in list(self._places[place])]

    def _take(
        self, place: Place, announced: Announcement, frame: bytes, until: float, at: float, counts: Counts
    ) -> list[Change]:
        entries = self._places.get(place, {})
        msap = _msap(announced)
        known = entries.get(msap)
        if known is None:
            if len(entries) >= self.per_place or len(self) >= self.total:
                counts.refused += 1
                return []
            neighbour = Neighbour(place, announced, at, at, until)
            entries[msap] = self._by_frame[place, frame] = _Entry(neighbour, frame)
            if len(entries) == 1:
                self._places[place] = entries
            return [Appeared(neighbour)]
        before = known.neighbour
        same = before.announced == announced
        known.neighbour = Neighbour(place, announced, before.since, before.changed if same else at, until)
        del self._by_frame[place, known.frame]
        known.frame = frame
        self._by_frame[place, frame] = known
        return [] if same else [Changed(before, known.neighbour)]

    def _shut_down(self, place: Place, announced: Announcement) -> list[Change]:
        msap = _msap(announced)
        there = msap in self._places.get(place, {})
        return [Gone(self._remove(place, msap), "shutdown")] if there else []

    def _remove(self, place: Place, msap: Msap) -> Neighbour:
        entries = self._places[place]
        entry = entries.pop(msap)
        del self._by_frame[place, entry.frame]
        if not entries:
            del self._places[place]
        return entry.neighbour


def _msap(announced: Announcement) -> Msap:
    return Msap(announced.chassis, announced.port, announced.tags)
