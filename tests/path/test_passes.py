"""What devices let through, against what was measured: a sender on one side, a receiver on the other."""

from __future__ import annotations

import pytest

from netctl.path import Device, Traits
from netctl.path.passes import BRIDGE_MASK, PORT_MASK, Held, firewall, linux_bridge, macvtap, mtu, normal
from netctl.probe.frames import KINDS

NEAR, FAR = bytes.fromhex("525400000001"), bytes.fromhex("525400000002")

COLUMNS = ("foreign MACs", "STP", "PAUSE", "LACP", "LLDP", "CDP")

YES, NO = True, False

PORT = Device("p1", kind="veth")
BRIDGE = Device("br0", kind="bridge")


def traits(name: str) -> Traits:
    (kind,) = [kind for kind in KINDS if kind.name == name]
    return Traits.of(kind.build(NEAR, FAR, bytes(16)), FAR)


def tap(mode: str, promisc: bool = False, allmulticast: bool = False) -> Device:
    return Device("mt0", kind="macvtap", mode=mode, promisc=promisc, allmulticast=allmulticast)


@pytest.mark.parametrize(
    ("masks", "passes"),
    [
        ((0, 0), (YES, YES, NO, NO, NO, YES)),
        ((BRIDGE_MASK, 0), (YES, YES, NO, NO, YES, YES)),
        ((0, PORT_MASK), (YES, YES, NO, YES, YES, YES)),
    ],
    ids=["plain", "the most of a bridge's mask", "the most of a port's mask"],
)
def test_linux_bridge(masks: tuple[int, int], passes: tuple[bool, ...]) -> None:
    bridge = Device("br0", kind="bridge", group_fwd_mask=masks[0])
    entry = Device("p1", kind="veth", port_group_fwd_mask=masks[1])
    assert tuple(linux_bridge(bridge, entry, traits(name)) is None for name in COLUMNS) == passes


@pytest.mark.parametrize("mode", ["vepa", "bridge", "private", "passthru"])
@pytest.mark.parametrize("more", ["", "promisc", "allmulticast"])
def test_macvtap(mode: str, more: str) -> None:
    device = tap(mode, more == "promisc", more == "allmulticast")
    multicast = bool(more)
    passes = (mode == "passthru", multicast, NO, multicast, multicast, multicast)
    assert tuple(macvtap(device, traits(name)) is None for name in COLUMNS) == passes


@pytest.mark.parametrize(
    ("forward_bpdu", "passes"), [(False, (YES, NO, NO, NO, NO, NO)), (True, (YES, YES, YES, YES, YES, YES))]
)
def test_normal(forward_bpdu: bool, passes: tuple[bool, ...]) -> None:
    assert tuple(normal(forward_bpdu, traits(name)) is None for name in COLUMNS) == passes


def test_everything_else_passes_a_linux_bridge() -> None:
    held = [kind.name for kind in KINDS if linux_bridge(BRIDGE, PORT, traits(kind.name))]
    assert held == ["LLDP", "LACP", "PAUSE", "EAPOL"]


def test_everything_else_comes_out_of_a_macvtap() -> None:
    held = [kind.name for kind in KINDS if macvtap(tap("vepa"), traits(kind.name))]
    assert held == ["foreign MACs", "LLDP", "STP", "LACP", "PAUSE", "EAPOL", "CDP"]


def test_a_bridge_with_stp_takes_bpdus_for_itself() -> None:
    held = linux_bridge(Device("br0", kind="bridge", stp=True), PORT, traits("STP"))
    assert held is not None
    assert held.cure == "«ip link set br0 type bridge stp_state 0»"
    open_port = Device("p1", kind="veth", port_group_fwd_mask=1)
    assert linux_bridge(Device("br0", kind="bridge", stp=True), open_port, traits("STP")) is None


def test_a_port_that_is_not_forwarding_passes_nothing() -> None:
    blocked = Device("p1", kind="veth", forwarding=False)
    assert all(linux_bridge(BRIDGE, blocked, traits(kind.name)) for kind in KINDS)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("LLDP", "«ip link set br0 type bridge group_fwd_mask 0x4000»"),
        ("EAPOL", "«ip link set br0 type bridge group_fwd_mask 0x8»"),
        ("LACP", "«ip link set p1 type bridge_slave group_fwd_mask 0x4»"),
    ],
)
def test_the_cure_is_a_mask_that_the_kernel_takes(name: str, cure: str) -> None:
    held = linux_bridge(BRIDGE, PORT, traits(name))
    assert isinstance(held, Held)
    assert held.cure == cure


@pytest.mark.parametrize(
    ("size", "name", "passes"),
    [(1500, "1500 bytes", YES), (1500, "9000 bytes", NO), (9000, "9000 bytes", YES), (1499, "1500 bytes", NO)],
)
def test_mtu(size: int, name: str, passes: bool) -> None:
    assert (mtu(Device("p1", mtu=size), traits(name)) is None) is passes


def test_a_tag_does_not_count_for_the_mtu() -> None:
    frame = NEAR + FAR + b"\x81\x00\0\x64" + b"\x08\x00" + bytes(1500)
    assert Traits.of(frame, FAR).size == 1500
    assert Traits.of(frame[:12] + b"\x08\x00" + bytes(1500), FAR).size == 1500


def test_only_what_the_firewall_looks_at_is_suspected() -> None:
    names = {kind.name for kind in KINDS if firewall(frozenset({"iptables"}), traits(kind.name))}
    assert "IPv4 ICMP" in names
    assert "1500 bytes" in names
    assert not names & {"ARP", "LLDP", "IPv6 ND", "60 bytes"}
    assert firewall(frozenset({"arptables"}), traits("ARP")) is not None
    assert firewall(frozenset(), traits("IPv4 ICMP")) is None
