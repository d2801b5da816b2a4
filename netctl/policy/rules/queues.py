"""Queues, and what is put in them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from netctl.policy.finding import Finding
from netctl.policy.model import Match, Policy, Wire
from netctl.policy.name import shown
from netctl.policy.ports import Path
from netctl.policy.stage import Stage

_ETH_TYPES = {4: 0x0800, 6: 0x86DD}


def check(policy: Policy) -> Iterator[Finding]:
    for name, queue in policy.queues.items():
        low, high = queue.min, queue.max
        if low is None or high is None:
            continue
        both = ((low.bits, high.bits), (low.percent, high.percent))
        if any(least is not None and most is not None and least > most for least, most in both):
            yield Finding(("queues", name, "min"), f"min {low} is more than max {high}")


def check_classes(policy: Policy, wire: Wire, at: Path, stage: Stage) -> Iterator[Finding]:
    everything = False
    for number, entry in enumerate(wire.classify):
        here = (*at, "classify", number)
        message = stage.unknown("queue", entry.queue, policy.queues, "declare it under queues")
        if message:
            yield Finding((*here, "queue"), message)
        if everything and not stage.lost:
            yield Finding(here, "nothing comes this far: an entry above takes every frame")
        everything = entry.match == Match()
        yield from _match(entry.match, (*here, "match"))


def _match(match: Match, at: Path) -> Iterator[Finding]:
    """What no frame can be."""
    for protocol, number in (("tcp", 6), ("udp", 17)):
        ports = [each for each in (f"{protocol}_src", f"{protocol}_dst") if getattr(match, each) is not None]
        if ports and match.ip_proto not in (None, number):
            yield Finding((*at, ports[0]), f"{ports[0]} goes with ip_proto {number}, not {match.ip_proto}", True)
        if ports and protocol == "udp" and (match.tcp_src, match.tcp_dst) != (None, None):
            yield Finding((*at, ports[0]), f"no frame is TCP and UDP: take {ports[0]} out, or what is tcp", True)
    families = {field: ip_network(value).version for field in ("ip_src", "ip_dst") if (value := getattr(match, field))}
    if len(set(families.values())) > 1:
        yield Finding((*at, "ip_dst"), "ip_src and ip_dst are not of one family: both IPv4, or both IPv6")
        return
    if match.eth_type is None:
        return
    if match.eth_type not in _ETH_TYPES.values():
        ip = [
            each
            for each in type(match).model_fields
            if each[:3] in ("ip_", "tcp", "udp") and getattr(match, each) is not None
        ]
        if ip:
            yield Finding((*at, ip[0]), f"{shown(ip[0])} is of IP, and eth_type {match.eth_type:#06x} is not", True)
    for field, version in families.items():
        if match.eth_type in _ETH_TYPES.values() and match.eth_type != _ETH_TYPES[version]:
            yield Finding((*at, field), f"this is IPv{version}, and eth_type {match.eth_type:#06x} is not")
