"""Macvlans and macvtaps: second MACs on a device. A macvtap is opened at /dev/tapINDEX."""

from __future__ import annotations

from typing import Any, TypeVar

from netctl.desired.link import Macvlan, Macvtap, Place
from netctl.kernel.attribute import u32
from netctl.kernel.link import Kind, differing, particular
from netctl.kernel.rtnl import Link
from netctl.kernel.view import Inside, View

IFLA_MACVLAN_MODE = 1
MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8, "source": 16}

M = TypeVar("M", bound=Macvlan)


class _SecondMac(Kind[M]):
    def seen(self, raw: Link, inside: Inside, view: View) -> dict[str, Any]:
        netns, name = view.lower(inside.netns, raw)
        mode = int.from_bytes(particular(raw).get(IFLA_MACVLAN_MODE, b""), "little")
        return {
            "lower": name,
            "lower_netns": netns,
            "mode": next((name for name, number in MODES.items() if number == mode), str(mode)),
        }

    def lower(self, link: M) -> Place:
        return link.lower_netns, link.lower

    def data(self, link: M, raw: Link | None) -> bytes:
        return differing([u32(IFLA_MACVLAN_MODE, MODES[link.mode])], raw)


class MacvlanKind(_SecondMac[Macvlan]):
    device = Macvlan
    module = "macvlan"


class MacvtapKind(_SecondMac[Macvtap]):
    device = Macvtap
    module = "macvtap"
