"""What a network device is to be, kind by kind. The kernel room has a file for each kind, this one says what they are.

A fact that is None is not asked for, and is not compared; what was found has all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from netctl.plan import Key, Value

Place = tuple[str, str]
"""A device by its namespace, "" for the host's own, and its name."""


@dataclass(frozen=True, kw_only=True)
class BridgePort:
    """How a device behaves as a port of the Linux bridge that is its master."""

    group_fwd_mask: int | None = None
    hairpin: bool | None = None
    isolated: bool | None = None
    pvid: int | None = None
    """The VLAN of untagged frames; 0 for none."""
    vlans: tuple[int, ...] | None = None
    """Those that pass tagged, sorted. None leaves the VLANs, and `pvid`, to the kernel."""

    def facts(self) -> dict[str, Value]:
        named: dict[str, Value] = {
            "port group_fwd_mask": self.group_fwd_mask,
            "hairpin": self.hairpin,
            "isolated": self.isolated,
            "pvid": self.pvid,
            "vlans": self.vlans,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Link:
    """What every kind of device has."""

    kind: ClassVar[str]
    fixed: ClassVar[frozenset[str]] = frozenset()

    name: str
    netns: str = ""
    """The network namespace that it is in; "" for the host's own."""
    mtu: int | None = None
    mac: str | None = None
    up: bool | None = True
    promisc: bool | None = False
    allmulticast: bool | None = False
    txqueuelen: int | None = None
    tx_checksum: bool | None = None
    """Off where the bridge is Open vSwitch's userspace datapath: it does not complete partial checksums, and TCP
    never connects."""
    offloads: tuple[tuple[str, bool], ...] = ()
    """By ethtool's names, sorted."""
    master: str | None = ""
    """The Linux bridge or bond that it is a port of; "" for none."""
    port: BridgePort = BridgePort()
    primary: bool | None = None
    """Whether it is the port that its bond prefers."""
    lends: bool = False
    """Whether its MAC is that of its bridge too."""
    addresses: tuple[str, ...] | None = ()
    """Each «address/prefix length» as `ipaddress.ip_interface` prints it, sorted."""

    @property
    def key(self) -> Key:
        return (self.kind, self.netns, self.name) if self.netns else (self.kind, self.name)

    @property
    def place(self) -> Place:
        return (self.netns, self.name)

    def needs(self) -> tuple[Place, ...]:
        """The devices that must be there before it."""
        return ((self.netns, self.master),) if self.master else ()

    def particular(self) -> Mapping[str, Value]:
        """What only its kind has."""
        return {}

    def facts(self) -> Mapping[str, Value]:
        facts: dict[str, Value] = {
            "kind": self.kind,
            **self.particular(),
            "mac": self.mac,
            "mtu": self.mtu,
            "up": self.up,
            "promisc": self.promisc,
            "allmulticast": self.allmulticast,
            "txqueuelen": self.txqueuelen,
            "tx_checksum": self.tx_checksum,
            "master": self.master,
            "primary": self.primary,
            "addresses": self.addresses,
        }
        facts = {name: value for name, value in facts.items() if value is not None}
        facts.update((f"offload {name}", on) for name, on in self.offloads)
        facts.update(self.port.facts())
        return facts


@dataclass(frozen=True, kw_only=True)
class Veth(Link):
    """One end of a veth pair (veth(4)); making one makes the other."""

    kind: ClassVar[str] = "veth"
    fixed: ClassVar[frozenset[str]] = frozenset({"peer"})

    peer: str
    peer_netns: str = ""

    def particular(self) -> Mapping[str, Value]:
        return {"peer": f"{self.peer_netns}/{self.peer}" if self.peer_netns else self.peer}


@dataclass(frozen=True, kw_only=True)
class Tap(Link):
    """A persistent tap without packet information, for a guest to open (the kernel's networking/tuntap)."""

    kind: ClassVar[str] = "tap"
    fixed: ClassVar[frozenset[str]] = frozenset({"multi_queue", "owned", "grouped"})

    owner: int | str | None = None
    """The user who may open it beside root, by name where there is none of that name; -1 for none: with neither owner
    nor group everybody may, with both only who is both. The kernel never takes one away again."""
    group: int | str | None = None
    multi_queue: bool | None = False
    vnet_hdr: bool = False
    """Only when it is made: whoever opens it decides for himself."""

    def particular(self) -> Mapping[str, Value]:
        return _said(
            owner=None if self.owner == -1 else self.owner,
            owned=False if self.owner == -1 else None,
            group=None if self.group == -1 else self.group,
            grouped=False if self.group == -1 else None,
            multi_queue=self.multi_queue,
        )


@dataclass(frozen=True, kw_only=True)
class Macvlan(Link):
    """A second MAC on a device."""

    kind: ClassVar[str] = "macvlan"
    fixed: ClassVar[frozenset[str]] = frozenset({"lower", "passthru"})

    lower: str
    lower_netns: str = ""
    mode: str
    """private, vepa, bridge, passthru or source."""

    def needs(self) -> tuple[Place, ...]:
        return (*super().needs(), (self.lower_netns, self.lower))

    def particular(self) -> Mapping[str, Value]:
        """The kernel changes modes in place, but not from or to passthru."""
        return {"lower": self.lower, "mode": self.mode, "passthru": self.mode == "passthru"}


@dataclass(frozen=True, kw_only=True)
class Macvtap(Macvlan):
    """A second MAC on a device, for a program to open at /dev/tapINDEX."""

    kind: ClassVar[str] = "macvtap"


@dataclass(frozen=True, kw_only=True)
class Bridge(Link):
    """A Linux bridge. Its MAC is always given, so that it never moves with what comes and goes."""

    kind: ClassVar[str] = "bridge"

    mac_of: str | None = None
    """The port whose MAC it has, which says so itself too (`lends`): it may come later. Found: its first port with
    the same."""
    group_fwd_mask: int | None = None
    stp: bool | None = False
    forward_delay: int | None = None
    """Seconds."""
    ageing: int | None = None
    """Seconds."""
    vlan_filtering: bool | None = False

    def particular(self) -> Mapping[str, Value]:
        return _said(
            mac_of=self.mac_of,
            group_fwd_mask=self.group_fwd_mask,
            stp=self.stp,
            forward_delay=self.forward_delay,
            ageing=self.ageing,
            vlan_filtering=self.vlan_filtering,
        )


@dataclass(frozen=True, kw_only=True)
class Vlan(Link):
    """A VLAN of a device (IEEE 802.1Q)."""

    kind: ClassVar[str] = "vlan"
    fixed: ClassVar[frozenset[str]] = frozenset({"link", "id", "protocol"})

    link: str
    link_netns: str = ""
    id: int
    protocol: str = "802.1Q"

    def needs(self) -> tuple[Place, ...]:
        return (*super().needs(), (self.link_netns, self.link))

    def particular(self) -> Mapping[str, Value]:
        return {"link": self.link, "id": self.id, "protocol": self.protocol}


@dataclass(frozen=True, kw_only=True)
class Bond(Link):
    """Several devices as one (bonding.rst of the Linux kernel). Its ports name it as their master."""

    kind: ClassVar[str] = "bond"
    fixed: ClassVar[frozenset[str]] = frozenset({"mode"})

    mode: str
    miimon: int | None = None
    """Milliseconds."""
    hash_policy: str | None = None
    lacp_rate: str | None = None
    """slow or fast."""

    def particular(self) -> Mapping[str, Value]:
        return _said(mode=self.mode, miimon=self.miimon, hash_policy=self.hash_policy, lacp_rate=self.lacp_rate)


@dataclass(frozen=True, kw_only=True)
class Vxlan(Link):
    """Ethernet over UDP (RFC 7348)."""

    kind: ClassVar[str] = "vxlan"
    fixed: ClassVar[frozenset[str]] = frozenset({"id", "link", "dstport", "local", "remote", "learning"})

    id: int
    link: str = ""
    """"" for none: routing decides."""
    link_netns: str = ""
    local: str = ""
    remote: str = ""
    dstport: int = 4789
    learning: bool | None = True
    ttl: int | None = None

    def needs(self) -> tuple[Place, ...]:
        return (*super().needs(), *([(self.link_netns, self.link)] if self.link else ()))

    def particular(self) -> Mapping[str, Value]:
        return _said(
            id=self.id,
            link=self.link,
            local=self.local,
            remote=self.remote,
            dstport=self.dstport,
            learning=self.learning,
            ttl=self.ttl,
        )


@dataclass(frozen=True, kw_only=True)
class Dummy(Link):
    """A device that leads nowhere."""

    kind: ClassVar[str] = "dummy"


@dataclass(frozen=True, kw_only=True)
class Ifb(Link):
    """Where traffic that comes in is sent through a queue."""

    kind: ClassVar[str] = "ifb"
    fixed: ClassVar[frozenset[str]] = frozenset({"mac"})


@dataclass(frozen=True, kw_only=True)
class Nic(Link):
    """A device that is there already, a physical one above all: never made nor removed, only kept as it is said."""

    kind: ClassVar[str] = "nic"

    kept: bool = True
    """Whether it carries netctl's mark: it does as long as the policy names it."""

    def particular(self) -> Mapping[str, Value]:
        return {"kept": self.kept}


KINDS: dict[str, type[Link]] = {
    kind.kind: kind
    for kind in (Veth, Tap, Macvlan, Macvtap, Bridge, Vlan, Bond, Vxlan, Dummy, Ifb, Nic)
}


def _said(**facts: Value) -> dict[str, Value]:
    return {name: value for name, value in facts.items() if value is not None}
