"""What the brain knows, as everybody else may read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import fields
from functools import cached_property
from typing import Literal, TypeVar

from netctl.controller.brain import Brain
from netctl.controller.carrier import light_of
from netctl.controller.host import HostState
from netctl.controller.planning import Behind, Panel
from netctl.controller.snapshot import (
    BridgeView,
    HostView,
    LldpCounts,
    NeighbourView,
    PortView,
    ProbeCounts,
    Problem,
    RateView,
    Snapshot,
    Station,
    SwitchPort,
    SwitchView,
    WireEnd,
    WireView,
)
from netctl.controller.switch import SwitchState
from netctl.desired.carrier import Light
from netctl.desired.flows import cookie_of
from netctl.desired.queue import shaper_key
from netctl.desired.row import Port, PortState
from netctl.desired.takeover import bridge_of
from netctl.plan.text import line
from netctl.policy import Cable, PortRef
from netctl.policy.rate import as_written
from netctl.topology.links import Port as LinkPort
from netctl.topology.neighbours import Neighbour

T = TypeVar("T")

Live = dict[tuple[str, str], tuple[int, SwitchState]]
"""The connected switches of the policy's bridges, with their datapath IDs, by host and bridge."""

WireState = tuple[Literal["up", "down", "waiting"], str]

UP: WireState = ("up", "")

LISTED_STEPS = 50
"""Of a large plan this many lines are published."""


def snapshot(brain: Brain) -> Snapshot:
    """The brain's whole knowledge, immutable."""
    seen = Seen(brain)
    return Snapshot(**{each.name: getattr(seen, each.name) for each in fields(Snapshot)})


class Seen(Snapshot):
    """The brain's knowledge as well, of which the large parts are made when they are asked for: as they are then. It is
    for who takes another one after the next event; and who asks for links alone does not wait for wires."""

    _brain: Brain

    def __init__(self, brain: Brain) -> None:
        self.__dict__.update(
            revision=brain.revision + brain.linking.revision,
            policy=brain.policy,
            hosts=tuple(_host(name, host) for name, host in brain.hosts.items()),
            switches=tuple(
                SwitchView(dpid, tuple(switch.ports.values())) for dpid, switch in sorted(brain.switches.items())
            ),
            links=brain.linking.discovery.links,
            flow_changes=brain.flow_changes,
            _brain=brain,
        )

    def relinked(self) -> Seen:
        """The same, where nothing changed since but links."""
        links = self._brain.linking.discovery.links
        if self.links is links:
            return self
        seen = copy(self)
        seen.__dict__.update(revision=self._brain.revision + self._brain.linking.revision, links=links)
        return seen

    @cached_property
    def _live(self) -> Live:
        return connected(self._brain)

    @cached_property
    def bridges(self) -> tuple[BridgeView, ...]:
        return self._made(_bridges)

    @cached_property
    def ports(self) -> tuple[PortView, ...]:
        return self._made(_ports)

    @cached_property
    def wires(self) -> tuple[WireView, ...]:
        return self._made(_wires)

    @cached_property
    def stations(self) -> tuple[Station, ...]:
        guests = self._made(lambda _, panel, live: _stations(panel, live))
        return (*guests, *self._brain.locating.stations())

    @cached_property
    def neighbours(self) -> tuple[NeighbourView, ...]:
        return self._made(lambda brain, *_: _neighbours(brain))

    def _made(self, make: Callable[[Brain, Panel, Live], Iterable[T]]) -> tuple[T, ...]:
        panel = self._brain.panel
        return tuple(make(self._brain, panel, self._live)) if panel is not None else ()


def connected(brain: Brain) -> Live:
    return {
        place: (dpid, switch)
        for dpid, switch in brain.switches.items()
        if (place := brain.place(dpid)) is not None
    }


def _host(name: str, host: HostState) -> HostView:
    problems = [Problem(str(collision), collision.why) for collision in host.plan.collisions]
    if not host.connected:
        problems.append(Problem(host.why))
    if host.error:
        problems.append(Problem(host.error))
    if host.connected and host.observed is not None:
        problems += map(Problem, host.observed.problems)
    return HostView(name, host.remote or "", host.connected, tuple(problems))


def _bridges(brain: Brain, panel: Panel, live: Live) -> list[BridgeView]:
    policy = panel.loaded.policy
    assert policy is not None
    views = []
    for host_name, entry in policy.hosts.items():
        host = brain.hosts.get(host_name)
        for name, bridge in entry.bridges.items():
            dpid: int | None = None
            pending: list[str] = []
            problems: list[Problem] = []
            count = 0
            if host is not None:
                if host.observed is not None and name in host.observed.bridges:
                    dpid = host.observed.bridges[name].dpid
                pending += [line(step) for step in host.plan.steps if name == bridge_of(step.item)]
            connected = (host_name, name) in live
            if connected:
                switch = live[host_name, name][1]
                count = switch.table.count() if switch.table else 0
                if switch.table is None or switch.unread:
                    pending.append("? flows: not read yet")
                pending += [line(step) for step in switch.plan.steps[: LISTED_STEPS + 1]]
                pending += [
                    f"+ tap {name}/{cable.name}  (waits for port {each.port}; {cable.said} wire {cable.name})"
                    for cable in panel.on(host_name, name)
                    for each in cable.monitors
                    if each.port not in switch.numbers
                ]
                problems += [Problem(str(each), each.why) for each in switch.plan.collisions]
                problems += [Problem(error) for error in switch.errors]
            if len(pending) > LISTED_STEPS:
                pending = [*pending[:LISTED_STEPS], "… and more"]
            views.append(
                BridgeView(
                    host_name,
                    name,
                    bridge.datapath,
                    bridge.unpatched,
                    dpid,
                    connected,
                    count,
                    tuple(pending),
                    tuple(problems),
                )
            )
    return views


def _ports(brain: Brain, panel: Panel, live: Live) -> Iterator[PortView]:
    ours: dict[str, set[str]] = {}
    refs = {ref: None for ref, _ in panel.ports.all()}
    for host_name, host in brain.hosts.items():
        if host.observed is None:
            continue
        ours[host_name] = {f.item.name for f in host.observed.rows if f.ours and isinstance(f.item, Port)}
        for name, state in host.observed.ports.items():
            if panel.bridge(host_name, state.bridge) is not None and name != state.bridge:
                refs[PortRef(host_name, state.bridge, name)] = None
    described: dict[PortRef, SwitchPort] = {}
    for (host_name, bridge), (_, switch) in live.items():
        for port in switch.ports.values():
            described[PortRef(host_name, bridge, port.name)] = port
    counts = dict(_counts(brain))
    refused = dict(_refused(brain))
    for ref in refs:
        home = brain.hosts.get(ref.host)
        port_state: PortState | None = None
        if home is not None and home.observed is not None:
            port_state = home.observed.ports.get(ref.port)
        sp = described.get(ref)
        yield PortView(
            host=ref.host,
            bridge=ref.bridge,
            name=ref.port,
            number=sp.number if sp else None,
            mac=sp.mac if sp else (port_state.mac if port_state else None),
            up=sp.up if sp else None,
            wire=", ".join(cable.name for cable in panel.at(ref) if ref in cable.ends) or None,
            ours=ref.port in ours.get(ref.host, ()),
            error=_fault(brain, ref),
            lldp=counts.get(ref),
            refused_probes=refused.get(ref),
        )


def _wires(brain: Brain, panel: Panel, live: Live) -> Iterator[WireView]:
    lit = {
        PortRef(*at, name)
        for at, (_, switch) in live.items()
        for name, port in switch.carrier.ports.items()
        if light_of(port) is Light.LIT
    }
    for cable in panel.cables():
        one, other = cable.ends
        here = live.get((one.host, one.bridge))
        table = here[1].table if here else None
        if table is not None and one in lit and other in lit and table.installed(cookie_of(cable.name)):
            state = UP
        else:
            state = state_of(brain, cable, here[1] if here else None)
        yield wire_view(brain, cable, state)


def wire_view(brain: Brain, cable: Cable, state: WireState) -> WireView:
    one, other = cable.ends
    ends = (
        WireEnd(one.host, one.bridge, one.port, cable.vlans[0]),
        WireEnd(other.host, other.bridge, other.port, cable.vlans[1]),
    )
    return WireView(cable.name, ends, *state, cable.said, tuple(_rates(brain, cable)) if cable.limited else ())


def _rates(brain: Brain, cable: Cable) -> Iterator[RateView]:
    host = brain.hosts.get(cable.ends[0].host)
    for rate, end in zip(cable.rates, reversed(cable.ends), strict=True):
        if rate is None:
            continue
        found = host.shapers.get(end.port) if host is not None else None
        if found is not None and found.rate == rate:
            yield RateView(end.port, as_written(rate), found.type)
            continue
        collisions = host.plan.collisions if host is not None else ()
        said = [str(each) for each in collisions if each.key == shaper_key(end.port)]
        yield RateView(end.port, as_written(rate), "", said[0] if said else "not kept yet")


def state_of(brain: Brain, cable: Cable, switch: SwitchState | None) -> WireState:
    """The state of a wire and what it waits for; `switch` is the connected one of its bridge."""
    if switch is None:
        return "waiting", f"bridge {cable.ends[0].bridge} is not connected to this controller"
    told = switch.carrier.ports
    missing = [end for end in cable.ends if end.port not in told]
    if missing:
        return "waiting", "; ".join(f"port {end.port}: {_fault(brain, end) or 'no number'}" for end in missing)
    if switch.table is None or not switch.table.installed(cookie_of(cable.name)):
        return "waiting", "its flows are not in yet"
    lights = {end.port: light_of(told[end.port]) for end in cable.ends}
    dark = " and ".join(name for name, light in lights.items() if light is Light.DARK)
    held = " and ".join(name for name, light in lights.items() if light is Light.HELD)
    if dark and held and cable.follow:
        return "down", f"{dark} has no carrier, so {held} was taken down"
    if dark or held:
        return "down", "; ".join(filter(None, (dark and f"no carrier at {dark}", held and f"{held} is held down")))
    return UP


def _fault(brain: Brain, ref: PortRef) -> str | None:
    """What is wrong with a port, as its host's database says."""
    home = brain.hosts.get(ref.host)
    state = home.observed.ports.get(ref.port) if home is not None and home.observed is not None else None
    return state.error if state is not None else "not on the bridge yet"


def _neighbours(brain: Brain) -> Iterator[NeighbourView]:
    for each in brain.listening.neighbours:
        view = neighbour_view(brain, each)
        if view is not None:
            yield view


def neighbour_view(brain: Brain, neighbour: Neighbour) -> NeighbourView | None:
    """None where nobody listens any more."""
    found = brain.listened(neighbour.place)
    if found is None:
        return None
    ref, cable = found
    times = neighbour.since, neighbour.changed
    return NeighbourView(ref.host, ref.bridge, ref.port, cable.name if cable else None, *times, neighbour.announced)


def _counts(brain: Brain) -> Iterator[tuple[PortRef, LldpCounts]]:
    for (dpid, number), each in brain.listening.neighbours.counts.items():
        at, switch = brain.place(dpid), brain.switches.get(dpid)
        port = switch.ports.get(number) if switch is not None else None
        if at is not None and port is not None:
            counts = LldpCounts(each.frames, each.malformed, each.refused, each.lost, each.why)
            yield PortRef(*at, port.name), counts


def _refused(brain: Brain) -> Iterator[tuple[PortRef, ProbeCounts]]:
    by_port: dict[LinkPort, dict[str, int]] = {}
    for (port, reason), count in brain.linking.discovery.refused.items():
        by_port.setdefault(port, {})[reason] = count
    for port, counts in by_port.items():
        at, switch = brain.place(port.dpid), brain.switches.get(port.dpid)
        known = switch.ports.get(port.number) if switch is not None else None
        if at is not None and known is not None:
            yield PortRef(*at, known.name), ProbeCounts(**counts)


def _stations(panel: Panel, live: Live) -> Iterator[Station]:
    """The guests that the policy puts behind ports of connected switches."""
    for ref, behind in panel.guests.items():
        here = live.get((ref.host, ref.bridge))
        if here is not None and ref.port in here[1].carrier.ports:
            yield station(behind, here[0], ref.port)


def station(behind: Behind, dpid: int, port: str) -> Station:
    return Station(behind.mac, behind.ipv4, behind.ipv6, dpid, port, behind.guest)
