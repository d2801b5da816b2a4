"""Devices of every kind: how they are made, seen, changed in place. What a kind has of its own is in its file."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from netctl.desired.link import BridgePort, Link, Place
from netctl.kernel import offload, port
from netctl.kernel.attribute import mac, nested, text, u32
from netctl.kernel.errors import DeviceMissing, KernelError, ModuleMissing, NameTaken, Refused
from netctl.kernel.mark import GROUP, mark, ours
from netctl.kernel.rooms import Room, Rooms
from netctl.kernel.rtnl import (
    IFF_ALLMULTI,
    IFF_PROMISC,
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINK,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    IFLA_TXQLEN,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    Rtnl,
    address_message,
    attributes,
    link_message,
    listed,
)
from netctl.kernel.rtnl import Link as Raw
from netctl.kernel.view import Inside, View

L = TypeVar("L", bound=Link)

IFA_ADDRESS, IFA_LOCAL = 1, 2


class Kind(Generic[L]):
    """What one kind of device has of its own."""

    device: type[L]
    module: str
    """The module of the kernel that makes such devices."""

    def seen(self, _raw: Raw, _inside: Inside, _view: View) -> dict[str, Any]:
        """The fields of `device` that only it has, as they were found."""
        return {}

    def data(self, _link: L, _raw: Raw | None) -> bytes:
        """IFLA_INFO_DATA for a new device or, when `_raw` is there already, of what differs and can change in place."""
        return b""

    def lower(self, _link: L) -> Place | None:
        """What it stands on."""
        return None

    def standing_on(self, _index: int) -> bytes:
        """What IFLA_INFO_DATA says of that, beside IFLA_LINK."""
        return b""

    def index(self, _link: L, _room: Room) -> int:
        """The number to give it; 0 leaves that to the kernel."""
        return 0

    def first_mtu(self, wanted: int) -> int:
        """What it is made with, where another is `wanted`."""
        return wanted

    def make(self, link: L, rooms: Rooms, finish: Callable[[], None]) -> None:
        """Have the kernel make it, in the group of netctl's devices; `finish` gives it the rest.

        Raises KernelError and OSError.
        """
        parts = [text(IFLA_IFNAME, link.name), u32(IFLA_GROUP, GROUP)]
        if link.mac is not None:
            parts.append(mac(IFLA_ADDRESS, link.mac))
        if link.mtu is not None:
            parts.append(u32(IFLA_MTU, self.first_mtu(link.mtu)))
        data = self.data(link, None)
        lower = self.lower(link)
        room = rooms.at(lower[0] if lower else link.netns)
        if lower:
            below = room.rtnl.link(lower[1])
            if below is None:
                raise DeviceMissing(lower[1], lower[0] or None)
            parts.append(u32(IFLA_LINK, below.index))
            data += self.standing_on(below.index)
        info = [text(IFLA_INFO_KIND, link.kind), *([nested(IFLA_INFO_DATA, data)] if data else [])]
        parts.append(nested(IFLA_LINKINFO, *info))
        there = rooms.at(link.netns)
        index = self.index(link, there)
        if room.netns != link.netns:
            parts.append(u32(IFLA_NET_NS_FD, there.descriptor))
        room.rtnl.ask(RTM_NEWLINK, link_message(index, *parts), NLM_F_CREATE | NLM_F_EXCL)
        finish()

    def change(self, link: L, raw: Raw, room: Room) -> None:
        """Bring what only it has to what `link` says. Raises KernelError and OSError."""
        data = self.data(link, raw)
        if data:
            info = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, link.kind), nested(IFLA_INFO_DATA, data))
            room.rtnl.ask(RTM_NEWLINK, link_message(raw.index, info))

    def is_one(self, raw: Raw) -> bool:
        return raw.kind == self.device.kind


def common(raw: Raw, inside: Inside, rtnl: Rtnl, detailed: bool) -> dict[str, Any]:
    """The fields of every device, as they were found. `detailed` is with every offload, which is a lot.

    Raises OSError when it is gone.
    """
    features = offload.requested(rtnl, raw.name)
    over = inside.by_index.get(raw.master)
    return {
        "name": raw.name,
        "netns": inside.netns,
        "mtu": raw.mtu,
        "mac": raw.mac,
        "up": raw.up,
        "promisc": raw.promisc,
        "allmulticast": raw.allmulticast,
        "txqueuelen": raw.txqueuelen,
        "tx_checksum": offload.tx_checksum(features),
        "offloads": offload.named(features, offload.names(rtnl, raw.name)) if detailed else (),
        "master": over.name if over and over.kind != "openvswitch" else "",
        "port": port.seen(raw, inside.vlans) if raw.port_kind == "bridge" else BridgePort(),
        "primary": port.is_primary(raw, over) if raw.port_kind == "bond" else None,
        "addresses": inside.addresses.get(raw.index, ()),
    }


def make(kind: Kind[L], link: L, rooms: Rooms, host: str) -> None:
    """Make a device with all that is said of it; one of ours that is there is put right.

    Raises KernelError.
    """
    try:
        try:
            kind.make(link, rooms, lambda: _finish(kind, link, rooms, host))
            return
        except OSError as error:
            raw = rooms.at(link.netns).rtnl.link(link.name) if error.errno in {errno.EEXIST, errno.EBUSY} else None
            if raw is None or not ours(raw, host):
                raise
        alter(kind, link, rooms, host)
    except OSError as error:
        raise _refused(kind, link, rooms, error) from error


def _finish(kind: Kind[L], link: L, rooms: Rooms, host: str) -> None:
    """Give a device that was made just now all that is said of it; one that cannot have that does not stay."""
    try:
        alter(kind, link, rooms, host, new=True)
    except KernelError:
        with suppress(KernelError, OSError):
            room = rooms.at(link.netns)
            raw = room.rtnl.link(link.name)
            if raw is not None:
                room.rtnl.ask(RTM_DELLINK, link_message(raw.index))
        raise


def _refused(kind: Kind[L], link: L, rooms: Rooms, error: OSError) -> KernelError:
    if error.errno in {errno.EOPNOTSUPP, errno.ENODEV}:
        return ModuleMissing(kind.module)
    if error.errno in {errno.EEXIST, errno.EBUSY}:
        there = rooms.at(link.netns).rtnl.link(link.name)
        if there is not None:
            return NameTaken(link.name, there.kind or "physical device", link.netns or None)
    return _refusal(f"making the {link.kind} {link.name}", link, error)


def _refusal(doing: str, link: Link, error: OSError) -> KernelError:
    if error.errno == errno.EINVAL and link.mtu is not None:
        return KernelError(
            f"{doing}: the kernel says «{error.strerror}»",
            f"its mtu of {link.mtu} may be more than what is under it takes: say a lower one, or none",
        )
    return Refused(doing, error)


def alter(kind: Kind[L], link: L, rooms: Rooms, host: str, new: bool = False) -> None:
    """Change in place all that is said of a device of ours and is not so; it comes up last.

    `new` is one that was made just now. What has no mark yet comes up even where that is later not netctl's to say.

    Raises KernelError.
    """
    try:
        room = rooms.at(link.netns)
        raw = room.rtnl.link(link.name)
        if raw is None:
            raise DeviceMissing(link.name, link.netns or None)
        if not kind.is_one(raw) or not (new or ours(raw, host)):
            raise NameTaken(link.name, raw.kind or "physical device", link.netns or None)
        settle(kind, link, raw, room, mark(host), new=not raw.alias)
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise DeviceMissing(link.name, link.netns or None) from error
        raise _refusal(f"the {link.kind} {link.name}", link, error) from error
    except offload.BadOffload as error:
        raise KernelError(str(error), "change the link's `offloads` in the policy") from error


def settle(kind: Kind[L], link: L, raw: Raw, room: Room, alias: str | None, new: bool) -> None:
    """Bring a device that is there to what `link` says: what is so already is not touched. Raises KernelError and
    OSError."""
    rtnl = room.rtnl
    if link.tx_checksum is not None or link.offloads:
        features = offload.requested(rtnl, link.name)
        if link.tx_checksum is not None and offload.tx_checksum(features) is not link.tx_checksum:
            offload.set_tx_checksum(rtnl, link.name, link.tx_checksum)
        if link.offloads:
            now = dict(offload.named(features, offload.names(rtnl, link.name)))
            offload.set_offloads(rtnl, link.name, [each for each in link.offloads if now.get(each[0]) is not each[1]])
    kind.change(link, raw, room)
    over = rtnl.link(link.master) if link.master else None
    if link.master and over is None:
        raise DeviceMissing(link.master, link.netns or None)
    up = True if link.up is None and new else link.up
    moves = link.master is not None and raw.master != (over.index if over else 0)
    if moves and raw.port_kind != "openvswitch":
        parts, flags, mask = list(_attributes(link, raw, alias)), *_flags(link, raw)
        if over is not None and over.kind == "bond" and raw.up:
            mask |= IFF_UP
        if parts or mask:
            _ask(rtnl, link, raw, parts, flags, mask)
        rtnl.ask(RTM_NEWLINK, link_message(raw.index, u32(IFLA_MASTER, over.index if over else 0)))
        again = rtnl.link(link.name)
        if again is None:
            raise DeviceMissing(link.name, link.netns or None)
        raw = again
    parts, flags, mask = list(_attributes(link, raw, alias)), *_flags(link, raw)
    if up is not None and up is not raw.up:
        flags, mask = flags | (IFF_UP if up else 0), mask | IFF_UP
    if parts or mask:
        _ask(rtnl, link, raw, parts, flags, mask)
    if over is not None:
        port.settle(link, raw, over, rtnl)
    if link.addresses is not None:
        there = () if new else [each.text for each in rtnl.addresses(raw.index) if each.configured]
        _set_addresses(rtnl, raw.index, there, link.addresses)


def _ask(rtnl: Rtnl, link: Link, raw: Raw, parts: Sequence[bytes], flags: int, mask: int) -> None:
    """Some devices, most physical ones among them, take another MAC only while they are down. Raises OSError."""
    message = link_message(raw.index, *parts, flags=flags, mask=mask)
    try:
        rtnl.ask(RTM_NEWLINK, message)
    except OSError as error:
        if error.errno != errno.EBUSY or not raw.up or link.mac in (None, raw.mac):
            raise
        rtnl.ask(RTM_NEWLINK, link_message(raw.index, mask=IFF_UP))
        try:
            rtnl.ask(RTM_NEWLINK, message)
        finally:
            if not mask & IFF_UP:
                rtnl.ask(RTM_NEWLINK, link_message(raw.index, flags=IFF_UP, mask=IFF_UP))


def _attributes(link: Link, raw: Raw, alias: str | None) -> Iterator[bytes]:
    if link.mac is not None and link.mac != raw.mac:
        yield mac(IFLA_ADDRESS, link.mac)
    if link.mtu is not None and link.mtu != raw.mtu:
        yield u32(IFLA_MTU, link.mtu)
    if link.txqueuelen is not None and link.txqueuelen != raw.txqueuelen:
        yield u32(IFLA_TXQLEN, link.txqueuelen)
    if alias is not None and raw.alias != alias:
        yield text(IFLA_IFALIAS, alias)
    if alias is not None and raw.group != GROUP:
        yield u32(IFLA_GROUP, GROUP)


def _flags(link: Link, raw: Raw) -> tuple[int, int]:
    flags = mask = 0
    for wanted, found, flag in (
        (link.promisc, raw.promisc, IFF_PROMISC),
        (link.allmulticast, raw.allmulticast, IFF_ALLMULTI),
    ):
        if wanted is not None and wanted is not found:
            flags, mask = flags | (flag if wanted else 0), mask | flag
    return flags, mask


def _set_addresses(rtnl: Rtnl, index: int, there: Collection[str], wanted: Sequence[str]) -> None:
    for each in sorted(set(there) - set(wanted)):
        rtnl.ask(RTM_DELADDR, address_message(index, each))
    for each in wanted:
        if each not in there:
            rtnl.ask(RTM_NEWADDR, address_message(index, each), NLM_F_CREATE | NLM_F_REPLACE)


def particular(raw: Raw) -> dict[int, bytes]:
    """The attributes of IFLA_INFO_DATA."""
    return attributes(raw.data)


def differing(wanted: Iterable[bytes], raw: Raw | None) -> bytes:
    """Of some attributes of IFLA_INFO_DATA those that the device has not, or has otherwise."""
    found = particular(raw) if raw is not None else {}
    parts = []
    for each in wanted:
        ((kind, value),) = listed(each)
        if found.get(kind) != value:
            parts.append(each)
    return b"".join(parts)
