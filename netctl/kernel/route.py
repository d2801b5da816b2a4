"""Routes (rtnetlink(7), RTM_NEWROUTE). netctl's have its protocol number, by which the kernel finds them: that takes
the same time however many others there are."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from struct import Struct

from netctl.desired.routing import IPV6_METRIC, MAIN, PROTOCOL, Route, Routing, device_of
from netctl.kernel.attribute import attribute, u32
from netctl.kernel.errors import DeviceDown, DeviceMissing, Refused, RouteTaken
from netctl.kernel.rtnl import NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Rtnl, attributes
from netctl.plan import Found, Key

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 4, 5, 6, 7
RTA_TABLE, RTA_VIA = 15, 18
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
RTN_UNICAST = 1
KERNELS_OWN = (2, 3, 4, 5)
"""The kinds of route that the kernel makes for addresses: local, broadcast, anycast, multicast."""

FAMILY: dict[int, int] = {4: socket.AF_INET, 6: socket.AF_INET6}
_BITS: dict[int, int] = {socket.AF_INET: 32, socket.AF_INET6: 128}
_RTMSG = Struct("=BBBBBBBBI")
_U32 = Struct("=I")
_PROTOCOL_AT = 5
"""Of the protocol number, in the body of a message."""


def look(rtnl: Rtnl, netns: str, names: Mapping[int, str], wanted: Collection[Key]) -> list[Found[Routing]]:
    """Those with our mark, and what stands under one of the keys that are wanted."""
    mine: dict[Key, Route] = {}
    for family in FAMILY.values():
        for body in rtnl.matching(RTM_GETROUTE, question(family, PROTOCOL), _ours):
            route = read(body, names, netns)
            if route is not None and body[0] == family:
                there = mine.get(route.key)
                mine[route.key] = replace(route, copies=there.copies + 1) if there else route
    others: dict[Key, Route] = {}
    missing = {key for key in wanted if key[0] == "route" and key not in mine}
    indexes = {name: index for index, name in names.items()}
    lengths = {_length(key) for key in missing}
    for family, table, index in {
        (*_where(key), indexes[device]) for key in missing if (device := device_of(key)) in indexes
    }:
        for body in rtnl.matching(RTM_GETROUTE, question(family, 0, table, index), lambda body: body[1] in lengths):
            route = read(body, names, netns)
            if route is not None and route.key in missing:
                others.setdefault(route.key, route)
    return [
        *(Found[Routing](route) for route in mine.values()),
        *(Found[Routing](route, ours=False) for route in others.values()),
    ]


def make(route: Route, rtnl: Rtnl) -> None:
    """Raises DeviceMissing, DeviceDown, RouteTaken, Refused. One of ours that is there is put right."""
    try:
        _ask(route, rtnl, NLM_F_CREATE | NLM_F_EXCL)
    except RouteTaken:
        if not any(_ours(body) for body in _there(route, rtnl)):
            raise
        alter(route, rtnl)


def alter(route: Route, rtnl: Rtnl) -> None:
    """In place where it is alone there; else it goes and comes again, for the kernel would replace another's.

    Raises DeviceMissing, DeviceDown, RouteTaken, Refused.
    """
    there = _there(route, rtnl)
    if len(there) == 1 and _ours(there[0]):
        _ask(route, rtnl, NLM_F_CREATE | NLM_F_REPLACE)
    else:
        remove(route, rtnl)
        _ask(route, rtnl, NLM_F_CREATE | NLM_F_APPEND)


def remove(route: Route, rtnl: Rtnl) -> None:
    """One that is gone, or is no longer ours, is no error. Raises Refused."""
    link = rtnl.link(route.dev)
    if link is None:
        return
    asked = question(FAMILY[route.family], PROTOCOL, route.table, link.index)
    try:
        for body in rtnl.matching(RTM_GETROUTE, asked, _ours):
            found = read(body, {link.index: link.name}, route.netns)
            if found is not None and found.key == route.key:
                rtnl.ask(RTM_DELROUTE, body)
    except OSError as error:
        if error.errno not in {errno.ESRCH, errno.ENODEV}:
            raise Refused(f"removing the route {route.key[-1]}", error) from error


def read(body: bytes, names: Mapping[int, str], netns: str) -> Route | None:
    """The route that the body of an RTM_NEWROUTE describes; None for what has no device, or several, or no name."""
    family, length, _, _, table, _, _, kind, _ = _RTMSG.unpack_from(body)
    found = attributes(body, _RTMSG.size)
    name = names.get(_number(found.get(RTA_OIF)))
    if kind != RTN_UNICAST or name is None or family not in _BITS:
        return None
    to = ip_network((found.get(RTA_DST, bytes(_BITS[family] // 8)), length))
    metric = _number(found.get(RTA_PRIORITY))
    via = found.get(RTA_GATEWAY) or found.get(RTA_VIA, b"")[2:]
    src = found.get(RTA_PREFSRC)
    return Route(
        to=str(to),
        dev=name,
        via=str(ip_address(via)) if via else None,
        src=str(ip_address(src)) if src else None,
        metric=0 if family == socket.AF_INET6 and metric == IPV6_METRIC else metric,
        table=_number(found.get(RTA_TABLE)) or table,
        netns=netns,
    )


def origin(body: bytes) -> tuple[int, int]:
    """(who made the route that the body of an RTM_NEWROUTE describes, of what kind it is), by rtnetlink's numbers."""
    fields = _RTMSG.unpack_from(body)
    return fields[5], fields[7]


def named(body: bytes) -> str:
    """«route NETWORK table NUMBER», of a route that may be of any kind."""
    family, length, *_ = _RTMSG.unpack_from(body)
    found = attributes(body, _RTMSG.size)
    to = ip_network((found.get(RTA_DST, bytes(_BITS[family] // 8)), length))
    return f"route {to} table {_number(found.get(RTA_TABLE)) or body[4]}"


def _ask(route: Route, rtnl: Rtnl, flags: int) -> None:
    link = rtnl.link(route.dev)
    if link is None:
        raise DeviceMissing(route.dev, route.netns or None)
    to = ip_network(route.to)
    family = FAMILY[route.family]
    scope = RT_SCOPE_UNIVERSE if route.via or family == socket.AF_INET6 else RT_SCOPE_LINK
    body = _RTMSG.pack(family, to.prefixlen, 0, 0, 0, PROTOCOL, scope, RTN_UNICAST, 0)
    body += u32(RTA_TABLE, route.table) + u32(RTA_OIF, link.index)
    if to.prefixlen:
        body += attribute(RTA_DST, to.network_address.packed)
    if route.via:
        body += attribute(RTA_GATEWAY, ip_address(route.via).packed)
    if route.src:
        body += attribute(RTA_PREFSRC, ip_address(route.src).packed)
    if route.metric:
        body += u32(RTA_PRIORITY, route.metric)
    try:
        rtnl.ask(RTM_NEWROUTE, body, flags)
    except OSError as error:
        if error.errno == errno.EEXIST:
            raise RouteTaken(route.key[-1]) from error
        if error.errno == errno.ENODEV:
            raise DeviceMissing(route.dev, route.netns or None) from error
        if error.errno == errno.ENETDOWN or (error.errno == errno.ENETUNREACH and not link.up):
            raise DeviceDown(f"the route {route.key[-1]}", route.dev, route.netns) from error
        raise Refused(f"the route {route.key[-1]}", error) from error


def _there(route: Route, rtnl: Rtnl) -> list[bytes]:
    """What stands in the same place, whoever made it, by whatever device."""
    to = ip_network(route.to)
    family = FAMILY[route.family]
    metric = route.metric or (IPV6_METRIC if route.family == 6 else 0)

    def same(body: bytes) -> bool:
        found = attributes(body, _RTMSG.size)
        return (
            body[1] == to.prefixlen
            and found.get(RTA_DST, bytes(_BITS[family] // 8)) == to.network_address.packed
            and _number(found.get(RTA_PRIORITY)) == metric
        )

    try:
        return rtnl.matching(RTM_GETROUTE, question(family, 0, route.table), same)
    except OSError as error:
        raise Refused(f"looking at table {route.table}", error) from error


def question(family: int, protocol: int = 0, table: int = 0, index: int = 0) -> bytes:
    body = _RTMSG.pack(family, 0, 0, 0, 0, protocol, 0, 0, 0)
    return body + (u32(RTA_TABLE, table) if table else b"") + (u32(RTA_OIF, index) if index else b"")


def _where(key: Key) -> tuple[int, int]:
    """(family, table) of a route, from its key."""
    words = key[-1].split()
    rest = words[words.index("dev") + 2 :]
    table = int(rest[1]) if rest[:1] == ["table"] else MAIN
    return (socket.AF_INET6 if ":" in words[0] or words[1] == "(IPv6)" else socket.AF_INET), table


def _length(key: Key) -> int:
    """Of the prefix."""
    to = key[-1].split()[0]
    return 0 if to == "default" else ip_network(to).prefixlen


def _ours(body: bytes) -> bool:
    return body[_PROTOCOL_AT] == PROTOCOL


def _number(value: bytes | None) -> int:
    return 0 if value is None else int(_U32.unpack_from(value)[0])
