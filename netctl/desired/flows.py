"""Policy -> the flows of one bridge.

A wire is two flows, one for each direction, that look at nothing but the port a frame came in by, and its VLAN
where the wire ends in one: LLDP, STP, tags and all pass as they are. Ports without a wire fall to the bottom of
the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from netctl.desired.flow import COOKIE, IN_PORT, NORMAL, Action, Clone, Flow, Match, Output, PopVlan, PushVlan, SetVlan
from netctl.desired.row import ISOLATED
from netctl.plan import Wanted
from netctl.policy import Cable

WIRE_PRIORITY = 100
"""Above everything: what a wire takes, nothing else gets. A port ends one wire or one for each VLAN, so no two of
its flows match the same frame."""

REST_PRIORITY = 50
"""Below the wires of a port and above the learning switch: what no wire of the port takes."""

GUARD_PRIORITY = 1
"""Just above what it guards."""

UNPATCHED_PRIORITY = 0
"""Below everything: what nothing else takes."""


def cookie_of(name: str) -> int:
    """Netctl's mark and 32 bits of a wire's name, so that a flow on the switch tells its wire."""
    return COOKIE | int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def wire_flows(bridge: str, cable: Cable, numbers: Mapping[str, int]) -> list[Wanted[Flow]]:
    """The flows of a wire on `bridge`; `numbers` gives the OpenFlow number of each port that may be used.

    A wire with an end that has no number yet gets no flow at all: half a cable is none. A monitor port without
    one does not keep the wire waiting, it just gets no copy.
    """
    first, second = numbers.get(cable.ends[0].port), numbers.get(cable.ends[1].port)
    if first is None or second is None:
        return []
    why = f"{cable.said} wire {cable.name}"
    cookie = cookie_of(cable.name)
    copies = tuple(numbers[each.port] for each in cable.monitors if each.port in numbers)
    one, other = cable.vlans
    there = crossing(one, other, IN_PORT if first == second else second, copies)
    back = crossing(other, one, IN_PORT if first == second else first, copies)
    return [
        Wanted(Flow(bridge, WIRE_PRIORITY, Match(first, one), there, cookie), why),
        Wanted(Flow(bridge, WIRE_PRIORITY, Match(second, other), back, cookie), why),
    ]


def rest_flow(bridge: str, number: int, port: str, wires: Iterable[Cable]) -> list[Wanted[Flow]]:
    """On a bridge where ports without a wire learn: the drop of what no wire of a port takes. `wires` end there or
    are copied there; none where one of them takes the whole port."""
    for cable in wires:
        for end, vlan in zip(cable.ends, cable.vlans, strict=True):
            if end.port == port and vlan is not None:
                reason = f"only VLANs of port {port} are wired; {cable.said} wire {cable.name}"
                return [Wanted(Flow(bridge, REST_PRIORITY, Match(in_port=number)), reason)]
        if any(each.port == port for each in cable.monitors):
            reason = f"port {port} monitors and sends nothing; {cable.said} wire {cable.name}"
            return [Wanted(Flow(bridge, REST_PRIORITY, Match(in_port=number)), reason)]
    return []


def bridge_flows(bridge: str, unpatched: str, said: str) -> list[Wanted[Flow]]:
    """The flows of a bridge itself: what becomes of the ports without a wire. `said` is where the policy says so."""
    if unpatched != "normal":
        return [Wanted(Flow(bridge, UNPATCHED_PRIORITY, Match()), f"{said} unpatched: drop")]
    guard = Flow(bridge, GUARD_PRIORITY, Match(vlan=ISOLATED))
    learn = Flow(bridge, UNPATCHED_PRIORITY, Match(), (Output(NORMAL),))
    return [
        Wanted(guard, f"{said} keeps the ports without a wire off the VLAN of the wired ones"),
        Wanted(learn, f"{said} unpatched: normal"),
    ]


def crossing(vlan: int | None, tag: int | None, out: int, copies: tuple[int, ...]) -> tuple[Action, ...]:
    """What a wire does with a frame: it came in by VLAN `vlan` (None: the whole port) and leaves by the port `out`
    in VLAN `tag`; then the ports `copies` get it as it came in."""
    retag: tuple[PushVlan | PopVlan | SetVlan, ...]
    if vlan == tag:
        retag = ()
    elif tag is None:
        retag = (PopVlan(),)
    elif vlan is None:
        retag = (PushVlan(), SetVlan(tag))
    else:
        retag = (SetVlan(tag),)
    leave = (*retag, Output(out))
    after = tuple(map(Output, copies))
    return (Clone(leave), *after) if retag and after else (*leave, *after)
