"""Ryu's topology API (`ryu.app.rest_topology` of Ryu 4.34): the same JSON from the snapshot.

As text, spaced as Ryu's, and each port's only once: with thousands of links models of each would take too long.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache

from netctl.api.models import dpid_text
from netctl.controller.snapshot import Snapshot, Station, SwitchPort, SwitchView

OFPP_MAX = 0xFFFFFF00
"""Ports above it are reserved, the bridge's own LOCAL among them, and left out (OpenFlow 1.3.5, 7.2.1)."""

Place = tuple[int, SwitchPort]
"""A port and the datapath ID of its switch."""


def switches(snapshot: Snapshot, dpid: str | None) -> Iterator[str]:
    return (switch(each) for each in snapshot.switches if dpid in (None, dpid_text(each.dpid)))


def links(snapshot: Snapshot, dpid: str | None) -> Iterator[str]:
    """Those that begin at a switch; each direction of a cable is one."""
    if not snapshot.links:
        return
    ports = {(each.dpid, port.number): _port(each.dpid, port) for each in snapshot.switches for port in each.ports}
    wanted = None if dpid is None else int(dpid, 16)
    for each in snapshot.links:
        src, dst = ports.get((each.src_dpid, each.src_port)), ports.get((each.dst_dpid, each.dst_port))
        if src is not None and dst is not None and wanted in (None, each.src_dpid):
            yield f'{{"src": {src}, "dst": {dst}}}'


def hosts(snapshot: Snapshot, dpid: str | None) -> Iterator[str]:
    """A station on a port that no connected switch shows has no port to tell of, and is left out."""
    ports = {(each.dpid, port.name): port for each in snapshot.switches for port in _shown(each)}
    for station in snapshot.stations:
        port = ports.get((station.dpid, station.port))
        if port is not None and dpid in (None, dpid_text(station.dpid)):
            yield host(station, port)


def switch(view: SwitchView) -> str:
    ports = ", ".join([_port(view.dpid, port) for port in _shown(view)])
    return f'{{"dpid": "{dpid_text(view.dpid)}", "ports": [{ports}]}}'


def link(src: Place, dst: Place) -> str:
    return f'{{"src": {_port(*src)}, "dst": {_port(*dst)}}}'


def host(station: Station, port: SwitchPort) -> str:
    said = json.dumps({"mac": station.mac, "ipv4": station.ipv4, "ipv6": station.ipv6})
    return f'{said[:-1]}, "port": {_port(station.dpid, port)}}}'


def _shown(view: SwitchView) -> list[SwitchPort]:
    return [port for port in view.ports if port.number <= OFPP_MAX]


@lru_cache(1 << 16)
def _port(dpid: int, port: SwitchPort) -> str:
    said = {"dpid": dpid_text(dpid), "port_no": f"{port.number:08x}", "hw_addr": port.mac, "name": port.name}
    return json.dumps(said)
