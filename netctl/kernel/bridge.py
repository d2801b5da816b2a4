"""Linux bridges (the kernel's networking/bridge)."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from netctl.desired.link import Bridge
from netctl.kernel.attribute import mac, u8, u16, u32
from netctl.kernel.errors import FeatureMissing
from netctl.kernel.link import Kind, differing, particular
from netctl.kernel.port import IFLA_BR_VLAN_FILTERING, filters
from netctl.kernel.rooms import Room
from netctl.kernel.rtnl import IFLA_ADDRESS, RTM_NEWLINK, Link, link_message
from netctl.kernel.view import Inside, View

IFLA_BR_FORWARD_DELAY, IFLA_BR_AGEING_TIME, IFLA_BR_STP_STATE, IFLA_BR_GROUP_FWD_MASK = 1, 4, 5, 9
LEAST_MTU = 68
SYSFS = Path("/sys/class/net")
NET_ADDR_SET = 3
"""In `addr_assign_type`: somebody gave the device its MAC."""
TICKS = 100
"""Of the kernel's times, in a second."""


class BridgeKind(Kind[Bridge]):
    device = Bridge
    module = "bridge"

    def seen(self, raw: Link, inside: Inside, _view: View) -> dict[str, Any]:
        data = {kind: int.from_bytes(value, "little") for kind, value in particular(raw).items()}
        of = [each.name for each in inside.links if each.master == raw.index and each.mac == raw.mac]
        return {
            "mac_of": of[0] if of else "",
            "group_fwd_mask": data.get(IFLA_BR_GROUP_FWD_MASK, 0),
            "stp": bool(data.get(IFLA_BR_STP_STATE)),
            "forward_delay": data.get(IFLA_BR_FORWARD_DELAY, 0) // TICKS,
            "ageing": data.get(IFLA_BR_AGEING_TIME, 0) // TICKS,
            "vlan_filtering": filters(raw),
        }

    def data(self, link: Bridge, raw: Link | None) -> bytes:
        wanted = []
        if link.forward_delay is not None:
            wanted.append(u32(IFLA_BR_FORWARD_DELAY, link.forward_delay * TICKS))
        if link.ageing is not None:
            wanted.append(u32(IFLA_BR_AGEING_TIME, link.ageing * TICKS))
        if link.stp is not None and (raw is not None or link.stp):
            wanted.append(u32(IFLA_BR_STP_STATE, link.stp))
        if link.group_fwd_mask is not None and (raw is not None or link.group_fwd_mask):
            wanted.append(u16(IFLA_BR_GROUP_FWD_MASK, link.group_fwd_mask))
        if raw is not None and link.vlan_filtering is not None and link.vlan_filtering is not filters(raw):
            wanted.append(u8(IFLA_BR_VLAN_FILTERING, link.vlan_filtering))
        return differing(wanted, raw)

    def first_mtu(self, wanted: int) -> int:
        """Another one: only an MTU that is changed counts as somebody's, any other goes down and up with the ports'."""
        return wanted - 1 if wanted > LEAST_MTU else wanted + 1

    def change(self, link: Bridge, raw: Link, room: Room) -> None:
        try:
            super().change(link, raw, room)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP and link.vlan_filtering and not filters(raw):
                raise FeatureMissing("VLANs on bridges", "CONFIG_BRIDGE_VLAN_FILTERING") from error
            raise
        if link.mac_of:
            nic = room.rtnl.link(link.mac_of)
            if nic is not None and nic.mac != raw.mac:
                room.rtnl.ask(RTM_NEWLINK, link_message(raw.index, mac(IFLA_ADDRESS, nic.mac)))


def pinned(raw: Link) -> bool | None:
    """Whether somebody gave a device of this namespace its MAC, which then moves with no port; None where that cannot
    be seen: /sys may show the devices of another namespace, that in which it was mounted."""
    folder = SYSFS / raw.name
    try:
        if int((folder / "ifindex").read_text(encoding="ascii")) != raw.index:
            return None
        return int((folder / "addr_assign_type").read_text(encoding="ascii")) == NET_ADDR_SET
    except (OSError, ValueError):
        return None
