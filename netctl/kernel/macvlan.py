"""Macvlans and macvtaps: second MACs on a device. A macvtap is opened at /dev/tapINDEX."""

from __future__ import annotations

import os
import zlib
from typing import Any, TypeVar

from netctl.desired.link import Macvlan, Macvtap, Place
from netctl.kernel.attribute import u32
from netctl.kernel.link import Kind, differing, particular
from netctl.kernel.rooms import Room
from netctl.kernel.rtnl import Link
from netctl.kernel.view import Inside, View

IFLA_MACVLAN_MODE = 1
FIRST_INDEX, INDEXES = 1 << 20, 1 << 28
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

    def index(self, link: Macvtap, room: Room) -> int:
        """/dev/tapINDEX is the machine's, but namespaces count their devices each from one: without numbers that are
        no other namespace's, a guest would open somebody else's."""
        where = os.fstat(room.descriptor).st_ino
        index = FIRST_INDEX + zlib.crc32(f"{where}/{link.name}".encode()) % INDEXES
        taken = {each.index for each in room.rtnl.links()}
        while index in taken:
            index += 1
        return index
