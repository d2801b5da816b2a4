"""Policy -> the flows of one bridge.

A wire is two flows, one for each direction, that look at nothing but the port a frame came in by: LLDP, STP,
tags and all pass as they are. Ports without a wire fall to the bottom of the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from netctl.desired.flow import COOKIE, NORMAL, Flow, Match, Output
from netctl.desired.row import ISOLATED
from netctl.plan import Wanted
from netctl.policy import Loaded, PortRef, Ports

WIRE_PRIORITY = 100
GUARD_PRIORITY = 1
UNPATCHED_PRIORITY = 0


@dataclass(frozen=True)
class Cable:
    """A wire with its ends found: what the flows are made from."""

    name: str
    ends: tuple[PortRef, PortRef]
    said: str
    """«file:line:col» of the wire."""

    @property
    def cookie(self) -> int:
        """Netctl's mark and 32 bits of the wire's name, so that a flow on the switch tells its wire."""
        return COOKIE | int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "big")


def cables(loaded: Loaded, ports: Ports) -> list[Cable]:
    """The wires of a valid policy, in its order."""
    assert loaded.policy is not None
    return [
        Cable(
            wire.name,
            (ports.resolve(wire.ends[0].port), ports.resolve(wire.ends[1].port)),
            loaded.where(("wires", number)),
        )
        for number, wire in enumerate(loaded.policy.wires)
    ]


def flows(
    bridge: str, unpatched: str, said: str, wires: list[Cable], numbers: Mapping[str, int]
) -> list[Wanted[Flow]]:
    """The flows of `bridge`: `wires` are those that end on it, `numbers` the OpenFlow number of each of its ports.

    A wire with an end that has no number yet gets no flow at all: half a cable is none.
    """
    wanted: list[Wanted[Flow]] = []
    for wire in wires:
        here = [numbers.get(end.port) for end in wire.ends]
        first, second = here
        if first is None or second is None:
            continue
        why = f"{wire.said} wire {wire.name}"
        for into, out in ((first, second), (second, first)):
            wanted.append(
                Wanted(
                    Flow(bridge, WIRE_PRIORITY, Match(in_port=into), (Output(out),), wire.cookie),
                    why,
                )
            )
    if unpatched == "normal":
        guard = Flow(bridge, GUARD_PRIORITY, Match(vlan=ISOLATED))
        wanted.append(Wanted(guard, f"{said} keeps the ports without a wire off the VLAN of the wired ones"))
        rest = Flow(bridge, UNPATCHED_PRIORITY, Match(), (Output(NORMAL),))
        wanted.append(Wanted(rest, f"{said} unpatched: normal"))
    else:
        wanted.append(Wanted(Flow(bridge, UNPATCHED_PRIORITY, Match()), f"{said} unpatched: drop"))
    return wanted
