"""Why two ends do not reach each other, from what is known about both. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Standing:
    """One end: the device by which it speaks, and how."""

    end: str
    address: str
    device: str
    """As people read it: «ns1/eth0»."""
    name: str
    """As `ip` takes it inside the namespace."""
    ip: str
    """`ip` as it is called for the namespace: «ip -n ns1»."""
    enter: str
    """What is written before a command that is to run in the namespace; empty or with a space at the end."""
    up: bool = True
    carrier: bool = True
    leaves_checksums: bool = False
    """Whether the device leaves checksums to whoever receives (`tx-checksumming`)."""
    has_way: bool = True
    """Whether it has a route to the other end."""
    via: str = ""
    """The gateway of that route."""
    asked_in_vain: bool = False
    """Whether it looked for the MAC of the next hop and nobody answered."""


@dataclass(frozen=True)
class Tried:
    """What else was tried from the first end."""

    got: Literal["address", "connect", "stall"]
    """How far TCP got: no socket at its address, no connection, no data."""
    pings: int
    """Echo requests that were answered, of 3."""
    full_size: bool
    """Whether one of the size of the MTU was."""
    mtu: int


def why(one: Standing, other: Standing, tried: Tried) -> list[str]:
    """What stands between `one` and `other`, the nearest cause first, each with what mends it. Never empty."""
    found = standing(one, other)
    if found:
        return found
    hop = one.via or other.address
    if one.asked_in_vain and not tried.pings:
        return [
            f"nobody answers for {hop} at {one.device} (ARP, neighbour discovery): the two are not on one wire or in "
            "one segment, or something on the way is down; `netctl wire check` proves a wire, `netctl wire trace` "
            "follows it"
        ]
    if not tried.pings:
        return [
            f"{other.address} does not answer ping either: a packet filter, reverse path filtering (rp_filter) or a "
            f"router between them drops it; `netctl probe symmetric` tells by which NICs a host answers"
        ]
    if tried.got == "stall" and not tried.full_size:
        return [
            f"small packets pass and those of {tried.mtu} octets, the MTU of {one.device}, do not: something on the "
            f"way has a smaller one; `{one.ip} link set {one.name} mtu N` with its, or raise that"
        ]
    leaving = [each for each in (one, other) if each.leaves_checksums]
    if leaving:
        commands = "; ".join(f"{each.enter}ethtool -K {each.name} tx off" for each in leaving)
        devices = " and ".join(each.device for each in leaving)
        return [
            f"ping works and TCP does not: {devices} {'leaves' if len(leaving) == 1 else 'leave'} checksums to whoever "
            "receives, and a userspace datapath of Open vSwitch (datapath_type netdev) on the way passes the frames on "
            f"without any; `{commands}`, or have netctl make the devices"
        ]
    return [
        f"ping works and TCP does not: a packet filter drops it; `{one.enter}nft list ruleset` and "
        f"`{other.enter}nft list ruleset` show those of the two ends"
    ]


def standing(one: Standing, other: Standing) -> list[str]:
    """What is wrong at the ends themselves, so that nothing need be sent to know that nothing will come."""
    return list(_standing(one, other))


def _standing(one: Standing, other: Standing) -> Iterator[str]:
    for each in (one, other):
        if not each.up:
            yield f"{each.device} is down; `{each.ip} link set {each.name} up`"
        elif not each.carrier:
            yield f"{each.device} has no carrier: what it is plugged into is down or not there"
    for here, there in ((one, other), (other, one)):
        if not here.has_way and here.up:
            yield (
                f"{here.end} has no route to {there.address}; `{here.ip} route add {there.address} via GATEWAY`, or an "
                "address in its network"
            )
