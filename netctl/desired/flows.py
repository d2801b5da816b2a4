"""Policy -> the flows of one bridge.

A wire is two flows, one for each direction, that look at nothing but the port a frame came in by, and its VLAN
where the wire ends in one: LLDP, STP, tags and all pass as they are. Ports without a wire fall to the bottom of
the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

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


def flows(
    bridge: str, unpatched: str, said: str, wires: list[Cable], numbers: Mapping[str, int]
) -> list[Wanted[Flow]]:
    """The flows of `bridge`: `wires` are those that end on it, `numbers` the OpenFlow number of each of its ports.

    A wire with an end that has no number yet gets no flow at all: half a cable is none. A monitor port without
    one does not keep the wire waiting, it just gets no copy.
    """
    wanted: list[Wanted[Flow]] = []
    for wire in wires:
        here = [numbers.get(end.port) for end in wire.ends]
        first, second = here
        if first is None or second is None:
            continue
        why = f"{wire.said} wire {wire.name}"
        cookie = cookie_of(wire.name)
        copies = tuple(numbers[each.port] for each in wire.monitors if each.port in numbers)
        one, other = (first, wire.vlans[0]), (second, wire.vlans[1])
        for (into, vlan), (out, tag) in ((one, other), (other, one)):
            through = crossing(vlan, tag, IN_PORT if out == into else out, copies)
            wanted.append(Wanted(Flow(bridge, WIRE_PRIORITY, Match(into, vlan), through, cookie), why))
    if unpatched == "normal":
        for port, reason in partly_wired(wires).items():
            if port in numbers:
                rest = Flow(bridge, REST_PRIORITY, Match(in_port=numbers[port]))
                wanted.append(Wanted(rest, reason))
        guard = Flow(bridge, GUARD_PRIORITY, Match(vlan=ISOLATED))
        wanted.append(Wanted(guard, f"{said} keeps the ports without a wire off the VLAN of the wired ones"))
        rest = Flow(bridge, UNPATCHED_PRIORITY, Match(), (Output(NORMAL),))
        wanted.append(Wanted(rest, f"{said} unpatched: normal"))
    else:
        wanted.append(Wanted(Flow(bridge, UNPATCHED_PRIORITY, Match()), f"{said} unpatched: drop"))
    return wanted


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


def partly_wired(wires: list[Cable]) -> dict[str, str]:
    """The ports with frames that no wire takes, and why those go nowhere."""
    ports: dict[str, str] = {}
    for wire in wires:
        for end, vlan in zip(wire.ends, wire.vlans, strict=True):
            if vlan is not None:
                ports.setdefault(end.port, f"only VLANs of port {end.port} are wired; {wire.said} wire {wire.name}")
        for each in wire.monitors:
            ports.setdefault(each.port, f"port {each.port} monitors and sends nothing; {wire.said} wire {wire.name}")
    return ports
