"""Taps (the kernel's networking/tuntap): Ethernet devices whose other end is a guest's file descriptor."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from netctl.desired.link import Tap
from netctl.kernel.errors import KernelError, ModuleMissing, Refused
from netctl.kernel.link import Kind, particular
from netctl.kernel.netns import inside as entered
from netctl.kernel.rooms import Room, Rooms
from netctl.kernel.rtnl import Link
from netctl.kernel.view import Inside, View
from netctl.plan import Value

DEVICE = "/dev/net/tun"
TUNSETIFF, TUNSETPERSIST, TUNSETOWNER, TUNSETGROUP = 0x4004_54CA, 0x4004_54CB, 0x4004_54CC, 0x4004_54CE
IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR, IFF_TUN_EXCL = 0x0002, 0x0100, 0x1000, 0x4000, 0x8000
IFLA_TUN_OWNER, IFLA_TUN_GROUP, IFLA_TUN_VNET_HDR, IFLA_TUN_MULTI_QUEUE = 1, 2, 5, 7


@dataclass(frozen=True, kw_only=True)
class SeenTap(Tap):
    """A tap as it was found."""

    def particular(self) -> Mapping[str, Value]:
        return {**super().particular(), "owned": self.owner != -1, "grouped": self.group != -1}


class TapKind(Kind[Tap]):
    device = SeenTap
    module = "tun"

    def is_one(self, raw: Link) -> bool:
        return raw.tap

    def seen(self, raw: Link, _inside: Inside, _view: View) -> dict[str, Any]:
        told = {"multi_queue": IFLA_TUN_MULTI_QUEUE, "vnet_hdr": IFLA_TUN_VNET_HDR}
        return {**_owners(raw), **{name: particular(raw).get(kind, b"\0") != b"\0" for name, kind in told.items()}}

    def make(self, link: Tap, rooms: Rooms, finish: Callable[[], None]) -> None:
        """It outlives this process only once it is complete and marked: what is interrupted leaves nothing."""
        with _attached(link, rooms.at(link.netns), IFF_TUN_EXCL) as handle:
            _give(handle, link)
            finish()
            fcntl.ioctl(handle, TUNSETPERSIST, 1)

    def change(self, link: Tap, raw: Link, room: Room) -> None:
        found = _owners(raw)
        wanted = {"owner": link.owner, "group": link.group}
        if all(value in (None, -1, found[name]) for name, value in wanted.items()):
            return
        try:
            with _attached(link, room, 0) as handle:
                _give(handle, link)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise KernelError(
                f"the owner of the tap {link.name} cannot be changed while a guest has it open", "stop the guest first"
            ) from error


@contextmanager
def _attached(link: Tap, room: Room, flags: int) -> Iterator[int]:
    """A file descriptor that holds the tap; without IFF_TUN_EXCL one that is there is meant. Raises KernelError and
    OSError."""
    flags |= IFF_TAP | IFF_NO_PI
    flags |= (IFF_MULTI_QUEUE if link.multi_queue else 0) | (IFF_VNET_HDR if link.vnet_hdr else 0)
    with ExitStack() as stack:
        try:
            with entered(room.descriptor):
                handle = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
                raise ModuleMissing("tun") from error
            raise Refused(f"opening {DEVICE} for the tap {link.name}", error) from error
        stack.callback(os.close, handle)
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", link.name.encode(), flags))
        yield handle


def _give(handle: int, link: Tap) -> None:
    for request, what, who in ((TUNSETOWNER, "user", link.owner), (TUNSETGROUP, "group", link.group)):
        if isinstance(who, str):
            raise KernelError(
                f"this machine has no {what} called {who}, who is to own the tap {link.name}",
                f"make the {what}, or name another in the policy",
            )
        if who is not None and who >= 0:
            fcntl.ioctl(handle, request, who)


def _owners(raw: Link) -> dict[str, int]:
    data = particular(raw)
    return {
        name: int.from_bytes(data[kind], "little") if kind in data else -1
        for name, kind in (("owner", IFLA_TUN_OWNER), ("group", IFLA_TUN_GROUP))
    }
