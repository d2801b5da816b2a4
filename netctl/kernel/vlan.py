"""VLANs of a device (IEEE 802.1Q; 802.1ad for the outer tag)."""

from __future__ import annotations

from typing import Any

from netctl.desired.link import Place, Vlan
from netctl.kernel.attribute import be16, u16
from netctl.kernel.link import Kind, particular
from netctl.kernel.rtnl import Link
from netctl.kernel.view import Inside, View

IFLA_VLAN_ID, IFLA_VLAN_PROTOCOL = 1, 5
TYPES = {"802.1Q": 0x8100, "802.1ad": 0x88A8}
"""The EtherType of the tag, by its standard."""


class VlanKind(Kind[Vlan]):
    device = Vlan
    module = "8021q"

    def seen(self, raw: Link, inside: Inside, view: View) -> dict[str, Any]:
        data = particular(raw)
        netns, name = view.lower(inside.netns, raw)
        ethertype = int.from_bytes(data.get(IFLA_VLAN_PROTOCOL, b""), "big")
        return {
            "link": name,
            "link_netns": netns,
            "id": int.from_bytes(data.get(IFLA_VLAN_ID, b""), "little"),
            "protocol": next((name for name, kind in TYPES.items() if kind == ethertype), f"{ethertype:#06x}"),
        }

    def lower(self, link: Vlan) -> Place:
        return link.link_netns, link.link

    def data(self, link: Vlan, raw: Link | None) -> bytes:
        if raw is not None:
            return b""
        return u16(IFLA_VLAN_ID, link.id) + be16(IFLA_VLAN_PROTOCOL, TYPES[link.protocol])
