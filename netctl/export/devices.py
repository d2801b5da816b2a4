"""Devices, namespaces, their routes and settings -> guests and links."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface
from typing import Any

from netctl.desired import link as kinds
from netctl.desired.link import Link, Place
from netctl.desired.mac import guest_mac, stable_mac, tap_mac
from netctl.desired.routing import MAIN, Route
from netctl.desired.row import Bridge
from netctl.desired.survey import BY_HAND, Standing
from netctl.export.draft import Draft, Entry, Scope
from netctl.export.uplinks import Taken
from netctl.policy.name import GROUPS, device_name, plain_name

FALLBACK = frozenset(
    {
        *("sit0", "tunl0", "gre0", "gretap0", "erspan0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0"),
        *("ifb0", "ifb1", "dummy0", "bond0", "teql0"),
    }
)
"""Devices that a module of the kernel makes when it is loaded."""

ETHERNET_MTU = 1500
QUEUE = {"macvtap": 500, "ifb": 32}
"""What the kernel gives; any other kind 1000."""
BRIDGE_TIMES = {"forward_delay": 15, "ageing": 300}
"""What the kernel gives, in seconds."""
OTHERS = "Made by others: where it is as is said here it serves, and netctl never changes it."

MADE_UP = {"macvlan", "macvtap", "vxlan", "dummy", "ifb", "veth"}
"""Kinds to which the kernel gives a MAC that is another one each time."""


def devices(scope: Scope, made: Draft, taken: Taken) -> None:
    """Guests for namespaces with their veths, links for the rest."""
    _Devices(scope, made, taken).write()


@dataclass
class _Devices:
    scope: Scope
    made: Draft
    taken: Taken
    said: dict[Place, Standing] = field(default_factory=dict)
    """The devices that are written."""

    def write(self) -> None:
        self.said = {each.place: each for each in self._chosen()}
        self._leave_unnamed()
        self._leave_halves()
        namespaces = self._namespaces()
        links = [each for each in self.said.values() if not self._as_guest(each, namespaces)]
        order = sorted(links, key=lambda each: (each.owner != self.scope.host, not each.is_nic))
        names: dict[str, Place] = {}
        told = False
        for each in order:
            first = names.setdefault(each.link.name, each.place)
            if ("links", each.link.name) in self.scope.without:
                continue
            if first != each.place:
                self._leave(each, f"its name is that of {self._named(first)} too, and `links` has each name once")
                continue
            entry = Entry(self._link(each, order))
            if each.owner != self.scope.host and not told:
                told = True
                entry.notes.append(OTHERS)
            entry.notes += self._notes(each)
            if each.owner != self.scope.host:
                self.made.others.add(("links", each.link.name))
            self.made.links[each.link.name] = entry
            self.made.made[each.place] = ("links", each.link.name)
        self._settings(namespaces)
        if self.scope.everything:
            self.made.left += self.scope.survey.unsaid

    def _chosen(self) -> Iterator[Standing]:
        """What is ours, and what that is a port of or the other end of; all that can be said where that is asked."""
        survey, host = self.scope.survey, self.scope.host
        needed: set[Place] = set()
        for each in survey.devices:
            if each.owner == host and each.link.master:
                needed.add((each.link.netns, each.link.master))
        for each in survey.devices:
            bonded = each.is_nic and self._bond_of(each) is not None
            if each.owner == host or each.place in needed:
                if not bonded or each.link.addresses:
                    yield each
            elif (self.scope.everything and self._sayable(each)) or (each.is_nic and self._uses(each)):
                yield each

    def _leave_unnamed(self) -> None:
        """What has a name that a policy does not take."""
        for each in list(self.said.values()):
            why = _no_name(each.link.name, device_name) or _no_name(each.link.netns or "host", plain_name)
            if why:
                del self.said[each.place]
                self._leave(each, why)

    def _leave_halves(self) -> None:
        """Others' veths whose other end is not said: it would be wanted without what it has."""
        for each in list(self.said.values()):
            link = each.link
            if isinstance(link, kinds.Veth) and each.owner is None and self._other_end(link) not in self.said:
                del self.said[each.place]
                self._leave(each, f"its other end, {self._named(self._other_end(link))}, is not said as a veth")

    def _other_end(self, link: kinds.Veth) -> Place:
        return link.peer_netns, link.peer

    def _leave(self, each: Standing, why: str) -> None:
        self.made.left.append(f"{each.link.kind} {self._named(each.place)}: {why}")

    def _bond_of(self, each: Standing) -> Standing | None:
        over = self.scope.survey.at.get((each.link.netns, each.link.master or ""))
        return over if over is not None and over.link.kind == "bond" else None

    def _uses(self, each: Standing) -> bool:
        """Whether netctl's own addresses or routes are at a device of somebody else's."""
        survey, taken, link = self.scope.survey, self.taken, each.link
        addressed = any(
            (a.netns, a.dev) == each.place and a not in taken.addresses for a in survey.addresses
        )
        return addressed or any(
            r.ours and (r.route.netns, r.route.dev) == (link.netns, link.name) and r.route not in taken.routes
            for r in survey.routes
        )

    def _sayable(self, each: Standing) -> bool:
        link = each.link
        if not link.netns and (link.name in self.scope.switching.own or link.name in self.made.uplinks):
            return False
        if each.is_nic or link.name in FALLBACK:
            return bool(link.addresses or link.master or any(True for _ in self._routes_of(each)))
        if each.held:
            self._leave(each, "it goes with the program that holds it (a virtual machine's, say)")
            return False
        if isinstance(link, kinds.Tap) and link.owner == -1 and link.group == -1:
            self._leave(each, "everybody may open it, and netctl makes none such; `owner` and `group` say who may")
            return False
        if isinstance(link, kinds.Veth) and not link.peer:
            self._leave(each, "its other end is in a namespace without a name (a container's)")
            return False
        return True

    def _named(self, place: Place) -> str:
        return "/".join(each for each in place if each)

    # -- namespaces, and veths as their NICs

    def _namespaces(self) -> dict[str, Entry]:
        """Those of which something is said, the guests to be."""
        inside = {each.link.netns for each in self.said.values() if each.link.netns}
        for name, owner in self.scope.survey.namespaces.items():
            whole = owner == self.scope.host or self.scope.everything or name in inside
            if not whole or ("guests", name) in self.scope.without:
                continue
            why = _no_name(name, plain_name)
            if why:
                self.made.left.append(f"namespace {name}: {why}")
            else:
                self.made.guests[name] = Entry({"namespace": True})
        return self.made.guests

    def _as_guest(self, each: Standing, namespaces: Mapping[str, Entry]) -> bool:
        """Write a veth that leads into a namespace as a NIC of that; both its ends then are."""
        link = each.link
        if isinstance(link, kinds.Tap | kinds.Macvtap):
            return self._as_machine(each, link)
        if not isinstance(link, kinds.Veth):
            return False
        there = self.scope.survey.at.get((link.peer_netns, link.peer))
        if there is None or there.place not in self.said:
            return False
        outer, inner = (each, there) if not link.netns else (there, each)
        guest, nic = inner.link.netns, inner.link.name
        if guest not in namespaces or ("guests", guest, "nics", nic) in self.scope.without:
            return False
        if not self._fits_guest(outer, inner):
            return False
        if outer is not each:
            return True
        entry = namespaces[guest]
        entry.value.setdefault("nics", {})[nic] = self._nic(outer, inner)
        if outer.owner != self.scope.host:
            self.made.others.add(("guests", guest, "nics", nic))
        for place in (outer.place, inner.place):
            self.made.made[place] = ("guests", guest, "nics", nic)
        return True

    def _as_machine(self, each: Standing, link: kinds.Tap | kinds.Macvtap) -> bool:
        """Write a tap or macvtap as the NIC of the virtual machine that a policy knows behind it."""
        guest = self.scope.guests.get(link.name) if not link.netns else None
        if guest is None or each.owner != self.scope.host or self.scope.survey.namespaces.get(guest.name) is not None:
            return False
        path = ("guests", guest.name, "nics", guest.nic)
        bridge = self._bridge(link)
        is_tap = isinstance(link, kinds.Tap)
        if (
            path in self.scope.without
            or link.mac != (tap_mac(guest.mac) if is_tap else guest.mac)
            or not (link.up or bridge is not None)
            or link.addresses
            or any(True for _ in self._routes_of(each))
            or (is_tap and (link.allmulticast or (link.promisc and bridge is None)))
            or (is_tap and link.tx_checksum is not (bridge is None or bridge.datapath != "netdev"))
        ):
            return False
        said: dict[str, Any] = {"device": link.kind, "mac": guest.mac}
        if link.name != f"{guest.name}-{guest.nic}":
            said["name"] = link.name
        if isinstance(link, kinds.Tap):
            said |= self._tap(replace(link, vnet_hdr=False))
            if bridge is not None:
                said["bridge"] = self.scope.switching.bridge_of[link.name]
            elif link.master:
                said |= {"master": link.master, **self._port(link)}
        else:
            said |= {"lower": link.lower, "mode": link.mode}
            said |= {name: True for name in ("allmulticast", "promisc") if getattr(link, name)}
        if link.mtu != ETHERNET_MTU:
            said["mtu"] = link.mtu
        entry = self.made.guests.setdefault(guest.name, Entry({"nics": {}}))
        entry.value["nics"][guest.nic] = said
        self.made.made[each.place] = path
        return True

    def _fits_guest(self, outer: Standing, inner: Standing) -> bool:
        out, into = outer.link, inner.link
        bridge = self._bridge(out)
        checksum = bridge is None or bridge.datapath != "netdev"
        return (
            not out.netns
            and bool(into.netns)
            and outer.owner == inner.owner
            and out.mtu == into.mtu
            and not out.addresses
            and bool(into.up)
            and (bool(out.up) or bridge is not None)
            and not (into.promisc or into.allmulticast or out.allmulticast or into.master)
            and (not out.promisc or bridge is not None)
            and not any(True for _ in self._routes_of(outer))
            and out.tx_checksum is checksum
            and into.tx_checksum is checksum
        )

    def _nic(self, outer: Standing, inner: Standing) -> dict[str, Any]:
        out, into = outer.link, inner.link
        said: dict[str, Any] = {"device": "veth"}
        if out.name != f"{into.netns}-{into.name}":
            said["name"] = out.name
        if self._bridge(out) is not None:
            said["bridge"] = self.scope.switching.bridge_of[out.name]
        elif out.master:
            said["master"] = out.master
            said |= self._port(out)
        if into.mac != guest_mac(self.scope.host, into.netns, into.name):
            said["mac"] = into.mac
        if into.mtu != ETHERNET_MTU:
            said["mtu"] = into.mtu
        if into.addresses:
            said["addresses"] = list(into.addresses)
        return said | self._with_routes(inner)

    def _bridge(self, link: Link) -> Bridge | None:
        """The Open vSwitch bridge that a device is a port of, where the policy names it."""
        if link.netns or link.name not in self.scope.switching.bridge_of:
            return None
        name = self.scope.switching.bridge_of[link.name]
        found = self.scope.switching.bridges[name]
        named = (found.ours or self.scope.everything) and ("bridges", name) not in self.scope.without
        return found.item if named and isinstance(found.item, Bridge) else None

    # -- links

    def _link(self, each: Standing, order: Collection[Standing]) -> dict[str, Any]:
        link = each.link
        said: dict[str, Any] = {"kind": link.kind, **self._particular(each)}
        if link.netns:
            said["netns"] = link.netns
        bond = self._bond_of(each)
        if link.master:
            said["master"] = link.master
            said |= self._port(link)
        if each.is_nic:
            return said | self._of_nic(each)
        if bond is None and not self._needless(each, order):
            said["mac"] = link.mac
        if link.mtu != ETHERNET_MTU:
            said["mtu"] = link.mtu
        bridge = self._bridge(link)
        if not link.up and bridge is None and bond is None:
            said["up"] = False
        if link.promisc and bridge is None:
            said["promisc"] = True
        if link.allmulticast:
            said["allmulticast"] = True
        if link.txqueuelen != QUEUE.get(link.kind, 1000):
            said["txqueuelen"] = link.txqueuelen
        if link.addresses:
            said["addresses"] = list(link.addresses)
        return said | self._with_routes(each)

    def _of_nic(self, each: Standing) -> dict[str, Any]:
        link = each.link
        said: dict[str, Any] = {}
        if link.master and not link.up:
            said["up"] = False
        given = {a.text for a in self.scope.survey.addresses if (a.netns, a.dev) == each.place}
        kept = {a.text for a in self.taken.addresses if (a.netns, a.dev) == each.place}
        texts = [t for t in link.addresses or () if (self.scope.everything or t in given) and t not in kept]
        if texts:
            said["addresses"] = texts
        return said | self._with_routes(each)

    def _particular(self, each: Standing) -> dict[str, Any]:
        match each.link:
            case kinds.Veth() as link:
                return {"peer": link.peer}
            case kinds.Tap() as link:
                return self._tap(link)
            case kinds.Macvlan() as link:
                return {"lower": link.lower, "mode": link.mode}
            case kinds.Bridge() as link:
                return self._linux_bridge(link)
            case kinds.Vlan() as link:
                more = {"protocol": link.protocol} if link.protocol != "802.1Q" else {}
                return {"link": link.link, "id": link.id, **more}
            case kinds.Bond() as link:
                return self._bond(each, link)
            case kinds.Vxlan() as link:
                said: dict[str, Any] = {"id": link.id}
                said |= {name: getattr(link, name) for name in ("link", "local", "remote") if getattr(link, name)}
                if link.dstport != 4789:
                    said["dstport"] = link.dstport
                if not link.learning:
                    said["learning"] = False
                return said | ({"ttl": link.ttl} if link.ttl else {})
        return {}

    def _tap(self, link: kinds.Tap) -> dict[str, Any]:
        said: dict[str, Any] = {}
        if (link.owner, link.group) != (0, -1):
            said |= {"owner": link.owner} if link.owner != -1 else {}
            said |= {"group": link.group} if link.group != -1 else {}
        if link.multi_queue:
            said["multi_queue"] = True
        return said | ({"vnet_hdr": True} if link.vnet_hdr else {})

    def _linux_bridge(self, link: kinds.Bridge) -> dict[str, Any]:
        said: dict[str, Any] = {}
        if link.group_fwd_mask:
            said["group_fwd_mask"] = _mask(link.group_fwd_mask)
        if link.stp:
            said["stp"] = True
        said |= {name: getattr(link, name) for name, usual in BRIDGE_TIMES.items() if getattr(link, name) != usual}
        return said | ({"vlan_filtering": True} if link.vlan_filtering else {})

    def _bond(self, each: Standing, link: kinds.Bond) -> dict[str, Any]:
        ports = self.scope.survey.ports.get(each.place, ())
        said: dict[str, Any] = {"mode": link.mode, "ports": [port.link.name for port in ports]}
        if link.miimon != 100:
            said["miimon"] = link.miimon
        if link.mode in ("balance-xor", "802.3ad", "balance-tlb") and link.hash_policy != "layer2":
            said["hash_policy"] = link.hash_policy
        if link.mode == "802.3ad" and link.lacp_rate != "slow":
            said["lacp_rate"] = link.lacp_rate
        primary = [port.link.name for port in ports if port.link.primary]
        return said | ({"primary": primary[0]} if primary else {})

    def _port(self, link: Link) -> dict[str, Any]:
        port = link.port
        said: dict[str, Any] = {}
        if port.group_fwd_mask:
            said["group_fwd_mask"] = _mask(port.group_fwd_mask)
        said |= {name: True for name in ("hairpin", "isolated") if getattr(port, name)}
        over = self.scope.survey.at.get((link.netns, link.master or ""))
        filters = over is not None and isinstance(over.link, kinds.Bridge) and over.link.vlan_filtering
        if filters and (port.pvid, port.vlans) != (1, ()):
            said |= {"pvid": port.pvid} if port.pvid else {}
            said |= {"vlans": list(port.vlans)} if port.vlans else {}
        return {"port": said} if said else {}

    def _needless(self, each: Standing, order: Collection[Standing]) -> bool:
        """Whether a MAC is what it would be if the policy said none."""
        link, host = each.link, self.scope.host
        if isinstance(link, kinds.Bridge):
            nic = self._lender(link, order)
            if nic is not None:
                return each.owner == host and link.mac == nic.mac and link.mac_of == nic.name
            return link.mac == stable_mac("bridge", host, link.name)
        if isinstance(link, kinds.Tap):
            return link.mac == tap_mac(stable_mac("tap", host, link.name))
        if isinstance(link, kinds.Bond):
            return any(port.link.mac == link.mac for port in self.scope.survey.ports.get(each.place, ()))
        if isinstance(link, kinds.Vlan):
            below = self.scope.survey.at.get((link.link_netns, link.link))
            return below is not None and below.link.mac == link.mac
        return each.pinned is False and link.kind in MADE_UP

    def _lender(self, bridge: kinds.Bridge, order: Collection[Standing]) -> Link | None:
        """The port whose MAC a bridge has that is given none: a NIC, else a bond or a VLAN, the first that is said."""
        ports = [each.link for each in order if (each.link.netns, each.link.master) == bridge.place]
        nics = [link for link in ports if link.kind == "nic"]
        return next(iter([*nics, *(link for link in ports if link.kind in ("bond", "vlan"))]), None)

    def _notes(self, each: Standing) -> Iterator[str]:
        link, host = each.link, self.scope.host
        if each.owner is not None and each.owner != host:
            yield f"{link.name} is that of the host {each.owner} of another policy."
        if each.is_nic and each.owner is None and each.kind:
            yield f"{link.name} is a {each.kind}, which netctl does not make: it is kept as it is, with netctl's mark."
        if isinstance(link, kinds.Bridge) and each.owner is None and each.pinned is False:
            yield f"The MAC of {link.name} is not pinned: it follows its ports, and this is what it is now."

    # -- routes and settings

    def _routes_of(self, each: Standing) -> Iterator[Route]:
        for leading in self.scope.survey.routes_of.get(each.place, ()):
            route = leading.route
            if route in self.taken.routes:
                continue
            if leading.ours or (self.scope.everything and leading.protocol in BY_HAND):
                yield route

    def _with_routes(self, each: Standing) -> dict[str, Any]:
        said: list[dict[str, Any]] = []
        there: set[tuple[str, int, int]] = set()
        for route in self._routes_of(each):
            why_not = self._unsayable(route, each)
            if not why_not and (route.to, route.table, route.metric) in there:
                why_not = "a device has one route to a place, table and metric"
            if why_not:
                self.made.left.append(f"route {self._named((route.netns, route.key[-1]))}: {why_not}")
                continue
            there.add((route.to, route.table, route.metric))
            said.append(_route(route))
        return {"routes": said} if said else {}

    def _unsayable(self, route: Route, each: Standing) -> str:
        link = each.link
        if not link.up:
            return f"{link.name} is down, and what is down has no routes"
        networks = [ip_interface(text).network for text in link.addresses or ()]
        if route.via and not each.is_nic:
            via = ip_address(route.via)
            near = any(via in network for network in networks if network.version == via.version)
            if not near and not (via.version == 6 and via.is_link_local):
                return f"{via} is in no network of {link.name}"
        if route.src and route.family == 6:
            return "the address to send from is said for IPv4 only"
        return ""

    def _settings(self, namespaces: Mapping[str, Entry]) -> None:
        for setting in self.scope.survey.settings:
            if setting.netns in namespaces:
                namespaces[setting.netns].value.setdefault("sysctls", {})[setting.name] = _number(setting.value)
            elif setting.netns or setting.name in self.taken.settings:
                continue
            elif ("sysctls", setting.name) not in self.scope.without:
                self.made.sysctls[setting.name] = Entry(_number(setting.value))


def _no_name(name: str, check: Callable[[str], str]) -> str:
    """Why a policy does not take a name; "" where it does."""
    try:
        check(name)
    except ValueError as error:
        return str(error)
    return ""


def _route(route: Route) -> dict[str, Any]:
    anywhere = route.to in ("0.0.0.0/0", "::/0") and route.via is not None
    said: dict[str, Any] = {"to": "default" if anywhere else route.to}
    said |= {name: value for name in ("via", "src") if (value := getattr(route, name))}
    if route.metric:
        said["metric"] = route.metric
    return said | ({"table": route.table} if route.table != MAIN else {})


def _mask(mask: int) -> int | str | list[str]:
    """By names where they say all of it."""
    names = [name for name, digit in GROUPS.items() if mask & 1 << digit]
    if sum(1 << GROUPS[name] for name in names) != mask:
        return mask
    return names[0] if len(names) == 1 else names


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() and str(int(text)) == text else text

