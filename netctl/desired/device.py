"""What a host has: namespaces, veths, taps. The kernel room makes them, this file says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from netctl.plan import Key, Value

ORDER = ("netns", "veth", "tap")
"""The order in which kinds are made; they are removed in the reverse one."""


@dataclass(frozen=True)
class Namespace:
    """A named network namespace (`ip netns`), with its loopback up."""

    name: str

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return ("netns", self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"loopback_up": True}


@dataclass(frozen=True)
class Veth:
    """A veth pair: `name` on the host, `peer` inside `netns`. Both ends are made up."""

    name: str
    netns: str
    peer: str
    mtu: int = 1500
    peer_mac: str | None = None
    """None leaves the kernel's random one."""
    addresses: tuple[str, ...] = ()
    """Of the peer, each «address/prefix length» as `ipaddress.ip_interface` prints it, sorted."""
    tx_checksum: bool = True
    """Of both ends. Off where the bridge is Open vSwitch's userspace datapath: it does not complete
    partial checksums, and TCP never connects."""
    carried: bool = False
    """Whether a wire takes the host's end down and raises it (carrier: follow): then only the peer is kept up."""

    fixed: ClassVar[frozenset[str]] = frozenset({"netns", "peer"})

    @property
    def key(self) -> Key:
        return ("veth", self.name)

    def facts(self) -> Mapping[str, Value]:
        facts: dict[str, Value] = {
            "kind": "veth",
            "netns": self.netns,
            "peer": self.peer,
            "mtu": self.mtu,
            "addresses": self.addresses,
            "tx_checksum": self.tx_checksum,
        }
        facts["peer_up" if self.carried else "up"] = True
        if self.peer_mac is not None:
            facts["peer_mac"] = self.peer_mac
        return facts


@dataclass(frozen=True)
class Tap:
    """A persistent tap without packet information, for a guest to open. It is made up."""

    name: str
    mac: str | None = None
    """The host side's MAC, already through `tap_mac`; None leaves the kernel's random one."""
    mtu: int = 1500
    tx_checksum: bool = True
    carried: bool = False
    """Whether a wire takes it down and raises it (carrier: follow): then it is not kept up."""

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return ("tap", self.name)

    def facts(self) -> Mapping[str, Value]:
        facts: dict[str, Value] = {
            "kind": "tap",
            "mtu": self.mtu,
            "tx_checksum": self.tx_checksum,
        }
        if not self.carried:
            facts["up"] = True
        if self.mac is not None:
            facts["mac"] = self.mac
        return facts


@dataclass(frozen=True)
class Stranger:
    """What was found where a device of another kind is wanted. Nothing is ever made from it."""

    name: str
    wanted: str
    """The kind that was looked for: the first part of the key."""
    kind: str
    """What it is instead, e.g. «dummy», or «hardware»."""

    fixed: ClassVar[frozenset[str]] = frozenset({"kind"})

    @property
    def key(self) -> Key:
        return (self.wanted, self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"kind": self.kind}


Device = Namespace | Veth | Tap | Stranger
