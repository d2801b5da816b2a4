"""The plans for one host's database and for one bridge's flows: the same for the controller and the command line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from ipaddress import ip_interface
from typing import NamedTuple

from netctl.controller.table import Owner, Table
from netctl.desired import takeover
from netctl.desired.flow import Flow
from netctl.desired.flows import cookie_of
from netctl.desired.mac import guest_mac
from netctl.desired.ovs import rows
from netctl.desired.row import ISOLATED, Observed, Port, Row
from netctl.plan import Found, Plan
from netctl.policy import Cable, Changed, Loaded, Patch, PortRef, Wire, Wiring, host_side

Place = tuple[str, str]
"""A host and a bridge of it."""


class Behind(NamedTuple):
    """The NIC of a guest that the policy puts behind a port."""

    guest: str
    mac: str
    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]


class Panel:
    """A valid policy with everything in it found: which ports there are and what is wired to what.

    Wires can be put in and taken out; the rest stays as it was loaded.
    """

    def __init__(self, loaded: Loaded) -> None:
        assert loaded.policy is not None
        self.loaded = loaded
        self.patch = loaded.patch
        """What is patched at run time."""
        self.news: set[str] = set()
        """The wires that were put in or taken out; whoever looks at them takes it away."""
        self.ports = loaded.wiring.ports
        self._owned: dict[Place, dict[Owner, tuple[Cable, ...]]] = {}
        """By cookie; two wires seldom share one."""
        self._copied: dict[PortRef, dict[str, Cable]] = {}
        """By the port that gets the copy."""
        for cable in loaded.wiring.cables.values():
            self._put(cable)

    @property
    def wiring(self) -> Wiring:
        return self.loaded.wiring

    def change(self, put: Collection[Wire], remove: Collection[str], said: str) -> Changed:
        """Put wires in, in the place of those of the same name, and take wires out. Raises BadChange, and nothing is
        changed then. `said` is where the new ones are said."""
        changed = self.wiring.change(put, remove, said)
        self._follow(changed.removed, changed.added)
        full = [self.wiring.wire(wire.name) for wire in put]
        self.patch = self.loaded.patched(self.patch, full, remove)
        return changed

    def undo(self, changed: Changed, patch: Patch) -> None:
        """Make the last change not to have been; `patch` is what was patched before it."""
        self.wiring.undo(changed)
        self._follow(changed.added, changed.removed)
        self.patch = patch

    def owners(self, host: str, bridge: str) -> Iterator[Owner]:
        """Whoever has flows on a bridge, whatever ports it has."""
        yield from self._owned.get((host, bridge), ())
        yield 0

    def owned(self, host: str, bridge: str, cookie: Owner) -> tuple[Cable, ...]:
        return self._owned.get((host, bridge), {}).get(cookie, ())

    def on(self, host: str, bridge: str) -> Iterator[Cable]:
        """The wires of a bridge."""
        for owned in self._owned.get((host, bridge), {}).values():
            yield from owned

    def cables(self) -> Iterable[Cable]:
        return self.wiring.cables.values()

    def at(self, ref: PortRef) -> Collection[Cable]:
        """The wires that end at a port, or are copied there."""
        copied = self._copied.get(ref)
        return (*self.wiring.at(ref), *copied.values()) if copied else self.wiring.at(ref)

    def owners_at(self, ref: PortRef) -> Iterator[Owner]:
        return (cookie_of(cable.name) for cable in self.at(ref))

    @cached_property
    def guests(self) -> Mapping[PortRef, Behind]:
        """The guests behind the ports of bridges."""
        assert self.loaded.policy is not None
        guests = {}
        for host, entry in self.loaded.policy.hosts.items():
            for name, guest in entry.guests.items():
                for nic_name, nic in guest.nics.items():
                    if nic.bridge is None:
                        continue
                    addresses = [ip_interface(each).ip for each in nic.addresses]
                    guests[PortRef(host, nic.bridge, host_side(name, nic_name, nic))] = Behind(
                        name,
                        nic.mac or guest_mac(host, name, nic_name),
                        tuple(str(each) for each in addresses if each.version == 4),
                        tuple(str(each) for each in addresses if each.version == 6),
                    )
        return guests

    @cached_property
    def guest_macs(self) -> frozenset[str]:
        return frozenset(behind.mac.lower() for behind in self.guests.values())

    def seeks(self, host: str, name: str) -> bool:
        """Whether links are looked for at any port of a bridge."""
        return self._discovers(host, name) or any(
            (ref.host, ref.bridge) == (host, name) for ref in self.ports.fabric
        )

    def fabric(self, ref: PortRef) -> bool:
        """Whether links are looked for at a port."""
        return ref in self.ports.fabric or (self._discovers(ref.host, ref.bridge) and not self.wiring.wired(ref))

    def fabric_said(self, ref: PortRef) -> str:
        """Where the policy says so."""
        path = self.ports.fabric.get(ref)
        if path is not None:
            return f"{self.loaded.where(path)} role: fabric"
        return f"{self.loaded.where(('hosts', ref.host, 'bridges', ref.bridge, 'discover'))} discover: true"

    def located(self, ref: PortRef) -> bool:
        """Whether hosts are looked for at a port.

        Not at a port to another switch, whose hosts are not its own, nor where others' flows decide what becomes of
        the frames without a wire.
        """
        if ref in self.ports.fabric or self.bridge(ref.host, ref.bridge) == "keep":
            return False
        return self.fabric(ref)

    def _discovers(self, host: str, name: str) -> bool:
        assert self.loaded.policy is not None
        entry = self.loaded.policy.hosts.get(host)
        bridge = entry.bridges.get(name) if entry else None
        return bridge is not None and bridge.discover

    def bridge(self, host: str, name: str) -> str | None:
        """What ports without a wire get on a bridge: «drop», «normal», or «keep» for what others' flows give them.

        None when the policy does not name the bridge.
        """
        assert self.loaded.policy is not None
        entry = self.loaded.policy.hosts.get(host)
        bridge = entry.bridges.get(name) if entry else None
        if bridge is None:
            return None
        return "keep" if bridge.adopt else bridge.unpatched

    def unpatched(self, host: str, bridge: str) -> tuple[str, str]:
        """What ports without a wire get on a bridge, and where the policy says so.

        On a bridge that it does not name, one that is to be given back, what others' flows give them.
        """
        said = self.bridge(host, bridge)
        if said is None:
            return "keep", f"bridge {bridge}"
        return said, f"{self.loaded.where(('hosts', host, 'bridges', bridge))} bridge {bridge}"

    def _follow(self, removed: Iterable[Cable], added: Iterable[Cable]) -> None:
        for cable in removed:
            self._take(cable)
            self.news.add(cable.name)
        for cable in added:
            self._put(cable)
            self.news.add(cable.name)

    def _put(self, cable: Cable) -> None:
        owned = self._owned.setdefault(place(cable), {})
        cookie = cookie_of(cable.name)
        there = owned.get(cookie)
        owned[cookie] = (*there, cable) if there else (cable,)
        for ref in cable.monitors:
            self._copied.setdefault(ref, {})[cable.name] = cable

    def _take(self, cable: Cable) -> None:
        owned = self._owned[place(cable)]
        cookie = cookie_of(cable.name)
        rest = tuple(each for each in owned[cookie] if each.name != cable.name)
        if rest:
            owned[cookie] = rest
        else:
            del owned[cookie]
        for ref in cable.monitors:
            del self._copied[ref][cable.name]


def place(cable: Cable) -> Place:
    return cable.ends[0].host, cable.ends[0].bridge


def plan_rows(
    panel: Panel,
    host: str,
    observed: Observed,
    target: str | None,
    still_wired: Collection[PortRef] = (),
    leaving: Collection[str] = (),
) -> Plan[Row]:
    """What is to be done in the database of `host`; `leaving` are bridges to give back that have flows of ours yet."""
    return takeover.plan(rows(panel.loaded, panel.ports, host, target, still_wired), observed, leaving)


def usable(unpatched: str, numbers: Mapping[str, int], observed: Observed) -> Mapping[str, int]:
    """Of the ports of a bridge, those that wires may use.

    On a learning bridge a wire waits until both its ports are isolated in the database, and a copy until the
    monitor port is, so that at no moment a flooded frame can enter them.
    """
    if unpatched != "normal":
        return numbers
    isolated = {f.item.name for f in observed.rows if isinstance(f.item, Port) and f.item.tag == ISOLATED}
    return {name: number for name, number in numbers.items() if name in isolated}


def table(
    panel: Panel,
    host: str,
    bridge: str,
    numbers: Mapping[str, int],
    observed: Observed,
    found: Iterable[Found[Flow]],
) -> Table:
    """The flows of a bridge; `numbers` gives the OpenFlow number of each of its ports."""
    made = Table(panel, host, bridge)
    made.use(usable(panel.unpatched(host, bridge)[0], numbers, observed), numbers)
    made.read(found)
    return made
