"""Addresses of devices and routes by them, whoever made them, word for word as the kernel tells of them.

When a device goes down, moves to another namespace or is made again, the kernel forgets them: the routes of other
programs too, which nobody would put back. So they are read before, and what is missing afterwards is said again.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct
from typing import Literal

from netctl.kernel.attribute import attribute, u32
from netctl.kernel.rtnl import (
    IFADDR,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWADDR,
    Rtnl,
    attributes,
    listed,
    read_address,
)

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
IFA_CACHEINFO, IFA_FLAGS = 6, 8
IFA_F_TEMPORARY = 0x01
IFA_F_GIVEN = 0x02 | 0x10 | 0x100 | 0x200 | 0x400
"""Those flags that whoever gave an address chose; the others tell of its state."""
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_MULTIPATH, RTA_CACHEINFO = 1, 4, 5, 9, 12
RTA_TABLE, RTA_VIA, RTA_EXPIRES, RTA_NH_ID = 15, 18, 23, 30
RTNH_F_ONLINK = 4
RT_TABLE_LOCAL = 255

_RTMSG = Struct("=BBBBBBBBI")
_NEXTHOP = Struct("=HBBi")
_U32 = Struct("=I")
_EXPIRES_AT = 8
"""Of rta_expires (clock ticks, 100 a second) in RTA_CACHEINFO."""
_FEW = 8
"""Devices that are asked for one by one; of more, the kernel tells all."""


@dataclass(frozen=True)
class Way:
    """An address of a device, or a route by it."""

    what: Literal["address", "route"]
    netns: str
    dev: str
    index: int
    """The device's, when it was read."""
    message: str
    """The body of the RTM_NEWADDR or RTM_NEWROUTE (rtnetlink(7)), in hexadecimal."""

    @property
    def body(self) -> bytes:
        return bytes.fromhex(self.message)


def read(rtnl: Rtnl, netns: str, names: Collection[str]) -> list[Way]:
    """Those of the devices called `names` in the namespace of `rtnl`; none of those that come and go with the device
    by the kernel's own doing. Raises OSError."""
    devices = {link.index: link.name for link in rtnl.links() if link.name in names}
    if not devices:
        return []
    found = [
        Way("address", netns, devices[read_address(body).index], read_address(body).index, body.hex())
        for body in rtnl.matching(RTM_GETADDR, IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        if read_address(body).index in devices and _is_somebodys(body)
    ]
    for body in _routes(rtnl, devices):
        index = next(each for each in _indexes(body) if each in devices)
        found.append(Way("route", netns, devices[index], index, body.hex()))
    return found


def restore(rtnl: Rtnl, ways: Collection[Way]) -> list[str]:
    """Say again what is missing of `ways`, all of one namespace; what could not be, in words."""
    regrets: list[str] = []
    links = {link.name: link.index for link in rtnl.links()}
    there = {way.dev: links[way.dev] for way in ways if way.dev in links}
    names = {index: name for name, index in there.items()}
    now = _addresses(rtnl, names)
    for way in _as_given([way for way in ways if way.what == "address"]):
        if way.dev in there:
            text = read_address(way.body).text
            found = now.get((way.dev, text))
            if found is not None and _plain_address(found) == _plain_address(way.body):
                continue
            body = IFADDR.pack(*IFADDR.unpack_from(way.body)[:4], there[way.dev]) + way.body[IFADDR.size :]
            try:
                if found is not None:
                    rtnl.ask(RTM_DELADDR, found)
                    now = _addresses(rtnl, names)
                rtnl.ask(RTM_NEWADDR, body, NLM_F_CREATE | NLM_F_EXCL)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    regrets.append(f"the address {text} of {way.dev}: {error.strerror}")
    routes = [way for way in ways if way.what == "route" and way.dev in there]
    have = {(names.get(_first(body)), _plain_route(body)) for body in _routes(rtnl, names)} if routes else set()
    for way in sorted(routes, key=lambda way: _has_gateway(way.body)):
        if (way.dev, _plain_route(way.body)) in have:
            continue
        body = _route_again(way, there[way.dev])
        mode = NLM_F_APPEND if body[0] == socket.AF_INET else NLM_F_EXCL
        try:
            rtnl.ask(RTM_NEWROUTE, body, NLM_F_CREATE | mode)
        except OSError as error:
            if error.errno != errno.EEXIST:
                regrets.append(f"the route {_destination(way.body)} by {way.dev}: {error.strerror}")
    return regrets


def _as_given(addresses: list[Way]) -> list[Way]:
    """In the order in which they were given, as far as it can be told: of IPv6 the kernel tells the latest first."""
    four = [way for way in addresses if way.body[0] == socket.AF_INET]
    return four + [way for way in reversed(addresses) if way.body[0] != socket.AF_INET]


def _addresses(rtnl: Rtnl, names: Mapping[int, str]) -> dict[tuple[str, str], bytes]:
    """By device and text. With the first of a network the kernel takes away the others (ip-address(8), secondary)."""
    bodies = rtnl.matching(RTM_GETADDR, IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
    return {(names[each.index], each.text): body for body in bodies if (each := read_address(body)).index in names}


def _routes(rtnl: Rtnl, devices: Mapping[int, str]) -> Iterator[bytes]:
    for family in (socket.AF_INET, socket.AF_INET6):
        question = _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        questions = [question + u32(RTA_OIF, index) for index in devices] if len(devices) <= _FEW else [question]
        told = set()
        for each in questions:
            for body in rtnl.matching(RTM_GETROUTE, each, _in_a_table):
                if body[0] == family and body not in told and any(index in devices for index in _indexes(body)):
                    told.add(body)
                    yield body


def _in_a_table(body: bytes) -> bool:
    """Whether the route is in a table that people write to."""
    return body[4] != RT_TABLE_LOCAL


def _is_somebodys(body: bytes) -> bool:
    """Whether an address was given to the device, and not made by the kernel for itself."""
    if read_address(body).made_by_kernel:
        return False
    return body[0] != socket.AF_INET6 or not _address_flags(body) & IFA_F_TEMPORARY


def _address_flags(body: bytes) -> int:
    value = attributes(body, IFADDR.size).get(IFA_FLAGS)
    return int(_U32.unpack(value)[0]) if value else body[2]


def _plain_address(body: bytes) -> object:
    """What two looks at one address have in common."""
    family, length, _, scope, _ = IFADDR.unpack_from(body)
    rest = {kind: value for kind, value in listed(body[IFADDR.size :]) if kind not in (IFA_CACHEINFO, IFA_FLAGS)}
    flags = _address_flags(body) & IFA_F_GIVEN
    return family, length, scope, flags, frozenset(rest.items())


def _plain_route(body: bytes) -> object:
    """What two looks at one route have in common, wherever it leads out."""
    head = _RTMSG.unpack_from(body)
    kept = [each for each in listed(body[_RTMSG.size :]) if each[0] not in (RTA_OIF, RTA_CACHEINFO, RTA_NH_ID)]
    return head[:8], frozenset(kept)


def _route_again(way: Way, index: int) -> bytes:
    head = _RTMSG.unpack_from(way.body)
    parts = [_RTMSG.pack(*head[:8], head[8] & RTNH_F_ONLINK)]
    for kind, value in listed(way.body[_RTMSG.size :]):
        if kind == RTA_OIF:
            parts.append(u32(RTA_OIF, index if _U32.unpack(value)[0] == way.index else _U32.unpack(value)[0]))
        elif kind == RTA_CACHEINFO:
            ticks = _U32.unpack_from(value, _EXPIRES_AT)[0]
            if 0 < ticks < 1 << 31:
                parts.append(u32(RTA_EXPIRES, ticks // 100))
        elif kind != RTA_NH_ID:
            parts.append(attribute(kind, value))
    return b"".join(parts)


def _indexes(body: bytes) -> list[int]:
    """Of the devices by which the route leads."""
    found = attributes(body, _RTMSG.size)
    if RTA_OIF in found:
        return [int(_U32.unpack(found[RTA_OIF])[0])]
    hops = found.get(RTA_MULTIPATH, b"")
    indexes = []
    while len(hops) >= _NEXTHOP.size:
        length, _, _, index = _NEXTHOP.unpack_from(hops)
        if length < _NEXTHOP.size:
            break
        indexes.append(index)
        hops = hops[(length + 3) & ~3 :]
    return indexes


def _first(body: bytes) -> int:
    return next(iter(_indexes(body)), 0)


def _has_gateway(body: bytes) -> bool:
    found = attributes(body, _RTMSG.size)
    return bool(found.keys() & {RTA_GATEWAY, RTA_VIA, RTA_MULTIPATH})


def _destination(body: bytes) -> str:
    value = attributes(body, _RTMSG.size).get(RTA_DST)
    return f"{ip_address(value)}/{body[1]}" if value else "default"
