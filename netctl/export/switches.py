"""Open vSwitch bridges, their ports and flows -> bridges, wires and copies of wires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netctl.desired.flow import COOKIE, NORMAL, Flow, Match, Output
from netctl.desired.flows import UNPATCHED_PRIORITY, cookie_of
from netctl.desired.observe import HOSTS_PRIORITY, listening
from netctl.desired.queue import Shaper
from netctl.desired.row import ISOLATED, MOST, Bridge, Port, settings
from netctl.desired.takeover import refuse
from netctl.export import wires
from netctl.export.draft import Draft, Entry, Scope
from netctl.export.naming import named
from netctl.plan import Found, Wanted
from netctl.policy.model import default_name
from netctl.policy.rate import as_written


def switches(scope: Scope, made: Draft) -> None:
    for name, found in scope.switching.bridges.items():
        bridge = found.item
        assert isinstance(bridge, Bridge)
        if not found.ours and not scope.everything:
            continue
        if name in scope.switching.silent:
            made.left.append(f"bridge {name}: {scope.switching.silent[name]}")
            continue
        if ("bridges", name) not in scope.without:
            _Switch(scope, made, name, bridge, found.ours).write()


class _Switch:
    def __init__(self, scope: Scope, made: Draft, name: str, bridge: Bridge, is_ours: bool) -> None:
        self.scope, self.made, self.name, self.bridge, self.is_ours = scope, made, name, bridge, is_ours
        found = scope.switching.flows.get(name, ())
        self.flows = [each.item for each in found if each.ours]
        self.others = [each.item for each in found if not each.ours]
        self.numbers = scope.switching.numbers.get(name, {})
        rows = [f for f in scope.switching.observed.rows if isinstance(f.item, Port) and f.item.bridge == name]
        self.ports: list[Found[Port]] = [Found(f.item, f.ours) for f in rows if isinstance(f.item, Port)]
        self.declared: set[str] = set()
        """The ports that the policy says to be there."""
        self.wires, self.odd = wires.ours(name, self.flows, self.numbers)

    def write(self) -> None:
        adopted = self.bridge.adopted or not self.is_ours
        if not self.is_ours:
            asked = Bridge(self.name, self.bridge.datapath, None, adopted=True)
            collision = refuse(Wanted(asked, "export"), Found(self.bridge, False))
            if collision is not None:
                self.made.left.append(f"{collision}: it cannot be taken over as it is")
                return
        wired = {end[0] for wire in self.wires for end in wire.ends} | {
            port for wire in self.wires for port in wire.copies
        }
        said: dict[str, Any] = {}
        if self.bridge.datapath != "system":
            said["datapath"] = self.bridge.datapath
        if self._unpatched(wired, adopted) == "normal":
            said["unpatched"] = "normal"
        discover = self._discovers()
        if discover:
            said["discover"] = True
        if adopted:
            said["adopt"] = True
        ports = list(self._ports(discover, adopted))
        nics = {place[1] for place, path in self.made.made.items() if path[0] == "guests" and not place[0]}
        self.declared = nics | {each if isinstance(each, str) else each["name"] for each in ports}
        if ports:
            said["ports"] = ports
        entry = Entry(said)
        if not self.is_ours:
            entry.notes.append(
                f"{self.name} was made by somebody else: applied, netctl takes it over as it runs, its own flows and "
                "ports beside those that are there, and gives it back when it is taken out of here."
            )
            self.made.others.add(("bridges", self.name))
        self.made.bridges[self.name] = entry
        for wire in self.wires:
            self._wire(wire)
        if self.odd:
            self.made.left.append(f"bridge {self.name}: {len(self.odd)} flows of netctl's that are no whole wire")
        theirs = list(wires.others(self.name, self.others, self.numbers)) if self.scope.everything else []
        free = [wire for wire in theirs if not {end[0] for end in wire.ends} & wired]
        for wire in free:
            self._wire(wire)
        left = len(self.others) - 2 * len(free)
        plain = sum(flow.priority == 0 and Output(NORMAL) in flow.actions for flow in self.others)
        if self.scope.everything and left > plain:
            which = "1 flow of others that is" if left - plain == 1 else f"{left - plain} flows of others that are"
            self.made.left.append(f"bridge {self.name}: {which} no wire")

    def _unpatched(self, wired: set[str], adopted: bool) -> str:
        """By the flow at the bottom; where that is somebody else's, by whether a port of ours may learn."""
        if adopted:
            free = [f.item for f in self.ports if f.ours and f.item.name not in wired]
            return "normal" if any(port.tag != ISOLATED for port in free) else "drop"
        learns = Flow(self.name, UNPATCHED_PRIORITY, Match(), (Output(NORMAL),), COOKIE)
        return "normal" if learns in self.flows else "drop"

    def _heard(self) -> set[str]:
        """The ports where links are looked for."""
        return {name for name, number in self.numbers.items() if listening(self.name, number) in self.flows}

    def _discovers(self) -> bool:
        located = any(flow.priority in (HOSTS_PRIORITY, HOSTS_PRIORITY + 1) for flow in self.flows)
        return located or (self.is_ours and self.bridge.settings == settings(MOST) and bool(self._heard()))

    def _ports(self, discover: bool, adopted: bool) -> Iterator[Any]:
        located = {
            flow.match.in_port for flow in self.flows if flow.priority in (HOSTS_PRIORITY, HOSTS_PRIORITY + 1)
        }
        nics = {place[1] for place, path in self.made.made.items() if path[0] == "guests" and not place[0]}
        for found in self.ports:
            name = found.item.name
            asked = found.ours or self.scope.everything or self.made.made.get(("", name), ("",))[0] == "links"
            if name in nics or not asked:
                continue
            heard = name in self._heard()
            if heard and (not discover or (not adopted and self.numbers[name] not in located)):
                yield {"name": name, "role": "fabric"}
            else:
                yield name

    def _wire(self, wire: wires.Found) -> None:
        notes: list[str] = []
        ends = list(wire.ends)
        known = default_name([end[0] for end in ends])
        name = known
        if wire.cookie is not None:
            candidates = [self.scope.names.get(wire.cookie, ""), known, default_name([end[0] for end in ends[::-1]])]
            name = next((each for each in candidates if each and cookie_of(each) == wire.cookie), "")
            if not name:
                name = named(wire.cookie & 0xFFFF_FFFF)
                notes.append(
                    "Of a wire's name the switch keeps 32 bits: this one has the same. With another its flows are "
                    "written again."
                )
        else:
            notes.append("Somebody else's two flows send all of each port to the other; they stay beside netctl's.")
        if name == default_name([end[0] for end in ends[::-1]]):
            ends.reverse()
        path = ("wires", name)
        if path in self.scope.without:
            return
        said: dict[str, Any] = {"name": name} if name != default_name([end[0] for end in ends]) else {}
        said["ends"] = [self._end(port, vlan) for port, vlan in ends]
        rate = self._rate([port for port, _ in ends]) if wire.cookie is not None else None
        if rate is not None:
            said["rate"] = rate
        if wire.observe:
            said["observe"] = "lldp"
        self.made.wires.append(Entry(said["ends"] if len(said) == 1 else said, notes))
        self.made.taps += [Entry({"of": name, "to": self._spec(port)}) for port in wire.copies]

    def _end(self, port: str, vlan: int | None) -> Any:
        spec = self._spec(port)
        return spec if vlan is None else {"port": spec, "vlan": vlan}

    def _spec(self, port: str) -> str:
        """A port that the policy does not declare is said with its bridge."""
        return port if port in self.declared else f"{self.name}/{port}"

    def _rate(self, ports: list[str]) -> Any:
        shaped: Mapping[str, int] = {
            f.item.port: f.item.rate
            for f in self.scope.switching.observed.rows
            if isinstance(f.item, Shaper) and f.ours and f.item.bridge == self.name and f.item.rate
        }
        first, second = (shaped.get(port) for port in ports)
        if first is None and second is None:
            return None
        if first == second and first is not None:
            return as_written(first)
        told = {"a_to_b": second, "b_to_a": first}
        return {name: as_written(bits) for name, bits in told.items() if bits is not None}
