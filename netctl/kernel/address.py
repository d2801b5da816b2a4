"""Addresses of netctl's on devices that are not netctl's: by their protocol number (IFA_PROTO, Linux 5.18)."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Mapping
from ipaddress import ip_interface

from netctl.desired.routing import PROTOCOL, Address, Routing
from netctl.kernel.attribute import attribute, u8
from netctl.kernel.errors import DeviceMissing, Refused
from netctl.kernel.rtnl import (
    IFADDR,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWADDR,
    Rtnl,
    address_message,
    attributes,
    read_address,
)
from netctl.plan import Found, Key

IFA_PROTO = 11
_ALL = IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
_MARK = u8(IFA_PROTO, PROTOCOL)[:5]
"""What is in all that is ours, and in little else."""


def look(rtnl: Rtnl, netns: str, names: Mapping[int, str], wanted: Collection[Key]) -> list[Found[Routing]]:
    """Those with our mark, and what stands under one of the keys that are wanted."""
    found: dict[Key, Found[Routing]] = {}
    for body in rtnl.matching(RTM_GETADDR, _ALL, lambda body: bool(wanted) or _MARK in body):
        seen = read_address(body)
        if seen.index in names:
            item = Address(names[seen.index], seen.text, netns)
            mine = _protocol(body) == PROTOCOL
            if mine or item.key in wanted:
                found[item.key] = Found(item, mine)
    return list(found.values())


def make(address: Address, rtnl: Rtnl) -> None:
    """Raises DeviceMissing, Refused. One that is there meanwhile, whoever made it, is no error."""
    link = rtnl.link(address.dev)
    if link is None:
        raise DeviceMissing(address.dev, address.netns or None)
    interface = ip_interface(address.text)
    body = address_message(link.index, address.text)
    if interface.version == 4 and interface.network.prefixlen < 31:
        body += attribute(4, interface.network.broadcast_address.packed)
    try:
        rtnl.ask(RTM_NEWADDR, body + u8(IFA_PROTO, PROTOCOL), NLM_F_CREATE | NLM_F_EXCL)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise DeviceMissing(address.dev, address.netns or None) from error
        if error.errno != errno.EEXIST:
            raise Refused(f"giving {address.dev} the address {address.text}", error) from error


def remove(address: Address, rtnl: Rtnl) -> None:
    """One that is gone, or is no longer ours, is no error. Raises Refused."""
    try:
        link = rtnl.link(address.dev)
        for body in rtnl.matching(RTM_GETADDR, _ALL) if link else ():
            seen = read_address(body)
            if link and seen.index == link.index and seen.text == address.text and _protocol(body) == PROTOCOL:
                rtnl.ask(RTM_DELADDR, body)
    except OSError as error:
        if error.errno not in {errno.EADDRNOTAVAIL, errno.ENODEV}:
            raise Refused(f"taking the address {address.text} from {address.dev}", error) from error


def _protocol(body: bytes) -> int:
    return attributes(body, IFADDR.size).get(IFA_PROTO, b"\0")[0]
