"""VXLAN: Ethernet over UDP (RFC 7348)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from netctl.desired.link import Place, Vxlan
from netctl.kernel.attribute import attribute, be16, u8, u32
from netctl.kernel.link import Kind, differing, particular
from netctl.kernel.rtnl import Link
from netctl.kernel.view import Inside, View

IFLA_VXLAN_ID, IFLA_VXLAN_GROUP, IFLA_VXLAN_LINK, IFLA_VXLAN_LOCAL = 1, 2, 3, 4
IFLA_VXLAN_TTL, IFLA_VXLAN_LEARNING, IFLA_VXLAN_PORT = 5, 7, 15
IFLA_VXLAN_GROUP6, IFLA_VXLAN_LOCAL6 = 16, 17


class VxlanKind(Kind[Vxlan]):
    device = Vxlan
    module = "vxlan"

    def seen(self, raw: Link, inside: Inside, view: View) -> dict[str, Any]:
        data = particular(raw)
        index = int.from_bytes(data.get(IFLA_VXLAN_LINK, b""), "little")
        netns = view.lower(inside.netns, raw)[0] if index else ""
        return {
            "id": int.from_bytes(data.get(IFLA_VXLAN_ID, b""), "little"),
            "link": view.name(netns, index) if index and netns in view.insides else "",
            "link_netns": netns,
            "local": _address(data, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6),
            "remote": _address(data, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6),
            "dstport": int.from_bytes(data.get(IFLA_VXLAN_PORT, b""), "big"),
            "learning": data.get(IFLA_VXLAN_LEARNING, b"\0") != b"\0",
            "ttl": int.from_bytes(data.get(IFLA_VXLAN_TTL, b""), "little"),
        }

    def lower(self, link: Vxlan) -> Place | None:
        return (link.link_netns, link.link) if link.link else None

    def standing_on(self, index: int) -> bytes:
        return u32(IFLA_VXLAN_LINK, index)

    def data(self, link: Vxlan, raw: Link | None) -> bytes:
        wanted = [u8(IFLA_VXLAN_TTL, link.ttl)] if link.ttl is not None else []
        return differing(wanted if raw is not None else [*wanted, *_fixed(link)], raw)


def _fixed(link: Vxlan) -> Iterator[bytes]:
    yield u32(IFLA_VXLAN_ID, link.id)
    yield be16(IFLA_VXLAN_PORT, link.dstport)
    if link.learning is not None:
        yield u8(IFLA_VXLAN_LEARNING, link.learning)
    for address, kinds in (
        (link.local, (IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6)),
        (link.remote, (IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6)),
    ):
        if address:
            parsed = ip_address(address)
            yield attribute(kinds[parsed.version == 6], parsed.packed)


def _address(data: Mapping[int, bytes], four: int, six: int) -> str:
    value = data.get(four) or data.get(six)
    return str(ip_address(value)) if value else ""
