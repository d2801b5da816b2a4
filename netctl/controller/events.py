"""What the brain hears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netctl.controller.carrier import PortChange
from netctl.controller.patching import Change
from netctl.controller.snapshot import SwitchPort
from netctl.desired.flow import WHOLE_COOKIE, Flow
from netctl.desired.row import Observed
from netctl.plan import Found
from netctl.policy import Loaded


@dataclass(frozen=True)
class PolicyRead:
    """The policy's files were read, for good or bad. `at` is the time, seconds since the epoch."""

    loaded: Loaded
    at: float


@dataclass(frozen=True)
class HostSeen:
    """The database of a host as it is now.

    `target` is where its bridges find this controller, e.g. «tcp:127.0.0.1:6653».
    """

    host: str
    observed: Observed
    target: str


@dataclass(frozen=True)
class HostLost:
    """The database of a host cannot be reached; `why` says what to do about it."""

    host: str
    why: str


@dataclass(frozen=True)
class RowsApplied:
    """A change of a host's database came to an end; an empty `error` means well."""

    host: str
    error: str = ""


@dataclass(frozen=True)
class SwitchUp:
    """A switch finished its OpenFlow handshake and told its ports."""

    dpid: int
    ports: tuple[SwitchPort, ...]


@dataclass(frozen=True)
class SwitchDown:
    dpid: int


@dataclass(frozen=True)
class PortSeen:
    """A port was added or changed."""

    dpid: int
    port: SwitchPort


@dataclass(frozen=True)
class PortGone:
    dpid: int
    number: int


@dataclass(frozen=True)
class Heard:
    """A frame that a flow of netctl's copied to the controller."""

    dpid: int
    port: int
    """By whose number it came in."""
    cookie: int
    """Of the flow, which tells the wire; 0 where it came in at a port without one."""
    frame: bytes
    at: float
    """When, in seconds since the epoch."""
    lost: int = 0
    """So many of the same port were dropped unseen since the last one."""


@dataclass(frozen=True)
class ProbesHeard:
    """Frames came in where links are looked for that look like probes, whoever made them."""

    frames: tuple[tuple[int, int, bytes], ...]
    """Each with the datapath ID of the switch and the number of the port."""
    at: float
    """When, in seconds since the epoch."""


@dataclass(frozen=True)
class FramesSent:
    """A switch has done what it was told up to a SendFrames with this `ask`."""

    dpid: int
    ask: int


@dataclass(frozen=True)
class PortsSet:
    """A switch confirmed changes of its ports by a barrier."""

    dpid: int
    changes: tuple[PortChange, ...]
    refused: Mapping[int, str] = field(default_factory=dict)
    """Those that it did not take, by the port's number, in its words."""


@dataclass(frozen=True)
class FlowsRead:
    """Every flow of a switch, ours and others'; or with `cookies` every one that has one of these where `mask` has
    a bit."""

    dpid: int
    found: tuple[Found[Flow], ...]
    cookies: tuple[int, ...] = ()
    mask: int = WHOLE_COOKIE


@dataclass(frozen=True)
class FlowsChanged:
    """A change of a switch's flows came to an end: all of it, or (with errors) nothing."""

    dpid: int
    sent: int
    """How many flow modifications went out."""
    errors: tuple[str, ...] = ()
    """What the switch refused, each with the wire that it was for."""


@dataclass(frozen=True)
class FlowsUnread:
    """The flows of a switch could not be read."""

    dpid: int
    why: str


@dataclass(frozen=True)
class MetersSwept:
    """No meter of netctl's is on a switch any more."""

    dpid: int


@dataclass(frozen=True)
class PatchAsked:
    """Somebody asks for a change of the wires; `ask` tells the answer from others."""

    ask: int
    change: Change


@dataclass(frozen=True)
class PatchSaved:
    """What is patched was written, or with `error` nothing was."""

    ask: int
    digest: str = ""
    """Of the policy with it."""
    error: str = ""


@dataclass(frozen=True)
class Tick:
    """Time passes. `now` is monotonic, in seconds."""

    now: float


Event = (
    PolicyRead
    | HostSeen
    | HostLost
    | RowsApplied
    | SwitchUp
    | SwitchDown
    | PortSeen
    | PortGone
    | PortsSet
    | Heard
    | ProbesHeard
    | FramesSent
    | FlowsRead
    | FlowsChanged
    | FlowsUnread
    | MetersSwept
    | PatchAsked
    | PatchSaved
    | Tick
)
