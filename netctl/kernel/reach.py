"""By what this host's answers to somebody leave: devices, routes, rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from struct import Struct

from netctl.desired.routing import Route, Rule
from netctl.kernel import route, rule
from netctl.kernel.attribute import attribute, u32
from netctl.kernel.rtnl import Link, Rtnl, attributes

RTM_GETNEIGH = 30
NDA_DST, NDA_LLADDR, NDA_MASTER = 1, 2, 9
AF_BRIDGE = 7

_RTMSG = Struct("=BBBBBBBBI")
_NDMSG = Struct("=BxxxiHBB")
_U32 = Struct("=I")


@dataclass(frozen=True)
class Reach:
    """How the host, from its address `server`, answers `client`."""

    client: str
    server: str
    devices: frozenset[str]
    """Those that the answers pass, in the host's own namespace."""
    rules: tuple[Rule, ...] = ()
    """All of the family's."""
    routes: tuple[Route, ...] = ()
    """Those whose network the client is in, in any table."""


def reach(rtnl: Rtnl, client: str, server: str) -> Reach | None:
    """None where `server` is not an address of this host, or it has no way to `client`. Raises OSError."""
    there, here = _address(client), _address(server)
    zone = server.partition("%")[2]
    links = {link.index: link for link in rtnl.links()}
    text = str(here)
    having = {
        each.index
        for each in rtnl.addresses()
        if each.text.partition("/")[0] == text and zone in ("", links[each.index].name)
    }
    if not having:
        return None
    out, hop = _out(rtnl, there, here, min(having) if zone else 0)
    seen = _passed(rtnl, links, {*having, out} - {0}, hop)
    names = {index: link.name for index, link in links.items()}
    family = route.FAMILY[there.version]
    rules = [rule.read(body, "") for body in _dump(rtnl, rule.RTM_GETRULE, family)]
    routes = [route.read(body, names, "") for body in _dump(rtnl, route.RTM_GETROUTE, family)]
    return Reach(
        str(there),
        text,
        frozenset(links[index].name for index in seen if index in links),
        tuple(each for each in rules if each is not None and each.family == there.version),
        tuple(each for each in routes if each is not None and each.family == there.version and _holds(each, there)),
    )


def _out(
    rtnl: Rtnl, there: IPv4Address | IPv6Address, here: IPv4Address | IPv6Address, index: int
) -> tuple[int, IPv4Address | IPv6Address]:
    """The device by which the kernel answers, 0 for none, and the next hop."""
    bits = there.max_prefixlen
    body = _RTMSG.pack(route.FAMILY[there.version], bits, bits, 0, 0, 0, 0, 0, 0)
    body += attribute(1, there.packed) + attribute(2, here.packed) + (u32(route.RTA_OIF, index) if index else b"")
    try:
        answers = rtnl.told(route.RTM_GETROUTE, body)
    except OSError:
        return 0, there
    for answer in answers:
        found = attributes(answer, _RTMSG.size)
        via = found.get(route.RTA_GATEWAY) or found.get(route.RTA_VIA, b"")[2:]
        return _number(found.get(route.RTA_OIF)), ip_address(via) if via else there
    return 0, there


def _passed(rtnl: Rtnl, links: Mapping[int, Link], first: set[int], hop: IPv4Address | IPv6Address) -> set[int]:
    """Those devices, what they stand on, the ports of bridges and bonds that lead to the next hop."""
    macs: set[bytes] | None = None
    seen: set[int] = set()
    todo = list(first)
    while todo:
        index = todo.pop()
        link = links.get(index)
        if link is None or index in seen:
            continue
        seen.add(index)
        if link.lower and link.lower_nsid is None:
            todo.append(link.lower)
        if link.master:
            todo.append(link.master)
        ports = [each.index for each in links.values() if each.master == index]
        if link.kind == "bridge" and ports:
            if macs is None:
                macs = _macs(rtnl, hop)
            learned = _learned(rtnl, index, macs)
            ports = [port for port in ports if port in learned] or ports
        todo += ports
    return seen


def _macs(rtnl: Rtnl, hop: IPv4Address | IPv6Address) -> set[bytes]:
    """The MACs under which neighbours have an address."""
    question = _NDMSG.pack(route.FAMILY[hop.version], 0, 0, 0, 0)
    found = (attributes(body, _NDMSG.size) for body in rtnl.matching(RTM_GETNEIGH, question))
    return {each[NDA_LLADDR] for each in found if each.get(NDA_DST) == hop.packed and NDA_LLADDR in each}


def _learned(rtnl: Rtnl, bridge: int, macs: set[bytes]) -> set[int]:
    """The ports behind which a bridge has seen one of some MACs."""
    question = _NDMSG.pack(AF_BRIDGE, 0, 0, 0, 0) + u32(NDA_MASTER, bridge)
    ports = set()
    for body in rtnl.matching(RTM_GETNEIGH, question):
        found = attributes(body, _NDMSG.size)
        if found.get(NDA_LLADDR) in macs and _number(found.get(NDA_MASTER)) == bridge:
            ports.add(_NDMSG.unpack_from(body)[1])
    return ports


def _holds(found: Route, there: IPv4Address | IPv6Address) -> bool:
    return there in ip_network(found.to)


def _dump(rtnl: Rtnl, kind: int, family: int) -> list[bytes]:
    return rtnl.matching(kind, _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _number(value: bytes | None) -> int:
    return 0 if value is None else int(_U32.unpack_from(value)[0])
