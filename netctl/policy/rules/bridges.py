"""Open vSwitch bridges and their ports."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.policy.finding import Finding
from netctl.policy.model import Host, Policy
from netctl.policy.name import shown
from netctl.policy.ports import Path, host_side
from netctl.policy.stage import Stage


def check(host: Host, path: Path, stage: Stage) -> Iterator[Finding]:
    """A device is a port of one bridge, once."""
    owners: dict[str, Path] = {}
    for guest_name, guest in host.guests.items():
        for nic_name, nic in guest.nics.items():
            name = host_side(guest_name, nic_name, nic)
            if nic.bridge is not None:
                owners.setdefault(name, (*path, "guests", guest_name, "nics", nic_name))
    for bridge_name, bridge in host.bridges.items():
        for number, port in enumerate(bridge.ports):
            at = (*path, "bridges", bridge_name, "ports", number)
            if port.name in host.bridges:
                yield Finding(at, f"{shown(port.name)} is a bridge; it cannot be a port of one")
                continue
            first = owners.setdefault(port.name, at)
            if first != at:
                yield Finding(
                    at,
                    f"{shown(port.name)} is a port already, at {stage.where(first)}: take one of the two out",
                )
            link = host.links.get(port.name)
            if link is not None and link.master is not None:
                yield Finding(
                    at,
                    f"{shown(port.name)} is a port of {link.master} already, at "
                    f"{stage.where((*path, 'links', port.name, 'master'))}: take one of the two out",
                )


def check_databases(policy: Policy, stage: Stage) -> Iterator[Finding]:
    """An Open vSwitch belongs to one host."""
    seen: dict[str | None, str] = {}
    for name, host in policy.hosts.items():
        if not host.bridges or (host.ovsdb is None and "ovsdb" in stage.lost):
            continue
        first = seen.setdefault(host.ovsdb, name)
        if first != name:
            where = stage.where(("hosts", first))
            if host.ovsdb is None:
                yield Finding(
                    ("hosts", name),
                    f"{name} and {first} at {where} would both have this machine's Open vSwitch: "
                    "say with `ovsdb` where the other one's is, such as tcp:ADDRESS:6640",
                    True,
                )
            else:
                yield Finding(
                    ("hosts", name, "ovsdb"),
                    f"{first} at {where} has the same Open vSwitch: a host has one of its own",
                )
