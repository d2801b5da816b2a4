"""What the brain asks for."""

from __future__ import annotations

from dataclasses import dataclass

from netctl.controller.carrier import PortChange
from netctl.controller.patching import Outcome
from netctl.desired.flow import WHOLE_COOKIE, Flow
from netctl.desired.row import Row
from netctl.plan import Plan
from netctl.policy import Patch


@dataclass(frozen=True)
class Watch:
    """Keep a connection to a host's database and tell what is in it; None is the local default."""

    host: str
    remote: str | None


@dataclass(frozen=True)
class Unwatch:
    host: str


@dataclass(frozen=True)
class ApplyRows:
    """One OVSDB transaction; answered by RowsApplied, after a HostSeen that shows the result."""

    host: str
    plan: Plan[Row]


@dataclass(frozen=True)
class ReadFlows:
    """Answered by FlowsRead or FlowsUnread; whoever asks for a change meanwhile gets neither."""

    dpid: int
    bridge: str
    cookies: tuple[int, ...] = ()
    """Only the flows with one of these where `mask` has a bit; empty for all. Others' as well."""
    mask: int = WHOLE_COOKIE


@dataclass(frozen=True)
class ApplyFlows:
    """One OpenFlow bundle; answered by FlowsChanged."""

    dpid: int
    bridge: str
    plan: Plan[Flow]


@dataclass(frozen=True)
class SetPorts:
    """Take ports down or raise them; answered by PortsSet."""

    dpid: int
    changes: tuple[PortChange, ...]


@dataclass(frozen=True)
class SendFrames:
    """Have frames leave by ports of a switch, each with the number of its port."""

    dpid: int
    frames: tuple[tuple[int, bytes], ...]
    ask: int = 0
    """Not 0, and below 1 << 28: it is to be answered by FramesSent."""


@dataclass(frozen=True)
class Wake:
    """A Tick is needed at this time."""

    at: float


@dataclass(frozen=True)
class SavePatch:
    """Write what is patched at run time beside the policy; answered by PatchSaved."""

    ask: int
    patch: Patch


@dataclass(frozen=True)
class Answer:
    """What became of a PatchAsked."""

    ask: int
    outcome: Outcome


@dataclass(frozen=True)
class SweepMeters:
    """Take every meter of netctl's off a switch; answered by MetersSwept."""

    dpid: int


@dataclass(frozen=True)
class Log:
    """`level` is a name of the logging module's, in lower case."""

    level: str
    text: str


Command = (
    Watch
    | Unwatch
    | ApplyRows
    | ReadFlows
    | ApplyFlows
    | SweepMeters
    | SetPorts
    | SendFrames
    | Wake
    | SavePatch
    | Answer
    | Log
)
