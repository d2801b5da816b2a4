"""What there is in this machine's network namespaces, at one moment, and what points from one into another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from netctl.desired.link import Place
from netctl.kernel.errors import NamespaceMissing
from netctl.kernel.port import Vlans, filters, vlans
from netctl.kernel.rooms import Room, Rooms
from netctl.kernel.rtnl import Link


@dataclass(frozen=True)
class Inside:
    """What is in one namespace."""

    netns: str
    links: tuple[Link, ...]
    addresses: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """By device index; without those that come and go by themselves. Sorted."""
    vlans: dict[int, Vlans] = field(default_factory=dict)
    """By the index of a port, where a bridge looks at tags."""
    by_index: dict[int, Link] = field(default_factory=dict)
    by_name: dict[str, Link] = field(default_factory=dict)


def look(room: Room, detailed: bool = True) -> Inside:
    """`detailed` is with addresses. Raises OSError."""
    links = tuple(room.rtnl.links())
    addresses: dict[int, list[str]] = {}
    for each in room.rtnl.addresses() if detailed else ():
        if each.configured:
            addresses.setdefault(each.index, []).append(each.text)
    return Inside(
        room.netns,
        links,
        {index: tuple(sorted(texts)) for index, texts in addresses.items()},
        vlans(room.rtnl) if any(link.kind == "bridge" and filters(link) for link in links) else {},
        {link.index: link for link in links},
        {link.name: link for link in links},
    )


class View:
    """The namespaces that were looked into."""

    def __init__(self, rooms: Rooms, insides: Iterable[Inside]) -> None:
        self.rooms = rooms
        self.insides = {inside.netns: inside for inside in insides}
        self._behind: dict[str, dict[int, str]] = {}
        """Which namespaces one calls by which IDs."""
        self._peers: dict[tuple[str, int], Place] | None = None

    def name(self, netns: str, index: int) -> str:
        """Of the device with an index; "" where there is none."""
        link = self.insides[netns].by_index.get(index)
        return link.name if link else ""

    def lower(self, netns: str, link: Link) -> Place:
        """What a device stands on, or a veth's peer; names are "" where it is in no namespace that was looked into."""
        if link.lower_nsid is None:
            return netns, self.name(netns, link.lower)
        if netns and link.kind == "veth":
            peer = self._across().get((netns, link.index))
            if peer is not None:
                return peer
        there = self._namespace(netns, link.lower_nsid)
        return ("", "") if there is None else (there, self.name(there, link.lower))

    def _across(self) -> dict[tuple[str, int], Place]:
        """By the namespace and index of their peers, the veths of the host's own: so the peers need not ask."""
        if self._peers is None:
            self._peers = {}
            for link in self.insides[""].links if "" in self.insides else ():
                if link.kind == "veth" and link.lower_nsid is not None:
                    there = self._namespace("", link.lower_nsid)
                    if there is not None:
                        self._peers[there, link.lower] = ("", link.name)
        return self._peers

    def _namespace(self, netns: str, nsid: int) -> str | None:
        """Which namespace one calls by an ID."""
        known = self._behind.get(netns)
        if known is None:
            ids = {other: self._id(netns, other) for other in self.insides if other != netns}
            known = self._behind[netns] = {number: other for other, number in ids.items() if number is not None}
        return known.get(nsid)

    def _id(self, netns: str, other: str) -> int | None:
        try:
            descriptor = self.rooms.at(other).descriptor
            return self.rooms.at(netns).rtnl.nsid(descriptor)
        except (NamespaceMissing, OSError):
            return None
