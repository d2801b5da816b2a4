"""What is connected to what, of the snapshot: the answer of /api/v1/topology."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from netctl.api import models
from netctl.controller.snapshot import LinkView, Snapshot

Place = tuple[str, str]
"""A host and a bridge of it."""


def graph(snapshot: Snapshot, event: str) -> models.Graph:
    """`event` is the id of the last event that the snapshot has."""
    places = {bridge.dpid: bridge for bridge in snapshot.bridges if bridge.dpid is not None and bridge.connected}
    dpids: dict[Place, int] = {(bridge.host, bridge.name): dpid for dpid, bridge in places.items()}
    switches = [
        models.GraphSwitch(
            dpid=switch.dpid,
            host=here.host if (here := places.get(switch.dpid)) else None,
            bridge=here.name if here else None,
            ports=switch.ports,
        )
        for switch in snapshot.switches
    ]
    wires = [
        models.GraphWire(
            name=wire.name,
            ends=[
                models.GraphWireEnd(
                    host=end.host,
                    bridge=end.bridge,
                    port=end.port,
                    vlan=end.vlan,
                    dpid=dpids.get((end.host, end.bridge)),
                )
                for end in wire.ends
            ],
            state=wire.state,
            why=wire.why,
        )
        for wire in snapshot.wires
    ]
    neighbours = [
        models.GraphNeighbour(
            host=each.host,
            bridge=each.bridge,
            port=each.port,
            wire=each.wire,
            chassis=each.announced.chassis.value,
            port_id=each.announced.port.value,
            name=each.announced.system_name,
        )
        for each in snapshot.neighbours
    ]
    return models.Graph(
        event=event,
        switches=switches,
        links=list(_cables(snapshot)),
        wires=wires,
        hosts=snapshot.stations,
        neighbours=neighbours,
    )


def _cables(snapshot: Snapshot) -> Iterator[models.GraphLink]:
    """Both directions of a cable as one."""
    names = {(switch.dpid, port.number): port.name for switch in snapshot.switches for port in switch.ports}
    told: set[tuple[int, int, int, int]] = set()
    for link in snapshot.links:
        if (link.dst_dpid, link.dst_port, link.src_dpid, link.src_port) in told:
            continue
        told.add((link.src_dpid, link.src_port, link.dst_dpid, link.dst_port))
        yield models.GraphLink(
            ends=list(_ends(link, names)),
            one_way=link.one_way,
            since=datetime.fromtimestamp(link.since, timezone.utc),
        )


def _ends(link: LinkView, names: dict[tuple[int, int], str]) -> Iterator[models.GraphEnd]:
    for dpid, number in ((link.src_dpid, link.src_port), (link.dst_dpid, link.dst_port)):
        name = names.get((dpid, number), str(number))
        yield models.GraphEnd(dpid=dpid, number=number, port=name)
