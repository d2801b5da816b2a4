"""One connected switch: what is known of its ports and flows, and what it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from netctl.controller.carrier import Carrier
from netctl.controller.commands import ApplyFlows, Command, Log, ReadFlows, SetPorts, SweepMeters
from netctl.controller.events import FlowsChanged, FlowsRead, FlowsUnread
from netctl.controller.planning import Panel, Place, usable
from netctl.controller.retry import Retry
from netctl.controller.saying import LOGGED_STEPS, logged
from netctl.controller.snapshot import SwitchPort
from netctl.controller.table import Owner, Table, owner
from netctl.desired.flow import WHOLE_COOKIE, Flow
from netctl.desired.row import Observed
from netctl.plan import Plan, Step
from netctl.plan.delta import changes
from netctl.plan.text import line

CHECK_SECONDS = 10.0
"""How often the flows of a quiet switch are read, to find what somebody else removed."""

CHECKED_FLOWS = 2000
"""How many of them are read at once at most, about, and in a second on average: of more a part is read, then the
next, so that nothing else waits for long."""

VERIFIED_STEPS = 16
"""A change of so many flows is verified by reading those of their wires, a larger one by reading all, part by part,"""

VERIFIED_SHARE = 25
"""unless the switch has so many times as many."""


@dataclass
class SwitchState:
    """What is known of a connected switch."""

    dpid: int
    ports: dict[int, SwitchPort]
    carrier: Carrier
    table: Table | None = None
    """Its flows; None until they were read."""
    unread: bool = True
    """Nobody knows what is there: it has to be read before anything is decided."""
    moved: bool = True
    """Which ports the wires may use has to be looked at again."""
    dirty: bool = True
    """Something changed that the plan depends on."""
    plan: Plan[Flow] = field(default_factory=Plan)
    busy: Literal["", "reading", "changing"] = ""
    sent: tuple[Step[Flow], ...] = ()
    """The change that is under way, or that the switch confirmed."""
    unverified: bool = False
    """What was sent is confirmed, and not seen yet."""
    errors: tuple[str, ...] = ()
    retry: Retry = field(default_factory=Retry)
    read_at: float = 0.0
    looked: bool = False
    """Where links are looked for is known."""
    part: int = 0
    """Of its flows, by the last bits of their cookies, which are to be read next."""
    seen: int = 0
    """So many parts have been read since the last change."""
    settled: bool = False
    """There was nothing left to do, and that was said."""
    swept: Literal["", "asked", "done"] = ""
    """Whether the meters of a bridge that is given back are gone."""

    @property
    def numbers(self) -> dict[str, int]:
        return {port.name: port.number for port in self.ports.values()}

    @property
    def clear(self) -> bool:
        """Whether it is known to have no flow of netctl's."""
        doubtful = self.unread or self.unverified or self.busy == "changing"
        return self.table is not None and not doubtful and not self.table.count()

    @property
    def sent_owners(self) -> set[Owner]:
        """Whose flows are in the change that was sent."""
        return {owner(step.item) for step in self.sent}

    def take_changed(self, event: FlowsChanged | FlowsUnread, now: float) -> list[Command]:
        """A change came to its end, or a reading to none."""
        self.busy, self.dirty = "", True
        self.errors = event.errors if isinstance(event, FlowsChanged) else (event.why,)
        if self.errors:
            self.unread, self.unverified, self.sent = True, False, ()
            self.retry.failed(now)
        elif self.table is not None:
            self.table.done(self.sent)
            self.unverified, self.seen = True, 0
        return [Log("error", f"switch {self.dpid:016x}: {error}") for error in self.errors]

    def take_flows(self, event: FlowsRead, panel: Panel, place: Place, now: float) -> list[Command]:
        """Flows were read, all or some; nobody waits for them any more when a change went out meanwhile."""
        if self.busy != "reading":
            return []
        self.busy = ""
        if event.cookies and self.table is not None:
            if not self.table.check(event.found, event.cookies, event.mask):
                self.unread = True
                return []
            self.dirty |= self.table.differing
            if event.mask != WHOLE_COOKIE:
                self.read_at = now
                self.part += 1
                self.seen += 1
            if self.unverified and (event.mask == WHOLE_COOKIE or self.seen > event.mask):
                self._verified()
            return []
        self.table = self.table or Table(panel, *place)
        self.table.read(event.found)
        self.read_at = now
        self.unread, self.moved = False, True
        return self._verify(self.table, now)

    def settle_carrier(self, panel: Panel, place: Place, now: float) -> list[Command]:
        """Which ports to take down or raise now."""
        plan, wanted = self.carrier.settle(*place, panel.at, now)
        return [*logged("bridge {1} on {0}".format(*place), plan), SetPorts(self.dpid, wanted)] if wanted else []

    def settle(self, panel: Panel, place: Place, observed: Observed, now: float) -> list[Command]:
        """What to do about the flows now."""
        if self.busy == "changing":
            return []
        host, bridge = place
        waiting = now < self.retry.until
        if self.unread or self.table is None:
            return [] if self.busy or waiting else [self._read(bridge)]
        table = self.table
        self._plan(panel, host, table, observed)
        if self.plan.steps and not waiting:
            self.busy, self.unverified = "changing", False
            self.sent = self.plan.steps
            return [*logged(f"bridge {bridge} on {host}", self.plan), ApplyFlows(self.dpid, bridge, self.plan)]
        if not self.plan.steps and not self.unverified:
            self.errors = ()
        if self.clear and not self.swept and panel.bridge(host, bridge) is None:
            self.swept = "asked"
            return [SweepMeters(self.dpid)]
        if self.busy or waiting:
            return []
        parts = parts_of(table.count())
        if self.unverified:
            if len(self.sent) > max(VERIFIED_STEPS, table.count() // VERIFIED_SHARE):
                return [self._read(bridge, (self.part % parts,), parts - 1)]
            cookies = {flow.cookie for step in self.sent for flow in (step.before, step.after) if flow is not None}
            return [self._read(bridge, tuple(sorted(cookies)))]
        if not self.settled and not self.plan.steps:
            self.settled = True
            return [Log("info", f"bridge {bridge} on {host}: {table.count()} flows, nothing left to do")]
        if now - self.read_at >= max(CHECK_SECONDS, table.count() / CHECKED_FLOWS) / parts:
            return [self._read(bridge, (self.part % parts,), parts - 1)]
        return []

    def forget(self) -> None:
        """It is no bridge of the policy's any more."""
        self.table, self.unread, self.looked = None, True, False

    def _read(self, bridge: str, cookies: tuple[int, ...] = (), mask: int = WHOLE_COOKIE) -> ReadFlows:
        self.busy = "reading"
        return ReadFlows(self.dpid, bridge, cookies, mask)

    def _plan(self, panel: Panel, host: str, table: Table, observed: Observed) -> None:
        if table.panel is not panel:
            table.follow(panel)
            self.dirty = True
        if self.moved:
            numbers = self.numbers
            table.use(usable(panel.unpatched(host, table.bridge)[0], numbers, observed), numbers)
            self.moved, self.dirty = False, True
        if self.dirty:
            self.plan = table.plan()
            self.dirty = self.looked = False

    def _verified(self) -> None:
        self.unverified, self.sent, self.errors = False, (), ()
        self.retry.worked()

    def _verify(self, table: Table, now: float) -> list[Command]:
        """Hold what was read against what was sent: a switch that took a change must show it."""
        sent, self.sent, self.unverified = self.sent, (), False
        if not sent:
            return []
        lost = []
        for step in sent:
            there = [flow for flow in table.ours.get(owner(step.item), ()) if flow.identity == step.item.identity]
            if bool(there) != (step.after is not None) or (step.after and changes(there[0], step.after)):
                lost.append(step)
        if not lost:
            self._verified()
            return []
        self.errors = tuple(f"the switch took this change but does not show it: {line(step)}" for step in lost)
        self.retry.failed(now)
        return [Log("error", f"switch {self.dpid:016x}: {error}") for error in self.errors[:LOGGED_STEPS]]


def parts_of(flows: int) -> int:
    """In how many parts so many flows are read: a power of two, so that bits of their cookies tell the parts."""
    return 1 << (max(flows - 1, 0) // CHECKED_FLOWS).bit_length()
