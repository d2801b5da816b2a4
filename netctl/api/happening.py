"""What happened, in words for others: as an event of /api/v1/events, and as a call of Ryu's topology WebSocket."""

from __future__ import annotations

from typing import Any, Literal

from netctl.api import models, topology
from netctl.api.feed import Entry
from netctl.controller.happenings import (
    Happening,
    LinkAdded,
    LinkChanged,
    LinkDeleted,
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

Change = Literal["added", "changed", "removed"]

KINDS: dict[str, type[models.Happened]] = {
    "switch": models.SwitchHappened,
    "port": models.PortHappened,
    "link": models.LinkHappened,
    "wire": models.WireHappened,
    "neighbour": models.NeighbourHappened,
    "host": models.HostHappened,
}
"""The kinds of events, each with what its data is."""

_KIND_OF = {model: kind for kind, model in KINDS.items()}

_CHANGES: dict[type, Change] = {
    **dict.fromkeys((SwitchEntered, PortAdded, LinkAdded, NeighbourAdded, StationAdded), "added"),
    **dict.fromkeys((PortChanged, LinkChanged, NeighbourChanged, StationChanged), "changed"),
    **dict.fromkeys((SwitchLeft, PortRemoved, LinkDeleted, NeighbourRemoved, StationRemoved), "removed"),
}


def event(entry: Entry) -> str:
    """The event as it is sent (HTML Living Standard, 9.2.6, text/event-stream); empty for what others are not told."""
    if event not in entry.rendered:
        data = _data(entry.happening, entry.at)
        text = ""
        if data is not None:
            text = message(_KIND_OF[type(data)], data.model_dump_json(), entry.number)
        entry.rendered[event] = text
    return entry.rendered[event]


def message(kind: str, data: str, number: int) -> str:
    """One event; `data` is text of one line."""
    return f"id: {number}\nevent: {kind}\ndata: {data}\n\n"


def _data(happening: Happening, at: float) -> models.Happened | None:
    said: dict[str, Any] = {"at": at, "change": _CHANGES.get(type(happening), "changed")}
    if isinstance(happening, SwitchEntered | SwitchLeft):
        said |= {"dpid": happening.switch.dpid, "ports": len(happening.switch.ports)}
        return models.SwitchHappened(**said)
    if isinstance(happening, PortAdded | PortChanged | PortRemoved):
        return models.PortHappened(**said, dpid=happening.dpid, port=happening.port)
    if isinstance(happening, LinkAdded | LinkChanged | LinkDeleted):
        return _link(happening, said)
    if isinstance(happening, WireChanged):
        said["change"] = "removed" if happening.gone else "changed" if happening.before else "added"
        return models.WireHappened(**said, wire=happening.wire, before=happening.before)
    if isinstance(happening, NeighbourAdded | NeighbourChanged | NeighbourRemoved):
        why = happening.why if isinstance(happening, NeighbourRemoved) else ""
        return models.NeighbourHappened(**said, neighbour=happening.neighbour, why=why)
    before = happening.before if isinstance(happening, StationChanged) else None
    why = happening.why if isinstance(happening, StationRemoved) else ""
    return models.HostHappened(**said, host=happening.station, before=before, why=why)


def _link(happening: LinkHappening, said: dict[str, Any]) -> models.LinkHappened | None:
    link = happening.link
    if happening.ends is None:
        return None
    src, dst = (
        models.GraphEnd(dpid=dpid, number=port.number, port=port.name)
        for dpid, port in zip((link.src_dpid, link.dst_dpid), happening.ends, strict=True)
    )
    return models.LinkHappened(**said, src=src, dst=dst, one_way=link.one_way)


def call(entry: Entry) -> str:
    """The call's method and parameters, as they stand in the JSON; empty for what Ryu does not tell."""
    if call not in entry.rendered:
        told = _call(entry.happening)
        text = ""
        if told is not None:
            text = '"method": "{}", "params": [{}]'.format(*told)
        entry.rendered[call] = text
    return entry.rendered[call]


def _call(happening: Happening) -> tuple[str, str] | None:
    if isinstance(happening, SwitchEntered):
        return "event_switch_enter", topology.switch(happening.switch)
    if isinstance(happening, SwitchLeft):
        return "event_switch_leave", topology.switch(happening.switch)
    if isinstance(happening, LinkAdded | LinkDeleted) and happening.ends is not None:
        link = happening.link
        method = "event_link_add" if isinstance(happening, LinkAdded) else "event_link_delete"
        return method, topology.link((link.src_dpid, happening.ends[0]), (link.dst_dpid, happening.ends[1]))
    if isinstance(happening, StationAdded):
        return "event_host_add", topology.host(happening.station, happening.at)
    return None
