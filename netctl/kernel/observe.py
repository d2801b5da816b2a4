"""What there is on this host, of all that netctl made or is asked to make."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from netctl.desired.device import Device, Namespace, Stranger
from netctl.desired.link import Link, Nic, Place
from netctl.desired.routing import DropIn, Routing, Waiting
from netctl.kernel import netns, routing
from netctl.kernel.errors import NamespaceMissing
from netctl.kernel.kinds import kind_of
from netctl.kernel.link import Kind, L, common
from netctl.kernel.mark import kept, ours
from netctl.kernel.nic import NicKind
from netctl.kernel.rooms import Rooms
from netctl.kernel.rtnl import Link as Raw
from netctl.kernel.rtnl import Rtnl
from netctl.kernel.view import Inside, View, look
from netctl.plan import Found, Key


@dataclass(frozen=True)
class Seen:
    found: list[Found[Device]]
    """Everything with netctl's mark, and whatever stands where something is wanted, netctl's or not."""
    links: Mapping[str, tuple[Raw, ...]]
    """All devices of the namespaces that were looked into."""


def observe(rooms: Rooms, host: str | None, wanted: Collection[Device]) -> Seen:
    """With None for `host` the devices of any host are found, and of each no more than what it is: they are only
    removed. Raises OSError."""
    return _Look(rooms, host, wanted).all()


def room_of(device: Link | Routing) -> str:
    """The namespace that something is in."""
    return "" if isinstance(device, DropIn | Waiting) else device.netns


class _Look:
    def __init__(self, rooms: Rooms, host: str | None, wanted: Collection[Device]) -> None:
        self._rooms = rooms
        self._host = host
        self._asked = Asked.of(wanted)
        self._found: list[Found[Device]] = []

    def all(self) -> Seen:
        view = View(self._rooms, self._insides())
        survey = routing.Survey(self._asked.keys, self._host)
        for inside in view.insides.values():
            rtnl = self._rooms.at(inside.netns).rtnl
            for raw in inside.links:
                self._found += self._seen(raw, inside, view, rtnl)
            for each in survey.look(rtnl, inside.netns, inside.links):
                if each.ours or each.item.key in self._asked.keys:
                    self._found.append(Found(each.item, each.ours, each.stays))
        return Seen(self._found, {inside.netns: inside.links for inside in view.insides.values()})

    def _insides(self) -> Iterator[Inside]:
        """The host's own namespace and those that are ours or asked for; the latter are found on the way."""
        detailed = self._host is not None
        yield look(self._rooms.at(""), detailed)
        for name in netns.names():
            try:
                room = self._rooms.at(name)
                loopback = room.rtnl.link("lo")
                if loopback is None:
                    continue
                mine = ours(loopback, self._host)
                if mine or name in self._asked.namespaces:
                    stays = None if mine else ""
                    self._found.append(Found(netns.SeenNamespace(name, loopback.up), mine, stays))
                    yield look(room, detailed)
                elif name in self._asked.inside:
                    yield look(room, detailed)
            except NamespaceMissing:
                continue

    def _seen(self, raw: Raw, inside: Inside, view: View, rtnl: Rtnl) -> list[Found[Device]]:
        kind = kind_of(raw)
        mine = kind is not None and ours(raw, self._host)
        keys = self._asked.at.get((inside.netns, raw.name), ())
        keep = kept(raw, self._host)
        if not mine and not keys and not keep:
            return []
        try:
            if keep or any(key[0] == Nic.kind for key in keys):
                return [Found(self._read(NicKind(self._host), raw, inside, view, rtnl))]
            if kind is not None:
                device = self._read(kind, raw, inside, view, rtnl)
                if mine or device.key in keys:
                    return [Found(device, mine)]
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return []
        return [Found(Stranger(key, raw.kind or "hardware"), ours=False) for key in keys]

    def _read(self, kind: Kind[L], raw: Raw, inside: Inside, view: View, rtnl: Rtnl) -> L:
        if self._host is None:
            return kind.device(name=raw.name, netns=inside.netns, **kind.seen(raw, inside, view))
        detailed = (inside.netns, raw.name) in self._asked.detailed
        return kind.device(**common(raw, inside, rtnl, detailed), **kind.seen(raw, inside, view))


@dataclass(frozen=True)
class Asked:
    """What is wanted, by what is asked of it."""

    at: Mapping[Place, Collection[Key]]
    """What is wanted at a place."""
    detailed: Collection[Place]
    """Of whose offloads something is said."""
    namespaces: Collection[str]
    inside: Collection[str]
    """The namespaces in which something is wanted."""
    keys: Collection[Key]
    """Of all of it."""

    @staticmethod
    def of(wanted: Iterable[Device]) -> Asked:
        at: dict[Place, list[Key]] = {}
        detailed = set()
        namespaces = set()
        inside = {""}
        keys = set()
        for device in wanted:
            keys.add(device.key)
            if isinstance(device, Link):
                at.setdefault(device.place, []).append(device.key)
                if device.offloads:
                    detailed.add(device.place)
            if isinstance(device, Namespace):
                namespaces.add(device.name)
            elif not isinstance(device, Stranger):
                inside.add(room_of(device))
        return Asked(at, detailed, namespaces, inside, keys)
