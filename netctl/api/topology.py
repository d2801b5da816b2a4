"""Ryu's topology API (`ryu.app.rest_topology` of Ryu 4.34): the same JSON from the snapshot."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.api.models import TopologyHost, TopologyLink, TopologyPort, TopologySwitch, dpid_text
from netctl.controller.snapshot import Snapshot, SwitchPort, SwitchView

OFPP_MAX = 0xFFFFFF00
"""Ports above it are reserved, the bridge's own LOCAL among them, and left out (OpenFlow 1.3.5, 7.2.1)."""


def switches(snapshot: Snapshot, dpid: str | None) -> list[TopologySwitch]:
    return [
        TopologySwitch(
            dpid=dpid_text(switch.dpid),
            ports=[_port(switch, port) for port in switch.ports if port.number <= OFPP_MAX],
        )
        for switch in snapshot.switches
        if dpid in (None, dpid_text(switch.dpid))
    ]


def links(snapshot: Snapshot, dpid: str | None) -> list[TopologyLink]:  # noqa: ARG001
    """None: netctl does not discover links between switches."""
    return []


def hosts(snapshot: Snapshot, dpid: str | None) -> Iterator[TopologyHost]:
    """A station on a port that no connected switch shows has no port to tell of, and is left out."""
    ports = {
        (switch.dpid, port.name): (switch, port)
        for switch in snapshot.switches
        for port in switch.ports
        if port.number <= OFPP_MAX
    }
    for station in snapshot.stations:
        place = ports.get((station.dpid, station.port))
        if place is not None and dpid in (None, dpid_text(station.dpid)):
            yield TopologyHost(mac=station.mac, ipv4=list(station.ipv4), ipv6=list(station.ipv6), port=_port(*place))


def _port(switch: SwitchView, port: SwitchPort) -> TopologyPort:
    return TopologyPort(dpid=dpid_text(switch.dpid), port_no=f"{port.number:08x}", hw_addr=port.mac, name=port.name)
