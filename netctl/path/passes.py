"""What each kind of device on the way lets through: measured, and as its source says. Pure.

Each function answers None where the frame passes, else what holds it back.
"""

from __future__ import annotations

from dataclasses import dataclass

from netctl.path.facts import Device
from netctl.path.traits import Traits

PAUSE, LACP = 1, 2

NAMES = {0: "STP", 1: "PAUSE", 2: "LACP", 3: "EAPOL", 0xE: "LLDP"}
"""The protocols of the reserved addresses 01-80-C2-00-00-0X, by X."""

BRIDGE_MASK = 0xFFF8
PORT_MASK = 0xFFFD
"""The most that the kernel takes as `group_fwd_mask` of a bridge and of a port (net/bridge/br_private.h:
BR_GROUPFWD_RESTRICTED, br_netlink.c: BR_GROUPFWD_MACPAUSE)."""


@dataclass(frozen=True)
class Held:
    """Why a device does not pass a frame on, and what would make it."""

    why: str
    cure: str
    source: str


def linux_bridge(bridge: Device, entry: Device, traits: Traits) -> Held | None:
    """A Linux bridge that the frame enters by its port `entry`."""
    source = "Linux, net/bridge/br_input.c: br_handle_frame"
    digit = traits.reserved
    if not entry.forwarding:
        return Held(
            f"port {entry} of the Linux bridge {bridge} is not forwarding yet",
            "wait for its forward delay, or turn its STP off",
            "Linux, net/bridge/br_input.c: br_handle_frame_finish",
        )
    if digit is None:
        return None
    name = NAMES.get(digit, f"01-80-C2-00-00-0{digit:X}")
    bit = 1 << digit
    if digit == 0 and bridge.stp and not entry.port_group_fwd_mask & bit:
        cure = f"«ip link set {bridge.name} type bridge stp_state 0»"
        return Held(f"the Linux bridge {bridge} speaks STP itself", cure, source)
    if digit == 0:
        return None
    if digit == PAUSE:
        return Held(
            f"a Linux bridge ({bridge}) never forwards PAUSE",
            "a wire without a Linux bridge in its way",
            source,
        )
    if (bridge.group_fwd_mask | entry.port_group_fwd_mask) & bit:
        return None
    if BRIDGE_MASK & bit:
        cure = f"«ip link set {bridge.name} type bridge group_fwd_mask {bridge.group_fwd_mask | bit:#x}»"
    else:
        cure = f"«ip link set {entry.name} type bridge_slave group_fwd_mask {entry.port_group_fwd_mask | bit:#x}»"
    why = f"the Linux bridge {bridge} keeps {name} to itself (group_fwd_mask {bridge.group_fwd_mask:#x})"
    return Held(why, cure, source)


def macvtap(device: Device, traits: Traits) -> Held | None:
    """A macvtap or macvlan that the frame is to come out of; towards its lower device everything passes."""
    source = "measured on Linux 6.18; drivers/net/macvlan.c: macvlan_handle_frame"
    shown = f"{device.kind} {device} in mode {device.mode}"
    many = device.promisc or device.allmulticast
    if traits.reserved == PAUSE:
        return Held(f"no {device.kind} hands on PAUSE", "a tap or veth on an Open vSwitch bridge", source)
    if traits.stranger and device.mode != "passthru":
        return Held(
            f"{shown} takes unicast for its own MAC only, promiscuous or not",
            "a tap on an Open vSwitch bridge, or mode passthru",
            source,
        )
    if (traits.reserved is not None or traits.cisco) and not many:
        return Held(
            f"{shown} takes no multicast that nobody on it asked for",
            f"«ip link set {device.name} allmulticast on»",
            source,
        )
    return None


def normal(forward_bpdu: bool, traits: Traits) -> Held | None:
    """The action NORMAL of an Open vSwitch bridge."""
    if (traits.reserved is None and not traits.cisco) or forward_bpdu:
        return None
    return Held(
        "the action NORMAL holds reserved multicast back, as a learning switch does",
        "a wire's explicit flows; or «ovs-vsctl set bridge BRIDGE other-config:forward-bpdu=true»",
        "ovs-vswitchd.conf.db(5), Bridge, other_config:forward-bpdu",
    )


def mtu(device: Device, traits: Traits) -> Held | None:
    """A device that the frame goes through."""
    if traits.size <= device.mtu:
        return None
    inside = f"ip -n {device.namespace}" if device.namespace else "ip"
    return Held(
        f"MTU {device.mtu} of {device}, and the frame carries {traits.size} bytes",
        f"«{inside} link set {device.name} mtu {traits.size}», and `mtu` in the policy",
        "Linux, net/core/dev.c: is_skb_forwardable",
    )


def firewall(filtered: frozenset[str], traits: Traits) -> Held | None:
    """What br_netfilter may do to a frame on any Linux bridge."""
    table = {"ipv4": "iptables", "ipv6": "ip6tables", "arp": "arptables"}.get(traits.protocol)
    if table is None or table not in filtered:
        return None
    return Held(
        f"br_netfilter hands it to {table}, whose FORWARD chain may drop it, as it drops bad checksums",
        f"«sysctl net.bridge.bridge-nf-call-{table}=0»",
        "Linux, Documentation/networking/ip-sysctl.rst: bridge-nf-call-*",
    )
