"""A world for the brain: databases and switches that do what they are told, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import yaml

from netctl.controller.brain import Brain
from netctl.controller.commands import (
    Answer,
    ApplyFlows,
    ApplyRows,
    Command,
    Log,
    ReadFlows,
    SavePatch,
    SendFrames,
    SetPorts,
    SweepMeters,
    Unwatch,
    Wake,
    Watch,
)
from netctl.controller.events import (
    Event,
    FlowsChanged,
    FlowsRead,
    FramesSent,
    HostSeen,
    MetersSwept,
    PatchAsked,
    PatchSaved,
    PolicyRead,
    PortSeen,
    PortsSet,
    ProbesHeard,
    RowsApplied,
    SwitchUp,
    Tick,
)
from netctl.controller.patching import Change, Outcome
from netctl.controller.snapshot import Snapshot, SwitchPort
from netctl.controller.view import snapshot
from netctl.desired.flow import LLDP, NEAREST_BRIDGE, Flow, Match
from netctl.desired.row import Bridge, BridgeState, Observed, Port, PortState, Row
from netctl.desired.takeover import bridge_of
from netctl.plan import Found, Key
from netctl.policy import Patch, Wire, loads
from netctl.topology.discovery import Discovery
from netctl.topology.probe import Mint

TARGET = "tcp:127.0.0.1:6653"


@dataclass
class World:
    """Open vSwitch on one host: its rows, its switches, what it refuses."""

    host: str = "hv1"
    mint: Mint = field(default_factory=lambda: Mint(b"a key", b"this run"))
    brain: Brain = field(init=False)
    rows: dict[Key, Found[Row]] = field(default_factory=dict)
    flows: dict[int, dict[Key, Found[Flow]]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    """Devices that do not exist: their ports get no number."""
    unplugged: set[str] = field(default_factory=set)
    """Ports without carrier."""
    held: set[str] = field(default_factory=set)
    """Ports that are administratively down."""
    cables: dict[str, str] = field(default_factory=dict)
    """Which port what leaves by a port comes in at."""
    refuse_rows: str = ""
    refuse_flows: tuple[str, ...] = ()
    refuse_save: str = ""
    saved: Patch = field(default_factory=Patch)
    """What is patched at run time, as it was written last."""
    answers: dict[int, Outcome] = field(default_factory=dict)
    forgetful: bool = False
    """The switch takes changes and keeps nothing."""
    heard: list[Command] = field(default_factory=list)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.brain = Brain("flows", "flows/patched.yaml", Discovery(self.mint))

    def dpid(self, bridge: str) -> int:
        return 0xB0000 + sorted(self.bridges()).index(bridge) + 1

    def bridges(self) -> list[str]:
        return [found.item.name for found in self.rows.values() if isinstance(found.item, Bridge)]

    def ports(self, bridge: str) -> tuple[SwitchPort, ...]:
        return tuple(
            self.port(f.item.name)
            for f in self.rows.values()
            if isinstance(f.item, Port) and f.item.bridge == bridge and f.item.name in self.numbers
        )

    def port(self, name: str) -> SwitchPort:
        link = name not in self.unplugged | self.held
        return SwitchPort(self.numbers[name], name, "02:00:00:00:00:01", link, name in self.held)

    def observed(self) -> Observed:
        ports = [f.item for f in self.rows.values() if isinstance(f.item, Port)]
        return Observed(
            tuple(self.rows.values()),
            {name: BridgeState(self.dpid(name)) for name in self.bridges()},
            {
                port.name: PortState(
                    port.bridge,
                    self.numbers.get(port.name),
                    f"could not open {port.name}" if port.name in self.missing else None,
                )
                for port in ports
            },
        )

    def policy(self, text: str) -> list[Command]:
        return self.play([PolicyRead(loads(text, "lab.yaml"), self.now)])

    @staticmethod
    def wire(said: str) -> Wire:
        return Wire.model_validate(yaml.safe_load(said))

    def connect(self, bridge: str) -> list[Command]:
        return self.play([SwitchUp(self.dpid(bridge), self.ports(bridge))])

    def patch(
        self, *put: str, remove: tuple[str, ...] = (), dry_run: bool = False, rest: float = 0.0
    ) -> Outcome | None:
        """Ask for wires, each as the policy language has it; what becomes of it, after `rest` seconds at the most."""
        ask = len(self.answers) + 1
        change = Change(tuple(map(self.wire, put)), remove, dry_run)
        self.play([PatchAsked(ask, change)])
        end = self.now + rest
        while ask not in self.answers and self.now < end:
            self.tick()
        return self.answers.get(ask)

    def tick(self, seconds: float = 1.0) -> list[Command]:
        self.now += seconds
        return self.play([])

    def play(self, events: Iterable[Event]) -> list[Command]:
        """Hand events to the brain and carry out what it asks until it asks for nothing; what it asked for."""
        said: list[Command] = []
        queue: list[Event] = [Tick(self.now), *events]
        for _ in range(100):
            commands = self.brain.handle(queue)
            said += commands
            queue = [event for command in commands for event in self.carry_out(command)]
            if not queue:
                self.heard += said
                return said
        raise AssertionError("the brain never comes to rest")

    def carry_out(self, command: Command) -> list[Event]:
        if isinstance(command, Watch):
            return [HostSeen(command.host, self.observed(), TARGET)]
        if isinstance(command, ApplyRows):
            return self.apply_rows(command)
        if isinstance(command, ReadFlows):
            flows = self.flows.get(command.dpid, {}).values()
            cookies, mask = command.cookies, command.mask
            asked = tuple(f for f in flows if not cookies or f.item.cookie & mask in cookies)
            return [FlowsRead(command.dpid, asked, cookies, mask)]
        if isinstance(command, ApplyFlows):
            return [self.apply_flows(command)]
        if isinstance(command, SetPorts):
            return self.set_ports(command)
        if isinstance(command, SavePatch):
            if not self.refuse_save:
                self.saved = command.patch
            return [PatchSaved(command.ask, f"digest of {command.patch.text()}", self.refuse_save)]
        if isinstance(command, Answer):
            self.answers[command.ask] = command.outcome
            return []
        if isinstance(command, SweepMeters):
            return [MetersSwept(command.dpid)]
        if isinstance(command, SendFrames):
            return self.send(command)
        assert isinstance(command, Log | Unwatch | Wake)
        return []

    def send(self, command: SendFrames) -> list[Event]:
        """What leaves by a port comes in at the one that `cables` has for it, if the flows there send it here."""
        names = {number: name for name, number in self.numbers.items()}
        events: list[Event] = []
        for number, frame in command.frames:
            end = self.cables.get(names[number])
            for dpid, flows in self.flows.items():
                if end in self.numbers and any(
                    found.item.match == Match(self.numbers[end], None, LLDP, NEAREST_BRIDGE) for found in flows.values()
                ):
                    events.append(ProbesHeard(((dpid, self.numbers[end], frame),), 1000.0 + self.now))
        return [*events, FramesSent(command.dpid, command.ask)]

    def set_ports(self, command: SetPorts) -> list[Event]:
        """A port whose link does not change by it is not told of."""
        names = {number: name for name, number in self.numbers.items()}
        events: list[Event] = []
        for number, _, down in command.changes:
            before = self.port(names[number])
            (self.held.add if down else self.held.discard)(names[number])
            if self.port(names[number]).link != before.link:
                events.append(PortSeen(command.dpid, self.port(names[number])))
        return [*events, PortsSet(command.dpid, command.changes)]

    def apply_rows(self, command: ApplyRows) -> list[Event]:
        if self.refuse_rows:
            return [RowsApplied(command.host, self.refuse_rows)]
        before = set(self.bridges())
        for step in command.plan.steps:
            if step.after is None:
                del self.rows[step.key]
            else:
                assert step.verb != "change" or self.rows[step.key].ours
                self.rows[step.key] = Found(step.after)
                if isinstance(step.after, Port) and step.after.name not in self.missing:
                    self.numbers.setdefault(step.after.name, len(self.numbers) + 1)
        events: list[Event] = [HostSeen(command.host, self.observed(), TARGET), RowsApplied(command.host)]
        for bridge in self.bridges():
            dpid = self.dpid(bridge)
            if bridge in before:
                events += [PortSeen(dpid, port) for port in self.ports(bridge)]
            else:
                self.flows[dpid] = {}
                events.append(SwitchUp(dpid, self.ports(bridge)))
        return events

    def apply_flows(self, command: ApplyFlows) -> Event:
        if self.refuse_flows:
            return FlowsChanged(command.dpid, len(command.plan.steps), self.refuse_flows)
        table = self.flows[command.dpid]
        for step in command.plan.steps if not self.forgetful else ():
            if step.after is None:
                del table[step.key]
            else:
                table[step.key] = Found(step.after)
        return FlowsChanged(command.dpid, len(command.plan.steps))

    def wired(self, bridge: str = "ovbr0") -> set[tuple[str, str]]:
        """Which port the flows of a bridge lead to which."""
        names = {number: name for name, number in self.numbers.items()}
        return {
            (names[found.item.match.in_port], names[port])
            for found in self.flows[self.dpid(bridge)].values()
            if found.item.match.in_port is not None
            for port in found.item.outputs()
        }

    def snapshot(self) -> Snapshot:
        return snapshot(self.brain)

    def appear(self, device: str) -> list[Command]:
        """A missing device comes, and its port with it."""
        self.missing.discard(device)
        self.numbers[device] = len(self.numbers) + 1
        bridge = bridge_of(next(f.item for f in self.rows.values() if f.item.key == ("port", device)))
        port = next(port for port in self.ports(bridge) if port.name == device)
        return self.play([PortSeen(self.dpid(bridge), port), HostSeen(self.host, self.observed(), TARGET)])

    def carrier(self, device: str, up: bool) -> list[Command]:
        """Something is plugged into a port, or nothing is any more."""
        (self.unplugged.discard if up else self.unplugged.add)(device)
        return self.tell(device)

    def hold(self, device: str, down: bool) -> list[Command]:
        """Somebody takes a port down, or raises it."""
        (self.held.add if down else self.held.discard)(device)
        return self.tell(device)

    def tell(self, device: str) -> list[Command]:
        bridge = bridge_of(next(f.item for f in self.rows.values() if f.item.key == ("port", device)))
        return self.play([PortSeen(self.dpid(bridge), self.port(device))])
