"""`netctl wire trace`: what a frame meets on its way through the switch."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from netctl.cli.evidence import ALL, Evidence
from netctl.cli.inputs import BAD_INPUT, need_root, read_host, read_policy, say_and_exit
from netctl.controller.planning import Panel
from netctl.desired.flow import TPID, Flow, Match, Metered
from netctl.desired.flows import cookie_of
from netctl.openflow.counters import Counted, MeterCount
from netctl.openflow.local import SwitchError
from netctl.ovsdb.appctl import Rule, Told, settle, trace
from netctl.path import Counters, Reason, Side, Traits, reasons
from netctl.policy import Cable
from netctl.probe.frames import FOREIGN, NONCE, STRANGER, Kind, kind_of, with_tag
from netctl.probe.wires import UnknownWire, chosen

Json = dict[str, Any]

GENERIC = "foreign-macs"


@dataclass(frozen=True)
class Met:
    """A flow that the frame meets, with its counters where they could be read."""

    rule: Rule
    counted: Counted | None
    owner: str
    of_wire: bool


@dataclass(frozen=True)
class Direction:
    """One way through the wire."""

    here: Side
    there: Side
    received: Counters
    sent: Counters
    met: tuple[Met, ...]
    meters: tuple[MeterCount, ...]
    told: Told | None
    untold: str
    """Why Open vSwitch did not say what it would do; empty when it did."""
    because: tuple[Reason, ...]
    """What is known to hold the frame back."""

    @property
    def passes(self) -> bool:
        """Whether the wire's flow takes the frame and something comes of it."""
        if not self.met or not all(each.of_wire for each in self.met) or self.here.down or self.there.down:
            return False
        return self.told is None or self.told.actions != "drop"

    @property
    def problem(self) -> str:
        """Why it does not, for a person."""
        if self.passes or self.here.number is None or self.there.number is None:
            return ""
        other = next((each for each in self.met if not each.of_wire), None)
        if other is not None:
            return f"the frame meets a flow that is not the wire's ({other.owner})"
        if not self.met:
            return "the frame meets no flow, and is dropped"
        down = next((side.port for side in (self.here, self.there) if side.down), None)
        if down is not None:
            return f"port {down} is administratively down"
        return "the frame meets the wire's flow, and Open vSwitch drops it all the same"


@dataclass(frozen=True)
class Traced:
    """A wire, looked at once."""

    cable: Cable
    kind: Kind
    missing: str
    """Why the switch has not got the wire; empty when it has."""
    ways: tuple[Direction, ...]
    at: float
    """When, on the monotonic clock."""

    @property
    def good(self) -> bool:
        return not self.missing and bool(self.ways) and all(each.passes for each in self.ways)


@click.command("trace")
@click.argument("name")
@click.option(
    "--frame",
    default=GENERIC,
    metavar="KIND",
    help="lldp, arp, 802.1q-tag…: any of those that `wire check` sends; unicast when left out.",
)
@click.option(
    "--watch",
    "seconds",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Look again every so often, with rates, until interrupted.",
)
@click.option("--policy", "path", envvar="NETCTL_POLICY", help="The policy: a file or a directory of them.")
@click.option("--host", envvar="NETCTL_HOST", help="Which of the policy's hosts this machine is.")
@click.option("--json", "as_json", is_flag=True, help="For programs; with --watch one document a line.")
def command(name: str, frame: str, seconds: float | None, path: str | None, host: str | None, as_json: bool) -> None:
    """Follow a frame through the switch, both ways: ports, flows and meters with their counters.

    Nothing is sent. What Open vSwitch would do with the frame it says itself. Works while the controller is dead.
    Exit code 0: the wire's flows take the frame both ways.
    """
    panel = read_policy(path)
    this = read_host(panel, host)
    try:
        kind = kind_of(frame)
        cable = find(panel, this, name)
    except (ValueError, UnknownWire) as error:
        say_and_exit(str(error), BAD_INPUT)
    need_root("netctl wire trace")
    console = Console()
    with Evidence(panel, cable) as evidence:
        traced = look(evidence, kind)
        tell(console, traced, None, as_json, seconds is not None)
        try:
            while seconds is not None:
                time.sleep(seconds)
                evidence.look_again()
                before, traced = traced, look(evidence, kind)
                tell(console, traced, before, as_json, True)
        except KeyboardInterrupt:
            pass
    raise SystemExit(0 if traced.good else 1)


def find(panel: Panel, host: str, name: str) -> Cable:
    """The wire called `name`, which must end on this host. Raises UnknownWire."""
    assert panel.loaded.policy is not None
    chosen(panel.loaded.policy, panel.ports, host, {name})
    cable = next(each for each in panel.cables() if each.name == name)
    if cable.ends[0].host != host:
        raise UnknownWire(f"wire {name} is on host {cable.ends[0].host}; it can be traced there, not on {host}")
    return cable


def look(evidence: Evidence, kind: Kind) -> Traced:
    """What the frame would meet now."""
    missing = evidence.installed()
    path = evidence.path()
    ways: tuple[Direction, ...] = ()
    if not path.problem:
        settle()
        try:
            ways = (follow(evidence, kind, 0), follow(evidence, kind, 1))
        except SwitchError as error:
            missing = missing or str(error)
    return Traced(evidence.cable, kind, missing, ways, time.monotonic())


def follow(evidence: Evidence, kind: Kind, sender: int) -> Direction:
    """One direction. Raises SwitchError."""
    path = evidence.path()
    here, there = path.sides[sender], path.sides[1 - sender]
    frame = kind.build(STRANGER, FOREIGN, bytes(NONCE))
    vlan = evidence.cable.vlans[sender]
    if vlan is not None:
        frame = with_tag(frame, TPID, vlan)
    told, untold = None, ""
    if here.number is not None:
        try:
            told = trace(evidence.bridge, here.number, frame)
        except (OSError, ValueError) as error:
            untold = f"ovs-vswitchd does not say what it would do: {error}"
    met = tuple(flows_met(evidence, here, told))
    numbers = [
        action.meter
        for each in met
        if each.counted is not None
        for action in each.counted.flow.actions
        if isinstance(action, Metered)
    ]
    return Direction(
        here,
        there,
        counters(evidence, here),
        counters(evidence, there),
        met,
        tuple(count for number in numbers for count in evidence.switch.meters(number)),
        told,
        untold,
        tuple(reasons(path, Traits.of(frame, FOREIGN), sender)),
    )


def counters(evidence: Evidence, side: Side) -> Counters:
    return Counters() if side.number is None else evidence.switch.port_counters(side.number)


def flows_met(evidence: Evidence, here: Side, told: Told | None) -> Sequence[Met]:
    """The flows that Open vSwitch says the frame meets; where it says nothing, the wire's for that port."""
    cookie = cookie_of(evidence.cable.name)
    if told is None:
        return [
            Met(rule_of(each.flow), each, evidence.owner(each.flow), True)
            for each in evidence.wire_flows()
            if here.number is not None and each.flow.match.in_port == here.number
        ]
    found = []
    for rule in told.rules:
        there = [
            each
            for each in evidence.switch.counted(rule.cookie, ALL)
            if (each.flow.table, each.flow.priority) == (rule.table, rule.priority)
        ]
        nearest = [each for each in there if each.flow.match.in_port == here.number] or there
        counted = only(nearest, rule)
        flow = counted.flow if counted else Flow(evidence.bridge, rule.priority, Match(), (), rule.cookie, rule.table)
        found.append(Met(rule, counted, evidence.owner(flow), rule.cookie == cookie))
    return found


def only(found: Sequence[Counted], rule: Rule) -> Counted | None:
    """The one of several flows that a rule is, as far as that can be told: by its VLAN, then if no other is left."""
    if len(found) > 1:
        found = [
            each
            for each in found
            if (each.flow.match.vlan is None) == ("dl_vlan=" not in rule.match)
            and (each.flow.match.vlan is None or f"dl_vlan={each.flow.match.vlan}" in rule.match.split(","))
        ]
    return found[0] if len(found) == 1 else None


def rule_of(flow: Flow) -> Rule:
    extra = f",{flow.extra}" if flow.extra else ""
    return Rule(flow.table, f"{flow.match}{extra}", flow.priority, flow.cookie)


def tell(console: Console, traced: Traced, before: Traced | None, as_json: bool, watched: bool) -> None:
    if as_json:
        click.echo(json.dumps(as_document(traced, before), indent=None if watched else 2))
    else:
        show(console, traced, before)


def as_document(traced: Traced, before: Traced | None) -> Json:
    """Everything; with `rates` (a second) where the wire was looked at before."""
    document: Json = {
        "wire": traced.cable.name,
        "bridge": traced.cable.ends[0].bridge,
        "frame": traced.kind.slug,
        "installed": not traced.missing,
        "problem": traced.missing,
        "passes": traced.good,
        "directions": [_direction(each) for each in traced.ways],
    }
    if before is not None:
        document["seconds"] = round(traced.at - before.at, 3)
        for way, now, then in zip(document["directions"], traced.ways, before.ways, strict=False):
            way["rates"] = rates(now, then, traced.at - before.at)
    return document


def rates(now: Direction, then: Direction, seconds: float) -> Json:
    """Packets and bytes a second since the last look: into port A, through each flow, out of port B."""
    old = {each.rule: each.counted for each in then.met if each.counted is not None}
    flows = [
        None
        if each.counted is None or (was := old.get(each.rule)) is None or each.counted.age < was.age
        else {
            "packets": round((each.counted.packets - was.packets) / seconds, 1),
            "bytes": round((each.counted.bytes - was.bytes) / seconds, 1),
        }
        for each in now.met
    ]
    return {
        "received": round((now.received.rx - then.received.rx) / seconds, 1),
        "flows": flows,
        "sent": round((now.sent.tx - then.sent.tx) / seconds, 1),
    }


def _direction(way: Direction) -> Json:
    return {
        "in": {
            **_port(way.here),
            "received": way.received.rx,
            "errors": way.received.rx_errors,
            "dropped": way.received.rx_dropped,
        },
        "flows": [_flow(each) for each in way.met],
        "meters": [
            {"meter": each.meter, "packets": each.packets, "bytes": each.bytes, "dropped": each.dropped}
            for each in way.meters
        ],
        "out": {
            **_port(way.there),
            "sent": way.sent.tx,
            "errors": way.sent.tx_errors,
            "dropped": way.sent.tx_dropped,
        },
        "passes": way.passes,
        "problem": way.problem,
        "because": [each.as_json() for each in way.because],
        "datapath_actions": way.told.actions if way.told else None,
        "remarks": way.told.remarks if way.told else way.untold,
        "trace": way.told.text if way.told else None,
    }


def _port(side: Side) -> Json:
    return {"port": side.port, "number": side.number, "up": not side.down, "link": side.link, "error": side.error}


def _flow(met: Met) -> Json:
    counted = met.counted
    return {
        "table": met.rule.table,
        "priority": met.rule.priority,
        "match": met.rule.match,
        "actions": actions(counted) if counted else None,
        "cookie": f"{met.rule.cookie:#x}",
        "owner": met.owner,
        "of_wire": met.of_wire,
        "packets": counted.packets if counted else None,
        "bytes": counted.bytes if counted else None,
        "seconds": round(counted.age, 3) if counted else None,
    }


def actions(counted: Counted) -> str:
    return ",".join(map(str, counted.flow.actions)) or "drop"


def show(console: Console, traced: Traced, before: Traced | None) -> None:
    """Print what a frame meets, a line for each thing."""
    cable = traced.cable

    def say(head: str, text: str, style: str = "") -> None:
        console.print(Text.assemble((f"  {head:<6}", style), text), soft_wrap=True)

    console.print(f"wire {cable.name} on bridge {cable.ends[0].bridge}, for a frame of the kind {traced.kind.name}")
    if traced.missing:
        console.print(Text.assemble(("not installed  ", "red"), traced.missing), soft_wrap=True)
    there = "→" if console.encoding.lower().startswith("utf") else "->"
    for number, way in enumerate(traced.ways):
        vlans = [f" VLAN {vlan}" if vlan is not None else "" for vlan in cable.vlans]
        one, other = (vlans[0], vlans[1]) if number == 0 else (vlans[1], vlans[0])
        console.print(Text(f"{way.here.port}{one} {there} {way.there.port}{other}", style="bold"))
        rate: Json = {}
        if before is not None and number < len(before.ways):
            rate = rates(way, before.ways[number], traced.at - before.at)
        came, left = way.received, way.sent
        counts = f"received {came.rx}, errors {came.rx_errors}, dropped {came.rx_dropped}"
        say("in", f"{port(way.here)}; {counts}{per_second(rate.get('received'))}")
        for index, each in enumerate(way.met):
            style = "" if each.of_wire else "red"
            say("flow", f"{rule(each)} ({each.owner})", style)
            say("", counts_of(each, rate["flows"][index] if rate else None))
        for table in way.told.missed if way.told else ():
            say("flow", f"none in table {table}", "red")
        for meter in way.meters:
            say("meter", f"{meter.meter}: {meter.packets} packets, {meter.bytes} bytes, {meter.dropped} dropped")
        counts = f"sent {left.tx}, errors {left.tx_errors}, dropped {left.tx_dropped}"
        say("out", f"{port(way.there)}; {counts}{per_second(rate.get('sent'))}")
        if way.told is not None:
            remarks = f" ({way.told.remarks})" if way.told.remarks else ""
            say("does", f"datapath actions: {way.told.actions}{remarks}")
        elif way.untold:
            say("does", way.untold, "yellow")
        if way.problem:
            say("BAD", way.problem, "red")
        for reason in way.because:
            say("note", str(reason), "yellow")


def port(side: Side) -> str:
    """A port with its number and state."""
    if side.number is None:
        return f"port {side.port}, which the bridge has not"
    state = "administratively down" if side.down else "up" if side.link else "up, no link"
    return f"port {side.port} ({side.number}), {state}"


def rule(met: Met) -> str:
    does = f": {actions(met.counted)}" if met.counted else ""
    return f"table {met.rule.table}, priority {met.rule.priority}, {met.rule.match}{does}"


def counts_of(met: Met, rate: Json | None) -> str:
    if met.counted is None:
        return f"cookie {met.rule.cookie:#x}; several flows are like it, so its counters are not known"
    speed = f"; {rate['packets']:g} packets/s, {rate['bytes'] * 8:g} bit/s" if rate else ""
    counted = met.counted
    return (
        f"cookie {met.rule.cookie:#x}; {counted.packets} packets, {counted.bytes} bytes, "
        f"in for {counted.age:.0f} s{speed}"
    )


def per_second(rate: float | None) -> str:
    return "" if rate is None else f"; {rate:g} packets/s"
