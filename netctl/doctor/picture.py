"""A host at one moment, as far as something can be wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from netctl.desired.link import Place
from netctl.desired.routing import Route, Rule, setting_of


@dataclass(frozen=True, kw_only=True)
class Link:
    """A network device."""

    name: str
    netns: str = ""
    """"" for the host's own namespace."""
    kind: str = ""
    """"tap", "veth", "bridge"…; "" for hardware."""
    mac: str = ""
    pinned: bool | None = None
    """Of a bridge: whether its MAC was given to it (addr_assign_type 3); None where that is not known."""
    mtu: int = 1500
    up: bool = True
    promisc: bool = False
    allmulticast: bool = False
    arp: bool = True
    master: str = ""
    """The Linux bridge or bond that it is a port of."""
    lower: Place | None = None
    """What it stands on, or a veth's peer; None where there is none or it is not known."""
    mode: str = ""
    """Of a macvtap, macvlan or bond."""
    group_fwd_mask: int = 0
    port_group_fwd_mask: int = 0
    stp: bool = False
    overhead: int = 0
    """Octets that a tunnel puts around a frame, on top of the frame's payload."""
    tx_checksum: bool | None = None
    """None where that was not looked at."""
    vnet_hdr: bool = False
    """Of a tap: whether whoever holds it may leave checksums to others."""
    mark: str = ""
    """The host, by its name in a policy, whose netctl made it; "" for one that netctl did not make."""

    @property
    def place(self) -> Place:
        return self.netns, self.name

    def __str__(self) -> str:
        return f"{self.name} in namespace {self.netns}" if self.netns else self.name


@dataclass(frozen=True)
class Address:
    netns: str
    dev: str
    text: str
    """«address/prefix length»."""

    @cached_property
    def interface(self) -> IPv4Interface | IPv6Interface:
        return ip_interface(self.text)

    @property
    def ip(self) -> str:
        return str(self.interface.ip)

    @property
    def family(self) -> int:
        return self.interface.version

    @property
    def place(self) -> Place:
        return self.netns, self.dev


@dataclass(frozen=True)
class Interface:
    """A port of an Open vSwitch bridge, as its database has it."""

    name: str
    error: str = ""
    lldp: bool = False
    """`lldp:enable`."""
    policing: int = 0
    """`ingress_policing_rate`, kbit/s."""
    kind: str = ""
    """"" for a device of the system, "internal", "patch"…"""


@dataclass(frozen=True)
class Switch:
    """A bridge of Open vSwitch."""

    name: str
    datapath: str = "system"
    stp: bool = False
    rstp: bool = False
    ours: bool = False
    """Whether netctl made it or took it over: its wires are explicit flows."""
    interfaces: tuple[Interface, ...] = ()
    learned: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The MACs that it has learned, by port."""


@dataclass(frozen=True)
class Redirect:
    """A filter of tc that sends frames to a device which is gone."""

    netns: str
    dev: str
    side: str
    """"ingress" or "egress"."""
    preference: int


@dataclass(frozen=True)
class Guest:
    """A NIC of a virtual machine that runs."""

    mac: str
    checksum: bool = True
    """Whether it may leave checksums to the host."""


@dataclass(frozen=True)
class Manager:
    """A program that runs and takes itself for the master of the network."""

    name: str
    """"NetworkManager" or "systemd-networkd"."""
    told: str = ""
    """All of its configuration."""


@dataclass(frozen=True)
class Picture:
    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    """Of all tables but `local`."""
    rules: tuple[Rule, ...] = ()
    """Each as often as it is there."""
    settings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By namespace and name."""
    switches: tuple[Switch, ...] = ()
    filtered: frozenset[tuple[str, str]] = frozenset()
    """By namespace: "iptables" or "ip6tables" where br_netfilter hands frames on bridges to a firewall that has rules
    for what is forwarded."""
    dead: tuple[Redirect, ...] = ()
    lacking: frozenset[str] = frozenset()
    """The modules that are needed, not there, and not loaded when they are asked for."""
    managers: tuple[Manager, ...] = ()
    kept: frozenset[str] = frozenset()
    """The devices of others on which netctl keeps addresses or routes."""
    routed: bool = False
    """Whether there are routes or rules of netctl's."""
    namespaces: Mapping[str, str] = field(default_factory=dict)
    """Named ones, each with the host whose netctl made it, "" for others."""
    guests: tuple[Guest, ...] = ()
    agents: frozenset[str] = frozenset()
    """The hosts whose agent runs here."""
    broken_off: str = ""
    """The change, in the words of its command, that nobody ended or takes back."""

    netctl: str = "netctl"
    """How the command is called here."""

    @cached_property
    def by_place(self) -> dict[Place, Link]:
        return {link.place: link for link in self.links}

    @cached_property
    def ports(self) -> dict[Place, list[Link]]:
        """By the place of their bridge or bond."""
        found: dict[Place, list[Link]] = defaultdict(list)
        for link in self.links:
            if link.master:
                found[link.netns, link.master].append(link)
        return found

    @cached_property
    def addressed(self) -> dict[Place, list[Address]]:
        found: dict[Place, list[Address]] = defaultdict(list)
        for address in self.addresses:
            found[address.place].append(address)
        return found

    def peer(self, link: Link) -> Link | None:
        """The other end of a veth."""
        return self.by_place.get(link.lower) if link.kind == "veth" and link.lower else None

    def setting(self, link: Link, name: str) -> int:
        """A number under net.ipv4.conf of a device: what is in force is the greater of its own and that of `all`."""
        values = [
            self.settings.get((link.netns, key), "0")
            for key in (f"net.ipv4.conf.all.{name}", setting_of(link.name, 4, name))
        ]
        return max((int(value) for value in values if value.isdigit()), default=0)
