"""A flow as netctl writes one: what it matches, what it does, whose it is."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from netctl.plan import Key, Value

COOKIE = 0x6E63_746C_0000_0000
"""The upper half of the cookie of every flow of netctl's ("nctl"); the lower half tells the wire."""

COOKIE_MASK = 0xFFFF_FFFF_0000_0000

NORMAL = 0xFFFF_FFFA
"""OFPP_NORMAL, the reserved port that means the switch's own learning (OpenFlow 1.3.5, 7.2.1)."""

IN_PORT = 0xFFFF_FFF8
"""OFPP_IN_PORT, the reserved port that means back out of where the frame came in."""

TPID = 0x8100
"""The EtherType of the tags that netctl puts on (IEEE 802.1Q)."""

_RESERVED = {NORMAL: "NORMAL", IN_PORT: "IN_PORT"}


@dataclass(frozen=True)
class Match:
    """What a frame must be. None does not care.

    `vlan` is the VLAN ID (0-4095) of the outermost tag, which must be there.
    """

    in_port: int | None = None
    vlan: int | None = None

    def __str__(self) -> str:
        parts = []
        if self.in_port is not None:
            parts.append(f"in_port={self.in_port}")
        if self.vlan is not None:
            parts.append(f"dl_vlan={self.vlan}")
        return ",".join(parts) or "any"


@dataclass(frozen=True)
class Output:
    """Send the frame out of a port, by its OpenFlow number (1 to 0xffffff00, NORMAL or IN_PORT)."""

    port: int

    def __str__(self) -> str:
        return _RESERVED.get(self.port) or f"output:{self.port}"


@dataclass(frozen=True)
class PushVlan:
    """Put a tag (of TPID, VLAN 0, priority 0) in front of those that the frame has."""

    def __str__(self) -> str:
        return f"push_vlan:{TPID:#x}"


@dataclass(frozen=True)
class PopVlan:
    """Take the outermost tag off."""

    def __str__(self) -> str:
        return "pop_vlan"


@dataclass(frozen=True)
class SetVlan:
    """Write the VLAN ID (0-4095) of the outermost tag; its priority and EtherType stay."""

    vlan: int

    def __str__(self) -> str:
        return f"set_vlan:{self.vlan}"


@dataclass(frozen=True)
class Foreign:
    """A match field, action or instruction of a flow with our cookie that netctl never writes: never equal."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Clone:
    """Do something to a copy of the frame: what comes after has the frame as it was (ovs-actions(7), clone)."""

    actions: tuple[Output | PushVlan | PopVlan | SetVlan | Foreign, ...]

    def __str__(self) -> str:
        return f"clone({','.join(map(str, self.actions))})"


Action = Output | PushVlan | PopVlan | SetVlan | Clone | Foreign


@dataclass(frozen=True)
class Flow:
    """One entry of a flow table. No actions means drop."""

    bridge: str
    priority: int
    match: Match
    actions: tuple[Action, ...] = ()
    cookie: int = COOKIE
    table: int = 0
    extra: str = ""
    """What an observed flow has that netctl never writes (time-outs, other match fields), as text."""

    fixed: ClassVar[frozenset[str]] = frozenset({"extra", "cookie"})

    @property
    def identity(self) -> Hashable:
        """What no two flows of a bridge have in common."""
        return (self.table, self.priority, self.match, self.extra)

    @property
    def key(self) -> Key:
        match = f"{self.match},{self.extra}" if self.extra else str(self.match)
        return ("flow", self.bridge, f"table={self.table},priority={self.priority},{match}")

    def outputs(self) -> Iterator[int]:
        """The ports that frames leave by, by their OpenFlow numbers."""
        for action in self.actions:
            for each in action.actions if isinstance(action, Clone) else (action,):
                if isinstance(each, Output):
                    yield each.port

    def facts(self) -> Mapping[str, Value]:
        return {
            "cookie": f"{self.cookie:#x}",
            "actions": tuple(map(str, self.actions)) or "drop",
        }
