"""What the kernel announces about devices, addresses, routes and rules, here and in the namespaces that this one has an
ID for."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass

from netctl.desired.routing import PROTOCOL
from netctl.kernel.route import RTM_DELROUTE, RTM_NEWROUTE
from netctl.kernel.rtnl import (
    NETLINK_ROUTE,
    NLM_F_REPLACE,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNSID,
    RTM_NEWADDR,
    RTM_NEWLINK,
    SOL_NETLINK,
    is_up,
    link_name,
    messages,
    read_address,
)
from netctl.kernel.rule import RTM_DELRULE, RTM_NEWRULE, protocol

NETLINK_ADD_MEMBERSHIP, NETLINK_LISTEN_ALL_NSID = 1, 8
RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NSID = 1, 5, 9, 28
RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE = 7, 8, 11, 19
GROUPS = (
    *(RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NSID),
    *(RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE),
)
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33

BUFFER = 8 << 20
"""Bytes: some thousand announcements."""


_LOAD_BYTE, _IF_EQUAL, _IF_SET, _RETURN = 0x30, 0x15, 0x45, 0x06
"""BPF_LD | BPF_B | BPF_ABS, BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JSET | BPF_K, BPF_RET | BPF_K (linux/filter.h)."""
_LITTLE = sys.byteorder == "little"
_LOW_TYPE, _HIGH_FLAGS = (4, 7) if _LITTLE else (5, 6)
_DST_LEN, _PROTOCOL = 17, 21
"""Where these bytes are in a message: the header (netlink(7)), and behind it that of a route."""

_WHAT_MATTERS = (
    (_LOAD_BYTE, 0, 0, _LOW_TYPE),
    (_IF_EQUAL, 5, 0, RTM_DELROUTE),
    (_IF_EQUAL, 0, 7, RTM_NEWROUTE),
    (_LOAD_BYTE, 0, 0, _HIGH_FLAGS),
    (_IF_SET, 0, 2, NLM_F_REPLACE >> 8),
    (_LOAD_BYTE, 0, 0, _DST_LEN),
    (_IF_EQUAL, 3, 0, 0),
    (_LOAD_BYTE, 0, 0, _PROTOCOL),
    (_IF_EQUAL, 1, 0, PROTOCOL),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 1 << 18),
)
"""The kernel's own choice of what it announces to this socket: all but the routes of others, of which there may be
thousands in a second where a router has its tables. Theirs count where one takes the place of a default route."""


@dataclass(frozen=True)
class Changes:
    """What was announced since the last time."""

    names: frozenset[str] = frozenset()
    """Of the devices, in any namespace. What only a protocol announces of them, as IPv6 does, does not count."""
    addresses: bool = False
    """Whether an address that somebody configured came or went inside another namespace."""
    everything: bool = False
    """Whether anything may have changed: a namespace is gone, or announcements were lost."""
    routing: bool = False
    """Whether an address of the host's, or a route or rule of netctl's anywhere, came or went."""
    fallen: frozenset[str] = frozenset()
    """Those of `names` that were set down: their routes are gone, which is not announced."""
    gone: frozenset[str] = frozenset()
    """Those of `names` that were in this namespace and are not any more."""

    def __bool__(self) -> bool:
        return bool(self.names or self.addresses or self.everything or self.routing)


class Events:
    """A socket that becomes readable when something changes. One for all namespaces: a peer in another one has
    given that one an ID here. Without CAP_NET_BROADCAST it hears of this one alone."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, NETLINK_ROUTE
        )
        self._socket.bind((0, 0))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        with suppress(PermissionError):
            self._socket.setsockopt(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1)
        _choose(self._socket)
        for group in GROUPS:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> Changes:
        """Everything announced so far; does not wait."""
        names: set[str] = set()
        fallen: set[str] = set()
        gone: set[str] = set()
        addresses = everything = routing = False
        while True:
            try:
                data, extra, _, _ = self._socket.recvmsg(1 << 16, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return Changes(
                    frozenset(names), addresses, everything, routing, frozenset(fallen), frozenset(gone)
                )
            except OSError:
                everything = True
                continue
            elsewhere = any(
                level == SOL_NETLINK and kind == NETLINK_LISTEN_ALL_NSID and struct.unpack("=i", value)[0] >= 0
                for level, kind, value in extra
            )
            for kind, _, _, body in messages(data):
                if kind in {RTM_NEWLINK, RTM_DELLINK}:
                    if body[0] == socket.AF_UNSPEC:
                        names.add(name := link_name(body))
                        if not is_up(body):
                            fallen.add(name)
                        if not elsewhere:
                            (gone.add if kind == RTM_DELLINK else gone.discard)(name)
                elif kind in {RTM_NEWADDR, RTM_DELADDR}:
                    configured = read_address(body).configured
                    addresses |= elsewhere and configured
                    routing |= not elsewhere and configured
                elif kind in {RTM_NEWROUTE, RTM_DELROUTE}:
                    routing = True
                elif kind in {RTM_NEWRULE, RTM_DELRULE}:
                    routing |= protocol(body) == PROTOCOL
                elif kind == RTM_DELNSID:
                    everything = True


def _choose(listener: socket.socket) -> None:
    steps = b"".join(struct.pack("=HBBI", *step) for step in _WHAT_MATTERS)
    kept = ctypes.create_string_buffer(steps)
    listener.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(_WHAT_MATTERS), ctypes.addressof(kept))
    )
