"""Taps (the kernel's networking/tuntap): Ethernet devices whose other end is a guest's file descriptor."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from netctl.desired.device import Tap
from netctl.kernel.errors import DeviceMissing, ModuleMissing, NameTaken, Refused
from netctl.kernel.mark import GROUP, mark, ours
from netctl.kernel.offload import set_tx_checksum, tx_checksum
from netctl.kernel.rtnl import RTM_NEWLINK, Link, Rtnl, change_link
from netctl.plan import Value

DEVICE = "/dev/net/tun"
TUNSETIFF, TUNSETPERSIST = 0x4004_54CA, 0x4004_54CB
IFF_TAP, IFF_NO_PI, IFF_TUN_EXCL = 0x0002, 0x1000, 0x8000


@dataclass(frozen=True)
class SeenTap(Tap):
    """A tap as it was found."""

    up: bool = True

    def facts(self) -> Mapping[str, Value]:
        return {**super().facts(), "up": self.up}


def seen(link: Link, rtnl: Rtnl) -> SeenTap | None:
    """The tap that a link is; None when it is gone."""
    try:
        checksum = tx_checksum(rtnl, link.name)
    except OSError:
        return None
    return SeenTap(name=link.name, mac=link.mac, mtu=link.mtu, tx_checksum=checksum, up=link.up)


def make(tap: Tap, rtnl: Rtnl, host: str) -> None:
    """Make it; one of ours that is there is put right.

    It outlives this process only once it is complete and marked: what is interrupted leaves nothing.

    Raises ModuleMissing, NameTaken, Refused.
    """
    try:
        handle = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
            raise ModuleMissing("tun") from error
        raise Refused(f"opening {DEVICE} to make the tap {tap.name}", error) from error
    try:
        flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL
        try:
            fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", tap.name.encode(), flags))
        except OSError as error:
            if error.errno not in {errno.EBUSY, errno.EEXIST}:
                raise
            alter(tap, rtnl, host)
            return
        alter(tap, rtnl, host, new=True)
        fcntl.ioctl(handle, TUNSETPERSIST, 1)
    except OSError as error:
        raise Refused(f"making the tap {tap.name}", error) from error
    finally:
        os.close(handle)


def alter(tap: Tap, rtnl: Rtnl, host: str, new: bool = False) -> None:
    """Give it everything that `tap` says; it comes up last, for a wire that has it only at first.

    `new` is one that is not marked yet.

    Raises DeviceMissing, NameTaken, Refused.
    """
    link = rtnl.link(tap.name)
    if link is None:
        raise DeviceMissing(tap.name)
    if not new and (not ours(link, host) or not link.tap):
        raise NameTaken(tap.name, "tap" if link.tap else link.kind)
    up = None if tap.carried and link.alias else True
    try:
        set_tx_checksum(rtnl, tap.name, tap.tx_checksum)
        rtnl.ask(
            RTM_NEWLINK,
            change_link(
                link.index, up=up, address=tap.mac, mtu=tap.mtu, ifalias=mark(host), group=GROUP
            ),
        )
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise DeviceMissing(tap.name) from error
        raise Refused(f"the tap {tap.name}", error) from error
