"""Ryu's topology API (`ryu.app.rest_topology` of Ryu 4.34): the same JSON from the snapshot."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.api.models import TopologyHost, TopologyLink, TopologyPort, TopologySwitch, dpid_text
from netctl.controller.snapshot import Snapshot, Station, SwitchPort, SwitchView

OFPP_MAX = 0xFFFFFF00
"""Ports above it are reserved, the bridge's own LOCAL among them, and left out (OpenFlow 1.3.5, 7.2.1)."""

Place = tuple[int, SwitchPort]
"""A port and the datapath ID of its switch."""


def switches(snapshot: Snapshot, dpid: str | None) -> list[TopologySwitch]:
    return [switch(each) for each in snapshot.switches if dpid in (None, dpid_text(each.dpid))]


def links(snapshot: Snapshot, dpid: str | None) -> Iterator[TopologyLink]:
    """Those that begin at a switch; each direction of a cable is one."""
    ports = {
        (switch.dpid, port.number): _port(switch.dpid, port) for switch in snapshot.switches for port in switch.ports
    }
    for each in snapshot.links:
        src, dst = ports.get((each.src_dpid, each.src_port)), ports.get((each.dst_dpid, each.dst_port))
        if src is not None and dst is not None and dpid in (None, src.dpid):
            yield TopologyLink(src=src, dst=dst)


def hosts(snapshot: Snapshot, dpid: str | None) -> Iterator[TopologyHost]:
    """A station on a port that no connected switch shows has no port to tell of, and is left out."""
    ports = {(switch.dpid, port.name): port for switch in snapshot.switches for port in _shown(switch)}
    for station in snapshot.stations:
        port = ports.get((station.dpid, station.port))
        if port is not None and dpid in (None, dpid_text(station.dpid)):
            yield host(station, port)


def switch(view: SwitchView) -> TopologySwitch:
    return TopologySwitch(dpid=dpid_text(view.dpid), ports=[_port(view.dpid, port) for port in _shown(view)])


def link(src: Place, dst: Place) -> TopologyLink:
    return TopologyLink(src=_port(*src), dst=_port(*dst))


def host(station: Station, port: SwitchPort) -> TopologyHost:
    return TopologyHost(
        mac=station.mac, ipv4=list(station.ipv4), ipv6=list(station.ipv6), port=_port(station.dpid, port)
    )


def _shown(view: SwitchView) -> list[SwitchPort]:
    return [port for port in view.ports if port.number <= OFPP_MAX]


def _port(dpid: int, port: SwitchPort) -> TopologyPort:
    return TopologyPort(dpid=dpid_text(dpid), port_no=f"{port.number:08x}", hw_addr=port.mac, name=port.name)
