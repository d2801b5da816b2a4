"""Policy -> the routes, kernel settings and uplinks of one host, and the addresses of its NICs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_interface

from netctl.desired.routing import MAIN, Address, Route, Routing, Sysctl, dotted
from netctl.desired.uplink import uplinks
from netctl.plan import Key, Wanted
from netctl.policy import Loaded
from netctl.policy import route as said
from netctl.policy.guest import VethNic
from netctl.policy.link import NicLink
from netctl.policy.ports import Path


def routing(loaded: Loaded, host: str) -> list[Wanted[Routing]]:
    """All that the policy wants on `host` beside its devices. What is said for itself comes before what an uplink
    brings along: of two that are the same thing the first counts."""
    wanted: dict[Key, Wanted[Routing]] = {}
    for want in (*_said(loaded, host), *uplinks(loaded, host)):
        wanted.setdefault(want.item.key, want)
    return list(wanted.values())


def _said(loaded: Loaded, host: str) -> Iterator[Wanted[Routing]]:
    assert loaded.policy is not None
    entry = loaded.policy.hosts.get(host)
    if entry is None:
        return
    at: Path = ("hosts", host)
    for name, link in entry.links.items():
        where = (*at, "links", name)
        if isinstance(link, NicLink):
            for text in link.addresses:
                item = Address(name, str(ip_interface(text)), link.netns or "")
                yield Wanted(item, f"{loaded.where(where)} link {name}")
        yield from _routes(loaded, where, link.routes, name, link.netns or "")
    yield from _sysctls(loaded, (*at, "sysctls"), entry.sysctls)
    for guest_name, guest in entry.guests.items():
        for nic_name, nic in guest.nics.items():
            if isinstance(nic, VethNic):
                where = (*at, "guests", guest_name, "nics", nic_name)
                yield from _routes(loaded, where, nic.routes, nic_name, guest_name)
        yield from _sysctls(loaded, (*at, "guests", guest_name, "sysctls"), guest.sysctls, guest_name)


def _routes(
    loaded: Loaded, path: Path, routes: Iterable[said.Route], dev: str, netns: str
) -> Iterator[Wanted[Routing]]:
    for number, route in enumerate(routes):
        item = Route(route.to, dev, route.via, route.src, route.metric or 0, route.table or MAIN, netns)
        yield Wanted(item, f"{loaded.where((*path, 'routes', number))} route of {dev}")


def _sysctls(
    loaded: Loaded, path: Path, sysctls: Mapping[str, int | str], netns: str = ""
) -> Iterator[Wanted[Routing]]:
    for name, value in sysctls.items():
        item = Sysctl(dotted(name), " ".join(str(value).split()), netns)
        yield Wanted(item, f"{loaded.where((*path, name))} sysctls")
