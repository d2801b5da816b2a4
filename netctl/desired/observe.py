"""How the controller hears LLDP: that of a wire (`observe: lldp`), and that of a port where links are looked for; and
how it hears of the hosts at a port without a wire.

A wire's frame itself crosses as ever: above the flow that takes all that enters at an end of the wire, one with the
same actions takes LLDP, and sends it on to a later table. There it goes through a meter of the port's own, and to the
controller: what is too much is dropped there, and of the copy alone. At a port without a wire LLDP goes to the
controller, through the same meter, and nowhere else.

Of hosts ARP and neighbour discovery tell. Where ports without a wire learn these go on as ever, and a copy takes the
same way as LLDP's, through a meter of its own: whoever floods a port with ARP keeps no LLDP from being heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netctl.desired import meter
from netctl.desired.flow import (
    LLDP,
    NEAREST_BRIDGE,
    NORMAL,
    Clone,
    Flow,
    GotoTable,
    Match,
    Metered,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
    ToController,
)
from netctl.desired.meter import Meter
from netctl.desired.row import ISOLATED

ABOVE = 10
"""By how much the priority is above that of the wire's flow."""

LISTEN_PRIORITY = 60
"""Below the wires and above what the rest of the frames of a port get."""

HOSTS_PRIORITY = 55
"""The same; what is heard of hosts is no LLDP."""

PUNT_TABLE = 250
"""Where frames go on that the controller gets a copy of."""

PUNT_LENGTH = 1600
"""Octets of a frame that the controller gets: no LLDP frame is longer, in two tags."""

HOSTS_LENGTH = 128
"""Octets of a frame that tells of a host: neighbour discovery with two tags and an option takes 94."""

_HEARD = frozenset({(ToController(PUNT_LENGTH),), (ToController(HOSTS_LENGTH),)})
"""What the flows here do behind their meter."""

PUNT_RATE = 10
"""Frames of a port that the controller gets in a second: a neighbour sends one in a second at most, save five at
once (IEEE 802.1AB-2016, 9.2.5.17)."""

PUNT_BURST = 40

HOSTS_RATE = 5
"""Frames of a port that tell of hosts which the controller gets in a second: a host is remembered for minutes."""

HOSTS_BURST = 20

ALL_RATE = 2000
"""Frames of all ports of a bridge that its controllers get in a second, whichever flows send them."""


def observing(wire: Flow) -> tuple[Flow, Flow]:
    """What a flow of a wire needs beside it. It must match a port."""
    into = wire.match.in_port
    assert into is not None
    priority = wire.priority + ABOVE
    match = wire.match._replace(eth_type=LLDP)
    heard = (Metered(meter.FIRST + into), ToController(PUNT_LENGTH))
    actions = wire.actions
    if any(isinstance(each, PushVlan | PopVlan | SetVlan) for each in actions):
        actions = (Clone(actions),)  # type: ignore[arg-type]
    return (
        Flow(wire.bridge, priority, match, (*actions, GotoTable(PUNT_TABLE)), wire.cookie),
        Flow(wire.bridge, priority, match, heard, wire.cookie, PUNT_TABLE),
    )


def listening(bridge: str, number: int) -> Flow:
    """The flow by which the controller hears what is sent to the nearest bridge at a port without a wire."""
    match = Match(in_port=number, eth_type=LLDP, eth_dst=NEAREST_BRIDGE)
    return Flow(bridge, LISTEN_PRIORITY, match, (Metered(meter.FIRST + number), ToController(PUNT_LENGTH)))


def locating(bridge: str, number: int, learns: bool) -> Iterator[Flow]:
    """The flows by which the controller hears of the hosts at a port without a wire.

    `learns` is whether its frames go through the learning switch: not those in the VLAN of the wired ports, which are
    kept off it whatever they are.
    """
    heard = (Metered(meter.HOSTS + number), ToController(HOSTS_LENGTH))
    if learns:
        yield Flow(bridge, HOSTS_PRIORITY + 1, Match(in_port=number, vlan=ISOLATED))
    for kind, more in _HOSTS:
        match = Match(in_port=number, eth_type=kind)
        if learns:
            onward = (Output(NORMAL), GotoTable(PUNT_TABLE))
            yield Flow(bridge, HOSTS_PRIORITY, match, onward, extra=more)
            yield Flow(bridge, HOSTS_PRIORITY, match, heard, table=PUNT_TABLE, extra=more)
        else:
            yield Flow(bridge, HOSTS_PRIORITY, match, heard, extra=more)


_HOSTS = (
    (0x0806, ""),
    (0x86DD, "ip_proto=3a,icmpv6_type=87"),
    (0x86DD, "ip_proto=3a,icmpv6_type=88"),
)
"""ARP, and neighbour solicitation and advertisement (RFC 4861, 4.3 and 4.4): the EtherType, and what else a flow has to
match."""


def limits(flows: Iterable[Flow | None]) -> tuple[Meter, ...]:
    """The meters that the flows here go through, each once, and the controller's own: they have to be there before."""
    numbers = {
        first.meter: flow.bridge
        for flow in flows
        if flow is not None
        and flow.actions[1:] in _HEARD
        and isinstance(first := flow.actions[0], Metered)
    }
    ports = tuple(
        Meter(bridge, number, *((HOSTS_RATE, HOSTS_BURST) if number >= meter.HOSTS else (PUNT_RATE, PUNT_BURST)))
        for number, bridge in numbers.items()
    )
    return tuple(Meter(bridge, meter.CONTROLLER, ALL_RATE) for bridge in dict.fromkeys(numbers.values())) + ports
