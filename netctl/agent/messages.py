"""What goes into the core (events) and what comes out of it (commands)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netctl.desired.device import Device
from netctl.plan import Found, Key, Plan, Step
from netctl.policy import Loaded


@dataclass(frozen=True)
class PolicyRead:
    """The policy's files were read, for the first time or because they changed."""

    loaded: Loaded


@dataclass(frozen=True)
class Changed:
    """The kernel announced something: `names` of devices in any namespace, or that anything may be different."""

    names: frozenset[str] = frozenset()
    everything: bool = False


@dataclass(frozen=True)
class HostObserved:
    found: tuple[Found[Device], ...]
    took: float
    """Seconds."""
    announced: bool = False
    """Whether the kernel announced anything before the look that no Changed told of: the look has seen it."""


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
class Tick:
    """Time passed."""


Event = PolicyRead | Changed | HostObserved | ObserveFailed | Applied | PortsRevived | Tick


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


@dataclass(frozen=True)
class Observe:
    """Look at the host; answer with HostObserved or ObserveFailed."""

    host: str
    names: frozenset[Key]


@dataclass(frozen=True)
class Apply:
    """Answer with Applied."""

    plan: Plan[Device]


@dataclass(frozen=True)
class CheckPorts:
    """See whether Open vSwitch has deaf ports under these devices; answer with PortsRevived if so."""

    names: frozenset[str]


@dataclass(frozen=True)
class WriteStatus:
    status: Status


@dataclass(frozen=True)
class Log:
    level: Literal["debug", "info", "warning", "error"]
    text: str


Command = Observe | Apply | CheckPorts | WriteStatus | Log
