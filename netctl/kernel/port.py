"""Devices as ports of a Linux bridge or a bond."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netctl.desired.link import BridgePort
from netctl.kernel.attribute import attribute, mac, nested, text, u8, u16, u32
from netctl.kernel.errors import FeatureMissing
from netctl.kernel.rtnl import (
    AF_BRIDGE,
    IFLA_ADDRESS,
    IFLA_AF_SPEC,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_INFO_SLAVE_DATA,
    IFLA_INFO_SLAVE_KIND,
    IFLA_LINKINFO,
    RTM_DELLINK,
    RTM_NEWLINK,
    RTM_SETLINK,
    Link,
    Rtnl,
    attributes,
    link_message,
    listed,
)

if TYPE_CHECKING:
    from netctl.desired.link import Link as Wanted

IFLA_BRPORT_MODE, IFLA_BRPORT_GROUP_FWD_MASK, IFLA_BRPORT_ISOLATED = 4, 31, 33
IFLA_BRIDGE_VLAN_INFO = 2
BRIDGE_VLAN_INFO_PVID, BRIDGE_VLAN_INFO_UNTAGGED = 2, 4
IFLA_BOND_PRIMARY = 11
IFLA_BR_VLAN_FILTERING = 7

_VLAN = struct.Struct("=HH")
_HEAD = struct.Struct("=4xi8x")

Vlans = tuple[int, tuple[int, ...]]
"""Of a port: the VLAN of untagged frames, 0 for none, and those that pass tagged, sorted."""


def seen(raw: Link, vlans: Mapping[int, Vlans]) -> BridgePort:
    """A port of a Linux bridge as it was found."""
    data = attributes(raw.port_data)
    pvid, tagged = vlans.get(raw.index, (None, None))
    return BridgePort(
        group_fwd_mask=int.from_bytes(data.get(IFLA_BRPORT_GROUP_FWD_MASK, b""), "little"),
        hairpin=data.get(IFLA_BRPORT_MODE, b"\0") != b"\0",
        isolated=data.get(IFLA_BRPORT_ISOLATED, b"\0") != b"\0",
        pvid=pvid,
        vlans=tagged,
    )


def filters(bridge: Link) -> bool:
    """Whether a Linux bridge looks at VLAN tags."""
    return attributes(bridge.data).get(IFLA_BR_VLAN_FILTERING, b"\0") != b"\0"


def is_primary(raw: Link, bond: Link | None) -> bool:
    return bond is not None and attributes(bond.data).get(IFLA_BOND_PRIMARY) == struct.pack("=I", raw.index)


def vlans(rtnl: Rtnl) -> dict[int, Vlans]:
    """The VLANs of every port of a bridge in a namespace, by its index. Raises OSError."""
    found: dict[int, Vlans] = {}
    for body in rtnl.bridged():
        (index,) = _HEAD.unpack_from(body)
        pvid, tagged = 0, []
        for kind, value in listed(attributes(body, _HEAD.size).get(IFLA_AF_SPEC, b"")):
            if kind == IFLA_BRIDGE_VLAN_INFO:
                flags, vid = _VLAN.unpack(value)
                if flags & BRIDGE_VLAN_INFO_PVID:
                    pvid = vid
                else:
                    tagged.append(vid)
        found[index] = (pvid, tuple(sorted(tagged)))
    return found


def settle(link: Wanted, raw: Link, over: Link, rtnl: Rtnl) -> None:
    """Bring a port to what `link` says of it. Raises FeatureMissing and OSError."""
    if over.kind == "bond" and link.primary is not None and is_primary(raw, over) is not link.primary:
        data = nested(IFLA_INFO_DATA, u32(IFLA_BOND_PRIMARY, raw.index if link.primary else 0))
        rtnl.ask(RTM_NEWLINK, link_message(over.index, nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, "bond"), data)))
    if over.kind != "bridge":
        return
    if link.lends and over.mac != raw.mac:
        rtnl.ask(RTM_NEWLINK, link_message(over.index, mac(IFLA_ADDRESS, raw.mac)))
    data = b"".join(_differing(link.port, attributes(raw.port_data)))
    if data:
        port = (text(IFLA_INFO_SLAVE_KIND, "bridge"), nested(IFLA_INFO_SLAVE_DATA, data))
        rtnl.ask(RTM_NEWLINK, link_message(raw.index, nested(IFLA_LINKINFO, *port)))
    if link.port.vlans is not None:
        _set_vlans(link.port, raw.index, rtnl)


def _differing(port: BridgePort, found: Mapping[int, bytes]) -> Iterator[bytes]:
    for wanted, kind, size in (
        (port.hairpin, IFLA_BRPORT_MODE, 1),
        (port.isolated, IFLA_BRPORT_ISOLATED, 1),
        (port.group_fwd_mask, IFLA_BRPORT_GROUP_FWD_MASK, 2),
    ):
        if wanted is not None and int.from_bytes(found.get(kind, b""), "little") != wanted:
            yield u8(kind, wanted) if size == 1 else u16(kind, wanted)


def _set_vlans(port: BridgePort, index: int, rtnl: Rtnl) -> None:
    pvid, tagged = vlans(rtnl).get(index, (0, ()))
    wanted = dict.fromkeys(port.vlans or (), 0)
    if port.pvid:
        wanted[port.pvid] = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED
    there = dict.fromkeys(tagged, 0)
    if pvid:
        there[pvid] = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED
    try:
        for vid in sorted(there.keys() - wanted.keys()):
            rtnl.ask(RTM_DELLINK, _vlan_message(index, vid, 0))
        for vid, flags in wanted.items():
            if there.get(vid) != flags:
                rtnl.ask(RTM_SETLINK, _vlan_message(index, vid, flags))
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise FeatureMissing("VLANs on bridges", "CONFIG_BRIDGE_VLAN_FILTERING") from error
        raise


def _vlan_message(index: int, vid: int, flags: int) -> bytes:
    info = attribute(IFLA_BRIDGE_VLAN_INFO, _VLAN.pack(flags, vid))
    return link_message(index, nested(IFLA_AF_SPEC, info), family=AF_BRIDGE)
