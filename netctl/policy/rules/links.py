"""Plain devices: what they are made of must be there, of the right kind, and not in a circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from netctl.policy.finding import Finding
from netctl.policy.guest import MacvtapNic
from netctl.policy.link import (
    BaseLink,
    BondLink,
    BridgeLink,
    Link,
    MacvlanLink,
    MacvtapLink,
    VethLink,
    VlanLink,
    VxlanLink,
)
from netctl.policy.model import Host
from netctl.policy.ports import Path, host_side
from netctl.policy.rules import master
from netctl.policy.rules.guests import addresses, fits_on
from netctl.policy.stage import Stage

_MOST_SHOWN = 6
_WATCHING = ("802.3ad", "balance-tlb", "balance-alb")
_HASHING = ("balance-xor", "802.3ad", "balance-tlb")
_PREFERRING = ("active-backup", "balance-tlb", "balance-alb")


def check(host: Host, path: Path, stage: Stage) -> Iterator[Finding]:
    members: dict[str, list[str]] = {}
    for name, link in host.links.items():
        if link.master is not None:
            members.setdefault(link.master, []).append(name)
    bonds: dict[str, tuple[str, Path]] = {}
    vlans: dict[tuple[str, int, str], Path] = {}
    for name, link in host.links.items():
        at = (*path, "links", name)
        yield from addresses(link.addresses, link.mtu, at)
        yield from master.check(host, name, link, at, stage)
        yield from _netns(host, link, at)
        if isinstance(link, VethLink):
            yield from _veth(host.links, name, link, at, stage)
        elif isinstance(link, BridgeLink):
            yield from master.mask(
                link.group_fwd_mask,
                master.BRIDGE_NEVER_FORWARDS,
                at,
                "a Linux bridge never forwards stp, pause or lacp",
            )
        elif isinstance(link, VlanLink):
            first = vlans.setdefault((link.link, link.id, link.protocol), at)
            if first != at:
                yield Finding((*at, "id"), f"VLAN {link.id} of {link.link} is a link already, at {stage.where(first)}")
            yield from fits_on(host.links, link.mtu, link.link, at)
        elif isinstance(link, BondLink):
            yield from _bond(host, name, link, {*link.ports, *members.get(name, ())}, at, bonds, stage)
        elif isinstance(link, VxlanLink):
            yield from _vxlan(link, at)
        elif isinstance(link, MacvlanLink | MacvtapLink):
            yield from fits_on(host.links, link.mtu, link.lower, at)
    yield from _lowers(host, path, members, stage)
    yield from _circles(host.links, members, path)


def _netns(host: Host, link: BaseLink, at: Path) -> Iterator[Finding]:
    guest = host.guests.get(link.netns) if link.netns else None
    if guest is not None and not guest.namespace:
        yield Finding((*at, "netns"), f"the guest {link.netns} is a virtual machine, not a namespace")


def _veth(links: Mapping[str, Link], name: str, link: VethLink, at: Path, stage: Stage) -> Iterator[Finding]:
    if link.peer == name:
        yield Finding((*at, "peer"), "a veth has two ends with different names")
        return
    peer = links.get(link.peer)
    if peer is None:
        return
    there = stage.where((*at[:-1], link.peer))
    if not isinstance(peer, VethLink):
        yield Finding((*at, "peer"), f"{link.peer} is a {peer.kind} link, at {there}; the peer of a veth is one")
    elif peer.peer != name:
        yield Finding((*at, "peer"), f"{link.peer} has another peer, {peer.peer}, at {there}: each must name the other")


def _bond(
    host: Host,
    name: str,
    link: BondLink,
    members: set[str],
    at: Path,
    bonds: dict[str, tuple[str, Path]],
    stage: Stage,
) -> Iterator[Finding]:
    for number, port in enumerate(link.ports):
        where = (*at, "ports", number)
        first = bonds.setdefault(port, (name, where))
        if first[1] != where:
            yield Finding(where, f"{port} is a port of {first[0]} already, at {stage.where(first[1])}")
        other = host.links.get(port)
        if other is not None and other.master not in (None, name):
            yield Finding(
                where,
                f"{port} is a port of {other.master} already, at {stage.where((*at[:-1], port, 'master'))}",
            )
    if link.mode in _WATCHING and link.miimon == 0:
        yield Finding((*at, "miimon"), f"{link.mode} must look at its ports' carrier: 100 is usual")
    if link.hash_policy is not None and link.mode not in _HASHING:
        yield Finding((*at, "hash_policy"), f"{link.mode} does not hash; modes that do: {', '.join(_HASHING)}", True)
    if link.lacp_rate is not None and link.mode != "802.3ad":
        yield Finding((*at, "lacp_rate"), f"{link.mode} does not speak LACP; only 802.3ad does", True)
    if link.primary is not None:
        if link.mode not in _PREFERRING:
            yield Finding(
                (*at, "primary"),
                f"{link.mode} prefers no port; modes that do: {', '.join(_PREFERRING)}",
                True,
            )
        elif link.primary not in members:
            yield Finding(
                (*at, "primary"),
                stage.unknown("port of this bond", link.primary, members) or f"{link.primary} is no port of this bond",
            )


def _vxlan(link: VxlanLink, at: Path) -> Iterator[Finding]:
    local = ip_address(link.local) if link.local else None
    remote = ip_address(link.remote) if link.remote else None
    if local and remote and local.version != remote.version:
        yield Finding((*at, "remote"), f"{remote} and {local} are not of one family: both IPv4, or both IPv6")
    if remote is not None and remote.is_multicast and link.link is None:
        yield Finding((*at, "remote"), f"{remote} is a multicast group: say with `link` which device it is joined on")


def _lowers(host: Host, path: Path, members: Mapping[str, list[str]], stage: Stage) -> Iterator[Finding]:
    """What macvlans and macvtaps sit on: no port of anything, no other such, and with passthru nobody else's."""
    port_of = {name: master for master, names in members.items() for name in names}
    port_of |= {
        port: bond for bond, link in host.links.items() if isinstance(link, BondLink) for port in link.ports
    }
    port_of |= {port.name: bridge for bridge, entry in host.bridges.items() for port in entry.ports}
    first: dict[str, tuple[Path, str]] = {}
    second_macs = list(_second_macs(host, path))
    below = {name: lower for name, _, lower, _ in second_macs}
    for name, at, lower, mode in second_macs:
        if lower in below and name not in (lower, below[lower]):
            yield Finding(
                (*at, "lower"),
                f"{lower} is a second MAC of {below[lower]} itself, and the kernel makes this one on that: "
                f"write `lower: {below[lower]}`",
            )
        if lower in port_of:
            yield Finding(
                (*at, "lower"),
                f"{lower} is a port of {port_of[lower]}, and the kernel hands its frames to that alone: "
                f"sit on {port_of[lower]} or on the other end of a veth",
            )
        given = host.links.get(lower)
        if mode == "passthru" and given is not None and given.mac is not None:
            yield Finding(
                (*path, "links", lower, "mac"),
                f"{lower} gets the MAC of {name}, which has passthru: leave out this, and give that one its MAC",
            )
        there, other = first.setdefault(lower, (at, mode))
        if there != at and "passthru" in (mode, other):
            yield Finding(
                (*at, "lower"),
                f"{lower} carries another one, at {stage.where(there)}, and one with passthru has it for itself",
            )


def _second_macs(host: Host, path: Path) -> Iterator[tuple[str, Path, str, str]]:
    """Every macvlan and macvtap: its name, where it is said, what it sits on, its mode."""
    for name, link in host.links.items():
        if isinstance(link, MacvlanLink | MacvtapLink):
            yield name, (*path, "links", name), link.lower, link.mode
    for guest_name, guest in host.guests.items():
        for nic_name, nic in guest.nics.items():
            if isinstance(nic, MacvtapNic):
                at = (*path, "guests", guest_name, "nics", nic_name)
                yield host_side(guest_name, nic_name, nic), at, nic.lower, nic.mode


def _circles(links: Mapping[str, Link], members: Mapping[str, list[str]], path: Path) -> Iterator[Finding]:
    """A link that, through what it sits on, sits on itself."""
    below = {
        name: [each for each in (*_below(link), *members.get(name, ())) if each in links]
        for name, link in links.items()
    }
    done: set[str] = set()
    for start in links:
        trail = {start: iter(below[start])} if start not in done else {}
        while trail:
            name = next(reversed(trail))
            lower = next(trail[name], None)
            if lower is None:
                done.add(name)
                del trail[name]
            elif lower in trail:
                way = list(trail)
                circle = [*way[way.index(lower) :], lower]
                if len(circle) > _MOST_SHOWN:
                    circle[2:-2] = ["…"]
                yield Finding((*path, "links", lower), f"this sits on itself: {' on '.join(circle)}", True)
            elif lower not in done:
                trail[lower] = iter(below[lower])


def _below(link: Link) -> Iterator[str]:
    if isinstance(link, VlanLink | VxlanLink):
        if link.link is not None:
            yield link.link
    elif isinstance(link, MacvlanLink | MacvtapLink):
        yield link.lower
    elif isinstance(link, BondLink):
        yield from link.ports
