"""Addresses of NICs, routes, rules, settings and drop-in files of one network namespace: a file for each kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from netctl.desired.routing import (
    Address,
    DropIn,
    Route,
    Routing,
    Rule,
    Sysctl,
    Waiting,
    device_of,
    place,
)
from netctl.kernel import address, dropin, mark, route, rule, sysctl
from netctl.kernel.errors import DeviceDown, DeviceMissing
from netctl.kernel.rtnl import Link, Rtnl
from netctl.plan import Found, Key

_NOT_LINKS = ("address", "sysctl", "route", "rule")


class Survey:
    """One look at all of it, namespace by namespace. `wanted` are all keys that are, those of links too; with None for
    `host`, what is any host's is ours."""

    def __init__(self, wanted: Collection[Key], host: str | None) -> None:
        self._host = host
        self._files = {key for key in wanted if key[0] == "dropin"}
        self._wanted: dict[str, set[Key]] = {}
        for key in wanted:
            if key[0] not in ("dropin", "netns"):
                self._wanted.setdefault(place(key)[0], set()).add(key)
        self._recorded = sysctl.recorded(host)

    def look(self, rtnl: Rtnl, netns: str, links: Sequence[Link]) -> list[Found[Routing]]:
        """What is ours in the namespace behind `rtnl`, called `netns` ("" for the host's own), and what stands under
        one of the keys that are wanted.

        What needs a NIC that is down or not there waits; for a device of netctl's, whose key is among them, the plan
        sees to that. Raises OSError.
        """
        here = self._wanted.get(netns, set())
        found = _look(rtnl, netns, links, here, self._recorded.get(netns, ()))
        return found if netns else [*found, *dropin.look(self._files, self._host)]


def _look(
    rtnl: Rtnl, netns: str, links: Sequence[Link], here: Collection[Key], recorded: Collection[str]
) -> list[Found[Routing]]:
    names = {link.index: link.name for link in links}
    strange = {link.index: link.name for link in links if not mark.ours(link, None)}
    found: list[Found[Routing]] = [
        *address.look(rtnl, netns, strange, {key for key in here if key[0] == "address"}),
        *route.look(rtnl, netns, names, {key for key in here if key[0] == "route"}),
        *rule.look(rtnl, netns, {key for key in here if key[0] == "rule"}),
        *sysctl.look(netns, {key[-1] for key in here if key[0] == "sysctl"}, recorded),
    ]
    if not any(key[0] in _NOT_LINKS for key in here):
        return found
    there = {each.item.key for each in found}
    kept = {key[-1] for key in here if key[0] not in _NOT_LINKS}
    up = {link.name: link.up for link in links}
    for key in sorted(set(here) - there):
        device = device_of(key) if key[0] in ("address", "route") else _device_of_setting(key)
        if device is None or device in kept:
            continue
        if device not in up:
            found.append(Found(Waiting(key), ours=False, stays=str(DeviceMissing(device, netns or None))))
        elif key[0] == "route" and not up[device]:
            why = DeviceDown(f"the route {key[-1]}", device, netns)
            found.append(Found(Waiting(key), ours=False, stays=str(why)))
    return found


def make(item: Routing, rtnl: Rtnl, host: str) -> None:
    """Raises KernelError. `rtnl` is of the item's own namespace."""
    match item:
        case Address():
            address.make(item, rtnl)
        case Route():
            route.make(item, rtnl)
        case Rule():
            rule.make(item, rtnl)
        case Sysctl():
            sysctl.make(item, host)
        case DropIn():
            dropin.make(item, host)
        case Waiting():
            raise AssertionError(f"{item.key} is never made")


def alter(item: Routing, rtnl: Rtnl, host: str) -> None:
    """Raises KernelError."""
    match item:
        case Route():
            route.alter(item, rtnl)
        case Rule():
            rule.alter(item, rtnl)
        case _:
            make(item, rtnl, host)


def remove(item: Routing, rtnl: Rtnl, host: str | None) -> None:
    """What is gone is no error. Raises KernelError."""
    match item:
        case Address():
            address.remove(item, rtnl)
        case Route():
            route.remove(item, rtnl)
        case Rule():
            rule.remove(item, rtnl)
        case Sysctl():
            sysctl.remove(item, host)
        case DropIn():
            dropin.remove(item, host)
        case Waiting():
            pass


def _device_of_setting(key: Key) -> str | None:
    """The device that a setting is about, if it is about one."""
    if key[0] != "sysctl":
        return None
    parts = key[-1].split(".")
    about_one = len(parts) > 4 and parts[2] in ("conf", "neigh") and parts[3] not in ("all", "default")
    return parts[3].replace("/", ".") if about_one else None
