"""What is connected to what, of the snapshot: the answer of /api/v1/topology, as JSON.

Put together as text, and each port's only once, as in netctl.api.topology: models of 100 000 ports take seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from functools import lru_cache

from netctl.api.models import dpid_text
from netctl.controller.snapshot import LinkView, NeighbourView, Snapshot, Station, SwitchPort, SwitchView, WireView

Place = tuple[str, str]
"""A host and a bridge of it."""


def graph(snapshot: Snapshot, event: str) -> str:
    """`event` is the id of the last event that the snapshot has."""
    places = {
        bridge.dpid: (bridge.host, bridge.name)
        for bridge in snapshot.bridges
        if bridge.dpid is not None and bridge.connected
    }
    dpids = {place: f'"{dpid_text(dpid)}"' for dpid, place in places.items()}
    parts = {
        "event": json.dumps(event),
        "switches": _list(_switch(each, places.get(each.dpid)) for each in snapshot.switches),
        "links": _list(_cables(snapshot)),
        "wires": _list(_wire(each, dpids) for each in snapshot.wires),
        "hosts": _list(map(_host, snapshot.stations)),
        "neighbours": _list(map(_neighbour, snapshot.neighbours)),
    }
    return "{" + ", ".join(f'"{name}": {text}' for name, text in parts.items()) + "}"


def _list(items: Iterator[str]) -> str:
    return f"[{', '.join(items)}]"


def _switch(switch: SwitchView, place: Place | None) -> str:
    host, bridge = place or (None, None)
    said = json.dumps({"dpid": dpid_text(switch.dpid), "host": host, "bridge": bridge})
    return f'{said[:-1]}, "ports": {_list(map(_port, switch.ports))}}}'


@lru_cache(1 << 16)
def _port(port: SwitchPort) -> str:
    return json.dumps(
        {"number": port.number, "name": port.name, "mac": port.mac, "up": port.up, "speed": port.speed}
    )


def _wire(wire: WireView, dpids: Mapping[Place, str]) -> str:
    ends = ", ".join(
        [
            f'{{"host": {_text(end.host)}, "bridge": {_text(end.bridge)}, "port": {json.dumps(end.port)}, '
            f'"vlan": {"null" if end.vlan is None else end.vlan}, "dpid": {dpids.get((end.host, end.bridge), "null")}}}'
            for end in wire.ends
        ]
    )
    name, why = json.dumps(wire.name), json.dumps(wire.why) if wire.why else '""'
    return f'{{"name": {name}, "ends": [{ends}], "state": "{wire.state}", "why": {why}}}'


_text = lru_cache(1 << 10)(json.dumps)
"""Of hosts and bridges there are few."""


def _host(station: Station) -> str:
    return json.dumps(
        {
            "mac": station.mac,
            "ipv4": station.ipv4,
            "ipv6": station.ipv6,
            "dpid": dpid_text(station.dpid),
            "port": station.port,
            "guest": station.guest,
            "since": _time(station.since) if station.since is not None else None,
        }
    )


def _neighbour(neighbour: NeighbourView) -> str:
    return json.dumps(
        {
            "host": neighbour.host,
            "bridge": neighbour.bridge,
            "port": neighbour.port,
            "wire": neighbour.wire,
            "chassis": neighbour.announced.chassis.value,
            "port_id": neighbour.announced.port.value,
            "name": neighbour.announced.system_name,
        }
    )


def _cables(snapshot: Snapshot) -> Iterator[str]:
    """Both directions of a cable as one."""
    if not snapshot.links:
        return
    names = {(switch.dpid, port.number): port.name for switch in snapshot.switches for port in switch.ports}
    told: set[tuple[int, int, int, int]] = set()
    for link in snapshot.links:
        if (link.dst_dpid, link.dst_port, link.src_dpid, link.src_port) in told:
            continue
        told.add((link.src_dpid, link.src_port, link.dst_dpid, link.dst_port))
        yield _cable(link, names)


def _cable(link: LinkView, names: Mapping[tuple[int, int], str]) -> str:
    ends = [
        {"dpid": dpid_text(dpid), "number": number, "port": names.get((dpid, number), str(number))}
        for dpid, number in ((link.src_dpid, link.src_port), (link.dst_dpid, link.dst_port))
    ]
    return json.dumps({"ends": ends, "one_way": link.one_way, "since": _time(link.since)})


def _time(seconds: float) -> str:
    """RFC 3339, as the models write it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
