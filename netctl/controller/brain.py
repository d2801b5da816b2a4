"""The controller's decisions.

`Brain.handle(events)` takes what happened and answers with what to do. Every decision is the same one: what the
policy wants, what was observed, and the plan between. One change at a time is under way for a database or a
switch; when it ends the result is observed again, and what did not take is reported and tried again later, ever
more slowly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from netctl.controller.carrier import Carrier
from netctl.controller.commands import (
    ApplyFlows,
    ApplyRows,
    Command,
    Log,
    ReadFlows,
    SetPorts,
    SweepMeters,
    Unwatch,
    Wake,
    Watch,
)
from netctl.controller.events import (
    Event,
    FlowsChanged,
    FlowsRead,
    FlowsUnread,
    FramesSent,
    Heard,
    HostLost,
    HostSeen,
    MetersSwept,
    PatchAsked,
    PatchSaved,
    PolicyRead,
    PortGone,
    PortSeen,
    PortsSet,
    ProbesHeard,
    RowsApplied,
    SwitchDown,
    SwitchUp,
    Tick,
)
from netctl.controller.happenings import (
    Happening,
    PortAdded,
    PortChanged,
    PortRemoved,
    SwitchEntered,
    SwitchLeft,
)
from netctl.controller.linking import Linking
from netctl.controller.listening import Listening
from netctl.controller.patches import Patches
from netctl.controller.planning import Panel, plan_rows, usable
from netctl.controller.snapshot import PolicyView, Problem, SwitchPort, SwitchView
from netctl.controller.table import Table, owner
from netctl.desired.flow import WHOLE_COOKIE, Flow
from netctl.desired.row import Bridge, Observed, Row
from netctl.desired.takeover import adopted_bridges, doomed
from netctl.plan import Plan, Step
from netctl.plan.delta import changes
from netctl.plan.model import T
from netctl.plan.text import line
from netctl.policy import Cable, PortRef
from netctl.topology.discovery import Discovery
from netctl.topology.links import Port
from netctl.topology.neighbours import Place

CHECK_SECONDS = 10.0
"""How often the flows of a quiet switch are read, to find what somebody else removed."""

CHECKED_FLOWS = 2000
"""How many of them are read at once at most, about, and in a second on average: of more a part is read, then the
next, so that nothing else waits for long."""

VERIFIED_COOKIES = 8
"""A change of so many wires is verified by reading their flows, a larger one by reading all."""

QUIET = Tick | ProbesHeard | FramesSent
"""What happens all the time and says nothing new of itself."""

RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long to wait after the first, second, … failure in a row."""

LOGGED_STEPS = 20
"""Of a large plan this many steps are logged, then their number."""


@dataclass
class Retry:
    """How often something failed in a row, and when it may be tried again."""

    failures: int = 0
    until: float = 0.0

    def failed(self, now: float) -> None:
        self.until = now + RETRY_SECONDS[min(self.failures, len(RETRY_SECONDS) - 1)]
        self.failures += 1

    def worked(self) -> None:
        self.failures = 0
        self.until = 0.0


@dataclass
class HostState:
    """What is known of a host's database."""

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


@dataclass
class SwitchState:
    """What is known of a connected switch."""

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


class Brain:
    """See the module. Not thread-safe: one caller hands it events, one batch after another."""

    def __init__(self, source: str, patch_file: str, discovery: Discovery) -> None:
        """`source` is where the policy is, `patch_file` where what is patched at run time is written."""
        self.policy = PolicyView(source)
        self.patch_file = patch_file
        self.patches = Patches(self)
        self.panel: Panel | None = None
        """The policy in force."""
        self.hosts: dict[str, HostState] = {}
        self.switches: dict[int, SwitchState] = {}
        self.listening = Listening()
        self.linking = Linking(discovery, self._called)
        self.happened: list[Happening] = []
        """What others may want to be told; whoever tells them takes it away."""
        self.flow_changes = 0
        self.revision = 0
        self.now = 0.0
        self.wake = 0.0
        """When a Tick was last asked for."""

    def handle(self, events: Iterable[Event]) -> list[Command]:
        """Take a batch of events in their order; plan once, after the last."""
        commands: list[Command] = []
        for event in events:
            commands += self._take(event)
            self.revision += not isinstance(event, QUIET)
        if self.panel is not None:
            for dpid, switch in self.switches.items():
                commands += self._settle_carrier(self.panel, dpid, switch)
                commands += self._settle_switch(self.panel, dpid, switch)
            for name in list(self.hosts):
                commands += self._settle_host(self.panel, name, self.hosts[name])
        commands += self.patches.settle()
        commands += self._settle_links()
        wake = min(filter(None, self._deadlines()), default=0.0)
        if wake > self.now and not self.now < self.wake <= wake:
            self.wake = wake
            commands.append(Wake(wake))
        return commands

    def _deadlines(self) -> Iterator[float | None]:
        yield self.linking.deadline
        for switch in self.switches.values():
            yield switch.carrier.deadline

    def place(self, dpid: int) -> tuple[str, str] | None:
        """The host and the bridge of a switch.

        None unless the policy names the bridge and netctl made it or took it over, or it is to be given back.
        """
        for name, host in self.hosts.items():
            bridge = host.bridges.get(dpid)
            if bridge is None or self.panel is None:
                continue
            if bridge in host.adopted or self.panel.bridge(name, bridge) is not None:
                return name, bridge
        return None

    def leaving(self, panel: Panel, name: str, host: HostState) -> set[str]:
        """The bridges that cannot be given back yet: they have flows or meters of netctl's, or may have."""
        return {
            bridge
            for dpid, bridge in host.bridges.items()
            if bridge in host.adopted
            and panel.bridge(name, bridge) is None
            and not ((switch := self.switches.get(dpid)) and switch.clear and switch.swept == "done")
        }

    def switch_at(self, place: tuple[str, str]) -> SwitchState | None:
        """The connected switch that is a bridge of the policy's."""
        for dpid, switch in self.switches.items():
            if self.place(dpid) == place:
                return switch
        return None

    def still_wired(self, host: str) -> set[PortRef]:
        """The ports of `host` that flows on its learning switches wire now."""
        wired: set[PortRef] = set()
        for dpid, switch in self.switches.items():
            place = self.place(dpid)
            if place is not None and place[0] == host and switch.table is not None and self.learns(place):
                wired |= switch.table.wired()
        return wired

    def learns(self, place: tuple[str, str]) -> bool:
        """Whether the ports without a wire of a bridge are a learning switch."""
        return self.panel is not None and self.panel.bridge(*place) == "normal"

    def listened(self, place: Place) -> tuple[PortRef, Cable | None] | None:
        """The port where LLDP is heard, and on which wire if it is one's; None where nobody listens."""
        at, switch = self.place(place.dpid), self.switches.get(place.dpid)
        port = switch.ports.get(place.port) if switch is not None else None
        if at is None or port is None or self.panel is None:
            return None
        ref = PortRef(*at, port.name)
        if not place.cookie:
            return (ref, None) if self.panel.fabric(ref) else None
        for cable in self.panel.owned(*at, place.cookie):
            if cable.observe and ref in cable.ends:
                return ref, cable
        return None

    def _lit(self, place: Place) -> bool:
        switch = self.switches.get(place.dpid)
        return switch is not None and place.port in switch.ports and switch.ports[place.port].up

    def _named(self, place: Place) -> str | None:
        found = self.listened(place)
        if found is None:
            return None
        ref, cable = found
        return f"port {ref} of wire {cable.name}" if cable else f"port {ref}"

    def _called(self, port: Port) -> str:
        """What people call a port."""
        at, switch = self.place(port.dpid), self.switches.get(port.dpid)
        known = switch.ports.get(port.number) if switch is not None else None
        return f"port {PortRef(*at, known.name)}" if at and known else f"switch {port.dpid:016x} port {port.number}"

    def _take(self, event: Event) -> list[Command]:
        if isinstance(event, Tick):
            self.now = event.now
            return self.linking.tick(self.now) + self.listening.tick(self.now, self._named, self._lit)
        if isinstance(event, ProbesHeard):
            self.linking.hear(event)
            return []
        if isinstance(event, FramesSent):
            self.linking.sent(event)
            return []
        if isinstance(event, Heard):
            return self.listening.hear(event, self.now, self._named)
        if isinstance(event, PolicyRead):
            return self._take_policy(event)
        if isinstance(event, HostSeen | HostLost | RowsApplied):
            return self._take_host(event)
        if isinstance(event, PatchAsked):
            return self.patches.ask(event)
        if isinstance(event, PatchSaved):
            return self.patches.saved(event)
        return self._take_switch(event)

    def _take_policy(self, event: PolicyRead) -> list[Command]:
        loaded, view = event.loaded, self.policy
        if loaded.policy is None:
            refused = tuple(Problem(p.message, f"{p.file}:{p.line}:{p.col}") for p in loaded.problems)
            self.policy = PolicyView(loaded.source, view.files, view.digest, view.since, refused)
            kept = "the one before stays in force" if self.panel else "waiting for a good one"
            return [Log("error", f"policy refused, {kept}: {problem}") for problem in loaded.problems]
        if self.panel is not None and loaded.digest == view.digest:
            self.policy = PolicyView(loaded.source, loaded.files, view.digest, view.since)
            return []
        self.panel = Panel(loaded)
        self.policy = PolicyView(loaded.source, loaded.files, loaded.digest, event.at)
        commands: list[Command] = [Log("info", f"policy from {loaded.source} in force, {loaded.digest[:12]}")]
        for name, entry in loaded.policy.hosts.items():
            known = self.hosts.get(name)
            if known is not None and known.remote != entry.ovsdb:
                commands.append(Unwatch(name))
                known = None
            if known is None and (entry.bridges or entry.ovsdb):
                self.hosts[name] = HostState(entry.ovsdb)
                commands.append(Watch(name, entry.ovsdb))
        for host in self.hosts.values():
            host.dirty = True
            host.retry.worked()
        for switch in self.switches.values():
            switch.moved = True
            switch.carrier.rewired()
            switch.retry.worked()
        return commands

    def _take_host(self, event: HostSeen | HostLost | RowsApplied) -> list[Command]:
        host = self.hosts.get(event.host)
        if host is None:
            return []
        host.dirty = True
        if isinstance(event, HostSeen):
            flushed = doomed(host.observed) - doomed(event.observed) if host.observed is not None else set()
            for dpid, bridge in host.bridges.items():
                if bridge in flushed and dpid in self.switches:
                    self.switches[dpid].unread = True
            host.observed, host.target = event.observed, event.target
            host.bridges = our_bridges(event.observed)
            host.adopted = adopted_bridges(event.observed)
            commands: list[Command] = (
                [] if host.connected else [Log("info", f"host {event.host}: Open vSwitch database connected")]
            )
            host.connected, host.why = True, ""
            for switch in self.switches.values():
                switch.moved = True
            return commands
        if isinstance(event, HostLost):
            known = not host.connected and host.why == event.why
            host.connected, host.why, host.applying = False, event.why, False
            return [] if known else [Log("warning", f"host {event.host}: {event.why}")]
        host.applying, host.error = False, event.error
        if not event.error:
            host.retry.worked()
            return []
        host.retry.failed(self.now)
        return [Log("error", f"host {event.host}: {event.error}")]

    def _take_switch(
        self,
        event: SwitchUp
        | SwitchDown
        | PortSeen
        | PortGone
        | PortsSet
        | FlowsRead
        | FlowsChanged
        | FlowsUnread
        | MetersSwept,
    ) -> list[Command]:
        if isinstance(event, SwitchUp):
            self._leave(event.dpid)
            self.happened.append(SwitchEntered(SwitchView(event.dpid, event.ports)))
            self.switches[event.dpid] = SwitchState({port.number: port for port in event.ports}, Carrier(event.ports))
            return [Log("info", f"switch {event.dpid:016x} connected, {len(event.ports)} ports")]
        switch = self.switches.get(event.dpid)
        if switch is None:
            return []
        if isinstance(event, SwitchDown):
            self._leave(event.dpid)
            return [Log("warning", f"switch {event.dpid:016x} is gone"), *self.listening.lose(event.dpid)]
        if isinstance(event, PortSeen):
            before = switch.ports.get(event.port.number)
            switch.ports[event.port.number] = event.port
            if before != event.port:
                self.happened.append((PortChanged if before else PortAdded)(event.dpid, event.port))
            switch.moved |= before is None or before.name != event.port.name
            switch.looked = False
            switch.carrier.seen(event.port, self.now)
            if not event.port.up:
                self.linking.down(event.dpid, event.port.number)
            return [] if event.port.up else self.listening.lose(event.dpid, event.port.number)
        if isinstance(event, PortGone):
            port = switch.ports.pop(event.number, None)
            if port is not None:
                switch.moved = True
                self.happened.append(PortRemoved(event.dpid, port))
            switch.looked = False
            switch.carrier.gone(event.number)
            self.linking.down(event.dpid, event.number)
            return self.listening.lose(event.dpid, event.number)
        if isinstance(event, PortsSet):
            news = switch.carrier.answered(event.changes, event.refused, self.now)
            return [Log("error", f"switch {event.dpid:016x}: {each}") for each in news]
        if isinstance(event, MetersSwept):
            switch.swept = "done"
            return []
        if isinstance(event, FlowsRead):
            return self._take_flows(event, switch)
        return self._take_changed(event, switch)

    def _take_changed(self, event: FlowsChanged | FlowsUnread, switch: SwitchState) -> list[Command]:
        switch.busy, switch.dirty = "", True
        if isinstance(event, FlowsChanged):
            self.flow_changes += event.sent
            switch.errors = event.errors
        else:
            switch.errors = (event.why,)
        if switch.errors:
            place = self.place(event.dpid)
            if place is not None:
                self.patches.refused(place, {owner(step.item) for step in switch.sent}, switch.errors)
            switch.unread, switch.unverified, switch.sent = True, False, ()
            switch.retry.failed(self.now)
        elif switch.table is not None:
            switch.table.done(switch.sent)
            switch.unverified = True
        return [Log("error", f"switch {event.dpid:016x}: {error}") for error in switch.errors]

    def _leave(self, dpid: int) -> None:
        """A switch is not connected any more, or in another way."""
        switch = self.switches.pop(dpid, None)
        self.linking.leave(dpid)
        if switch is not None:
            self.happened.append(SwitchLeft(SwitchView(dpid, tuple(switch.ports.values()))))

    def _take_flows(self, event: FlowsRead, switch: SwitchState) -> list[Command]:
        place = self.place(event.dpid)
        if switch.busy != "reading":
            return []
        switch.busy = ""
        if place is None or self.panel is None:
            return []
        if event.cookies and switch.table is not None:
            if not switch.table.check(event.found, event.cookies, event.mask):
                switch.unread = True
                return []
            if event.mask != WHOLE_COOKIE:
                switch.read_at = self.now
                switch.part += 1
            switch.dirty |= switch.table.differing
        else:
            switch.table = switch.table or Table(self.panel, *place)
            switch.table.read(event.found)
            switch.read_at = self.now
            switch.unread, switch.moved = False, True
        switch.unverified = False
        return self._verify(event.dpid, switch, switch.table)

    def _verify(self, dpid: int, switch: SwitchState, table: Table) -> list[Command]:
        """Hold what was read against what was sent: a switch that took a change must show it."""
        sent, switch.sent = switch.sent, ()
        if not sent:
            return []
        lost = []
        for step in sent:
            there = [flow for flow in table.ours.get(owner(step.item), ()) if flow.identity == step.item.identity]
            if bool(there) != (step.after is not None) or (step.after and changes(there[0], step.after)):
                lost.append(step)
        if not lost:
            switch.errors = ()
            switch.retry.worked()
            return []
        switch.errors = tuple(f"the switch took this change but does not show it: {line(step)}" for step in lost)
        switch.retry.failed(self.now)
        return [Log("error", f"switch {dpid:016x}: {error}") for error in switch.errors[:LOGGED_STEPS]]

    def _settle_host(self, panel: Panel, name: str, host: HostState) -> list[Command]:
        if host.observed is None or not host.connected or host.applying:
            return []
        leaving = self.leaving(panel, name, host)
        if host.dirty or leaving != host.leaving:
            host.plan = plan_rows(panel, name, host.observed, host.target, self.still_wired(name), leaving)
            host.dirty, host.leaving = False, leaving
        if not host.plan.steps:
            assert panel.loaded.policy is not None
            if name not in panel.loaded.policy.hosts:
                del self.hosts[name]
                return [Unwatch(name)]
            return []
        if self.now < host.retry.until:
            return []
        host.applying = True
        return [*logged(f"host {name}", host.plan), ApplyRows(name, host.plan)]

    def _settle_links(self) -> list[Command]:
        for dpid, switch in self.switches.items():
            if switch.looked or (switch.unread and switch.table is not None):
                continue
            heard = switch.table.heard() if switch.table is not None else ()
            ports = (switch.ports.get(number) for number in heard)
            self.linking.use(dpid, {port.number: port.mac for port in ports if port and port.up and not port.gone})
            switch.looked = True
        said = self.linking.settle()
        self.revision += bool(said.happened)
        self.happened += said.happened
        return said.commands

    def _settle_carrier(self, panel: Panel, dpid: int, switch: SwitchState) -> list[Command]:
        place = self.place(dpid) if switch.carrier.due(self.now) else None
        if place is None:
            return []
        plan, changes = switch.carrier.settle(*place, panel.at, self.now)
        if not changes:
            return []
        return [*logged("bridge {1} on {0}".format(*place), plan), SetPorts(dpid, changes)]

    def _settle_switch(self, panel: Panel, dpid: int, switch: SwitchState) -> list[Command]:
        place = self.place(dpid)
        if place is None:
            switch.table, switch.unread, switch.looked = None, True, False
            return []
        if switch.busy == "changing":
            return []
        host, bridge = place
        waiting = self.now < switch.retry.until
        if switch.unread or switch.table is None:
            if switch.busy or waiting:
                return []
            switch.busy = "reading"
            return [ReadFlows(dpid, bridge)]
        table = switch.table
        self._plan_switch(panel, host, switch, table)
        if switch.plan.steps and not waiting:
            switch.busy, switch.unverified = "changing", False
            switch.sent = switch.plan.steps
            return [*logged(f"bridge {bridge} on {host}", switch.plan), ApplyFlows(dpid, bridge, switch.plan)]
        if not switch.plan.steps and not switch.unverified:
            switch.errors = ()
        if switch.clear and not switch.swept and panel.bridge(host, bridge) is None:
            switch.swept = "asked"
            return [SweepMeters(dpid)]
        if switch.busy or waiting:
            return []
        if switch.unverified:
            switch.busy = "reading"
            cookies = {flow.cookie for step in switch.sent for flow in (step.before, step.after) if flow is not None}
            return [ReadFlows(dpid, bridge, tuple(sorted(cookies)) if len(cookies) <= VERIFIED_COOKIES else ())]
        if not switch.settled and not switch.plan.steps:
            switch.settled = True
            return [Log("info", f"bridge {bridge} on {host}: {table.count()} flows, nothing left to do")]
        parts = parts_of(table.count())
        if self.now - switch.read_at >= max(CHECK_SECONDS, table.count() / CHECKED_FLOWS) / parts:
            switch.busy = "reading"
            return [ReadFlows(dpid, bridge, (switch.part % parts,), parts - 1)]
        return []

    def _plan_switch(self, panel: Panel, host: str, switch: SwitchState, table: Table) -> None:
        if table.panel is not panel:
            table.follow(panel)
            switch.dirty = True
        unpatched, _ = panel.unpatched(host, table.bridge)
        if switch.moved:
            observed = self.hosts[host].observed
            assert observed is not None
            numbers = switch.numbers
            table.use(usable(unpatched, numbers, observed), numbers)
            switch.moved, switch.dirty = False, True
        if switch.dirty:
            switch.plan = table.plan()
            switch.dirty = switch.looked = False
            self.hosts[host].dirty |= unpatched == "normal"


def logged(place: str, plan: Plan[T]) -> list[Command]:
    log: list[Command] = [Log("info", f"{place}: {line(step)}") for step in plan.steps[:LOGGED_STEPS]]
    if len(plan.steps) > LOGGED_STEPS:
        log.append(Log("info", f"{place}: and {len(plan.steps) - LOGGED_STEPS} more steps"))
    return log


def parts_of(flows: int) -> int:
    """In how many parts so many flows are read: a power of two, so that bits of their cookies tell the parts."""
    return 1 << (max(flows - 1, 0) // CHECKED_FLOWS).bit_length()


def our_bridges(observed: Observed) -> dict[int, str]:
    """The bridges that netctl made or took over, by datapath ID."""
    ours = {found.item.name for found in observed.rows if found.ours and isinstance(found.item, Bridge)}
    return {
        state.dpid: name
        for name, state in observed.bridges.items()
        if name in ours and state.dpid is not None
    }
