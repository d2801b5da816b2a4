"""Takes the picture of this host in which `netctl doctor` looks for what is wrong. Nothing is changed."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from netctl.desired.link import Place
from netctl.desired.routing import Address as OurAddress
from netctl.desired.routing import Route, Routing, Rule, setting_of, slashed
from netctl.doctor.picture import Address, Link, Picture, Redirect
from netctl.kernel import address, netns, offload, programs, redirect, route, rule
from netctl.kernel.address import IFA_PROTO
from netctl.kernel.attribute import attribute, u8
from netctl.kernel.bond import MODES as BOND_MODES
from netctl.kernel.bridge import pinned
from netctl.kernel.errors import NamespaceMissing, Refused
from netctl.kernel.macvlan import MODES as MACVLAN_MODES
from netctl.kernel.mark import PREFIX, ours
from netctl.kernel.nft import FORWARDS, forwards
from netctl.kernel.rooms import Rooms
from netctl.kernel.route import RTA_DST, RTM_GETROUTE
from netctl.kernel.rtnl import IFAPROT_KERNEL_LL, RTM_GETADDR, Rtnl, attributes, read_address
from netctl.kernel.rtnl import Address as RawAddress
from netctl.kernel.rtnl import Link as Raw
from netctl.kernel.view import Inside, View, look

RTM_GETRULE = 34
RT_TABLE_LOCAL = 255

_TABLE_AT = 4
_FAMILIES = (2, 10)
_LINK_LOCAL = u8(IFA_PROTO, IFAPROT_KERNEL_LL)[:5]
_TO_LINK_LOCAL = attribute(RTA_DST, b"\xfe\x80" + bytes(14))
"""What is in the addresses and routes that every device has, and in no other."""
_SETTINGS = ("arp_ignore", "arp_announce", "arp_filter", "rp_filter")
_SILENT = {"dummy", "ifb"}
"""Kinds of Ethernet devices without ARP."""
_VXLAN_AROUND = {4: 50, 6: 70}
"""Octets: inner Ethernet, VXLAN, UDP and IP header (RFC 7348)."""


def take(endpoints: Collection[str] = ()) -> Picture:
    """Of the host's own namespace and all that have names. Of the devices called as one of `endpoints`, and of their
    peers, the checksum offload is looked at.

    Raises Refused.
    """
    links: list[Link] = []
    addresses: list[Address] = []
    routes: list[Route] = []
    rules: list[Rule] = []
    settings: dict[tuple[str, str], str] = {}
    filtered: set[tuple[str, str]] = set()
    marks: dict[str, str] = {}
    dead: list[Redirect] = []
    mine: list[Routing] = []
    try:
        with Rooms() as rooms:
            view = View(rooms, _insides(rooms))
            peers = _peers(view, endpoints)
            for where, inside in view.insides.items():
                rtnl = rooms.at(where).rtnl
                names = {raw.index: raw.name for raw in inside.links}
                seen = [_link(raw, inside, view) for raw in inside.links]
                if where:
                    marks[where] = next((link.mark for link in seen if link.name == "lo"), "")
                links += (_checked(link, rtnl) if link.place in peers else link for link in seen if link.name != "lo")
                here = [
                    Address(where, names[each.index], each.text)
                    for each in _addresses(rtnl)
                    if names.get(each.index, "lo") != "lo"
                ]
                addresses += here
                if not where or len({each.dev for each in here}) > 1:
                    routes += _routes(rtnl, names, where)
                    rules += _rules(rtnl, where)
                    settings.update(_settings(where, here))
                dead += redirect.dead(rtnl, where, names)
                if any(link.kind == "bridge" for link in seen) and any(link.master for link in seen):
                    filtered |= _filtered(where)
                if not where:
                    marked = (
                        *address.look(rtnl, "", names, ()),
                        *route.look(rtnl, "", names, ()),
                        *rule.look(rtnl, "", ()),
                    )
                    mine = [each.item for each in marked if each.ours]
    except OSError as error:
        raise Refused("looking at the host", error) from error
    managers, guests = programs.running()
    return Picture(
        links=tuple(links),
        addresses=tuple(addresses),
        routes=tuple(routes),
        rules=tuple(rules),
        settings=settings,
        filtered=frozenset(filtered),
        dead=tuple(dead),
        managers=managers,
        kept=frozenset(each.dev for each in mine if isinstance(each, OurAddress | Route)),
        routed=any(isinstance(each, Route | Rule) for each in mine),
        namespaces=marks,
        guests=guests,
    )


def _insides(rooms: Rooms) -> Iterator[Inside]:
    yield look(rooms.at(""), detailed=False)
    for name in netns.names():
        with suppress(NamespaceMissing):
            yield look(rooms.at(name), detailed=False)


def _peers(view: View, endpoints: Collection[str]) -> set[Place]:
    """Where the devices called so are in the host's own namespace, and their other ends."""
    found: set[Place] = set()
    inside = view.insides[""]
    for name in endpoints:
        raw = inside.by_name.get(name)
        if raw is not None:
            found.add(("", name))
            if raw.kind == "veth":
                found.add(view.lower("", raw))
    return found


def _link(raw: Raw, inside: Inside, view: View) -> Link:
    data = attributes(raw.data) if raw.kind in ("bridge", "macvtap", "macvlan", "bond", "vxlan", "tun") else {}
    over = inside.by_index.get(raw.master)
    lower = view.lower(inside.netns, raw) if raw.lower and raw.kind != "vxlan" else None
    mode, overhead = "", 0
    match raw.kind:
        case "macvtap" | "macvlan":
            mode = next((name for name, number in MACVLAN_MODES.items() if number == _number(data, 1)), "")
        case "bond":
            mode = BOND_MODES[_number(data, 1)]
        case "vxlan":
            overhead = _VXLAN_AROUND[6 if 16 in data or 17 in data else 4]
            name = view.name(inside.netns, _number(data, 3))
            lower = (inside.netns, name) if name else None
    port = attributes(raw.port_data) if raw.port_kind == "bridge" else {}
    return Link(
        name=raw.name,
        netns=inside.netns,
        kind="tap" if raw.tap else raw.kind,
        mac=raw.mac,
        pinned=pinned(raw) if raw.kind == "bridge" and not inside.netns else None,
        mtu=raw.mtu,
        up=raw.up,
        promisc=raw.promisc,
        allmulticast=raw.allmulticast,
        arp=len(raw.mac) == 17 and raw.kind not in _SILENT,
        master=over.name if over is not None and over.kind != "openvswitch" else "",
        lower=lower if lower != ("", "") else None,
        mode=mode,
        group_fwd_mask=_number(data, 9) if raw.kind == "bridge" else 0,
        port_group_fwd_mask=_number(port, 31),
        overhead=overhead,
        vnet_hdr=raw.tap and bool(_number(data, 5)),
        mark=raw.alias.removeprefix(PREFIX) if raw.alias.startswith(PREFIX) and ours(raw, None) else "",
    )


def _checked(link: Link, rtnl: Rtnl) -> Link:
    with suppress(OSError):
        on = offload.tx_checksum(offload.requested(rtnl, link.name))
        return replace(link, tx_checksum=on)
    return link


def _addresses(rtnl: Rtnl) -> Iterator[RawAddress]:
    """Without the link-local ones that every device has, which most are."""
    for body in rtnl.matching(RTM_GETADDR, bytes(8), lambda body: _LINK_LOCAL not in body):
        found = read_address(body)
        if not found.made_by_kernel:
            yield found


def _routes(rtnl: Rtnl, names: dict[int, str], where: str) -> Iterator[Route]:
    for family in _FAMILIES:
        for body in rtnl.matching(RTM_GETROUTE, bytes([family]) + bytes(11), _not_local):
            found = route.read(body, names, where) if body[0] == family else None
            if found is not None:
                yield found


def _not_local(body: bytes) -> bool:
    return body[_TABLE_AT] != RT_TABLE_LOCAL and _TO_LINK_LOCAL not in body


def _rules(rtnl: Rtnl, where: str) -> Iterator[Rule]:
    for body in rtnl.matching(RTM_GETRULE, bytes(12)):
        found = rule.read(body, where)
        if found is not None:
            yield found


def _settings(where: str, addresses: Iterable[Address]) -> Iterator[tuple[tuple[str, str], str]]:
    """What the kernel's ARP and reverse path filter go by, of those with an IPv4 address."""
    devices = sorted({each.dev for each in addresses if each.family == 4})
    with suppress(NamespaceMissing), netns.entered(where):
        for name in _SETTINGS:
            for setting in (f"net.ipv4.conf.all.{name}", *(setting_of(dev, 4, name) for dev in devices)):
                with suppress(OSError):
                    yield (where, setting), Path("/proc/sys", slashed(setting)).read_text(encoding="ascii").strip()


def _filtered(where: str) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    with suppress(NamespaceMissing), netns.entered(where):
        for table in FORWARDS:
            with suppress(OSError):
                on = Path(f"/proc/sys/net/bridge/bridge-nf-call-{table}").read_text(encoding="ascii").strip()
                if on != "0" and table in forwards():
                    found.add((where, table))
    return found


def _number(found: dict[int, bytes], kind: int) -> int:
    return int.from_bytes(found.get(kind, b"")[:4], sys.byteorder)

