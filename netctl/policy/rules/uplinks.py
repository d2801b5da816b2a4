"""NICs with a default route each."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface

from netctl.policy.finding import Finding
from netctl.policy.model import Host
from netctl.policy.ports import Path
from netctl.policy.stage import Stage

KERNELS_TABLES = {253: "default", 254: "main", 255: "local"}
"""linux/rtnetlink.h, rt_class_t."""


def check(host: Host, path: Path, stage: Stage) -> Iterator[Finding]:
    tables: dict[int, Path] = {}
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
        address = ip_interface(uplink.address)
        gateway = ip_address(uplink.gateway)
        if address.version != gateway.version:
            yield Finding(
                (*at, "gateway"),
                f"{gateway} and {address} are not of one family: both IPv4, or both IPv6",
            )
        elif gateway == address.ip:
            yield Finding((*at, "gateway"), f"{gateway} is the uplink's own address")
        elif gateway not in address.network and not gateway.is_link_local:
            yield Finding(
                (*at, "gateway"),
                f"{gateway} is not in {address.network}, the network of the uplink's address",
            )
