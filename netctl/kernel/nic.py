"""Devices that are there without netctl: kept as the policy says, and given back."""

from __future__ import annotations

from typing import Any

from netctl.desired.link import Nic
from netctl.kernel.attribute import nested, text, u32
from netctl.kernel.errors import DeviceMissing, KernelError, Refused
from netctl.kernel.link import Kind, settle
from netctl.kernel.mark import PREFIX, altname, kept, ours
from netctl.kernel.rooms import Room, Rooms
from netctl.kernel.rtnl import (
    IFLA_ALT_IFNAME,
    IFLA_MASTER,
    IFLA_NET_NS_FD,
    IFLA_PROP_LIST,
    NLM_F_CREATE,
    NLM_F_EXCL,
    RTM_DELLINKPROP,
    RTM_NEWLINK,
    RTM_NEWLINKPROP,
    Link,
    link_message,
)
from netctl.kernel.view import Inside, View


class NicKind(Kind[Nic]):
    device = Nic
    module = ""

    def __init__(self, host: str | None) -> None:
        self._host = host

    def is_one(self, _raw: Link) -> bool:
        return True

    def seen(self, raw: Link, _inside: Inside, _view: View) -> dict[str, Any]:
        return {"kept": kept(raw, self._host)}


def keep(nic: Nic, rooms: Rooms, host: str) -> None:
    """Bring it to what `nic` says, and mark it; one that is wanted in a namespace and is on the host goes there.

    Raises KernelError.
    """
    try:
        room = rooms.at(nic.netns)
        raw = room.rtnl.link(nic.name)
        if raw is None and nic.netns:
            raw = _move(nic.name, rooms.at(""), rooms.at(nic.netns))
            room = rooms.at(nic.netns)
        if raw is None:
            raise NicMissing(nic.name)
        if nic.kept is not kept(raw, host):
            _mark(raw, room, altname(host, nic.name), nic.kept)
        settle(NicKind(host), nic, raw, room, None, new=False)
    except OSError as error:
        raise Refused(f"the NIC {nic.name}", error) from error


def release(nic: Nic, rooms: Rooms, host: str | None) -> None:
    """Take netctl's mark off, and it from what netctl made: its bridge or bond, its namespace. Raises KernelError."""
    try:
        room = rooms.at(nic.netns)
        raw = room.rtnl.link(nic.name)
        if raw is None:
            return
        for name in raw.altnames:
            if name.startswith(PREFIX):
                _mark(raw, room, name, False)
        if raw.master and any(each.index == raw.master and ours(each, host) for each in room.rtnl.links()):
            room.rtnl.ask(RTM_NEWLINK, link_message(raw.index, u32(IFLA_MASTER, 0)))
        if nic.netns:
            _move(nic.name, room, rooms.at(""))
    except DeviceMissing:
        return
    except OSError as error:
        raise Refused(f"giving back the NIC {nic.name}", error) from error


class NicMissing(KernelError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no device {name}, and a `kind: nic` is not made by netctl",
            "plug it in or load its driver, or correct its name in the policy (`ip link` lists those that are there)",
        )


def _move(name: str, here: Room, there: Room) -> Link | None:
    raw = here.rtnl.link(name)
    if raw is None:
        return None
    here.rtnl.ask(RTM_NEWLINK, link_message(raw.index, u32(IFLA_NET_NS_FD, there.descriptor)))
    return there.rtnl.link(name)


def _mark(raw: Link, room: Room, name: str, on: bool) -> None:
    properties = nested(IFLA_PROP_LIST, text(IFLA_ALT_IFNAME, name))
    if on:
        room.rtnl.ask(RTM_NEWLINKPROP, link_message(raw.index, properties), NLM_F_CREATE | NLM_F_EXCL)
    else:
        room.rtnl.ask(RTM_DELLINKPROP, link_message(raw.index, properties))
