"""What goes into the core (events) and what comes out of it (commands)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from netctl.agent.fight import Fight
from netctl.desired.device import Device
from netctl.desired.foreign import ForeignTap
from netctl.plan import Found, Plan, Step
from netctl.policy import Loaded

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True)
class PolicyRead:
    """The policy's files were read, for the first time or because they changed."""

    loaded: Loaded


@dataclass(frozen=True)
class Changed:
    """The kernel announced something: `names` of devices in any namespace, or that anything may be different."""

    names: frozenset[str] = frozenset()
    everything: bool = False
    rooms: frozenset[str] = frozenset()
    """The names of network namespaces that came or went."""
    routing: bool = False
    """Whether an address of the host's, or a route or rule of netctl's, came or went."""
    fallen: frozenset[str] = frozenset()
    """Those of `names` that were set down."""
    gone: frozenset[str] = frozenset()
    """Those of `names` that were in the host's own namespace and are not any more."""


@dataclass(frozen=True)
class HostObserved:
    found: tuple[Found[Device], ...]
    took: float
    """Seconds."""
    announced: Changed | None = None
    """What was announced before the look, and no other event told of: the look has seen it."""


@dataclass(frozen=True)
class ObserveFailed:
    """The host could not be looked at, or an event could not be dealt with."""

    message: str


@dataclass(frozen=True)
class Failure:
    step: Step[Device]
    message: str
    whole_kind: bool = False
    """Whether every device of the same kind would fail as this one did."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan: `undone` of `done` were taken back because of `failure`."""

    done: tuple[Step[Device], ...] = ()
    failure: Failure | None = None
    undone: tuple[Step[Device], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PortsRevived:
    """Ports of Open vSwitch that had gone deaf are attached again."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class TapsSeen:
    """What became of a SeeTaps: of those called `names`, or of all, these are taps of others at our bridges."""

    names: frozenset[str] | None
    taps: tuple[ForeignTap, ...]


@dataclass(frozen=True)
class MacSet:
    """What became of a SetMac."""

    step: Step[ForeignTap]
    error: str = ""


@dataclass(frozen=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True)
class FilesSeen:
    """The policy's files, whatever they hold, are others than before. The signature tells them apart."""

    signature: Hashable


@dataclass(frozen=True)
class PortSeen:
    name: str
    number: int
    isolated: bool
    """Whether it is kept apart from the ports without a wire."""


@dataclass(frozen=True)
class BridgeSeen:
    name: str
    ports: frozenset[PortSeen] = frozenset()
    """Those that have an OpenFlow number."""
    controlled: bool = False
    """Whether a controller is connected to it."""


@dataclass(frozen=True)
class BridgesSeen:
    """The bridges that netctl made on this host and the policy names, as the database of Open vSwitch shows them."""

    bridges: tuple[BridgeSeen, ...]


@dataclass(frozen=True)
class SwitchUp:
    """ovs-vswitchd takes connections to a bridge, for the first time or again: its flows may be gone."""

    bridge: str


@dataclass(frozen=True)
class SwitchDown:
    """ovs-vswitchd ended the connection to a bridge, or takes none."""

    bridge: str
    why: str


@dataclass(frozen=True)
class Answer:
    """What became of an Ask."""

    bridge: str
    changed: int = 0
    """Flow modifications that took effect."""
    restored: bool = False
    """Whether none of netctl's flows was there before."""
    milliseconds: float = 0.0
    """From the Attend until the switch confirmed."""
    waiting: int = 0
    """How many wires lack a port. Not known where nothing had to be done."""
    learned: bool = False
    """Whether what the bridge needs is packed."""
    error: str = ""
    collisions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attended:
    answers: tuple[Answer, ...]
    took: float
    """Seconds."""


HostEvent = PolicyRead | Changed | HostObserved | ObserveFailed | Applied | PortsRevived | TapsSeen | MacSet | Tick
WireEvent = FilesSeen | BridgesSeen | SwitchUp | SwitchDown | Attended
Event = HostEvent | WireEvent


@dataclass(frozen=True)
class WireStatus:
    """What the agent says of the wires. Times as in Status."""

    restores: int = 0
    """Bridges found without any of netctl's flows since the start, and filled."""
    restored: float | None = None
    """When the last of them was."""
    restore_ms: float | None = None
    """Milliseconds from the moment in which it answered until it confirmed its flows."""
    stood_in: int = 0
    """Changes of flows made since the start because no controller was connected."""
    alone: tuple[str, ...] = ()
    """The bridges to which no controller is connected."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """What the agent says of itself. Times are the clock's that the events came with, in seconds."""

    host: str
    started: float
    source: str = ""
    digest: str = ""
    """Of the policy in force; empty before the first good one."""
    since: float | None = None
    """When it came into force."""
    refused: tuple[str, ...] = ()
    """Why the newest version of the policy is not in force, each «file:line:col: message»."""
    plan: tuple[str, ...] = ()
    """The last plan that had anything to do, as `netctl plan` prints it."""
    planned: float | None = None
    converged: bool = False
    """Whether the host is as the policy in force says."""
    problems: tuple[str, ...] = ()
    """Why it is not."""
    repairs: int = 0
    """Steps done since the start because the host changed, not the policy."""
    repaired: Mapping[str, int] = field(default_factory=dict)
    """The same by the kind of what was repaired."""
    fights: tuple[Fight, ...] = ()
    """What somebody else changes back again and again."""
    foreign_taps: tuple[str, ...] = ()
    """What is wrong with taps that others attached to the policy's bridges, each with what mends it."""
    wires: WireStatus = field(default_factory=WireStatus)


@dataclass(frozen=True)
class Sight:
    """The last look at the host, and what came of it."""

    wanted: int = 0
    """How many items the policy asks for."""
    found: int = 0
    """How many of ours there were."""
    drift: int = 0
    """How many steps and collisions lay between the two."""
    at: float | None = None
    """None before the first."""
    took: float | None = None
    """Seconds."""
    plan_took: float | None = None
    """Seconds that it took to find the steps."""


@dataclass(frozen=True)
class Observe:
    """Look at the host; answer with HostObserved or ObserveFailed."""

    host: str
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class Apply:
    """Answer with Applied."""

    plan: Plan[Device]


@dataclass(frozen=True)
class CheckPorts:
    """See whether Open vSwitch has deaf ports under these devices; answer with PortsRevived if so."""

    names: frozenset[str]


@dataclass(frozen=True)
class SeeTaps:
    """Look for taps of others at these Linux bridges, and among these ports of Open vSwitch, which are said with their
    bridges: at those called `names`, or at all. Answer with TapsSeen."""

    bridges: frozenset[str]
    ports: Mapping[str, str]
    names: frozenset[str] | None


@dataclass(frozen=True)
class SetMac:
    """Give a tap of somebody else's another MAC; answer with MacSet, if it is still there."""

    step: Step[ForeignTap]


@dataclass(frozen=True)
class Follow:
    """Watch these bridges, those of them that netctl made. `remote` is what the policy says of the database."""

    host: str
    remote: str | None
    bridges: frozenset[str]


@dataclass(frozen=True)
class Ask:
    """Look at the flows of a bridge: where none is netctl's, put in what the policy asks for."""

    bridge: str
    alone: bool
    """Whether flows that are there may be changed as well."""
    learn: bool
    """Whether to pack what the bridge needs, so that it is at hand when it comes back empty."""


@dataclass(frozen=True)
class Attend:
    """Answered by Attended, later: other commands are carried out meanwhile, but no other Attend."""

    host: str
    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class WriteStatus:
    status: Status


@dataclass(frozen=True)
class Log:
    level: Level
    text: str


Command = Observe | Apply | CheckPorts | SeeTaps | SetMac | Follow | Attend | WriteStatus | Log
