"""NICs with a default route each."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from netctl.policy.finding import Finding
from netctl.policy.link import NicLink
from netctl.policy.model import Host, Uplink
from netctl.policy.ports import Path
from netctl.policy.stage import Stage

KERNELS_TABLES = {253: "default", 254: "main", 255: "local"}
"""linux/rtnetlink.h, rt_class_t."""


def check(host: Host, path: Path, stage: Stage) -> Iterator[Finding]:
    tables: dict[int, Path] = {}
    addresses: dict[str, Path] = {}
    for name, uplink in host.uplinks.items():
        at = (*path, "uplinks", name)
        if uplink.table in KERNELS_TABLES:
            yield Finding(
                (*at, "table"),
                f"table {uplink.table} is the kernel's own ({KERNELS_TABLES[uplink.table]}): take another, such as 100",
            )
        first = tables.setdefault(uplink.table, at)
        if first != at:
            yield Finding(
                (*at, "table"),
                f"table {uplink.table} is another uplink's, at {stage.where((*first, 'table'))}: give each its own",
            )
        for number, text in enumerate(uplink.address):
            where = (*at, "address", number)
            first = addresses.setdefault(text.partition("/")[0], where)
            if first != where:
                yield Finding(where, f"{text} is an uplink's address already, at {stage.where(first)}")
        yield from _gateways(uplink, at)
        yield from _link(host, name, uplink, at, stage)


def _gateways(uplink: Uplink, at: Path) -> Iterator[Finding]:
    """One for each family of which there is an address, in the network of one."""
    interfaces = [ip_interface(text) for text in uplink.address]
    if not interfaces:
        yield Finding((*at, "address"), "an uplink has an address, such as 192.168.1.1/24")
        return
    seen: set[int] = set()
    for number, text in enumerate(uplink.gateway):
        where = (*at, "gateway", number)
        gateway = ip_address(text)
        same = [each for each in interfaces if each.version == gateway.version]
        if gateway.version in seen:
            yield Finding(where, f"{gateway} is a second gateway of IPv{gateway.version}: an uplink has one of each")
        elif not same:
            yield Finding(
                where, f"{gateway} and {interfaces[0]} are not of one family: both IPv4, or both IPv6"
            )
            return
        elif any(gateway == each.ip for each in same):
            yield Finding(where, f"{gateway} is the uplink's own address")
        elif not _reached(gateway.version == 6 and gateway.is_link_local, text, same):
            yield Finding(where, f"{gateway} is not in {same[0].network}, the network of the uplink's address")
        seen.add(gateway.version)
    for number, interface in enumerate(interfaces):
        if interface.version not in seen:
            yield Finding(
                (*at, "address", number),
                f"{interface} has no gateway of IPv{interface.version}: name it under `gateway`",
            )


def _reached(at_the_link: bool, gateway: str, interfaces: list[IPv4Interface | IPv6Interface]) -> bool:
    return at_the_link or any(ip_address(gateway) in each.network for each in interfaces)


def _link(host: Host, name: str, uplink: Uplink, at: Path, stage: Stage) -> Iterator[Finding]:
    """A device that netctl makes has all of its addresses from `links`."""
    link = host.links.get(name)
    if link is None:
        return
    there = stage.where((*at[:-2], "links", name))
    if link.netns is not None:
        yield Finding(at, f"{name} is in the namespace {link.netns}, at {there}: an uplink is the host's own", True)
    for number, text in enumerate(uplink.address):
        if not isinstance(link, NicLink) and text not in link.addresses:
            yield Finding(
                (*at, "address", number),
                f"{name} is a {link.kind} link, at {there}: {text} belongs to its `addresses` too",
            )
