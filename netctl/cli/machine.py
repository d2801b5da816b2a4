"""This machine's three kinds of state: planned together, applied together, put back together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from netctl.agent.undo import clear_flows, undo_switches
from netctl.controller.carrier import SETTLE_SECONDS, PortChange, plan_ports
from netctl.controller.planning import Panel, place, plan_rows, table
from netctl.desired import row
from netctl.desired.carrier import PortAdmin
from netctl.desired.device import Device, plan_host
from netctl.desired.flow import Flow
from netctl.desired.host import devices
from netctl.desired.queue import Orphan, Shaper
from netctl.desired.row import Observed, Row
from netctl.desired.takeover import bridge_of, doomed, is_adopted
from netctl.kernel.host import Host
from netctl.kernel.journal import Journal, SwitchPast
from netctl.kernel.past import remember, return_to
from netctl.openflow.local import LocalSwitch, SwitchError, management
from netctl.ovsdb.database import Database
from netctl.ovsdb.datapath import forget_all
from netctl.ovsdb.remote import default_remote
from netctl.plan import Key, Plan, Step, Value
from netctl.plan.text import line, lines

DEFAULT_TARGET = "tcp:127.0.0.1:6653"
"""Where a bridge looks for its controller when none runs yet."""

PATIENCE = 10.0
"""Seconds that Open vSwitch is given to act on a change."""

CARRIER_LOOKS = 20
"""Looks at the ports, SETTLE_SECONDS apart, until those without carrier have taken down what they take down."""


class Failed(Exception):
    """Something could not be done; the message says what, and what to do."""


@dataclass(frozen=True)
class Wiring:
    """A wire, or a tap's part of one, whose flows cannot be known yet, because its ports have no OpenFlow numbers."""

    bridge: str
    name: str
    why_not: str
    kind: str = "wire"
    """"wire" or "tap"."""
    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return (self.kind, self.bridge, self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"waits for": self.why_not}


@dataclass(frozen=True)
class Plans:
    """What is to be done here."""

    devices: Plan[Device] = field(default_factory=Plan)
    rows: Plan[Row] = field(default_factory=Plan)
    flows: Mapping[str, Plan[Flow]] = field(default_factory=dict)
    """By bridge."""
    wirings: Plan[Wiring] = field(default_factory=Plan)
    carrier: Mapping[str, Plan[PortAdmin]] = field(default_factory=dict)
    """By bridge; empty as long as devices or rows are to be changed, which may change what has carrier."""

    def __bool__(self) -> bool:
        return bool(self.devices or self.rows or self.wirings or any((*self.flows.values(), *self.carrier.values())))

    def lines(self) -> list[str]:
        return [
            *lines(self.devices),
            *lines(self.rows),
            *(text for plan in self.flows.values() for text in lines(plan)),
            *lines(self.wirings),
            *(text for plan in self.carrier.values() for text in lines(plan)),
        ]

    def collisions(self) -> list[str]:
        parts: tuple[Plan[Any], ...] = (self.devices, self.rows, *self.flows.values())
        return [f"{collision} ({collision.why})" for plan in parts for collision in plan.collisions]

    def as_json(self) -> dict[str, Any]:
        return {
            "empty": not self,
            "devices": self.devices.as_json(),
            "rows": self.rows.as_json(),
            "flows": {bridge: plan.as_json() for bridge, plan in self.flows.items()},
            "wires": self.wirings.as_json(),
            "carrier": {bridge: plan.as_json() for bridge, plan in self.carrier.items()},
        }


class Machine:
    """One host of a policy, seen from the host itself. Use inside `open_machine`."""

    def __init__(self, panel: Panel, host: str, kernel: Host, database: Database | None):
        self.panel = panel
        self.host = host
        self.kernel = kernel
        self.database = database

    def plans(self) -> Plans:
        """Observe everything and say what is to be done."""
        wanted = devices(self.panel.loaded, self.host)
        host = plan_host(wanted, self.kernel.observe([want.item for want in wanted]))
        rows, flows, wirings = self._switch_plans()
        return Plans(host, rows, flows, wirings, {} if host.steps or rows.steps else self._carrier_plans())

    def _switch_plans(self) -> tuple[Plan[Row], dict[str, Plan[Flow]], Plan[Wiring]]:
        if self.database is None:
            return Plan(), {}, Plan()
        observed = self.database.observe()
        flows: dict[str, Plan[Flow]] = {}
        wired = set()
        numbers: dict[str, dict[str, int]] = {}
        for bridge in self._our_bridges(observed):
            with LocalSwitch(management(bridge)) as switch:
                numbers[bridge] = {port.name: port.number for port in switch.ports()}
                found = [] if bridge in doomed(observed) else switch.flows()
            state = table(self.panel, self.host, bridge, numbers[bridge], observed, found)
            flows[bridge] = state.plan()
            wired |= state.wired()
        rows = plan_rows(self.panel, self.host, observed, None, wired)
        target = self._target(observed)
        if any(is_new(step) for step in rows.steps):
            rows = plan_rows(self.panel, self.host, observed, target, wired)
        return rows, flows, self._wirings(observed, numbers)

    def _carrier_plans(self) -> dict[str, Plan[PortAdmin]]:
        plans = {}
        for bridge in self._our_bridges(self.database.observe()) if self.database else ():
            with LocalSwitch(management(bridge)) as switch:
                plans[bridge], _ = plan_ports(self.host, bridge, self.panel.at, switch.ports())
        return plans

    def _target(self, observed: Observed) -> str:
        targets = {f.item.controller for f in observed.rows if f.ours and isinstance(f.item, row.Bridge)}
        known = sorted(target for target in targets if target)
        return known[0] if known else DEFAULT_TARGET

    def _our_bridges(self, observed: Observed) -> list[str]:
        """Those of the policy, and those that it gives back."""
        return [
            f.item.name
            for f in observed.rows
            if f.ours
            and isinstance(f.item, row.Bridge)
            and (f.item.adopted or self.panel.bridge(self.host, f.item.name) is not None)
        ]

    def _wirings(self, observed: Observed, numbers: Mapping[str, Mapping[str, int]]) -> Plan[Wiring]:
        steps: list[Step[Wiring]] = []
        for cable in self.panel.cables():
            host, bridge = place(cable)
            if host == self.host:
                for kind, needs in (("wire", cable.ends), ("tap", cable.monitors)):
                    missing = [ref.port for ref in needs if ref.port not in numbers.get(bridge, {})]
                    if not missing:
                        continue
                    reasons = []
                    for name in missing:
                        state = observed.ports.get(name)
                        error = state.error if state else None
                        reasons.append(f"port {name}" + (f" ({error})" if error else ""))
                    wiring = Wiring(bridge, cable.name, " and ".join(reasons), kind)
                    why = f"waits for {wiring.why_not}; {cable.said} wire {cable.name}"
                    steps.append(Step("add", why, None, wiring))
        return Plan(tuple(steps))

    def apply_devices(self, plans: Plans) -> None:
        """The host's part. Raises Failed, with what the kernel said, after undoing what it had done."""
        if not plans.devices.steps:
            return
        outcome = self.kernel.apply(plans.devices)
        if outcome.failed is not None:
            raise Failed(f"{line(outcome.failed)}: {outcome.error}")

    def apply_switches(self, say: Callable[[str], None]) -> None:
        """Open vSwitch's part, rows and flows in the order that keeps wires and other ports apart. Raises Failed."""
        if self.database is None:
            return
        for _ in range(4):
            rows, flows, _wirings = self._switch_plans()
            if not rows.steps and not any(plan.steps for plan in flows.values()):
                break
            for bridge, plan in flows.items():
                if plan.steps:
                    say(f"bridge {bridge}: {len(plan.steps)} flow changes")
                    self._change_flows(bridge, plan)
            if rows.steps:
                clear_flows(bridge_of(step.item) for step in rows.steps if step.after is None and is_adopted(step.item))
                say(f"Open vSwitch: {len(rows.steps)} changes")
                outcome = self.database.apply(rows, PATIENCE)
                if not outcome.ok:
                    raise Failed(outcome.error)
            self._wait_for_ports()
        for bridge in self._our_bridges(self.database.observe()):
            self._change_ports(bridge, say)

    def _change_ports(self, bridge: str, say: Callable[[str], None]) -> None:
        """Take ports down and raise them; only what is without carrier for a moment takes another down."""
        asked: tuple[PortChange, ...] = ()
        with LocalSwitch(management(bridge)) as switch:
            for _ in range(CARRIER_LOOKS):
                plan, changes = plan_ports(self.host, bridge, self.panel.at, switch.ports())
                if not changes:
                    return
                if changes == asked or not any(down for _, _, down in changes):
                    for text in lines(plan):
                        say(text)
                    refused = switch.set_ports(changes)
                    if refused:
                        raise Failed(f"bridge {bridge}: " + "; ".join(f"port {n}: {refused[n]}" for n in refused))
                asked = changes
                time.sleep(SETTLE_SECONDS)

    def _change_flows(self, bridge: str, plan: Plan[Flow]) -> None:
        with LocalSwitch(management(bridge)) as switch:
            changed = switch.change(plan)
        if not changed.ok:
            raise Failed("; ".join(map(str, changed.errors)))

    def _wait_for_ports(self) -> None:
        """Until every bridge answers under its name, which it does as soon as ovs-vswitchd has made it."""
        assert self.database is not None
        self.database.wait(0.05)
        for bridge in self._our_bridges(self.database.observe()):
            for attempt in range(100):
                try:
                    with LocalSwitch(management(bridge)) as switch:
                        switch.ports()
                    break
                except SwitchError as error:
                    if attempt == 99:
                        raise Failed(str(error)) from error
                    self.database.wait(0.1)

    def unkept_rates(self) -> list[str]:
        """What is wrong where the database limits a port and nothing does so at its device."""
        if self.database is None:
            return []
        observed = self.database.observe()
        wrong = []
        for bridge in self._our_bridges(observed):
            rows = (f.item for f in observed.rows if f.ours)
            shapers = [item for item in rows if isinstance(item, Shaper) and item.bridge == bridge]
            if shapers:
                with LocalSwitch(management(bridge)) as switch:
                    kept = {each.port for each in switch.queues()}
                numbers = ((item.port, observed.ports[item.port].ofport) for item in shapers)
                wrong += [port for port, number in numbers if number is not None and number not in kept]
        return [
            f"the rate of port {port} is in the database and not in force at the device: «modprobe sch_htb» gives the "
            f"kernel what it takes, «ovs-vsctl clear port {port} qos» has it set up anew by the next netctl apply"
            for port in wrong
        ]

    def journal(self, plans: Plans, what: str, switches: bool) -> Journal:
        """What there is of all that `plans` touch; of Open vSwitch's part too, where `switches` says that it is
        changed from here."""
        past = remember(self.kernel, plans.devices)
        return Journal(self.host, what, past, self._switch_past() if switches else None)

    def _switch_past(self) -> SwitchPast | None:
        if self.database is None:
            return None
        observed = self.database.observe()
        flows = {}
        held = {}
        for bridge in self._our_bridges(observed):
            with LocalSwitch(management(bridge)) as switch:
                flows[bridge] = tuple(each.item for each in switch.flows() if each.ours)
                held[bridge] = tuple(sorted(port.name for port in switch.ports() if port.held))
        rows = tuple(f.item for f in observed.rows if f.ours and not isinstance(f.item, Orphan))
        return SwitchPast(self.database.remote, rows, flows, held)

    def put_back(self, journal: Journal) -> list[str]:
        """Undo what was done since `journal` was written; what could not be undone, in words."""
        left: list[str] = []
        if journal.switches is not None and self.database is not None:
            left += undo_switches(self.database, journal.switches)
        return left + return_to(self.kernel, journal.past)[1]


def is_new(step: Step[Row]) -> bool:
    """Whether a bridge is made or taken over, so that it needs a controller to look for."""
    if not isinstance(step.item, row.Bridge) or step.verb == "remove":
        return False
    return step.verb != "change" or any(change.fact == "adopted" for change in step.changes)


@contextmanager
def open_machine(panel: Panel, host: str) -> Iterator[Machine]:
    """The machine with its database connected. Raises Failed when Open vSwitch is needed and does not answer."""
    policy = panel.loaded.policy
    assert policy is not None
    entry = policy.hosts[host]
    database: Database | None = None
    if entry.bridges:
        database = Database(entry.ovsdb or default_remote(), host)
        for _ in range(30):
            database.wait(0.1)
            if database.connected:
                break
        else:
            error = database.error
            database.close()
            raise Failed(error)
    try:
        with Host(host, before_make=forget_all) as kernel:
            yield Machine(panel, host, kernel, database)
    finally:
        if database is not None:
            database.close()
