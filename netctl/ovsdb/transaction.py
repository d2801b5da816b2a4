"""The steps of a plan as one database transaction (RFC 7047, 4.1.3): all of it happens, or nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any
from uuid import UUID

from ovs.db.idl import Transaction

from netctl.desired.dpid import dpid
from netctl.desired.queue import SHAPES, Orphan, Queue, Shaper
from netctl.desired.row import ADOPTED, MARK, NUMBERED, Bridge, Port, Row
from netctl.ovsdb.observed import marked, primary
from netctl.plan import Step
from netctl.plan.model import Verb

WAITING = 0
"""No port has this OpenFlow number."""


class Refused(Exception):
    """A step does not fit what is in the database now; the message names the step."""


class Writer:
    """Writes steps into an open transaction.

    Sets that others write too (the bridges of the switch, the ports of a bridge, other_config) are mutated
    and never assigned, so that a port that libvirt adds at the same moment is not lost.
    """

    def __init__(self, txn: Transaction, tables: Any, host: str | None) -> None:
        self.txn = txn
        self.tables = tables
        self.host = host
        roots = tables["Open_vSwitch"].rows.values()
        self.root: Any = next(iter(roots), None)
        self.new_root = self.root is None
        if self.new_root:
            self.root = txn.insert(tables["Open_vSwitch"])
        self.bridges: dict[str, Any] = {row.name: row for row in tables["Bridge"].rows.values()}
        self.interfaces: dict[str, Any] = {row.name: row for row in tables["Interface"].rows.values()}
        self.parents: dict[str, tuple[Any, Any]] = {
            port.name: (bridge, port) for bridge in self.bridges.values() for port in bridge.ports
        }
        self.created: dict[str, list[Any]] = {}
        self.new_bridges: list[Any] = []
        self.numbers: dict[str, dict[str, int | None]] = {}
        """By bridge and port: what it is to remember, or None to forget."""
        self.taken: dict[str, set[int]] = {}
        """By bridge: the OpenFlow numbers that ports have or asked for, and WAITING where one has yet to get one."""

    def write(self, steps: Iterable[Step[Row]]) -> None:
        """All of `steps`. Raises Refused."""
        for step in steps:
            try:
                self.step(step)
            except Refused as reason:
                raise Refused(f"{step.verb} {step.key[0]} {'/'.join(step.key[1:])}: {reason}") from None
        for name, ports in self.created.items():
            self.bridges[name].ports = ports
        for name, numbers in self.numbers.items():
            self.remember(name, numbers)
        if self.new_root and self.new_bridges:
            self.root.bridges = self.new_bridges
        self.root.increment("next_cfg")

    def step(self, step: Step[Row]) -> None:
        item = step.item
        if isinstance(item, Bridge):
            if step.verb == "add":
                self.add_bridge(item)
            elif step.verb == "remove" and item.adopted:
                self.give_back(item.name)
            elif step.verb == "remove":
                self.remove_bridge(item.name)
            else:
                self.change_bridge(item, {change.fact for change in step.changes})
        elif isinstance(item, Port):
            self.step_port(item, step.verb)
        elif isinstance(item, Orphan):
            self.bury(item)
        elif step.verb == "remove":
            self.remove_shaper(item.port)
        else:
            self.shape(item)

    def step_port(self, port: Port, verb: Verb) -> None:
        if verb == "change":
            self.change_port(port)
            return
        if verb == "remove" or (verb == "replace" and port.name in self.parents):
            self.remove_port(port.name)
        if verb != "remove":
            self.add_port(port)

    def add_bridge(self, bridge: Bridge) -> None:
        if bridge.name in self.bridges:
            raise Refused("there is a bridge of this name already")
        row = self.insert("Bridge", name=bridge.name, datapath_type=datapath_type(bridge))
        assert self.host is not None
        row.fail_mode = [bridge.fail_mode]
        row.protocols = list(bridge.protocols)
        row.other_config = {
            "disable-in-band": "true" if bridge.disable_in_band else "false",
            "datapath-id": f"{dpid(self.host, bridge.name):016x}",
        }
        if bridge.controller is not None:
            row.controller = [self.controller(bridge, bridge.controller)]
        self.bridges[bridge.name] = row
        self.created[bridge.name] = []
        self.attach(row, bridge.name, "internal")
        if self.new_root:
            self.new_bridges.append(row)
        else:
            self.root.addvalue("bridges", row)

    def remove_bridge(self, name: str) -> None:
        """The rows below it are collected by the server."""
        row = self.bridge(name)
        for port in row.ports:
            self.forget(port)
        self.root.delvalue("bridges", row)
        del self.bridges[name]
        self.numbers.pop(name, None)

    def give_back(self, name: str) -> None:
        """Takes from a bridge that stays what is netctl's; its ports have steps of their own."""
        row = self.bridge(name)
        for controller in row.controller:
            if MARK in controller.external_ids:
                row.delvalue("controller", controller)
        for key in row.external_ids:
            if key in (MARK, ADOPTED) or key.startswith(NUMBERED):
                row.delkey("external_ids", key)
        self.numbers.pop(name, None)

    def change_bridge(self, bridge: Bridge, facts: set[str]) -> None:
        """In place, even the datapath type: the row keeps its ports, the switch builds what it must anew.

        The datapath's ID is then wiped, so that it is back only where that went well.
        """
        row = self.bridge(bridge.name)
        if "datapath_type" in facts:
            row.datapath_type = datapath_type(bridge)
            row.datapath_id = []
        if "fail_mode" in facts:
            row.fail_mode = [bridge.fail_mode]
        if "protocols" in facts:
            row.protocols = list(bridge.protocols)
        if "disable_in_band" in facts:
            row.setkey("other_config", "disable-in-band", "true" if bridge.disable_in_band else "false")
        if "adopted" in facts:
            assert self.host is not None
            row.setkey("external_ids", MARK, self.host)
            row.setkey("external_ids", ADOPTED, "true")
        if bridge.controller is not None and "controller" in facts:
            self.replace_controller(row, bridge, bridge.controller)
        elif "controller_settings" in facts:
            for controller in row.controller:
                if not bridge.adopted or MARK in controller.external_ids:
                    for column, value in bridge.columns.items():
                        setattr(controller, column, value)

    def replace_controller(self, row: Any, bridge: Bridge, target: str) -> None:
        """On a bridge of netctl's there is no other."""
        new = self.controller(bridge, target, "primary" if any(map(primary, row.controller)) else "service")
        if not bridge.adopted:
            row.controller = [new]
            return
        for controller in row.controller:
            if MARK in controller.external_ids:
                row.delvalue("controller", controller)
        row.addvalue("controller", new)

    def controller(self, bridge: Bridge, target: str, kind: str = "service") -> Any:
        """A Controller row, «primary» only where the bridge has a primary one already.

        A bridge that gets its first primary controller, or loses its last, drops all its flows, groups and meters,
        everybody's; service controllers come and go without. To fail_mode they are none, and they hear of ports
        and packets as soon as they ask for it (OFPT_SET_ASYNC).
        """
        return self.insert("Controller", target=target, type=kind, **bridge.columns)

    def add_port(self, port: Port) -> None:
        if port.name in self.interfaces:
            where = next(
                (
                    f"port {each.name} of bridge {bridge.name}"
                    for bridge, each in self.parents.values()
                    if any(interface.name == port.name for interface in each.interfaces)
                ),
                "another port",
            )
            raise Refused(f"{where} has an interface of this name already")
        bridge = self.bridge(port.bridge)
        asks = port.number is not None and self.is_free(bridge, port.number)
        row = self.attach(bridge, port.name, "")
        row.tag = tags(port)
        if asks:
            self.root.verify("next_cfg")
            self.number(port, self.interfaces[port.name])

    def change_port(self, port: Port) -> None:
        _, row = self.port(port.name)
        if row.tag != tags(port):
            row.tag = tags(port)
        self.number(port, row.interfaces[0])

    def is_free(self, bridge: Any, number: int) -> bool:
        """Whether a new port may ask for a number. If not the switch finds it one, which is then asked for.

        A port that asks for a number of one that never did takes it away. So nothing is asked for while somebody's
        port waits to be numbered, and the transaction is good only for the `next_cfg` that was seen, which changes
        with whatever else is configured.
        """
        if bridge.name in self.created:
            return True
        taken = self.taken.get(bridge.name)
        if taken is None:
            taken = self.taken[bridge.name] = set()
            for port in bridge.ports:
                for interface in port.interfaces:
                    if interface.ofport or interface.ofport_request:
                        taken.update(interface.ofport, interface.ofport_request)
                    elif not interface.error:
                        taken.add(WAITING)
        return number not in taken and WAITING not in taken

    def number(self, port: Port, interface: Any) -> None:
        if port.number is not None:
            interface.ofport_request = [port.number]
            self.numbers.setdefault(port.bridge, {})[port.name] = port.number

    def remove_port(self, name: str) -> None:
        bridge, row = self.port(name)
        bridge.delvalue("ports", row)
        self.forget(row)
        self.numbers.setdefault(bridge.name, {})[name] = None

    def shape(self, shaper: Shaper) -> None:
        """In place where the port has a row of its own, so that what waits in its queues stays."""
        _, port = self.port(shaper.port)
        row = self.own(port)
        if row is None:
            row = self.insert("QoS")
            row.external_ids = {MARK: self.host, SHAPES: shaper.port}
            port.qos = [row]
            before: dict[int, Any] = {}
        else:
            before = {number: each for number, each in row.queues.items() if self.is_private(each, row)}
        row.type = shaper.type
        row.other_config = config({"max-rate": shaper.rate})
        queues = {each.number: before.pop(each.number, None) or self.insert("Queue") for each in shaper.queues}
        for each in shaper.queues:
            self.fill(queues[each.number], each)
        row.queues = queues
        for each in before.values():
            each.delete()

    def fill(self, row: Any, queue: Queue) -> None:
        row.dscp = []
        row.other_config = config({"min-rate": queue.min, "max-rate": queue.max, "burst": queue.burst})

    def remove_shaper(self, name: str) -> None:
        _, port = self.port(name)
        row = self.own(port)
        port.qos = []
        if row is not None:
            for each in row.queues.values():
                if self.is_private(each, row):
                    each.delete()
            row.delete()

    def own(self, port: Any) -> Any:
        """The QoS row of netctl's that a port has for itself; None where there is none, or another port uses it too."""
        row = next(iter(port.qos), None)
        if row is None or not marked(row, self.host) or row.external_ids.get(SHAPES) != port.name:
            return None
        return row if self.shaped.get(row.uuid, set()) <= {port.uuid} else None

    def is_private(self, queue: Any, qos: Any) -> bool:
        """Whether a Queue row is netctl's and no other QoS row uses it."""
        return marked(queue, self.host) and self.queued.get(queue.uuid, set()) <= {qos.uuid}

    @cached_property
    def shaped(self) -> dict[UUID, set[UUID]]:
        """The Port rows that use each QoS row, as they were before the transaction."""
        users: dict[UUID, set[UUID]] = {}
        for port in self.tables["Port"].rows.values():
            for row in port.qos:
                users.setdefault(row.uuid, set()).add(port.uuid)
        return users

    @cached_property
    def queued(self) -> dict[UUID, set[UUID]]:
        """The QoS rows that use each Queue row, as they were before the transaction."""
        users: dict[UUID, set[UUID]] = {}
        for qos in self.tables["QoS"].rows.values():
            for row in qos.queues.values():
                users.setdefault(row.uuid, set()).add(qos.uuid)
        return users

    def bury(self, orphan: Orphan) -> None:
        row = self.tables[orphan.table].rows.get(UUID(orphan.uuid))
        if row is not None:
            row.delete()

    def remember(self, bridge: str, numbers: dict[str, int | None]) -> None:
        """Only what differs is written. A number belongs to one port."""
        row = self.bridges[bridge]
        values = {f"{NUMBERED}{name}": str(number) for name, number in numbers.items() if number is not None}
        if bridge in self.created:
            row.external_ids = {MARK: self.host, **values}
            return
        before = row.external_ids
        taken = set(values.values())
        for key, value in before.items():
            if not key.startswith(NUMBERED) or key in values:
                continue
            if value in taken or key[len(NUMBERED) :] in numbers:
                row.delkey("external_ids", key)
        for key, value in values.items():
            if before.get(key) != value:
                row.setkey("external_ids", key, value)

    def attach(self, bridge: Any, name: str, kind: str) -> Any:
        """A Port row with its one Interface row, on `bridge`."""
        interface = self.insert("Interface", name=name, type=kind)
        port = self.insert("Port", name=name, interfaces=[interface], qos=[])
        self.interfaces[name] = interface
        self.parents[name] = (bridge, port)
        if bridge.name in self.created:
            self.created[bridge.name].append(port)
        else:
            bridge.addvalue("ports", port)
        return port

    def insert(self, table: str, **columns: Any) -> Any:
        if self.host is None:
            raise Refused("there is no host whose mark it could bear")
        row = self.txn.insert(self.tables[table])
        for column, value in columns.items():
            setattr(row, column, value)
        row.external_ids = {MARK: self.host}
        return row

    def bridge(self, name: str) -> Any:
        row = self.bridges.get(name)
        if row is None:
            raise Refused(f"there is no bridge {name}")
        return row

    def port(self, name: str) -> tuple[Any, Any]:
        """The rows of a port's bridge and of the port."""
        found = self.parents.get(name)
        if found is None:
            raise Refused("it is gone")
        return found

    def forget(self, port: Any) -> None:
        """Its names are free for later steps of the same transaction."""
        for interface in port.interfaces:
            self.interfaces.pop(interface.name, None)
        self.parents.pop(port.name, None)


def datapath_type(bridge: Bridge) -> str:
    """The column's value; "" and "system" mean the same."""
    return "" if bridge.datapath == "system" else bridge.datapath


def config(told: dict[str, int | None]) -> dict[str, str]:
    """An `other_config`; what is None is not said."""
    return {key: str(value) for key, value in told.items() if value is not None}


def tags(port: Port) -> list[int]:
    return [] if port.tag is None else [port.tag]
