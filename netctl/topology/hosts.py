"""Which hosts are at which port, by what they say of themselves: ARP (RFC 826) and neighbour discovery (RFC 4861).

A host is its MAC. It is where it was heard last, and is forgotten when nothing was heard of it for AGE_SECONDS, or its
port goes down; each of its addresses is forgotten by itself. The table is bounded, so that nobody can fill it for
others: a place holds PER_PLACE hosts and all together TOTAL, a host ADDRESSES of each family. Nobody is put out for a
newcomer, only an address for a newer one of the same host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, NamedTuple

AGE_SECONDS = 300.0
"""As long as bridges remember an address (IEEE 802.1Q-2018, 8.8.3)."""

PER_PLACE = 256
TOTAL = 16384
ADDRESSES = 16

ARP = 0x0806
IPV6 = 0x86DD
ICMPV6 = 58
SOLICITATION, ADVERTISEMENT = 135, 136
"""Neighbour solicitation and advertisement (RFC 4861, 4.3 and 4.4)."""

_TAGS = (0x8100, 0x88A8)
_ETHERNET = 14
_ARP_HEAD = bytes.fromhex("000108000604")
_IPV6_HEADER = 40
_HOP_LIMIT = 255
"""Of a packet that no router passed on (RFC 4861, 7.1)."""
_TARGET = slice(8, 24)
_OPTIONS = 24
_TARGET_LINK_LAYER = 2

Address = IPv4Address | IPv6Address


class Place(NamedTuple):
    dpid: int
    port: int
    """Its OpenFlow number."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a frame tells of who sent it."""

    mac: str
    address: Address | None


@dataclass(frozen=True, slots=True)
class Host:
    mac: str
    ipv4: tuple[str, ...]
    """In the order that they were heard in."""
    ipv6: tuple[str, ...]
    place: Place
    since: float
    """When it was first heard, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Appeared:
    host: Host


@dataclass(frozen=True, slots=True)
class Changed:
    """It has other addresses, or is elsewhere."""

    before: Host
    host: Host


@dataclass(frozen=True, slots=True)
class Gone:
    host: Host
    why: Literal["aged", "port", "fabric"]
    """aged: nothing was heard of it; port: its port is down or gone, or not listened to any more; fabric: its port
    leads to another switch."""


Change = Appeared | Changed | Gone


@dataclass(slots=True, eq=False)
class _Entry:
    host: Host
    until: float
    addresses: dict[Address, float] = field(default_factory=dict)
    """Until when each holds."""


class Hosts:
    """The table. Not thread-safe. `now` is monotonic, `at` seconds since the epoch."""

    def __init__(self, per_place: int = PER_PLACE, total: int = TOTAL) -> None:
        self.per_place = per_place
        self.total = total
        self.refused = 0
        """Sightings of hosts that there was no room for."""
        self._entries: dict[str, _Entry] = {}
        self._count: Counter[Place] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Host]:
        for entry in self._entries.values():
            yield entry.host

    def hear(self, place: Place, seen: Sighting, now: float, at: float) -> list[Change]:
        entry = self._entries.get(seen.mac)
        if entry is None or entry.host.place != place:
            room = self._count[place] < self.per_place and (entry is not None or len(self) < self.total)
            if not room:
                self.refused += 1
                return []
        before = entry.host if entry is not None else None
        if entry is None:
            entry = self._entries[seen.mac] = _Entry(Host(seen.mac, (), (), place, at), 0.0)
            self._count[place] += 1
        elif entry.host.place != place:
            self._leave(entry.host.place)
            self._count[place] += 1
        entry.until = now + AGE_SECONDS
        known = seen.address is None or seen.address in entry.addresses
        if seen.address is not None:
            entry.addresses[seen.address] = entry.until
        if known and before is not None and before.place == place:
            return []
        self._trim(entry)
        entry.host = _host(entry, place)
        return [Appeared(entry.host) if before is None else Changed(before, entry.host)]

    def age(self, now: float) -> list[Change]:
        """Forget what nothing was heard of until `now`."""
        changes: list[Change] = []
        for entry in list(self._entries.values()):
            if entry.until <= now:
                changes.append(Gone(self._remove(entry), "aged"))
            elif any(until <= now for until in entry.addresses.values()):
                entry.addresses = {address: until for address, until in entry.addresses.items() if until > now}
                before, entry.host = entry.host, _host(entry, entry.host.place)
                changes.append(Changed(before, entry.host))
        return changes

    def forget(self, dpid: int, port: int | None = None, why: Literal["port", "fabric"] = "port") -> list[Change]:
        """A port went down or away, or leads to another switch; with no port, the switch is gone."""
        if port is not None and not self._count.get(Place(dpid, port)):
            return []
        return self.keep(lambda place: place.dpid != dpid or port not in (None, place.port), why)

    def keep(self, wanted: Callable[[Place], bool], why: Literal["port", "fabric"] = "port") -> list[Change]:
        """Forget those at other places."""
        gone = {place for place in self._count if not wanted(place)}
        if not gone:
            return []
        return [Gone(self._remove(each), why) for each in list(self._entries.values()) if each.host.place in gone]

    def _trim(self, entry: _Entry) -> None:
        for family in (IPv4Address, IPv6Address):
            there = [address for address in entry.addresses if isinstance(address, family)]
            if len(there) > ADDRESSES:
                del entry.addresses[min(there, key=entry.addresses.__getitem__)]

    def _remove(self, entry: _Entry) -> Host:
        del self._entries[entry.host.mac]
        self._leave(entry.host.place)
        return entry.host

    def _leave(self, place: Place) -> None:
        self._count[place] -= 1
        if not self._count[place]:
            del self._count[place]


def _host(entry: _Entry, place: Place) -> Host:
    four = tuple(str(each) for each in entry.addresses if isinstance(each, IPv4Address))
    six = tuple(str(each) for each in entry.addresses if isinstance(each, IPv6Address))
    return Host(entry.host.mac, four, six, place, entry.host.since)


def is_of_host(frame: bytes) -> bool:
    """Whether an Ethernet frame is of a protocol that tells of hosts."""
    return _kind(frame)[0] in (ARP, IPV6)


def sight(frame: bytes) -> Sighting | None:
    """Who sent an Ethernet frame, with up to two VLAN tags; None where it tells nothing of that. Never raises.

    An address that another MAC is said to have is nobody's, nor is one that is being tried out (RFC 5227, RFC 4862).
    """
    source = frame[6:12]
    if len(source) < 6 or source[0] & 1 or not any(source):
        return None
    kind, at = _kind(frame)
    if kind == ARP:
        address = _arp(frame[at:], source)
    elif kind == IPV6:
        address = _neighbour_discovery(frame[at:], source)
    else:
        return None
    if address is False:
        return None
    return Sighting(source.hex(":"), address or None)


def _kind(frame: bytes) -> tuple[int, int]:
    """The EtherType behind up to two tags, and where what it is of begins."""
    kind, at = int.from_bytes(frame[12:14], "big"), _ETHERNET
    for _ in range(2):
        if kind in _TAGS:
            kind, at = int.from_bytes(frame[at + 2 : at + 4], "big"), at + 4
    return kind, at


def _arp(packet: bytes, source: bytes) -> Address | Literal[False] | None:
    """False for what is no ARP of IPv4 over Ethernet."""
    if packet[:6] != _ARP_HEAD or len(packet) < 28:
        return False
    address = IPv4Address(packet[14:18])
    return address if packet[8:14] == source and _is_one(address) else None


def _neighbour_discovery(packet: bytes, source: bytes) -> Address | Literal[False] | None:
    """False for what is no neighbour discovery of a host on this link."""
    message = packet[_IPV6_HEADER:]
    if len(message) < _OPTIONS or packet[6] != ICMPV6 or packet[7] != _HOP_LIMIT or message[1]:
        return False
    sender, target = IPv6Address(packet[8:24]), IPv6Address(message[_TARGET])
    if message[0] == SOLICITATION:
        return sender if _is_one(sender) else None
    if message[0] != ADVERTISEMENT:
        return False
    option = message[_OPTIONS : _OPTIONS + 8]
    own = option[:2] != bytes((_TARGET_LINK_LAYER, 1)) or option[2:] == source
    return target if own and _is_one(target) else None


def _is_one(address: Address) -> bool:
    """Whether an address can be one host's."""
    broadcast = isinstance(address, IPv4Address) and int(address) == 0xFFFF_FFFF
    return not (address.is_unspecified or address.is_multicast or address.is_loopback or broadcast)
