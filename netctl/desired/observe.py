"""How the controller hears LLDP: that of a wire (`observe: lldp`), and that of a port where links are looked for.

A wire's frame itself crosses as ever: above the flow that takes all that enters at an end of the wire, one with the
same actions takes LLDP, and sends it on to a later table. There it goes through a meter of the port's own, and to the
controller: what is too much is dropped there, and of the copy alone. At a port without a wire LLDP goes to the
controller, through the same meter, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable

from netctl.desired import meter
from netctl.desired.flow import (
    LLDP,
    NEAREST_BRIDGE,
    Clone,
    Flow,
    GotoTable,
    Match,
    Metered,
    PopVlan,
    PushVlan,
    SetVlan,
    ToController,
)
from netctl.desired.meter import Meter

ABOVE = 10
"""By how much the priority is above that of the wire's flow."""

LISTEN_PRIORITY = 60
"""Below the wires and above what the rest of the frames of a port get."""

PUNT_TABLE = 250
"""Where frames go on that the controller gets a copy of."""

PUNT_LENGTH = 1600
"""Octets of a frame that the controller gets: no LLDP frame is longer, in two tags."""

_PUNT = (ToController(PUNT_LENGTH),)

PUNT_RATE = 10
"""Frames of a port that the controller gets in a second: a neighbour sends one in a second at most, save five at
once (IEEE 802.1AB-2016, 9.2.5.17)."""

PUNT_BURST = 40

ALL_RATE = 2000
"""Frames of all ports of a bridge that its controllers get in a second, whichever flows send them."""


def observing(wire: Flow) -> tuple[Flow, Flow]:
    """What a flow of a wire needs beside it. It must match a port."""
    into = wire.match.in_port
    assert into is not None
    priority = wire.priority + ABOVE
    match = wire.match._replace(eth_type=LLDP)
    heard = (Metered(meter.FIRST + into), *_PUNT)
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
    return Flow(bridge, LISTEN_PRIORITY, match, (Metered(meter.FIRST + number), *_PUNT))


def limits(flows: Iterable[Flow | None]) -> tuple[Meter, ...]:
    """The meters that the flows here go through, each once, and the controller's own: they have to be there before."""
    numbers = {
        first.meter: flow.bridge
        for flow in flows
        if flow is not None
        and flow.actions[1:] == _PUNT
        and isinstance(first := flow.actions[0], Metered)
    }
    ports = tuple(Meter(bridge, number, PUNT_RATE, PUNT_BURST) for number, bridge in numbers.items())
    return tuple(Meter(bridge, meter.CONTROLLER, ALL_RATE) for bridge in dict.fromkeys(numbers.values())) + ports
