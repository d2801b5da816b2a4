"""A flow as netctl writes one: what it matches, what it does, whose it is.

There are as many of these as there are wires, twice: flows and matches are tuples, cheap to make, to hash and to
compare. Actions are not, so that actions of different kinds never compare equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from netctl.plan import Key, Value

COOKIE = 0x6E63_746C_0000_0000
"""The upper half of the cookie of every flow of netctl's ("nctl"); the lower half tells the wire."""

COOKIE_MASK = 0xFFFF_FFFF_0000_0000

WHOLE_COOKIE = 0xFFFF_FFFF_FFFF_FFFF
"""A mask that has every bit."""

MAX_PORT = 0xFFFF_FF00
"""OFPP_MAX: higher numbers are reserved, that of the bridge's own port among them (OpenFlow 1.3.5, 7.2.1)."""

NORMAL = 0xFFFF_FFFA
"""OFPP_NORMAL, the reserved port that means the switch's own learning (OpenFlow 1.3.5, 7.2.1)."""

IN_PORT = 0xFFFF_FFF8
"""OFPP_IN_PORT, the reserved port that means back out of where the frame came in."""

TPID = 0x8100
"""The EtherType of the tags that netctl puts on (IEEE 802.1Q)."""

UNTAGGED = 0xFFFF
"""As the VLAN of a match: no tag at all (OFPVID_NONE)."""

WHOLE = 0xFFFF
"""As a length to send to the controller: the whole frame (OFPCML_NO_BUFFER)."""

LLDP = 0x88CC
"""The EtherType of LLDP (IEEE 802.1AB, 8.3)."""

NEAREST_BRIDGE = "01:80:c2:00:00:0e"
"""The address that LLDP frames go to which no bridge forwards (IEEE 802.1AB, 7.1)."""

_RESERVED = {NORMAL: "NORMAL", IN_PORT: "IN_PORT"}


class Match(NamedTuple):
    """What a frame must be. None does not care."""

    in_port: int | None = None
    vlan: int | None = None
    """The VLAN ID (0-4095) of the outermost tag, which must be there; or UNTAGGED."""
    eth_type: int | None = None
    """The EtherType, of a tagged frame that behind its tags: LLDP alone takes tagged LLDP frames as well."""
    eth_dst: str | None = None
    """The destination address, in lower case with colons."""

    def __str__(self) -> str:
        parts = []
        if self.in_port is not None:
            parts.append(f"in_port={self.in_port}")
        if self.vlan is not None:
            parts.append("dl_vlan=0xffff" if self.vlan == UNTAGGED else f"dl_vlan={self.vlan}")
        if self.eth_type is not None:
            parts.append(f"dl_type={self.eth_type:#06x}")
        if self.eth_dst is not None:
            parts.append(f"dl_dst={self.eth_dst}")
        return ",".join(parts) or "any"


@dataclass(frozen=True, slots=True)
class Output:
    """Send the frame out of a port, by its OpenFlow number (1 to 0xffffff00, NORMAL or IN_PORT)."""

    port: int

    def __str__(self) -> str:
        return _RESERVED.get(self.port) or f"output:{self.port}"


@dataclass(frozen=True, slots=True)
class PushVlan:
    """Put a tag (of TPID, VLAN 0, priority 0) in front of those that the frame has."""

    def __str__(self) -> str:
        return f"push_vlan:{TPID:#x}"


@dataclass(frozen=True, slots=True)
class PopVlan:
    """Take the outermost tag off."""

    def __str__(self) -> str:
        return "pop_vlan"


@dataclass(frozen=True, slots=True)
class SetVlan:
    """Write the VLAN ID (0-4095) of the outermost tag; its priority and EtherType stay."""

    vlan: int

    def __str__(self) -> str:
        return f"set_vlan:{self.vlan}"


@dataclass(frozen=True, slots=True)
class ToController:
    """Send a copy of the frame to the controller: its first `length` octets (0 to 0xffe5, or WHOLE)."""

    length: int = WHOLE

    def __str__(self) -> str:
        return f"CONTROLLER:{self.length}"


@dataclass(frozen=True, slots=True)
class Metered:
    """Go on only while a meter (1 to 0xffff0000) has not seen too much; the first thing that a flow does.

    A meter drops the frame for good: what must not be lost is sent in a table before this.
    """

    meter: int

    def __str__(self) -> str:
        return f"meter:{self.meter}"


@dataclass(frozen=True, slots=True)
class GotoTable:
    """Go on in a later table; the last thing that a flow does."""

    table: int

    def __str__(self) -> str:
        return f"goto_table:{self.table}"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A match field, action or instruction of a flow with our cookie that netctl never writes: never equal."""

    text: str

    def __str__(self) -> str:
        return self.text


Plain = Output | PushVlan | PopVlan | SetVlan | ToController | Foreign


@dataclass(frozen=True, slots=True)
class Clone:
    """Do something to a copy of the frame: what comes after has the frame as it was (ovs-actions(7), clone)."""

    actions: tuple[Plain, ...]

    def __str__(self) -> str:
        return f"clone({','.join(map(str, self.actions))})"


Action = Plain | Clone | Metered | GotoTable

Identity = tuple[int, int, Match, str]


class _Fields(NamedTuple):
    bridge: str
    priority: int
    match: Match
    actions: tuple[Action, ...] = ()
    cookie: int = COOKIE
    table: int = 0
    extra: str = ""
    """The match fields that Match has not, as text, «name=hex» or «name=hex/mask» with «,» between them: those of few
    of netctl's flows, and what others' have."""


class Flow(_Fields):
    """One entry of a flow table. No actions means drop."""

    __slots__ = ()

    fixed: ClassVar[frozenset[str]] = frozenset({"extra", "cookie"})

    @property
    def key(self) -> Key:
        match = f"{self.match},{self.extra}" if self.extra else str(self.match)
        return ("flow", self.bridge, f"table={self.table},priority={self.priority},{match}")

    @property
    def identity(self) -> Identity:
        """Two flows of one bridge with the same are the same entry of its tables. The key says it in words."""
        return (self.table, self.priority, self.match, self.extra)

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
