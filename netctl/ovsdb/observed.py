"""Database rows as the rows of netctl's plans."""

from __future__ import annotations

from typing import Any

from netctl.desired.queue import SHAPES, Orphan, Queue, Shaper
from netctl.desired.row import (
    ADOPTED,
    CONTROLLER,
    MARK,
    NUMBERED,
    QUIET,
    Bridge,
    BridgeState,
    Observed,
    Port,
    PortState,
    Row,
)
from netctl.plan import Found


def observed(tables: Any, host: str | None) -> Observed:
    """What the replica `tables` holds, in the order of names.

    Rows with the mark of `host` are ours; without a host, those with the mark of any.

    A bridge's port of its own name is part of the bridge. A port that is more than one device of the host (a
    bond, a tunnel, an internal port) is somebody else's, whatever its mark.
    """
    rows: list[Found[Row]] = []
    bridges: dict[str, BridgeState] = {}
    ports: dict[str, PortState] = {}
    for row in sorted(tables["Bridge"].rows.values(), key=lambda row: str(row.name)):
        name: str = row.name
        controllers = row.controller
        ours = marked(row, host)
        adopted = ours and ADOPTED in row.external_ids
        made = ours and not adopted
        rule = controllers if made else [each for each in controllers if marked(each, host)]
        bridge = Bridge(
            name,
            row.datapath_type or "system",
            ",".join(sorted(each.target for each in rule)) or None,
            tuple(sorted(row.protocols)),
            fail_mode=first(row.fail_mode) or "standalone",
            disable_in_band=row.other_config.get("disable-in-band") == "true",
            adopted=adopted,
            settings=settings(rule[0]) if rule else QUIET,
            strangers=tuple(sorted(each.target for each in controllers if each not in rule and active(each))),
        )
        rows.append(Found(bridge, ours))
        dpid = first(row.datapath_id)
        bridges[name] = BridgeState(
            None if dpid is None else int(dpid, 16),
            any(each.is_connected for each in controllers),
            remembered(row),
            frozenset(
                first(each.ofport)
                for port in row.ports
                if len(port.interfaces) > 1
                for each in port.interfaces
                if each.ofport
            ),
        )
        for port in sorted(row.ports, key=lambda port: str(port.name)):
            if port.name == name:
                continue
            interfaces = port.interfaces
            plain = len(interfaces) == 1 and interfaces[0].type in ("", "system")
            asked = first(interfaces[0].ofport_request) if len(interfaces) == 1 else None
            rows.append(Found(Port(name, port.name, first(port.tag), asked), plain and marked(port, host)))
            ports[port.name] = state(name, interfaces)
            if port.qos:
                made = marked(port.qos[0], host) and port.qos[0].external_ids.get(SHAPES) == port.name
                rows.append(Found(shaper(name, port), made))
    rows += (Found(orphan, True) for orphan in orphans(tables, host))
    return Observed(tuple(rows), bridges, ports)


def shaper(bridge: str, port: Any) -> Shaper:
    """The QoS row of a port, whoever made it."""
    row = port.qos[0]
    rate, extra = numbers(row.other_config, {"max-rate": "rate"})
    queues = []
    for number, each in sorted(row.queues.items()):
        told, more = numbers(each.other_config, {"min-rate": "min", "max-rate": "max", "burst": "burst"})
        if each.dscp:
            more = " ".join(filter(None, (more, f"dscp={first(each.dscp)}")))
        queues.append(Queue(number, **told, extra=more))
    return Shaper(bridge, port.name, rate.get("rate"), tuple(queues), row.type, extra)


def numbers(config: dict[str, str], names: dict[str, str]) -> tuple[dict[str, int], str]:
    """Of an `other_config` what has a name in `names` and is a number, by that name; and the rest as text."""
    told = {names[key]: int(value) for key, value in config.items() if key in names and value.isdecimal()}
    rest = [f"{key}={value}" for key, value in sorted(config.items()) if names.get(key) not in told]
    return told, " ".join(rest)


def orphans(tables: Any, host: str | None) -> list[Orphan]:
    """The QoS rows of netctl's that no port uses, and the Queue rows of netctl's that no QoS uses beside those."""
    used = {row.uuid for port in tables["Port"].rows.values() for row in port.qos}
    lost = [row for row in tables["QoS"].rows.values() if row.uuid not in used and marked(row, host)]
    gone = {row.uuid for row in lost}
    holding = (row for row in tables["QoS"].rows.values() if row.uuid not in gone)
    held = {each.uuid for row in holding for each in row.queues.values()}
    left = [row for row in tables["Queue"].rows.values() if row.uuid not in held and marked(row, host)]
    found = [*(Orphan("QoS", str(row.uuid)) for row in lost), *(Orphan("Queue", str(row.uuid)) for row in left)]
    return sorted(found, key=lambda each: each.key)


def marked(row: Any, host: str | None) -> bool:
    mark = row.external_ids.get(MARK)
    return mark is not None and host in (None, mark)


def settings(controller: Any) -> tuple[str, ...]:
    """What CONTROLLER is about, as it is."""
    return tuple(f"{column}={first(getattr(controller, column))}" for column in CONTROLLER)


def active(controller: Any) -> bool:
    """Whether the bridge connects there; where it listens, only those come who want to look (ovs-ofctl)."""
    return not controller.target.startswith(("ptcp:", "pssl:", "punix:"))


def primary(controller: Any) -> bool:
    """Whether it counts as a controller where Open vSwitch asks if a bridge has one (ovs-vswitchd.conf.db(5), type)."""
    kind = first(controller.type)
    return active(controller) if kind is None else bool(kind == "primary")


def remembered(bridge: Any) -> dict[str, int]:
    """The OpenFlow numbers in a bridge's `external_ids`."""
    return {
        key[len(NUMBERED) :]: int(value)
        for key, value in bridge.external_ids.items()
        if key.startswith(NUMBERED) and value.isdecimal()
    }


def state(bridge: str, interfaces: list[Any]) -> PortState:
    """A port's state is its interface's; one that has several has no OpenFlow number of its own."""
    if len(interfaces) != 1:
        return PortState(bridge, kind="bond")
    interface = interfaces[0]
    ofport = first(interface.ofport)
    link = first(interface.link_state)
    return PortState(
        bridge,
        ofport if ofport is not None and ofport > 0 else None,
        first(interface.error),
        first(interface.ifindex),
        None if link is None else link == "up",
        first(interface.mac_in_use),
        interface.type,
    )


def first(values: list[Any]) -> Any:
    """The value of an optional column, which OVSDB keeps as a set of at most one."""
    return values[0] if values else None
