"""What the kernel announces about devices and addresses, here and in the namespaces that this one has an ID for."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

from netctl.kernel.rtnl import (
    NETLINK_ROUTE,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNSID,
    RTM_NEWADDR,
    RTM_NEWLINK,
    SOL_NETLINK,
    link_name,
    messages,
    read_address,
)

NETLINK_ADD_MEMBERSHIP, NETLINK_LISTEN_ALL_NSID = 1, 8
RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NSID = 1, 5, 9, 28
SO_RCVBUFFORCE = 33

BUFFER = 8 << 20
"""Bytes: some thousand announcements."""


@dataclass(frozen=True)
class Changes:
    """What was announced since the last time."""

    names: frozenset[str] = frozenset()
    """Of the devices, in any namespace. What only a protocol announces of them, as IPv6 does, does not count."""
    addresses: bool = False
    """Whether an address that somebody configured came or went inside another namespace."""
    everything: bool = False
    """Whether anything may have changed: a namespace is gone, or announcements were lost."""

    def __bool__(self) -> bool:
        return bool(self.names or self.addresses or self.everything)


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
        for group in (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NSID):
            self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> Changes:
        """Everything announced so far; does not wait."""
        names: set[str] = set()
        addresses = everything = False
        while True:
            try:
                data, extra, _, _ = self._socket.recvmsg(1 << 16, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return Changes(frozenset(names), addresses, everything)
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
                        names.add(link_name(body))
                elif kind in {RTM_NEWADDR, RTM_DELADDR}:
                    addresses |= elsewhere and read_address(body).configured
                elif kind == RTM_DELNSID:
                    everything = True
