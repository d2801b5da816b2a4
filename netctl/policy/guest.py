"""What a policy says of guests: virtual machines, namespaces, and their NICs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from netctl.policy.link import BridgePort
from netctl.policy.route import Route
from netctl.policy.value import DeviceName, InterfaceAddress, Mac, MacvtapMode, Mtu, Part, SysctlName, SysctlValue, User


class BaseNic(Part):
    name: DeviceName | None = Field(
        None, description="The name of the host side; GUEST-NIC when left out. At most 15 characters."
    )
    mac: Mac | None = Field(None, description="The guest's MAC; one that never changes is made up when left out.")
    bridge: DeviceName | None = Field(None, description="The Open vSwitch bridge that the host side becomes a port of.")
    mtu: Mtu = Field(
        1500, description="Bytes, 68 to 65535, on both sides. A macvtap that says none has what it sits on has."
    )
    addresses: tuple[InterfaceAddress, ...] = Field(
        (), description="The guest's addresses, each with its prefix length."
    )


class BridgedNic(BaseNic):
    master: DeviceName | None = Field(
        None, description="The Linux bridge that the host side becomes a port of, instead of `bridge`."
    )
    port: BridgePort | None = Field(None, description="How the host side behaves as a port of its Linux bridge.")


class TapNic(BridgedNic):
    """A tap, for a virtual machine to open. Its MAC is the guest's with 0xFE as the first octet."""

    device: Literal["tap"] = Field(description="`tap`.")
    owner: User | None = Field(
        None,
        description="The user, by name or number, who may open it beside root; with `group` too he must be in that.",
    )
    group: User | None = Field(
        None, description="The group, by name or number, that may open it. Root alone when neither is said."
    )
    multi_queue: StrictBool = Field(
        False, description="Whether it may be opened several times, a queue each: libvirt's `queues`."
    )


class VethNic(BridgedNic):
    """A veth pair whose other end is moved into the guest's namespace, under the NIC's name."""

    device: Literal["veth"] = Field(description="`veth`.")
    routes: tuple[Route, ...] = Field((), description="The routes that lead out by it, inside the namespace.")


class MacvtapNic(BaseNic):
    """A macvtap on a device of the host, for a virtual machine to open."""

    device: Literal["macvtap"] = Field(description="`macvtap`.")
    lower: DeviceName = Field(description="The device that the macvtap sits on.")
    mode: MacvtapMode = Field("vepa", description="How macvtaps on one device reach each other.")
    allmulticast: StrictBool = Field(
        False, description="Whether it takes every multicast frame; LLDP does not reach the guest without."
    )
    promisc: StrictBool = Field(False, description="Whether it takes frames for every address.")


Nic = Annotated[TapNic | VethNic | MacvtapNic, Field(discriminator="device")]


class Guest(Part):
    """A virtual machine, or a namespace that plays one."""

    namespace: StrictBool = Field(False, description="Whether the guest is a network namespace, made by the agent.")
    nics: dict[DeviceName, Nic] = Field({}, description="Its network interfaces, by the name that the guest sees.")
    sysctls: dict[SysctlName, SysctlValue] = Field(
        {}, description="Kernel settings under net, of the guest's own namespace."
    )
