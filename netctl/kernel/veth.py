"""Veth pairs (veth(4)): what enters at one end leaves at the other, in whichever namespaces they are."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from netctl.desired.link import Veth
from netctl.kernel.attribute import mac, nested, text, u32
from netctl.kernel.errors import NameTaken
from netctl.kernel.link import Kind
from netctl.kernel.mark import GROUP
from netctl.kernel.rooms import Rooms
from netctl.kernel.rtnl import (
    IFLA_ADDRESS,
    IFLA_GROUP,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_DELLINK,
    RTM_NEWLINK,
    Link,
    link_message,
)
from netctl.kernel.view import Inside, View

VETH_INFO_PEER = 1

_INDEX_TRIES = 100


class VethKind(Kind[Veth]):
    device = Veth
    module = "veth"

    def seen(self, raw: Link, inside: Inside, view: View) -> dict[str, Any]:
        netns, peer = view.lower(inside.netns, raw)
        return {"peer": peer, "peer_netns": netns}

    def make(self, link: Veth, rooms: Rooms, finish: Callable[[], None]) -> None:
        try:
            _make_pair(link, rooms)
        except OSError as error:
            if error.errno == errno.EEXIST and rooms.at(link.netns).rtnl.link(link.name) is None:
                raise NameTaken(link.peer, "device", link.peer_netns or None) from error
            raise
        if link.netns != link.peer_netns:
            made = rooms.at(link.netns).rtnl.link(link.name)
            if made is not None and made.index == made.lower:
                _make_again(made.index, link, rooms)
        finish()


def _make_again(index: int, link: Veth, rooms: Rooms) -> None:
    """Make a pair again of which both ends have the same index.

    By that alone the kernel tells a device that hangs on another, and announces at once when such a one loses
    carrier; for the others it takes up to a second (net/core/link_watch.c, linkwatch_urgent_event).
    """
    rooms.at(link.netns).rtnl.ask(RTM_DELLINK, link_message(index))
    for peer_index in range(index + 1, index + _INDEX_TRIES):
        try:
            _make_pair(link, rooms, index, peer_index)
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
    _make_pair(link, rooms)


def _make_pair(link: Veth, rooms: Rooms, index: int = 0, peer_index: int = 0) -> None:
    """0 leaves the index of either to the kernel."""
    both = [u32(IFLA_GROUP, GROUP), *([u32(IFLA_MTU, link.mtu)] if link.mtu is not None else [])]
    other = [text(IFLA_IFNAME, link.peer), *both]
    if link.peer_netns != link.netns:
        other.append(u32(IFLA_NET_NS_FD, rooms.at(link.peer_netns).descriptor))
    this = [text(IFLA_IFNAME, link.name), *both]
    if link.mac is not None:
        this.append(mac(IFLA_ADDRESS, link.mac))
    data = nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, link_message(peer_index, *other)))
    info = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, "veth"), data)
    room = rooms.at(link.netns)
    room.rtnl.ask(RTM_NEWLINK, link_message(index, *this, info), NLM_F_CREATE | NLM_F_EXCL)
