"""What happened that others may want to be told, one by one and in their order.

The brain notes down what it hears of switches, ports and links (`Brain.happened`); netctl.controller.telling adds
what follows for wires, neighbours and stations.
"""

from __future__ import annotations

from dataclasses import dataclass

from netctl.controller.snapshot import LinkView, NeighbourView, Station, SwitchPort, SwitchView, WireView


@dataclass(frozen=True)
class SwitchEntered:
    """A switch connected, with the ports that it has."""

    switch: SwitchView


@dataclass(frozen=True)
class SwitchLeft:
    """Its connection is gone."""

    switch: SwitchView


@dataclass(frozen=True)
class PortAdded:
    """A connected switch has a port more."""

    dpid: int
    port: SwitchPort


@dataclass(frozen=True)
class PortChanged:
    """Its carrier, name, MAC or speed is another, or it was taken down or raised."""

    dpid: int
    port: SwitchPort


@dataclass(frozen=True)
class PortRemoved:
    dpid: int
    port: SwitchPort


LinkEnds = tuple[SwitchPort, SwitchPort]


@dataclass(frozen=True)
class LinkAdded:
    """A link was found, in one direction."""

    link: LinkView
    ends: LinkEnds | None = None
    """Its two ports, as they were when it was found; Telling fills it in."""


@dataclass(frozen=True)
class LinkChanged:
    """It turned out to be a link in one direction only, or not to be one any more."""

    link: LinkView
    ends: LinkEnds | None = None


@dataclass(frozen=True)
class LinkDeleted:
    """A link is gone."""

    link: LinkView
    ends: LinkEnds | None = None


@dataclass(frozen=True)
class WireChanged:
    """A wire is there, or is in another state, or is gone. Of its states between two tellings only the last is told."""

    wire: WireView
    before: str | None
    """The state that it was in, as it was told; None for a wire that is new."""
    gone: bool = False
    """Whether the policy has it no more; `wire` is then what it was last."""


@dataclass(frozen=True)
class NeighbourAdded:
    neighbour: NeighbourView


@dataclass(frozen=True)
class NeighbourChanged:
    """It says something else than before."""

    neighbour: NeighbourView


@dataclass(frozen=True)
class NeighbourRemoved:
    neighbour: NeighbourView
    why: str
    """«aged», «shutdown» or «port», as netctl.topology.neighbours has them."""


@dataclass(frozen=True)
class StationAdded:
    station: Station
    at: SwitchPort


@dataclass(frozen=True)
class StationChanged:
    """It has other addresses, or is at another port."""

    station: Station
    at: SwitchPort
    before: Station


@dataclass(frozen=True)
class StationRemoved:
    station: Station
    why: str


LinkHappening = LinkAdded | LinkChanged | LinkDeleted

Happening = (
    SwitchEntered
    | SwitchLeft
    | PortAdded
    | PortChanged
    | PortRemoved
    | LinkHappening
    | WireChanged
    | NeighbourAdded
    | NeighbourChanged
    | NeighbourRemoved
    | StationAdded
    | StationChanged
    | StationRemoved
)
