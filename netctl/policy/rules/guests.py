"""Guests and their NICs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface

from netctl.policy.finding import Finding
from netctl.policy.guest import BridgedNic, Guest, MacvtapNic, TapNic, VethNic
from netctl.policy.link import Link
from netctl.policy.model import Host
from netctl.policy.name import shown
from netctl.policy.ports import Path, host_side
from netctl.policy.rules import master
from netctl.policy.rules.devices import too_long
from netctl.policy.stage import Stage

IPV6_LEAST_MTU = 1280
"""RFC 8200, 5."""


def check(host: Host, path: Path, stage: Stage) -> Iterator[Finding]:
    yield from too_long(host, path)
    macs: dict[str, Path] = {}
    for guest_name, guest in host.guests.items():
        for nic_name, nic in guest.nics.items():
            at = (*path, "guests", guest_name, "nics", nic_name)
            if nic.mac is not None:
                first = macs.setdefault(nic.mac, at)
                if first != at:
                    yield Finding(
                        (*at, "mac"),
                        f"{nic.mac} is the MAC of another NIC on this host, at "
                        f"{stage.where((*first, 'mac'))}: give each its own",
                    )
            if "namespace" not in stage.lost:
                yield from _fits_guest(guest_name, guest, nic, at)
            yield from _fits_bridge(host, guest_name, nic_name, nic, at, stage)
            if isinstance(nic, BridgedNic):
                yield from master.check(host, host_side(guest_name, nic_name, nic), nic, at, stage)
                if nic.master is not None and nic.bridge is not None:
                    yield Finding((*at, "master"), f"it is a port of {nic.bridge} already: one of the two", True)
            yield from addresses(nic.addresses, nic.mtu, at)


def _fits_guest(name: str, guest: Guest, nic: TapNic | VethNic | MacvtapNic, at: Path) -> Iterator[Finding]:
    if isinstance(nic, VethNic) and not guest.namespace:
        yield Finding(
            (*at, "device"),
            f"a veth is for a namespace: write `namespace: true` for {name}, "
            "or `device: tap` if it is a virtual machine",
        )
    elif not isinstance(nic, VethNic) and guest.namespace:
        yield Finding(
            (*at, "device"),
            f"{name} is a namespace, so its NICs are `device: veth`; a {nic.device} is for a virtual machine",
        )


def _fits_bridge(
    host: Host, guest: str, nic_name: str, nic: TapNic | VethNic | MacvtapNic, at: Path, stage: Stage
) -> Iterator[Finding]:
    if isinstance(nic, MacvtapNic):
        if nic.bridge is not None:
            yield Finding(
                (*at, "bridge"),
                f"a macvtap sits on {nic.lower} and cannot be a port too: leave out bridge, or make it `device: tap`",
            )
        if "mtu" in nic.model_fields_set:
            yield from fits_on(host.links, nic.mtu, nic.lower, at)
        if nic.lower == host_side(guest, nic_name, nic):
            yield Finding((*at, "lower"), "a macvtap cannot sit on itself")
    elif nic.bridge is not None:
        link = host.links.get(nic.bridge)
        if link is not None and nic.bridge not in host.bridges:
            yield Finding(
                (*at, "bridge"),
                f"{shown(nic.bridge)} is a {link.kind} link; bridge is one of the host's `bridges`"
                + (": say `master` instead" if link.kind == "bridge" else ""),
            )
            return
        message = stage.unknown("bridge of this host", nic.bridge, host.bridges, "declare it under the host's bridges")
        if message:
            yield Finding((*at, "bridge"), message)


def fits_on(links: Mapping[str, Link], mtu: int | None, below: str, at: Path) -> Iterator[Finding]:
    """What any device keeps to that stands on another."""
    lower = links.get(below)
    if mtu is not None and lower is not None and lower.mtu is not None and mtu > lower.mtu:
        yield Finding((*at, "mtu"), f"{below} below it has an mtu of {lower.mtu}; this is at most that, not {mtu}")


def addresses(given: tuple[str, ...], mtu: int | None, at: Path) -> Iterator[Finding]:
    """What any device's list of addresses keeps to."""
    seen: set[str] = set()
    for number, address in enumerate(given):
        if address in seen:
            yield Finding((*at, "addresses", number), f"{address} is in the list twice: take one out")
        seen.add(address)
        if mtu is not None and mtu < IPV6_LEAST_MTU and ip_interface(address).version == 6:
            yield Finding(
                (*at, "mtu"),
                f"IPv6 needs an mtu of at least {IPV6_LEAST_MTU}, and there is {address}; not {mtu}",
            )
