"""Bridges of Open vSwitch: what holds frames back there whatever flows say, and what is set and does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.desired.mac import tap_mac
from netctl.doctor.command import inside, said
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Interface, Picture, Switch
from netctl.doctor.wishes import Wishes

CHECKSUM, VIRTIO, LLDP, STP, POLICING, ERROR = (
    *("tx-checksum", "virtio-checksum", "ovs-lldp", "ovs-stp", "ovs-policing", "ovs-port"),
)


def check(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    careless = {guest.mac for guest in picture.guests if guest.checksum}
    for switch in picture.switches:
        if switch.ours:
            yield from _wired(switch)
        for interface in switch.interfaces:
            if interface.error:
                yield _broken(switch, interface)
            if switch.datapath == "netdev":
                yield from _userspace(picture, wishes, switch, interface, careless)


def _userspace(
    picture: Picture, wishes: Wishes, switch: Switch, interface: Interface, careless: set[str]
) -> Iterator[Finding]:
    port = picture.by_place.get(("", interface.name))
    end = (picture.peer(port) or port) if port is not None else None
    if end is not None and end.kind in ("veth", "tap") and end.tx_checksum:
        yield Finding(
            CHECKSUM,
            str(end),
            f"{end} leaves checksums to others (TX checksum offload), and bridge {switch.name}, where it leads, is of "
            "the netdev datapath, which does not fill them in",
            "ping works, TCP never connects: the far end counts bad checksums and says nothing",
            (inside(end.netns, "ethtool", "-K", end.name, "tx", "off"),),
        )
    if port is not None and port.kind == "tap" and port.vnet_hdr:
        macs = {wishes.taps.get(port.name, "")} | {mac for mac in careless if tap_mac(mac) == port.mac}
        if macs & careless:
            yield Finding(
                VIRTIO,
                str(port),
                f"the guest on tap {port} leaves checksums to the host (virtio), and bridge {switch.name} is of the "
                "netdev datapath, which does not fill them in",
                "ping works from the guest, TCP hangs",
                (),
                "in the guest: «ethtool -K NIC tx off»; or for good in the domain's XML: <driver><host csum='off' "
                "gso='off' tso4='off' tso6='off' ecn='off' ufo='off'/><guest csum='off' tso4='off' tso6='off' "
                "ecn='off' ufo='off'/></driver>",
            )
    if interface.policing:
        yield Finding(
            POLICING,
            interface.name,
            f"ingress_policing_rate of {interface.name} is {interface.policing} kbit/s, and bridge {switch.name} is of "
            "the netdev datapath, which does not keep it",
            "the guest sends as fast as it likes, and `ovs-vsctl list interface` shows the limit",
            (said("ovs-vsctl", "set", "interface", interface.name, "ingress_policing_rate=0"),),
            severity="trap",
        )


def _wired(switch: Switch) -> Iterator[Finding]:
    for on, name in ((switch.stp, "stp_enable"), (switch.rstp, "rstp_enable")):
        if on:
            yield Finding(
                STP,
                switch.name,
                f"{name} of bridge {switch.name}: Open vSwitch takes BPDUs for itself, also under a wire, and may "
                "block ports",
                "switches at both ends of a wire do not see each other's spanning tree; a port is dead for 30 s after "
                "each change",
                (said("ovs-vsctl", "set", "bridge", switch.name, f"{name}=false"),),
            )
    for interface in switch.interfaces:
        if interface.lldp:
            yield Finding(
                LLDP,
                interface.name,
                f"lldp:enable of interface {interface.name}: Open vSwitch takes LLDP for itself there, also under a "
                "wire",
                "lldpd at the far end of the wire shows no neighbour, while ping works",
                (said("ovs-vsctl", "remove", "interface", interface.name, "lldp", "enable"),),
            )


def _broken(switch: Switch, interface: Interface) -> Finding:
    return Finding(
        ERROR,
        interface.name,
        f"port {interface.name} of bridge {switch.name} is in the database and not on the bridge: {interface.error}",
        "the guest has no network, and `ovs-vsctl show` lists its port as if all were well",
        (said("ovs-vsctl", "--if-exists", "del-port", switch.name, interface.name),),
        "make the device, or start what makes it: the port comes alive by itself; the command is for one that is not "
        "wanted any more",
    )
