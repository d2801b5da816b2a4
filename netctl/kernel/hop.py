"""By which way the kernel would send, and whether the next hop is known: what `ip route get` and `ip neigh` tell."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct

from netctl.kernel.attribute import attribute
from netctl.kernel.rtnl import Rtnl, attributes

RTM_GETROUTE, RTM_GETNEIGH = 26, 30
RTA_DST, RTA_SRC, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC, RTA_VIA = 1, 2, 4, 5, 7, 18
NDA_DST = 1
NUD_INCOMPLETE, NUD_FAILED = 0x01, 0x20
RTN_LOCAL = 2

_RTMSG = Struct("=BBBBBBBBI")
_NDMSG = Struct("=BxxxiHBB")
_U32 = Struct("=I")
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_NOWHERE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL}


@dataclass(frozen=True)
class Hop:
    """Where a packet goes first."""

    device: str
    via: str
    """The gateway; empty where the destination itself is asked for."""
    source: str
    """The address that the kernel would send from."""
    local: bool
    """Whether the destination is an address of the same namespace, so that nothing leaves it."""


def hop(rtnl: Rtnl, to: str, source: str = "") -> Hop | None:
    """How the namespace of `rtnl` sends to the address `to`, from its address `source` if one is given; None where it
    has no way. Raises OSError."""
    there = ip_address(to)
    here = ip_address(source) if source else None
    body = _RTMSG.pack(_FAMILY[there.version], there.max_prefixlen, here.max_prefixlen if here else 0, 0, 0, 0, 0, 0, 0)
    body += attribute(RTA_DST, there.packed) + (attribute(RTA_SRC, here.packed) if here else b"")
    try:
        answer = rtnl.told(RTM_GETROUTE, body)[0]
    except OSError as error:
        if error.errno in _NOWHERE:
            return None
        raise
    found = attributes(answer, _RTMSG.size)
    index = _U32.unpack_from(found[RTA_OIF])[0] if RTA_OIF in found else 0
    via = found.get(RTA_GATEWAY) or found.get(RTA_VIA, b"")[2:]
    preferred = found.get(RTA_PREFSRC)
    return Hop(
        next((link.name for link in rtnl.links() if link.index == index), ""),
        str(ip_address(via)) if via else "",
        source or (str(ip_address(preferred)) if preferred else ""),
        answer[7] == RTN_LOCAL,
    )


def unanswered(rtnl: Rtnl, address: str) -> bool:
    """Whether the kernel has asked for a neighbour's MAC in vain. Raises OSError."""
    there = ip_address(address)
    states = [
        _NDMSG.unpack_from(body)[2]
        for body in rtnl.matching(RTM_GETNEIGH, _NDMSG.pack(_FAMILY[there.version], 0, 0, 0, 0))
        if attributes(body, _NDMSG.size).get(NDA_DST) == there.packed
    ]
    return bool(states) and all(state & (NUD_INCOMPLETE | NUD_FAILED) for state in states)
