"""One host's Open vSwitch database: what is known of it, and the change that it needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from netctl.controller.commands import ApplyRows, Command, Log
from netctl.controller.events import HostLost, HostSeen, RowsApplied
from netctl.controller.planning import Panel, plan_rows
from netctl.controller.retry import Retry
from netctl.controller.saying import logged
from netctl.desired.queue import Shaper
from netctl.desired.row import Bridge, Observed, Row
from netctl.desired.takeover import adopted_bridges, doomed
from netctl.plan import Plan
from netctl.policy import PortRef


@dataclass
class HostState:
    """What is known of a host's database."""

    name: str
    remote: str | None
    target: str = ""
    observed: Observed | None = None
    """As last seen; kept while the connection is away."""
    bridges: dict[int, str] = field(default_factory=dict)
    """The bridges that netctl made or took over, by datapath ID."""
    adopted: set[str] = field(default_factory=set)
    """Those that it took over."""
    leaving: set[str] = field(default_factory=set)
    """Those that could not be given back when the plan was made."""
    connected: bool = False
    why: str = "not connected yet"
    plan: Plan[Row] = field(default_factory=Plan)
    dirty: bool = True
    """Something changed that the plan depends on."""
    applying: bool = False
    error: str = ""
    retry: Retry = field(default_factory=Retry)
    shapers: Mapping[str, Shaper] = field(default_factory=dict)
    """What limits ports in the database, whoever made it, by port."""

    def take(self, event: HostSeen | HostLost | RowsApplied, now: float) -> list[Command]:
        self.dirty = True
        if isinstance(event, HostSeen):
            return self._see(event)
        if isinstance(event, HostLost):
            known = not self.connected and self.why == event.why
            self.connected, self.why, self.applying = False, event.why, False
            return [] if known else [Log("warning", f"host {self.name}: {event.why}")]
        self.applying, self.error = False, event.error
        if not event.error:
            self.retry.worked()
            return []
        self.retry.failed(now)
        return [Log("error", f"host {self.name}: {event.error}")]

    def flushes(self, observed: Observed) -> set[str]:
        """The bridges of which Open vSwitch has dropped the flows meanwhile."""
        return doomed(self.observed) - doomed(observed) if self.observed is not None else set()

    def settle(
        self, panel: Panel, leaving: set[str], still_wired: Collection[PortRef], now: float
    ) -> list[Command]:
        """What to do now. `leaving` are the bridges that cannot be given back yet, `still_wired` the ports of learning
        bridges that flows wire."""
        if self.observed is None or not self.connected or self.applying:
            return []
        if self.dirty or leaving != self.leaving:
            self.plan = plan_rows(panel, self.name, self.observed, self.target, still_wired, leaving)
            self.dirty, self.leaving = False, leaving
        if not self.plan.steps or now < self.retry.until:
            return []
        self.applying = True
        return [*logged(f"host {self.name}", self.plan), ApplyRows(self.name, self.plan)]

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do in a database that was seen."""
        ready = self.observed is not None and self.connected and not self.applying and not self.dirty
        return ready and not self.plan.steps

    def _see(self, event: HostSeen) -> list[Command]:
        known = self.connected
        self.observed, self.target = event.observed, event.target
        self.bridges = our_bridges(event.observed)
        self.adopted = adopted_bridges(event.observed)
        self.shapers = {f.item.port: f.item for f in event.observed.rows if isinstance(f.item, Shaper)}
        self.connected, self.why = True, ""
        return [] if known else [Log("info", f"host {self.name}: Open vSwitch database connected")]


def our_bridges(observed: Observed) -> dict[int, str]:
    """The bridges that netctl made or took over, by datapath ID."""
    ours = {found.item.name for found in observed.rows if found.ours and isinstance(found.item, Bridge)}
    return {
        state.dpid: name
        for name, state in observed.bridges.items()
        if name in ours and state.dpid is not None
    }
