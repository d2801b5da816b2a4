"""What a host has, as a person looks at it: what hangs on what, whose it is, and why a MAC is what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from netctl.desired import link as kinds
from netctl.desired.flow import NORMAL, Output
from netctl.desired.flows import UNPATCHED_PRIORITY, cookie_of
from netctl.desired.link import Place
from netctl.desired.mac import guest_mac, stable_mac, tap_mac
from netctl.desired.queue import Shaper
from netctl.desired.routing import MAIN
from netctl.desired.row import Bridge
from netctl.desired.survey import BY_HAND, KERNEL, Standing, Survey, Switching
from netctl.export import wires
from netctl.export.draft import Guest, Scope
from netctl.export.policy import draft
from netctl.policy import Loaded, host_side
from netctl.policy.model import default_name
from netctl.policy.rate import as_written

PROTOCOLS = {
    0: "by hand",
    KERNEL: "the kernel's",
    **dict.fromkeys(BY_HAND, "by hand"),
    9: "by a router",
    16: "by DHCP",
}
"""Who makes routes, by rtnetlink's numbers (/etc/iproute2/rt_protos)."""

SWITCH = "Open vSwitch bridge"
"""The kind of the device that a bridge of Open vSwitch has."""

BRIDGES = (SWITCH, "bridge", "bond")
"""The kinds that have ports."""


@dataclass(frozen=True)
class Known:
    """What a policy knows that a host does not keep."""

    guests: Mapping[str, Guest] = field(default_factory=dict)
    """By the device of the host that is theirs."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Of wires, by their flows' cookie."""


def known(loaded: Loaded, host: str) -> Known:
    """`loaded` may be wrong; then nothing is known."""
    if loaded.policy is None:
        return Known()
    entry = loaded.policy.hosts.get(host)
    guests = {
        host_side(name, nic_name, nic): Guest(name, nic_name, nic.mac or guest_mac(host, name, nic_name))
        for name, guest in (entry.guests if entry else {}).items()
        for nic_name, nic in guest.nics.items()
    }
    return Known(guests, {cookie_of(name): name for name in loaded.wiring.cables})


@dataclass(frozen=True)
class Device:
    name: str
    netns: str
    """"" for the host's own namespace."""
    kind: str
    """As the kernel calls it; «hardware» for that."""
    owner: str | None
    """The host of a policy whose netctl made it, or keeps it; None for somebody else's."""
    up: bool
    carrier: bool
    mac: str
    mac_why: str
    mtu: int
    master: str
    """The Linux bridge or bond that it is a port of."""
    switch: str
    """The Open vSwitch bridge that it is a port of."""
    peer: Place | None
    """Of a veth the other end; None where that is in a namespace without a name."""
    on: Place | None
    """What it stands on."""
    detail: str
    """What only its kind has, in words."""
    guest: str
    """The virtual machine or namespace behind it, where that is known."""
    nic: str
    addresses: tuple[str, ...]

    @property
    def place(self) -> Place:
        return self.netns, self.name


@dataclass(frozen=True)
class Cable:
    """A wire that a switch has."""

    name: str
    bridge: str
    ends: tuple[wires.End, wires.End]
    ours: bool
    rates: tuple[str, str]
    """From the first end to the second, and back; "" for as fast as it can."""
    copies: tuple[str, ...]


@dataclass(frozen=True)
class Switch:
    """A bridge of Open vSwitch."""

    name: str
    owner: str | None
    adopted: bool
    datapath: str
    unpatched: str
    """What ports without a wire get: «drop», «normal», or "" where others' flows decide."""
    ports: tuple[str, ...]
    flows: int
    foreign_flows: int
    problem: str
    """Why it does not answer."""


@dataclass(frozen=True)
class Uplink:
    dev: str
    address: tuple[str, ...]
    gateway: tuple[str, ...]
    table: int


@dataclass(frozen=True)
class Line:
    """A rule or a route."""

    text: str
    by: str
    """«netctl», or who else."""


@dataclass(frozen=True)
class View:
    host: str
    namespaces: Mapping[str, str | None]
    """Each with the host of a policy whose netctl made it."""
    switches: tuple[Switch, ...]
    devices: tuple[Device, ...]
    wires: tuple[Cable, ...]
    uplinks: tuple[Uplink, ...]
    rules: Mapping[str, tuple[Line, ...]]
    """By namespace, "" for the host's own; without those that every host has."""
    tables: Mapping[str, Mapping[int, tuple[Line, ...]]]
    """By namespace and number; without what the kernel made in main for addresses."""
    settings: Mapping[str, Mapping[str, str]]
    """Those that netctl changed, by namespace."""
    unsaid: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def at(self, place: Place) -> Device | None:
        return next((each for each in self.devices if each.place == place), None)

    def ports_of(self, device: Device) -> tuple[Device, ...]:
        """Of a Linux bridge or bond."""
        return tuple(each for each in self.devices if (each.netns, each.master) == device.place)


def view(survey: Survey, switching: Switching, host: str, known: Known) -> View:
    made = draft(Scope(survey, switching, host, False, known.names))
    return View(
        host,
        dict(survey.namespaces),
        tuple(_switches(switching, host)),
        tuple(_device(each, survey, switching, host, known) for each in survey.devices),
        tuple(_cables(switching, known)),
        tuple(
            Uplink(dev, _listed(entry.value["address"]), _listed(entry.value["gateway"]), entry.value["table"])
            for dev, entry in made.uplinks.items()
        ),
        _rules(survey),
        _tables(survey),
        _settings(survey),
        survey.unsaid,
    )


def _listed(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _device(each: Standing, survey: Survey, switching: Switching, host: str, known: Known) -> Device:
    link = each.link
    guest = known.guests.get(link.name) if not link.netns else None
    peer = (link.peer_netns, link.peer) if isinstance(link, kinds.Veth) and link.peer else None
    behind = guest.name if guest else (peer[0] if peer and not link.netns else "")
    return Device(
        link.name,
        link.netns,
        _kind(each, switching),
        host if (found := switching.bridges.get(link.name)) and found.ours and not link.netns else each.owner,
        bool(link.up),
        each.running,
        link.mac or "",
        mac_why(each, survey, host, guest, switching),
        link.mtu or 0,
        link.master or "",
        switching.bridge_of.get(link.name, "") if not link.netns else "",
        peer,
        _below(link),
        _detail(link),
        behind,
        guest.nic if guest else (peer[1] if behind and peer else ""),
        link.addresses or (),
    )


def _kind(each: Standing, switching: Switching) -> str:
    if not each.link.netns and each.link.name in switching.bridges:
        return SWITCH
    return each.kind or "hardware"


def _below(link: kinds.Link) -> Place | None:
    match link:
        case kinds.Macvlan():
            return link.lower_netns, link.lower
        case kinds.Vlan():
            return link.link_netns, link.link
        case kinds.Vxlan() if link.link:
            return link.link_netns, link.link
    return None


def _detail(link: kinds.Link) -> str:
    match link:
        case kinds.Macvlan():
            return link.mode
        case kinds.Vlan():
            return f"VLAN {link.id}"
        case kinds.Vxlan():
            return f"VNI {link.id}{f' to {link.remote}' if link.remote else ''}"
        case kinds.Bond():
            return link.mode
        case kinds.Bridge():
            said = [*(["STP"] if link.stp else []), *(["looks at VLAN tags"] if link.vlan_filtering else [])]
            if link.group_fwd_mask:
                said.append(f"group_fwd_mask {link.group_fwd_mask:#x}")
            return ", ".join(said)
    return ""


def mac_why(each: Standing, survey: Survey, host: str, guest: Guest | None, switching: Switching | None = None) -> str:
    """Why a device has the MAC that it has, as far as that can be told; "" where it cannot."""
    link, mac = each.link, each.link.mac or ""
    if switching is not None and not link.netns and link.name in switching.own:
        return "Open vSwitch's choice"
    if each.kind == "tap":
        return _tap_why(mac, link.name, host, guest)
    if guest is not None and each.kind == "macvtap":
        return "the guest's own, as a macvtap's must be" if mac == guest.mac else f"not the guest's, {guest.mac}"
    if link.netns and mac == guest_mac(host, link.netns, link.name):
        return "made up by netctl, the same after every restart"
    match link:
        case kinds.Bridge():
            return _bridge_why(each, survey, host)
        case kinds.Bond():
            of = [port.link.name for port in survey.ports.get(each.place, ()) if port.link.mac == mac]
            return f"that of its port {of[0]}" if of else ""
        case kinds.Vlan():
            below = survey.at.get((link.link_netns, link.link))
            if below is not None and below.link.mac == mac:
                return f"that of {link.link}"
    if each.pinned is None:
        return ""
    if each.pinned:
        return "given to it"
    return "its hardware's" if not each.kind else "the kernel's choice, another one each time it is made"


def _tap_why(mac: str, name: str, host: str, guest: Guest | None) -> str:
    if guest is not None and mac == guest.mac:
        return "its guest's own: the host takes frames for the guest as its own"
    if guest is not None and mac == tap_mac(guest.mac):
        return f"the guest's {guest.mac} with {mac[:2]} in front: no bridge takes it for its own"
    if mac == tap_mac(stable_mac("tap", host, name)):
        return "made up by netctl, with fe in front: no bridge takes it for its own"
    if mac.startswith(("fe", "fa")):
        return f"with {mac[:2]} in front: no bridge takes it for its own"
    return "not fe in front: a bridge without a MAC of its own may move to it"


def _bridge_why(each: Standing, survey: Survey, host: str) -> str:
    mac = each.link.mac or ""
    of = [port.link.name for port in survey.ports.get(each.place, ()) if port.link.mac == mac]
    if mac == stable_mac("bridge", host, each.link.name):
        return "made up by netctl from its name, pinned"
    if each.pinned:
        return f"that of its port {of[0]}, pinned" if of else "given to it, pinned"
    if each.pinned is None:
        return f"that of its port {of[0]}" if of else ""
    return f"not pinned: the lowest of its ports', {of[0]}'s" if of else "not pinned: it follows its ports"


def _switches(switching: Switching, host: str) -> Iterator[Switch]:
    for name, found in switching.bridges.items():
        bridge = found.item
        assert isinstance(bridge, Bridge)
        flows = switching.flows.get(name, ())
        mine = [each.item for each in flows if each.ours]
        bottom = [flow for flow in mine if flow.table == 0 and flow.priority == UNPATCHED_PRIORITY]
        unpatched = ""
        if bottom:
            unpatched = "normal" if bottom[0].actions == (Output(NORMAL),) else "drop"
        yield Switch(
            name,
            host if found.ours else None,
            bridge.adopted,
            bridge.datapath,
            unpatched,
            tuple(port for port, over in switching.bridge_of.items() if over == name),
            len(mine),
            len(flows) - len(mine),
            switching.silent.get(name, ""),
        )


def _cables(switching: Switching, known: Known) -> Iterator[Cable]:
    shaped = {f.item.port: f.item.rate for f in switching.observed.rows if isinstance(f.item, Shaper) and f.item.rate}
    for bridge, found in switching.flows.items():
        numbers = switching.numbers[bridge]
        ours, _ = wires.ours(bridge, (each.item for each in found if each.ours), numbers)
        theirs = wires.others(bridge, (each.item for each in found if not each.ours), numbers)
        for wire in (*ours, *theirs):
            ends = [end[0] for end in wire.ends]
            name = known.names.get(wire.cookie, "") if wire.cookie is not None else ""
            for guess in (default_name(ends), default_name(ends[::-1])):
                if not name and wire.cookie in (None, cookie_of(guess)):
                    name = guess if wire.cookie is not None else ""
            rates = tuple(as_written(shaped[end]) if end in shaped else "" for end in reversed(ends))
            yield Cable(name, bridge, wire.ends, wire.cookie is not None, (rates[0], rates[1]), wire.copies)


def _by(protocol: int, ours: bool) -> str:
    return "netctl" if ours else PROTOCOLS.get(protocol, f"protocol {protocol}")


def _rules(survey: Survey) -> dict[str, tuple[Line, ...]]:
    found: dict[str, tuple[Line, ...]] = {}
    for each in sorted(survey.rules, key=lambda each: (each.rule.netns, each.rule.family, each.rule.priority)):
        line = Line(each.rule.key[-1], _by(each.protocol, each.ours))
        found[each.rule.netns] = (*found.get(each.rule.netns, ()), line)
    return found


def _tables(survey: Survey) -> dict[str, dict[int, tuple[Line, ...]]]:
    found: dict[str, dict[int, tuple[Line, ...]]] = {}
    for netns in ("", *survey.namespaces):
        for table, routes in survey.tables(netns).items():
            found.setdefault(netns, {})[table] = tuple(
                Line(_route(each.route.key[-1], each.route.via, each.route.src, table), _by(each.protocol, each.ours))
                for each in routes
            )
    return found


def _route(said: str, via: str | None, src: str | None, table: int) -> str:
    text = said if table == MAIN else said.replace(f" table {table}", "")
    return text + (f" via {via}" if via else "") + (f" src {src}" if src else "")


def _settings(survey: Survey) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for each in survey.settings:
        found.setdefault(each.netns, {})[each.name] = each.value
    return found
