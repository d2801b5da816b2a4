"""The kinds of devices that this room can make."""

from __future__ import annotations

from typing import Any

from netctl.kernel.bond import BondKind
from netctl.kernel.bridge import BridgeKind
from netctl.kernel.link import Kind
from netctl.kernel.macvlan import MacvlanKind, MacvtapKind
from netctl.kernel.plain import DummyKind, IfbKind
from netctl.kernel.rtnl import Link
from netctl.kernel.tap import TapKind
from netctl.kernel.veth import VethKind
from netctl.kernel.vlan import VlanKind
from netctl.kernel.vxlan import VxlanKind

KINDS: dict[str, Kind[Any]] = {
    kind.device.kind: kind
    for kind in (
        VethKind(),
        TapKind(),
        MacvlanKind(),
        MacvtapKind(),
        BridgeKind(),
        VlanKind(),
        BondKind(),
        VxlanKind(),
        DummyKind(),
        IfbKind(),
    )
}


def kind_of(raw: Link) -> Kind[Any] | None:
    """None for those that netctl does not make, physical ones among them."""
    return KINDS.get("tap" if raw.tap else raw.kind)
