"""What this machine knows about a wire: the devices on its way, its ports and flows in Open vSwitch, their counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

from netctl.controller.planning import Panel
from netctl.desired.flow import COOKIE, COOKIE_MASK, NORMAL, Flow
from netctl.desired.flows import cookie_of
from netctl.kernel.sight import Seen, Sight, filtered
from netctl.openflow.counters import Counted, PortSettings
from netctl.openflow.local import LocalSwitch, SwitchError, management
from netctl.ovsdb.appctl import settle
from netctl.ovsdb.remote import BadRemote, default_remote
from netctl.ovsdb.select import NoAnswer, Row, select
from netctl.path import Counters, Device, Path, Side, Step
from netctl.path.way import way
from netctl.policy import Cable, PortRef
from netctl.probe.witness import FlowCount

ALL = 0xFFFF_FFFF_FFFF_FFFF

_BRIDGE = ("name", "datapath_type", "stp_enable", "rstp_enable", "other_config")
_PORT = ("name", "status", "rstp_status")
_INTERFACE = ("name", "ofport", "error", "link_state", "lldp", "ingress_policing_rate")

_SPANNING = ("forwarding", "disabled", "")


@dataclass(frozen=True)
class Guest:
    """Where the other end of a port's veth is."""

    namespace: str
    nic: str


class Evidence:
    """Of one wire that ends on this machine; a `netctl.probe.witness.Witness`. A context manager."""

    def __init__(self, panel: Panel, cable: Cable) -> None:
        self.panel = panel
        self.cable = cable
        self.bridge = cable.ends[0].bridge
        self.sight = Sight()
        self._switch: LocalSwitch | None = None
        self._path: Path | None = None
        policy = panel.loaded.policy
        assert policy is not None
        self.remote = policy.hosts[cable.ends[0].host].ovsdb or default_remote()

    def __enter__(self) -> Evidence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sight.__exit__(kind, error, trace)
        if self._switch is not None:
            self._switch.__exit__(kind, error, trace)

    @property
    def switch(self) -> LocalSwitch:
        """The bridge, connected. Raises SwitchError."""
        if self._switch is None:
            self._switch = LocalSwitch(management(self.bridge)).__enter__()
        return self._switch

    def path(self) -> Path:
        """As it was when it was first asked for."""
        if self._path is None:
            self._path = self._look()
        return self._path

    def look_again(self) -> None:
        """Forget what `path` found."""
        self._path = None

    def installed(self) -> str:
        """Why the switch has not got the wire; empty when it has."""
        path = self.path()
        if path.problem:
            return path.problem
        missing = [side for side in path.sides if side.number is None]
        if missing:
            return "; ".join(f"port {side.port} {self._absent(side)}" for side in missing)
        try:
            flows = self.wire_flows()
        except SwitchError as error:
            return str(error)
        entered = {each.flow.match.in_port for each in flows}
        if not {side.number for side in path.sides} - entered:
            return ""
        some = "only half of its flows" if entered else "no flow of this wire"
        return (
            f"bridge {self.bridge} has {some} (cookie {cookie_of(self.cable.name):#x}); "
            "`netctl apply` or a running controller puts them in"
        )

    def _absent(self, side: Side) -> str:
        if side.error:
            return f"cannot be opened by Open vSwitch: {side.error}"
        if self.sight.device(side.port) is None:
            return f"is not there: this machine has no device {side.port}; `netctl apply` makes it"
        return f"is not on bridge {self.bridge}; `netctl apply` or a running controller puts it there"

    def wire_flows(self) -> list[Counted]:
        """Raises SwitchError."""
        return self.switch.counted(cookie_of(self.cable.name), ALL)

    def steps(self, sender: int) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        here, there = self.path().sides[sender], self.path().sides[1 - sender]
        before = [*reversed(list(self._steps(tuple(reversed(here.devices)), "rx")))]
        after = list(self._steps(tuple(reversed(there.devices)), "tx"))
        if before and here.number is not None:
            before[-1] = self._port(here, "rx") or before[-1]
        if after and there.number is not None:
            after[0] = self._port(there, "tx") or after[0]
        return tuple(before), tuple(after)

    def _steps(self, devices: Sequence[Device], direction: str) -> list[Step]:
        """Counters of devices from a port outwards. A frame alternates between being sent and being received; what a
        Linux bridge forwards it does not count."""
        found = []
        for device in devices:
            if device.kind == "bridge":
                continue
            counters = self.sight.counters(device.name, device.namespace)
            found.append(_step(str(device), counters, direction))
            direction = "tx" if direction == "rx" else "rx"
        return found

    def _port(self, side: Side, direction: str) -> Step | None:
        assert side.number is not None
        with suppress(SwitchError):
            return _step(f"port {side.port}", self.switch.port_counters(side.number), direction)
        return None

    def flows(self) -> Mapping[object, FlowCount]:
        settle()
        try:
            counted = self.switch.counted()
        except SwitchError:
            return {}
        cookie = cookie_of(self.cable.name)
        return {
            each.flow.identity: FlowCount(
                partial(self._told, each.flow),
                each.packets,
                each.flow.table,
                each.flow.match.in_port,
                each.flow.cookie == cookie,
                NORMAL in each.flow.outputs(),
            )
            for each in counted
        }

    def _told(self, flow: Flow) -> str:
        return f"{described(flow)} ({self.owner(flow)})"

    def owner(self, flow: Flow) -> str:
        """Whose a flow is, for a person."""
        if flow.cookie & COOKIE_MASK != COOKIE:
            return f"cookie {flow.cookie:#x}, not netctl's"
        wires = self.panel.owned(self.cable.ends[0].host, self.bridge, flow.cookie)
        if wires:
            return f"wire {' or '.join(cable.name for cable in wires)}"
        return "netctl's, for what no wire takes" if flow.cookie == COOKIE else "netctl's, of a wire that is no more"

    def settings(self) -> dict[str, PortSettings]:
        """The bridge's ports by name. Raises SwitchError."""
        return {each.name: each for each in self.switch.settings()}

    def _look(self) -> Path:
        problem = ""
        ports: dict[str, PortSettings] = {}
        try:
            ports = self.settings()
        except SwitchError as error:
            problem = str(error)
        names = [end.port for end in self.cable.ends]
        bridge: Row = {}
        found: dict[str, tuple[Row, Row]] = {}
        try:
            rows = select(
                self.remote,
                ("Bridge", "name", self.bridge, _BRIDGE),
                *(("Port", "name", name, _PORT) for name in names),
                *(("Interface", "name", name, _INTERFACE) for name in names),
            )
            bridge = rows[0][0] if rows[0] else {}
            for number, name in enumerate(names):
                found[name] = (
                    rows[1 + number][0] if rows[1 + number] else {},
                    rows[3 + number][0] if rows[3 + number] else {},
                )
        except (NoAnswer, BadRemote) as error:
            problem = problem or str(error)
        one, other = (
            self._side(end, ports.get(end.port), *found.get(end.port, ({}, {}))) for end in self.cable.ends
        )
        config = bridge.get("other_config", {})
        return Path(
            self.bridge,
            (one, other),
            bridge.get("datapath_type") or "system",
            bool(bridge.get("stp_enable")),
            bool(bridge.get("rstp_enable")),
            config.get("forward-bpdu") == "true",
            filtered(),
            problem,
        )

    def _side(self, end: PortRef, settings: PortSettings | None, port: Row, interface: Row) -> Side:
        devices, gap = self._devices(end)
        state = port.get("status", {}).get("stp_state") or port.get("rstp_status", {}).get("rstp_port_state") or ""
        side = Side(
            end.port,
            tuple(devices),
            gap,
            error=str(interface.get("error") or ""),
            lldp=interface.get("lldp", {}).get("enable") == "true",
            policing=interface.get("ingress_policing_rate", 0),
            spanning=state.lower() if state.lower() not in _SPANNING else "",
        )
        if settings is None:
            return side
        return replace(
            side,
            number=settings.number,
            link=settings.link,
            down=settings.down,
            no_receive=settings.no_receive,
            no_forward=settings.no_forward,
        )

    def _guest(self, end: PortRef) -> Guest | None:
        declared = self.panel.ports.declared.get(end)
        if declared is None or declared.nic is None or declared.guest is None or declared.nic.device != "veth":
            return None
        return Guest(declared.guest, str(declared.path[-1]))

    def _devices(self, end: PortRef) -> tuple[list[Device], str]:
        """The devices from the guest's NIC to a port, and why they are not all known."""
        port = self.sight.device(end.port)
        if port is None:
            return [], ""
        guest = self._guest(end)
        if guest is None:
            return [port.device], ""
        nic = self.sight.device(guest.nic, guest.namespace)
        if nic is None:
            return [port.device], f"namespace {guest.namespace} has no {guest.nic}; `netctl apply` makes it"
        nsid = self.sight.nsid(guest.namespace)
        if nsid is not None and (port.lower, port.lower_nsid) == (nic.index, nsid):
            return [nic.device, port.device], ""
        seen = {(guest.namespace, each.index): each for each in self.sight.devices(guest.namespace)}
        seen |= {("", each.index): each for each in self.sight.devices()}
        found = way(ties(seen, {nsid: guest.namespace}), (guest.namespace, nic.index), ("", port.index))
        if not found:
            return [
                nic.device,
                port.device,
            ], f"nothing on this machine is seen to lead from {nic.device} to port {end.port}; its peer is elsewhere"
        return [seen[each].device for each in found], ""


Place = tuple[str, int]
"""A namespace's name ("" for the machine's own) and the index of a device in it."""


def ties(seen: Mapping[Place, Seen], names: Mapping[int | None, str]) -> list[tuple[Place, Place]]:
    """What is tied to what; `names` are those of namespaces by the ID that this machine's own has for them."""
    found: list[tuple[Place, Place]] = []
    for (namespace, index), each in seen.items():
        here = (namespace, index)
        if each.master and (namespace, each.master) in seen:
            found.append((here, (namespace, each.master)))
        if not each.lower:
            continue
        if each.lower_nsid is None:
            there: Place | None = (namespace, each.lower)
        else:
            name = names.get(each.lower_nsid) if not namespace else None
            there = (name, each.lower) if name is not None else None
        if there is not None and there in seen:
            found.append((here, there))
    return found


def described(flow: Flow) -> str:
    """Table, priority, match and actions of a flow."""
    extra = f",{flow.extra}" if flow.extra else ""
    actions = ",".join(map(str, flow.actions)) or "drop"
    return f"table {flow.table}, priority {flow.priority}, {flow.match}{extra}: {actions}"


def _step(where: str, counters: Counters, direction: str) -> Step:
    if direction == "rx":
        return Step(f"{where} (rx)", counters.rx, counters.rx_dropped + counters.rx_errors)
    return Step(f"{where} (tx)", counters.tx, counters.tx_dropped + counters.tx_errors)
