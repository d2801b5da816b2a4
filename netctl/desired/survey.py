"""All that a host has, whoever made it, at one moment: what is drawn of it, and what a policy is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from netctl.desired.flow import Flow
from netctl.desired.link import Link, Place
from netctl.desired.routing import MAIN, PROTOCOL, Address, Route, Rule, Sysctl
from netctl.desired.row import Bridge, Observed, Port, Row
from netctl.plan import Found

KERNEL = 2
"""The protocol number of what the kernel did by itself (RTPROT_KERNEL)."""

BY_HAND = (3, 4)
"""Of what somebody typed, or wrote for the boot (RTPROT_BOOT, RTPROT_STATIC)."""


@dataclass(frozen=True)
class Standing:
    """A device that is there."""

    link: Link
    """As netctl would say it: with all facts, and a `Nic` where netctl does not make its kind."""
    kind: str
    """As the kernel calls it, «tap» for a tap; "" for hardware."""
    owner: str | None = None
    """The host of a policy for which netctl made it, or keeps it; None for somebody else's."""
    running: bool = True
    """Whether it is up and has carrier."""
    pinned: bool | None = None
    """Whether somebody gave it its MAC, as against the kernel, its hardware or its ports; None where that cannot be
    seen."""
    held: bool = False
    """Of a tap: whether it goes with the program that holds it."""
    switched: bool = False
    """Whether it is a port of Open vSwitch's kernel datapath."""

    @property
    def place(self) -> Place:
        return self.link.place

    @property
    def is_nic(self) -> bool:
        return self.link.kind == "nic"


@dataclass(frozen=True)
class Leading:
    """A route that is there."""

    route: Route
    protocol: int
    """Who made it, by rtnetlink's numbers."""

    @property
    def ours(self) -> bool:
        return self.protocol == PROTOCOL


@dataclass(frozen=True)
class Asked:
    """A rule that is there."""

    rule: Rule
    protocol: int

    @property
    def ours(self) -> bool:
        return self.protocol == PROTOCOL


@dataclass(frozen=True)
class Survey:
    """A host's devices, namespaces and routing."""

    namespaces: Mapping[str, str | None] = field(default_factory=dict)
    """The named ones, each with the host of a policy for which netctl made it."""
    devices: tuple[Standing, ...] = ()
    """Without loopbacks; by namespace, the host's own first, then in the kernel's order."""
    addresses: tuple[Address, ...] = ()
    """Those of netctl's on devices that are not."""
    routes: tuple[Leading, ...] = ()
    """Those by one device."""
    rules: tuple[Asked, ...] = ()
    settings: tuple[Sysctl, ...] = ()
    """Those that netctl changed, as they are."""
    unsaid: tuple[str, ...] = ()
    """What else is there that netctl has no words for."""
    hosts: frozenset[str] = frozenset()
    """The hosts of policies whose marks were found."""

    @cached_property
    def at(self) -> Mapping[Place, Standing]:
        return {each.place: each for each in self.devices}

    @cached_property
    def ports(self) -> Mapping[Place, tuple[Standing, ...]]:
        """The ports of each Linux bridge and bond."""
        found: dict[Place, tuple[Standing, ...]] = {}
        for each in self.devices:
            if each.link.master:
                over = (each.link.netns, each.link.master)
                found[over] = (*found.get(over, ()), each)
        return found

    @cached_property
    def routes_of(self) -> Mapping[Place, tuple[Leading, ...]]:
        """Those by each device."""
        found: dict[Place, tuple[Leading, ...]] = {}
        for each in self.routes:
            place = (each.route.netns, each.route.dev)
            found[place] = (*found.get(place, ()), each)
        return found

    def tables(self, netns: str = "") -> Mapping[int, tuple[Leading, ...]]:
        """The routes of a namespace by table, without those that the kernel made in main for addresses."""
        found: dict[int, tuple[Leading, ...]] = {}
        for each in self.routes:
            plain = each.protocol == KERNEL and each.route.table == MAIN
            if each.route.netns == netns and not plain:
                found[each.route.table] = (*found.get(each.route.table, ()), each)
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class Switching:
    """A host's Open vSwitch."""

    observed: Observed = field(default_factory=Observed)
    flows: Mapping[str, tuple[Found[Flow], ...]] = field(default_factory=dict)
    """Of each bridge that answers."""
    numbers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of each such bridge: the OpenFlow number of each port."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Why the other bridges do not answer."""

    @cached_property
    def bridges(self) -> Mapping[str, Found[Row]]:
        return {f.item.name: f for f in self.observed.rows if isinstance(f.item, Bridge)}

    @cached_property
    def bridge_of(self) -> Mapping[str, str]:
        """The bridge of each port."""
        return {f.item.name: f.item.bridge for f in self.observed.rows if isinstance(f.item, Port)}

    @cached_property
    def own(self) -> frozenset[str]:
        """The devices that Open vSwitch makes for itself."""
        inner = {name for name, state in self.observed.ports.items() if state.kind == "internal"}
        return frozenset({"ovs-netdev", "ovs-system", *self.bridges, *inner})
