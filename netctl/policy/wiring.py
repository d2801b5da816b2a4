"""What is wired to what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netctl.policy.ports import PortRef, Ports

if TYPE_CHECKING:
    from netctl.policy.load import Loaded


@dataclass(frozen=True, slots=True)
class Cable:
    """A wire with its ends found."""

    name: str
    ends: tuple[PortRef, PortRef]
    said: str
    """«file:line:col» of the wire."""
    vlans: tuple[int | None, int | None] = (None, None)
    """The VLAN of each end's port that it is; None is the whole port."""
    monitors: tuple[PortRef, ...] = ()
    """The ports that get a copy of what enters at either end."""
    follow: bool = True
    """Whether one end that goes down takes the other down."""
    observe: bool = False
    """Whether the controller gets a copy of LLDP."""


def cables(loaded: Loaded, ports: Ports) -> list[Cable]:
    """The wires of a valid policy, in its order."""
    assert loaded.policy is not None
    monitors: dict[str, list[PortRef]] = {}
    for tap in loaded.policy.taps:
        monitors.setdefault(tap.of, []).append(ports.resolve(tap.to))
    return [
        Cable(
            wire.name,
            (ports.resolve(wire.ends[0].port), ports.resolve(wire.ends[1].port)),
            loaded.where(("wires", number)),
            (wire.ends[0].vlan, wire.ends[1].vlan),
            tuple(monitors.get(wire.name, ())),
            wire.carrier != "ignore",
            wire.observe is not None,
        )
        for number, wire in enumerate(loaded.policy.wires)
    ]
