"""Bonds: several devices as one (bonding.rst of the Linux kernel)."""

from __future__ import annotations

from typing import Any

from netctl.desired.link import Bond
from netctl.kernel.attribute import u8, u32
from netctl.kernel.link import Kind, differing, particular
from netctl.kernel.rooms import Room
from netctl.kernel.rtnl import IFF_UP, RTM_NEWLINK, Link, attributes, link_message
from netctl.kernel.view import Inside, View

IFLA_BOND_MODE, IFLA_BOND_MIIMON, IFLA_BOND_XMIT_HASH_POLICY, IFLA_BOND_AD_LACP_RATE = 1, 3, 14, 21
MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
POLICIES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
RATES = ("slow", "fast")
"""Each by the kernel's numbers."""


class BondKind(Kind[Bond]):
    device = Bond
    module = "bonding"

    def seen(self, raw: Link, _inside: Inside, _view: View) -> dict[str, Any]:
        data = {kind: int.from_bytes(value, "little") for kind, value in particular(raw).items()}
        return {
            "mode": MODES[data.get(IFLA_BOND_MODE, 0)],
            "miimon": data.get(IFLA_BOND_MIIMON, 0),
            "hash_policy": POLICIES[data.get(IFLA_BOND_XMIT_HASH_POLICY, 0)],
            "lacp_rate": RATES[data.get(IFLA_BOND_AD_LACP_RATE, 0)],
        }

    def data(self, link: Bond, raw: Link | None) -> bytes:
        wanted = [u8(IFLA_BOND_MODE, MODES.index(link.mode))]
        if link.miimon is not None:
            wanted.append(u32(IFLA_BOND_MIIMON, link.miimon))
        if link.hash_policy is not None:
            wanted.append(u8(IFLA_BOND_XMIT_HASH_POLICY, POLICIES.index(link.hash_policy)))
        if link.lacp_rate is not None:
            wanted.append(u8(IFLA_BOND_AD_LACP_RATE, RATES.index(link.lacp_rate)))
        return differing(wanted, raw)

    def change(self, link: Bond, raw: Link, room: Room) -> None:
        """The kernel changes the rate of LACP only while the bond is down."""
        down = raw.up and IFLA_BOND_AD_LACP_RATE in attributes(self.data(link, raw))
        if down:
            room.rtnl.ask(RTM_NEWLINK, link_message(raw.index, mask=IFF_UP))
        super().change(link, raw, room)
        if down:
            room.rtnl.ask(RTM_NEWLINK, link_message(raw.index, flags=IFF_UP, mask=IFF_UP))
