"""The controller's decisions.

`Brain.handle(events)` takes what happened and answers with what to do. Every decision is the same one: what the
policy wants, what was observed, and the plan between. One change at a time is under way for a database or a
switch; when it ends the result is observed again, and what did not take is reported and tried again later, ever
more slowly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netctl.controller.carrier import Carrier
from netctl.controller.commands import (
    Command,
    Log,
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
from netctl.controller.host import HostState
from netctl.controller.linking import Linking
from netctl.controller.listening import Listening
from netctl.controller.locating import Locating
from netctl.controller.patches import Patches
from netctl.controller.planning import Panel
from netctl.controller.snapshot import PolicyView, Problem, SwitchPort, SwitchView
from netctl.controller.switch import SwitchState
from netctl.policy import Cable, PortRef
from netctl.topology.discovery import Discovery
from netctl.topology.hosts import Place as HostPlace
from netctl.topology.hosts import is_of_host
from netctl.topology.links import Port
from netctl.topology.neighbours import Place

PortEvent = PortSeen | PortGone | PortsSet
FlowEvent = FlowsRead | FlowsChanged | FlowsUnread

QUIET = Tick | ProbesHeard | FramesSent
"""What happens all the time and says nothing new of itself."""


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
        self.locating = Locating()
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
            for switch in self.switches.values():
                commands += self._settle_switch(self.panel, switch)
            for host in list(self.hosts.values()):
                commands += self._settle_host(self.panel, host)
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

    def leaving(self, panel: Panel, host: HostState) -> set[str]:
        """The bridges that cannot be given back yet: they have flows or meters of netctl's, or may have."""
        return {
            bridge
            for dpid, bridge in host.bridges.items()
            if bridge in host.adopted
            and panel.bridge(host.name, bridge) is None
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

    def _located(self, place: HostPlace) -> SwitchPort | None:
        """The port where hosts are looked for."""
        at, switch = self.place(place.dpid), self.switches.get(place.dpid)
        port = switch.ports.get(place.port) if switch is not None else None
        if at is None or port is None or not port.up or self.panel is None:
            return None
        return port if self.panel.located(PortRef(*at, port.name)) else None

    def _guests(self) -> frozenset[str]:
        """The MACs of the policy's guests."""
        return self.panel.guest_macs if self.panel is not None else frozenset()

    def _note(self, happened: Iterable[Happening], told: list[Command]) -> list[Command]:
        before = len(self.happened)
        self.happened += happened
        self.revision += len(self.happened) > before
        return told

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
            told = self.linking.tick(self.now) + self.listening.tick(self.now, self._named, self._lit)
            return told + self._note(*self.locating.tick(self.now, self._located))
        if isinstance(event, ProbesHeard):
            self.revision += self.linking.hear(event)
            return []
        if isinstance(event, FramesSent):
            self.linking.sent(event)
            return []
        if isinstance(event, Heard):
            if not event.cookie and is_of_host(event.frame):
                return self._note(*self.locating.hear(event, self.now, self._located, self._guests))
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
                self.hosts[name] = HostState(name, entry.ovsdb)
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
        if isinstance(event, HostSeen):
            flushed = host.flushes(event.observed)
            for dpid, bridge in host.bridges.items():
                if bridge in flushed and dpid in self.switches:
                    self.switches[dpid].unread = True
            for switch in self.switches.values():
                switch.moved = True
        return host.take(event, self.now)

    def _take_switch(self, event: SwitchUp | SwitchDown | PortEvent | FlowEvent | MetersSwept) -> list[Command]:
        if isinstance(event, SwitchUp):
            self._leave(event.dpid)
            self.happened.append(SwitchEntered(SwitchView(event.dpid, event.ports)))
            ports = {port.number: port for port in event.ports}
            self.switches[event.dpid] = SwitchState(event.dpid, ports, Carrier(event.ports))
            return [Log("info", f"switch {event.dpid:016x} connected, {len(event.ports)} ports")]
        switch = self.switches.get(event.dpid)
        if switch is None:
            return []
        if isinstance(event, SwitchDown):
            self._leave(event.dpid)
            told = self._note(*self.locating.lose(event.dpid))
            return [Log("warning", f"switch {event.dpid:016x} is gone"), *self.listening.lose(event.dpid), *told]
        if isinstance(event, MetersSwept):
            switch.swept = "done"
            return []
        if isinstance(event, PortEvent):
            return self._take_port(event, switch)
        return self._take_flows(event, switch)

    def _take_port(self, event: PortEvent, switch: SwitchState) -> list[Command]:
        if isinstance(event, PortsSet):
            news = switch.carrier.answered(event.changes, event.refused, self.now)
            return [Log("error", f"switch {event.dpid:016x}: {each}") for each in news]
        switch.looked = False
        if isinstance(event, PortSeen):
            before = switch.ports.get(event.port.number)
            switch.ports[event.port.number] = event.port
            if before != event.port:
                self.happened.append((PortChanged if before else PortAdded)(event.dpid, event.port))
            switch.moved |= before is None or before.name != event.port.name
            switch.carrier.seen(event.port, self.now)
            if event.port.up:
                return []
            number = event.port.number
        else:
            number = event.number
            port = switch.ports.pop(number, None)
            if port is not None:
                switch.moved = True
                self.happened.append(PortRemoved(event.dpid, port))
            switch.carrier.gone(number)
        self.linking.down(event.dpid, number)
        return self.listening.lose(event.dpid, number) + self._note(*self.locating.lose(event.dpid, number))

    def _take_flows(self, event: FlowEvent, switch: SwitchState) -> list[Command]:
        place = self.place(event.dpid)
        if isinstance(event, FlowsRead):
            if place is None or self.panel is None:
                switch.busy = ""
                return []
            return switch.take_flows(event, self.panel, place, self.now)
        if isinstance(event, FlowsChanged):
            self.flow_changes += event.sent
        owners = switch.sent_owners
        told = switch.take_changed(event, self.now)
        if switch.errors and place is not None:
            self.patches.refused(place, owners, switch.errors)
        return told

    def _leave(self, dpid: int) -> None:
        """A switch is not connected any more, or in another way."""
        switch = self.switches.pop(dpid, None)
        self.linking.leave(dpid)
        if switch is not None:
            self.happened.append(SwitchLeft(SwitchView(dpid, tuple(switch.ports.values()))))

    def _settle_host(self, panel: Panel, host: HostState) -> list[Command]:
        assert panel.loaded.policy is not None
        commands = host.settle(panel, self.leaving(panel, host), self.still_wired(host.name), self.now)
        if host.done and host.name not in panel.loaded.policy.hosts:
            del self.hosts[host.name]
            commands.append(Unwatch(host.name))
        return commands

    def _settle_switch(self, panel: Panel, switch: SwitchState) -> list[Command]:
        place = self.place(switch.dpid)
        if place is None:
            switch.forget()
            return []
        host, before = self.hosts[place[0]], switch.plan
        assert host.observed is not None
        commands = switch.settle_carrier(panel, place, self.now) if switch.carrier.due(self.now) else []
        commands += switch.settle(panel, place, host.observed, self.now)
        host.dirty |= switch.plan is not before and self.learns(place)
        return commands

    def _settle_links(self) -> list[Command]:
        for dpid, switch in self.switches.items():
            if switch.looked or (switch.unread and switch.table is not None):
                continue
            heard = switch.table.heard() if switch.table is not None else ()
            ports = (switch.ports.get(number) for number in heard)
            self.linking.use(dpid, {port.number: port.mac for port in ports if port and port.up and not port.gone})
            switch.looked = True
        said = self.linking.settle()
        self.happened += said.happened
        return said.commands + self._note(*self.locating.follow(said.happened))
