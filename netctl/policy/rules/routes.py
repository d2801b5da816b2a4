"""Routes of devices, and kernel settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_interface, ip_network

from netctl.policy.finding import Finding
from netctl.policy.guest import VethNic
from netctl.policy.link import NicLink
from netctl.policy.model import Host
from netctl.policy.ports import Path
from netctl.policy.route import Route
from netctl.policy.stage import Stage

MAIN = 254
LOCAL = 255
_SWAP = str.maketrans("./", "/.")


def check(host: Host, path: Path, stage: Stage) -> Iterator[Finding]:
    places: dict[tuple[str, str, int, int], Path] = {}
    for name, link in host.links.items():
        at = (*path, "links", name)
        known = not isinstance(link, NicLink)
        yield from _routes(link.routes, link.addresses, known, link.netns or "", at, places, stage)
        if link.routes and not link.up:
            yield Finding((*at, "routes"), f"{name} is to be down, and what is down has no routes", True)
    for guest_name, guest in host.guests.items():
        for nic_name, nic in guest.nics.items():
            if isinstance(nic, VethNic):
                at = (*path, "guests", guest_name, "nics", nic_name)
                yield from _routes(nic.routes, nic.addresses, True, guest_name, at, places, stage)
        at = (*path, "guests", guest_name, "sysctls")
        if guest.sysctls and not guest.namespace and "namespace" not in stage.lost:
            yield Finding(
                at, f"{guest_name} is a virtual machine, whose kernel is its own: only a namespace's can be set", True
            )
        yield from _sysctls(guest.sysctls, at, stage)
    yield from _sysctls(host.sysctls, (*path, "sysctls"), stage)


def _routes(
    routes: Iterable[Route],
    addresses: Iterable[str],
    known: bool,
    netns: str,
    path: Path,
    places: dict[tuple[str, str, int, int], Path],
    stage: Stage,
) -> Iterator[Finding]:
    """`known` is whether the device has these addresses and no others."""
    interfaces = [ip_interface(text) for text in addresses]
    for number, route in enumerate(routes):
        at = (*path, "routes", number)
        to = ip_network(route.to)
        table = route.table or MAIN
        if table == LOCAL:
            yield Finding((*at, "table"), "table 255 is the kernel's own (local): take another, such as 100")
        first = places.setdefault((netns, route.to, table, route.metric or 0), at)
        if first != at:
            yield Finding(
                (*at, "to"),
                f"a route to {to} is there already, at {stage.where(first)}: give one another `metric` or `table`",
            )
        same = [each for each in interfaces if each.version == to.version]
        if route.via is not None:
            via = ip_address(route.via)
            if via.version != to.version:
                yield Finding((*at, "via"), f"{via} and {to} are not of one family: both IPv4, or both IPv6")
            elif any(via == each.ip for each in same):
                yield Finding((*at, "via"), f"{via} is the device's own address")
            elif known and not (
                (via.version == 6 and via.is_link_local) or any(via in each.network for each in same)
            ):
                has = ", ".join(str(each.network) for each in same) or f"no address of IPv{to.version}"
                yield Finding((*at, "via"), f"{via} cannot be reached: the device has {has}")
        if route.src is not None:
            src = ip_address(route.src)
            if src.version == 6:
                yield Finding(
                    (*at, "src"),
                    "of IPv6 the kernel chooses the address to send from by itself (RFC 6724): leave it out",
                    True,
                )
            elif src.version != to.version:
                yield Finding((*at, "src"), f"{src} and {to} are not of one family")
            elif known and not any(src == each.ip for each in interfaces):
                yield Finding((*at, "src"), f"{src} is none of the device's `addresses`")


def _sysctls(sysctls: Mapping[str, object], path: Path, stage: Stage) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name in sysctls:
        dotted = name.translate(_SWAP) if "/" in name.partition(".")[0] else name
        first = seen.setdefault(dotted, name)
        if first != name:
            there = stage.where((*path, first))
            yield Finding((*path, name), f"this is {first} once more, at {there}: take one out", True)
