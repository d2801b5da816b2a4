"""What the controller publishes: all that it knows between two events.

Immutable, so that readers never wait and never see half a change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from netctl.topology.announcement import Announcement
from netctl.topology.links import Link

LinkView = Link


@dataclass(frozen=True)
class Problem:
    """Something wrong, with what would put it right: of a policy (`at` is «file:line:col»), a host or a bridge."""

    message: str
    at: str = ""


@dataclass(frozen=True)
class PolicyView:
    source: str
    """The path that was asked for: a file or a directory."""
    files: tuple[str, ...] = ()
    digest: str = ""
    """SHA-256 of the policy in force, hex; empty before the first good one."""
    since: float | None = None
    """When it came into force, seconds since the epoch."""
    refused: tuple[Problem, ...] = ()
    """Why the newest version of the files is not in force; empty when it is."""


@dataclass(frozen=True)
class HostView:
    """A hypervisor, seen through its Open vSwitch database."""

    name: str
    ovsdb: str
    connected: bool
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class BridgeView:
    host: str
    name: str
    datapath: str
    unpatched: str
    dpid: int | None
    connected: bool
    """Whether its OpenFlow session to this controller is up."""
    flows: int
    """Flows of netctl's on the switch as last read or written."""
    pending: tuple[str, ...] = ()
    """What is still to be done, a line for each step, as `netctl plan` prints them."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class LldpCounts:
    """What LLDP came in at a port since its switch connected."""

    frames: int
    malformed: int
    refused: int
    """Of neighbours that there was no room for."""
    lost: int
    """Dropped unseen, because there were too many."""
    why: str
    """What is wrong with the last malformed one; empty for none."""


@dataclass(frozen=True)
class ProbeCounts:
    """Frames that came in at a port since its switch connected, looked like probes, and made no link."""

    forged: int = 0
    """Their token was wrong."""
    replayed: int = 0
    """The port had heard them before."""
    late: int = 0
    """They were sent too long ago."""
    reflected: int = 0
    """They came back to the port that they were sent by."""
    unexpected: int = 0
    """They came when nothing was listened for there."""


@dataclass(frozen=True)
class PortView:
    host: str
    bridge: str
    name: str
    number: int | None
    """The OpenFlow port number; None while the switch has not given one."""
    mac: str | None
    up: bool | None
    """Carrier and administrative state together; None while unknown."""
    wire: str | None
    """The wire that ends here, or several, one for each VLAN, with «, » between them."""
    ours: bool
    """Whether netctl made the port on the bridge."""
    error: str | None = None
    """What Open vSwitch says is wrong with it, e.g. that the device is missing."""
    lldp: LldpCounts | None = None
    """None where nothing came in."""
    refused_probes: ProbeCounts | None = None
    """None where there were none."""


@dataclass(frozen=True)
class NeighbourView:
    """Who was heard by LLDP at a port, and all that it said."""

    host: str
    bridge: str
    port: str
    wire: str | None
    """The wire that it was heard on; None on a port without one."""
    since: float
    """When it was first heard, seconds since the epoch."""
    changed: float
    """When it last said something else than before, seconds since the epoch."""
    announced: Announcement


@dataclass(frozen=True, slots=True)
class WireEnd:
    host: str
    bridge: str
    port: str
    vlan: int | None = None
    """The VLAN of the port that is wired; None is the whole port."""


@dataclass(frozen=True, slots=True)
class RateView:
    """How fast a wire may go in one direction."""

    to: str
    """The port that it leads to, where the rate is kept."""
    rate: str
    """As a policy writes it, e.g. «10mbit»."""
    by: str = ""
    """The mechanism that the database has for it; empty while there is none."""
    why: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class WireView:
    name: str
    ends: tuple[WireEnd, WireEnd]
    state: Literal["up", "down", "waiting"]
    """up: flows are in and both ends have carrier; down: flows are in, an end has none; waiting: not installed yet."""
    why: str = ""
    """What a wire that is not up waits for."""
    said: str = ""
    """Where the policy asks for it: «file:line:col»."""
    rates: tuple[RateView, ...] = ()
    """Of the directions that are limited."""


@dataclass(frozen=True)
class Station:
    """A host on the network, at the port where it is (Ryu's topology API calls it a host)."""

    mac: str
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]
    dpid: int
    port: str
    guest: str = ""
    """The guest of the policy that it is, e.g. «vm1»; empty for one that was heard."""
    since: float | None = None
    """When it was first heard, seconds since the epoch; None for one that the policy says is there."""


@dataclass(frozen=True)
class SwitchPort:
    """A port as OpenFlow describes it (OpenFlow 1.3.5, 7.2.1)."""

    number: int
    name: str
    mac: str
    link: bool
    """Whether it has carrier (not OFPPS_LINK_DOWN), as the switch last told; one that is held down has none."""
    held: bool = False
    """Whether it is administratively down (OFPPC_PORT_DOWN)."""
    speed: int | None = None
    """kbit/s, as it is now; None while the switch does not say."""

    @property
    def up(self) -> bool:
        """Neither held down nor without carrier."""
        return self.link and not self.held

    @property
    def gone(self) -> bool:
        """Whether the device under the port is not there any more: it has no MAC."""
        return self.mac == "00:00:00:00:00:00"


@dataclass(frozen=True)
class SwitchView:
    """A connected switch as Ryu's topology API shows it."""

    dpid: int
    ports: tuple[SwitchPort, ...]


@dataclass(frozen=True)
class Snapshot:
    revision: int = 0
    """Grows with everything that happens but the passing of time."""
    policy: PolicyView = field(default_factory=lambda: PolicyView(""))
    hosts: tuple[HostView, ...] = ()
    bridges: tuple[BridgeView, ...] = ()
    ports: tuple[PortView, ...] = ()
    wires: tuple[WireView, ...] = ()
    switches: tuple[SwitchView, ...] = ()
    stations: tuple[Station, ...] = ()
    neighbours: tuple[NeighbourView, ...] = ()
    links: tuple[LinkView, ...] = ()
    """The same object until a link comes, goes or changes."""
    flow_changes: int = 0
    """Flow modifications sent since the start; a controller that comes back to a good switch sends none."""

    @property
    def converged(self) -> bool:
        """Everything that the policy asks of Open vSwitch is so (a wire may still be down for want of carrier)."""
        return (
            bool(self.policy.digest)
            and not self.policy.refused
            and all(host.connected and not host.problems for host in self.hosts)
            and all(b.connected and not b.pending and not b.problems for b in self.bridges)
            and all(wire.state != "waiting" for wire in self.wires)
        )
