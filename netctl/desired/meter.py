"""Meters: how much a switch lets through, and what it drops of the rest (OpenFlow 1.3.5, 5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from netctl.plan import Key, Value

FIRST = 0x6E63_0000
"""The first of the numbers that netctl gives to its meters ("nc"): a meter has no cookie to tell whose it is. 65536
limit what is heard of LLDP, by port, and as many what is heard of hosts."""

HOSTS = FIRST + 0x10000

CONTROLLER = 0xFFFF_FFFE
"""OFPM_CONTROLLER: what a bridge sends to its controllers goes through this one, whichever flow sends it."""

Kind = Literal["pktps", "kbps"]


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter that drops what is too much.

    A flow goes through it by the action Metered, which the meter must be there for; and removing a meter removes
    the flows that use it. So meters are made before flows and removed after them.
    """

    bridge: str
    number: int
    """FIRST and up, or CONTROLLER."""
    rate: int
    """Packets or kbit per second, as `kind` says."""
    burst: int = 0
    """Packets or kbit that pass at once after silence; 0 leaves it to the switch (Open vSwitch: a second's worth)."""
    kind: Kind = "pktps"
    extra: str = ""
    """What an observed meter has that netctl never writes (several bands, remarking), as text."""

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return ("meter", self.bridge, "controller" if self.number == CONTROLLER else str(self.number))

    def facts(self) -> Mapping[str, Value]:
        return {"rate": f"{self.rate} {self.kind}", "burst": self.burst, "extra": self.extra}


def ours(number: int) -> bool:
    """Whether a meter of this number is netctl's. A bridge has one for its controller, and that is netctl."""
    return number == CONTROLLER or FIRST <= number < HOSTS + 0x10000
