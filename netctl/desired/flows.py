"""Policy -> the flows of one bridge.

A wire is two flows, one for each direction, that look at nothing but the port a frame came in by, and its VLAN
where the wire ends in one: LLDP, STP, tags and all pass as they are. A wire whose LLDP the controller hears has
four more (netctl.desired.observe). Ports without a wire fall to the bottom of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from zlib import crc32

from netctl.desired.flow import COOKIE, IN_PORT, NORMAL, Action, Clone, Flow, Match, Output, PopVlan, PushVlan, SetVlan
from netctl.desired.observe import observing
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
    """Netctl's mark and 32 bits of a wire's name, so that a flow on the switch tells its wire. Never COOKIE itself."""
    return COOKIE | (crc32(name.encode()) or 1)


def why(cable: Cable) -> str:
    """Why there are the flows of a wire."""
    return f"{cable.said} wire {cable.name}"


def wire_flows(bridge: str, cable: Cable, cookie: int, numbers: Mapping[str, int]) -> tuple[Flow, ...]:
    """The flows of a wire on `bridge`; `numbers` gives the OpenFlow number of each port that may be used.

    A wire with an end that has no number yet gets no flow at all: half a cable is none. A monitor port without
    one does not keep the wire waiting, it just gets no copy.
    """
    first, second = numbers.get(cable.ends[0].port), numbers.get(cable.ends[1].port)
    if first is None or second is None:
        return ()
    copies = tuple([numbers[each.port] for each in cable.monitors if each.port in numbers]) if cable.monitors else ()
    one, other = cable.vlans
    there = crossing(one, other, IN_PORT if first == second else second, copies)
    back = crossing(other, one, IN_PORT if first == second else first, copies)
    flows = (
        Flow(bridge, WIRE_PRIORITY, Match(first, one), there, cookie),
        Flow(bridge, WIRE_PRIORITY, Match(second, other), back, cookie),
    )
    return (*flows, *observing(flows[0]), *observing(flows[1])) if cable.observe else flows


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
    if unpatched == "keep":
        return []
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
    leave: tuple[Output | PushVlan | PopVlan | SetVlan, ...]
    if vlan == tag:
        leave = (_output(out),)
    elif tag is None:
        leave = (PopVlan(), _output(out))
    elif vlan is None:
        leave = (PushVlan(), _set_vlan(tag), _output(out))
    else:
        leave = (_set_vlan(tag), _output(out))
    if not copies:
        return leave
    after = tuple(map(_output, copies))
    return (*leave, *after) if vlan == tag else (Clone(leave), *after)


_output = lru_cache(65536)(Output)
_set_vlan = lru_cache(4096)(SetVlan)
