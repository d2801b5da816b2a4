"""What a policy says of plain network devices, a model for each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from netctl.policy.route import Route
from netctl.policy.value import (
    Address,
    DeviceName,
    GroupMask,
    InterfaceAddress,
    Mac,
    MacvtapMode,
    Mtu,
    Part,
    PlainName,
    User,
    VlanId,
)


class BridgePort(Part):
    """How a device behaves as a port of the Linux bridge that is its `master`."""

    group_fwd_mask: GroupMask | None = Field(
        None, description="Reserved multicast that this port forwards: a number, a name or a list of names."
    )
    hairpin: StrictBool = Field(False, description="Whether a frame may leave by the port that it came in by.")
    isolated: StrictBool = Field(False, description="Whether the port reaches only ports that are not isolated.")
    pvid: VlanId | None = Field(None, description="The VLAN of untagged frames, in and out.")
    vlans: tuple[VlanId, ...] = Field((), description="The VLANs that pass tagged.")


class BaseLink(Part):
    mtu: Mtu | None = Field(None, description="Bytes, 68 to 65535; the kernel's when left out.")
    mac: Mac | None = Field(
        None,
        description="Its MAC. When left out: a bridge has that of the first NIC among its ports, or else one that "
        "never changes, made up; a tap one that begins with `fe`; others the kernel's.",
    )
    up: StrictBool = Field(True, description="Whether it is administratively up.")
    promisc: StrictBool = Field(False, description="Whether it takes frames for every address.")
    allmulticast: StrictBool = Field(False, description="Whether it takes every multicast frame.")
    txqueuelen: Annotated[StrictInt, Field(ge=0, le=2**32 - 1)] | None = Field(
        None, description="Frames in its send queue; the kernel's when left out."
    )
    offloads: dict[str, StrictBool] = Field(
        {},
        description="Offloads to turn on or off, by ethtool's name, e.g. `{tx-checksum-ip-generic: false}`.",
    )
    netns: PlainName | None = Field(None, description="The network namespace it is moved into.")
    master: DeviceName | None = Field(None, description="The Linux bridge or bond it is a port of.")
    port: BridgePort | None = Field(None, description="How it behaves as a port of its Linux bridge.")
    addresses: tuple[InterfaceAddress, ...] = Field((), description="Its addresses, each with its prefix length.")
    routes: tuple[Route, ...] = Field((), description="The routes that lead out by it.")


class VethLink(BaseLink):
    """One end of a veth pair. The other end may have an entry of its own, which names this one."""

    kind: Literal["veth"] = Field(description="`veth`.")
    peer: DeviceName = Field(description="The name of the other end.")


class BridgeLink(BaseLink):
    """A Linux bridge. Devices join it by their `master`."""

    kind: Literal["bridge"] = Field(description="`bridge`.")
    group_fwd_mask: GroupMask | None = Field(
        None,
        description="Reserved multicast (IEEE 802.1D, 01-80-C2-00-00-0X) that the bridge forwards: "
        "a number, a name or a list of names.",
    )
    stp: StrictBool = Field(False, description="Whether it speaks the spanning tree protocol.")
    forward_delay: Annotated[StrictInt, Field(ge=0, le=30)] | None = Field(
        None, description="Seconds before a new port forwards; the kernel's when left out."
    )
    ageing: Annotated[StrictInt, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="Seconds before a learned address is forgotten; the kernel's when left out."
    )
    vlan_filtering: StrictBool = Field(False, description="Whether it looks at VLAN tags.")


class VlanLink(BaseLink):
    """A VLAN of a device."""

    kind: Literal["vlan"] = Field(description="`vlan`.")
    link: DeviceName = Field(description="The device that carries the VLAN.")
    id: VlanId = Field(description="The VLAN, 1 to 4094.")
    protocol: Literal["802.1Q", "802.1ad"] = Field("802.1Q", description="The kind of tag.")


class BondLink(BaseLink):
    """Several devices as one (bonding.rst of the Linux kernel)."""

    kind: Literal["bond"] = Field(description="`bond`.")
    mode: Literal[
        "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"
    ] = Field(description="How the ports share the work.")
    ports: tuple[DeviceName, ...] = Field((), description="The devices it is made of.")
    miimon: Annotated[StrictInt, Field(ge=0, le=60_000)] = Field(
        100, description="Milliseconds between looks at the ports' carrier; 0 never looks."
    )
    hash_policy: Literal["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"] | None = Field(
        None,
        description="What decides a frame's port, where the mode hashes; the kernel's when left out.",
    )
    lacp_rate: Literal["slow", "fast"] | None = Field(None, description="How often LACP speaks, for mode 802.3ad.")
    primary: DeviceName | None = Field(None, description="The port to prefer, where only one is active.")


class VxlanLink(BaseLink):
    """Ethernet over UDP (RFC 7348)."""

    kind: Literal["vxlan"] = Field(description="`vxlan`.")
    id: Annotated[StrictInt, Field(ge=0, le=0xFFFFFF)] = Field(description="The network identifier, 0 to 16777215.")
    link: DeviceName | None = Field(None, description="The device that carries it; routing decides when left out.")
    local: Address | None = Field(None, description="The address it sends from.")
    remote: Address | None = Field(
        None, description="Where frames for unknown addresses go: a host or a multicast group."
    )
    dstport: Annotated[StrictInt, Field(ge=1, le=65535)] = Field(4789, description="The UDP port.")
    learning: StrictBool = Field(True, description="Whether it learns which host has which address.")
    ttl: Annotated[StrictInt, Field(ge=0, le=255)] | None = Field(
        None, description="Of the outer packets; the kernel's when left out."
    )


class MacvlanLink(BaseLink):
    """A second MAC on a device."""

    kind: Literal["macvlan"] = Field(description="`macvlan`.")
    lower: DeviceName = Field(description="The device that it sits on.")
    mode: MacvtapMode = Field("vepa", description="How macvlans on one device reach each other.")


class MacvtapLink(BaseLink):
    """A second MAC on a device, for a program to open."""

    kind: Literal["macvtap"] = Field(description="`macvtap`.")
    lower: DeviceName = Field(description="The device that it sits on.")
    mode: MacvtapMode = Field("vepa", description="How macvtaps on one device reach each other.")


class DummyLink(BaseLink):
    """A device that leads nowhere."""

    kind: Literal["dummy"] = Field(description="`dummy`.")


class TapLink(BaseLink):
    """A tap that is no guest's. Persistent, without packet information."""

    kind: Literal["tap"] = Field(description="`tap`.")
    owner: User | None = Field(
        None,
        description="The user, by name or number, who may open it beside root; with `group` too he must be in that.",
    )
    group: User | None = Field(
        None, description="The group, by name or number, that may open it. Root alone when neither is said."
    )
    multi_queue: StrictBool = Field(False, description="Whether it may be opened several times, a queue each.")
    vnet_hdr: StrictBool = Field(False, description="Whether frames carry a virtio header.")


class IfbLink(BaseLink):
    """Where traffic that comes in is sent through a queue."""

    kind: Literal["ifb"] = Field(description="`ifb`.")


class NicLink(BaseLink):
    """A device that is there already, a physical one above all: it is never made nor removed. What is said of it is
    kept so; what is left out is left alone."""

    kind: Literal["nic"] = Field(description="`nic`.")


Link = Annotated[
    VethLink
    | BridgeLink
    | VlanLink
    | BondLink
    | VxlanLink
    | MacvlanLink
    | MacvtapLink
    | DummyLink
    | TapLink
    | IfbLink
    | NicLink,
    Field(discriminator="kind"),
]
