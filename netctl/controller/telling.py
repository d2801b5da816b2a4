"""What is told to others of all that happens: what the brain notes down, and what follows from it for wires,
neighbours and stations.

A telling costs as much as what happened since the one before concerns, not what there is. Where that is very much (a
policy is new, a switch with many wires connects) a part of the wires is told, and the rest with the next ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from netctl.controller import view
from netctl.controller.brain import Brain
from netctl.controller.happenings import (
    Happening,
    LinkAdded,
    LinkChanged,
    LinkDeleted,
    LinkEnds,
    LinkHappening,
    NeighbourAdded,
    NeighbourChanged,
    NeighbourRemoved,
    PortAdded,
    PortChanged,
    PortRemoved,
    StationAdded,
    StationChanged,
    StationRemoved,
    SwitchEntered,
    SwitchLeft,
    WireChanged,
)
from netctl.controller.planning import Panel
from netctl.controller.snapshot import NeighbourView, Station, SwitchPort
from netctl.controller.switch import SwitchState
from netctl.controller.table import Table
from netctl.policy import Cable, PortRef
from netctl.topology.neighbours import Appeared, Gone, Msap, Place
from netctl.topology.neighbours import Change as NeighbourChange

SLICE = 300
"""Wires that are looked at in one telling, and ports with guests behind them."""

_Found = tuple[SwitchState, Table | None]


class Telling:
    """See the module. Looks at the brain between two turns of its."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain
        self._ports: dict[int, dict[int, SwitchPort]] = {}
        """Of the switches that were told of, by datapath ID and number."""
        self._links: dict[tuple[int, int, int, int], LinkEnds] = {}
        self._neighbours: dict[tuple[Place, Msap], NeighbourView] = {}
        self._panel: Panel | None = None
        self._live: dict[tuple[str, str], _Found] = {}
        self._wires: dict[str, tuple[Cable, view.WireState]] = {}
        """As they were told."""
        self._due_wires: dict[str, None] = {}
        self._stations: dict[PortRef, tuple[Station, SwitchPort]] = {}
        self._due_ports: dict[PortRef, None] = {}

    @property
    def unfinished(self) -> bool:
        """Whether there is more to tell though nothing happens."""
        return bool(self._due_wires or self._due_ports)

    def tell(self) -> list[Happening]:
        """What happened since the last time."""
        noted, self._brain.happened = self._brain.happened, []
        told = list(self._with_ends(noted))
        told += self._of_neighbours(self._brain.listening.take_changes())
        live = view.connected(self._brain)
        self._look({place: (switch, switch.table) for place, (_, switch) in live.items()})
        told += self._of_wires()
        told += self._of_stations(live)
        return told

    def _with_ends(self, noted: Iterable[Happening]) -> Iterator[Happening]:
        for each in noted:
            if isinstance(each, SwitchEntered):
                self._ports[each.switch.dpid] = {port.number: port for port in each.switch.ports}
            elif isinstance(each, SwitchLeft):
                self._ports.pop(each.switch.dpid, None)
            elif isinstance(each, PortAdded | PortChanged):
                self._ports.setdefault(each.dpid, {})[each.port.number] = each.port
            elif isinstance(each, PortRemoved):
                self._ports.setdefault(each.dpid, {}).pop(each.port.number, None)
            elif isinstance(each, LinkAdded | LinkChanged | LinkDeleted):
                yield self._link(each)
                continue
            yield each

    def _link(self, happening: LinkHappening) -> LinkHappening:
        link = happening.link
        key = link.src_dpid, link.src_port, link.dst_dpid, link.dst_port
        ends = self._links.get(key)
        if isinstance(happening, LinkAdded):
            src = self._ports.get(link.src_dpid, {}).get(link.src_port)
            dst = self._ports.get(link.dst_dpid, {}).get(link.dst_port)
            if src is not None and dst is not None:
                ends = self._links[key] = src, dst
        elif isinstance(happening, LinkDeleted):
            self._links.pop(key, None)
        return replace(happening, ends=ends)

    def _of_neighbours(self, changes: Iterable[NeighbourChange]) -> Iterator[Happening]:
        for change in changes:
            key = change.neighbour.place, change.neighbour.msap
            if isinstance(change, Gone):
                known = self._neighbours.pop(key, None)
                if known is not None:
                    yield NeighbourRemoved(known, change.why)
                continue
            seen = view.neighbour_view(self._brain, change.neighbour)
            if seen is not None:
                self._neighbours[key] = seen
                yield NeighbourAdded(seen) if isinstance(change, Appeared) else NeighbourChanged(seen)

    def _look(self, live: dict[tuple[str, str], _Found]) -> None:
        """See which wires and stations may be other than they were told."""
        panel, before = self._brain.panel, self._live
        self._live = live
        if panel is not self._panel:
            self._panel = panel
            self._due_wires.update(dict.fromkeys(self._wires))
            self._due_ports.update(dict.fromkeys(self._stations))
            before = {}
            if panel is not None:
                self._due_wires.update(dict.fromkeys(cable.name for cable in panel.cables()))
        if panel is None:
            return
        self._due_wires.update(dict.fromkeys(panel.news))
        panel.news.clear()
        for place in before.keys() | live.keys():
            switch, table = live.get(place, (None, None))
            known = before.get(place)
            if known is None or known[0] is not switch:
                self._due_wires.update(dict.fromkeys(cable.name for cable in panel.on(*place)))
                self._due_ports.update(dict.fromkeys(ref for ref in panel.guests if (ref.host, ref.bridge) == place))
            elif known[1] is not table:
                self._due_wires.update(dict.fromkeys(cable.name for cable in panel.on(*place)))
            elif table is not None:
                for owner in table.news:
                    self._due_wires.update(dict.fromkeys(cable.name for cable in panel.owned(*place, owner)))
            if table is not None:
                table.news.clear()
            if switch is not None:
                for name in switch.carrier.news:
                    ref = PortRef(*place, name)
                    if ref in panel.guests:
                        self._due_ports[ref] = None
                    self._due_wires.update(dict.fromkeys(cable.name for cable in panel.wiring.at(ref)))
                switch.carrier.news.clear()

    def _of_wires(self) -> Iterator[Happening]:
        panel = self._panel
        for name in list(islice(self._due_wires, SLICE)):
            del self._due_wires[name]
            cable = panel.wiring.cables.get(name) if panel is not None else None
            before = self._wires.get(name)
            was = before[1][0] if before else None
            if cable is None:
                if before is not None:
                    del self._wires[name]
                    yield WireChanged(view.wire_view(self._brain, *before), was, gone=True)
                continue
            found = self._live.get((cable.ends[0].host, cable.ends[0].bridge))
            state = view.state_of(self._brain, cable, found[0] if found else None)
            self._wires[name] = cable, state
            if before is None or before[1] != state or not before[0].like(cable):
                yield WireChanged(view.wire_view(self._brain, cable, state), was)

    def _of_stations(self, live: view.Live) -> Iterator[Happening]:
        guests = self._panel.guests if self._panel is not None and self._due_ports else {}
        for ref in list(islice(self._due_ports, SLICE)):
            del self._due_ports[ref]
            here = live.get((ref.host, ref.bridge))
            at = here[1].carrier.ports.get(ref.port) if here else None
            before, behind = self._stations.get(ref), guests.get(ref)
            if here is None or at is None or behind is None:
                if before is not None:
                    del self._stations[ref]
                    yield StationRemoved(before[0], "port" if behind else "policy")
                continue
            there = view.station(behind, here[0], ref.port)
            self._stations[ref] = there, at
            if before is None:
                yield StationAdded(there, at)
            elif before[0] != there:
                yield StationChanged(there, at, before[0])
