"""Devices are seen with what matters to who looks for a fault: masks, modes, carrier, counters, what is behind them."""

from __future__ import annotations

import subprocess

from netctl.cli.evidence import ties
from netctl.kernel.sight import Sight
from netctl.path import Counters
from netctl.path.way import way
from tests.e2e.within import within


def sh(command: str) -> None:
    subprocess.run(["bash", "-ec", command], check=True, capture_output=True, text=True)


@within
def test_a_linux_bridge_and_its_ports() -> None:
    sh(
        """
        ip link add br0 type bridge group_fwd_mask 0x4008 stp_state 1 forward_delay 200
        ip link add v1 mtu 9000 type veth peer name v2
        ip link set v1 master br0 up
        ip link set v1 type bridge_slave group_fwd_mask 0x4
        ip link set br0 up
        """
    )
    with Sight() as sight:
        bridge, port, peer = (sight.device(name) for name in ("br0", "v1", "v2"))
        assert sight.device("nothing") is None
    assert bridge is not None
    assert port is not None
    assert peer is not None
    assert (bridge.device.kind, bridge.device.group_fwd_mask, bridge.device.stp) == ("bridge", 0x4008, True)
    assert (port.device.kind, port.device.mtu, port.device.port_group_fwd_mask) == ("veth", 9000, 4)
    assert not port.device.forwarding, "its peer is down"
    assert (port.device.up, port.device.carrier, peer.device.up) == (True, False, False)
    assert (port.master, port.lower, peer.lower) == (bridge.index, peer.index, port.index)
    assert peer.device.group_fwd_mask == peer.device.port_group_fwd_mask == 0


@within
def test_macvtaps() -> None:
    sh(
        """
        ip link add v1 type veth peer name v2
        ip link add link v1 name m1 type macvtap mode vepa
        ip link add link v2 name m2 type macvlan mode passthru
        ip link set m1 allmulticast on
        """
    )
    with Sight() as sight:
        vepa, passthru, lower = (sight.device(name) for name in ("m1", "m2", "v1"))
    assert vepa is not None
    assert passthru is not None
    assert lower is not None
    assert (vepa.device.kind, vepa.device.mode, vepa.device.allmulticast) == ("macvtap", "vepa", True)
    assert (passthru.device.kind, passthru.device.mode, passthru.device.allmulticast) == ("macvlan", "passthru", False)
    assert vepa.lower == lower.index


@within
def test_checksum_offload_and_counters_also_in_namespaces() -> None:
    sh(
        """
        ip netns add n1
        ip link add v1 type veth peer name eth0 netns n1
        ip netns exec n1 ethtool -K eth0 tx off
        sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip netns exec n1 sysctl -qw net.ipv6.conf.all.disable_ipv6=1
        ip link set v1 up; ip -n n1 link set eth0 up
        """
    )
    with Sight() as sight:
        outside, inside = sight.device("v1"), sight.device("eth0", "n1")
        assert outside is not None
        assert inside is not None
        assert (outside.device.tx_checksum, inside.device.tx_checksum) == (True, False)
        assert str(inside.device) == "eth0 in namespace n1"
        assert (outside.lower, outside.lower_nsid) == (inside.index, sight.nsid("n1"))
        assert sight.device("eth0", "nowhere") is None
        before = sight.counters("eth0", "n1")
        sh("ip -n n1 addr add 10.0.0.1/24 dev eth0; ip netns exec n1 ping -c3 -i0.01 -W0.1 -b 10.0.0.255 || true")
        grown = sight.counters("eth0", "n1").since(before)
        assert grown.tx >= 3
        assert sight.counters("v1").rx >= 3
        assert sight.counters("nothing") == Counters()


@within
def test_the_way_through_two_linux_bridges_is_found() -> None:
    sh(
        """
        ip netns add n1
        ip link add va type veth peer name eth0 netns n1
        ip link add vb type veth peer name vc
        ip link add vd type veth peer name port
        ip link add br1 type bridge; ip link add br2 type bridge
        ip link set va master br1; ip link set vb master br1; ip link set vc master br2; ip link set vd master br2
        """
    )
    with Sight() as sight:
        seen = {(name, each.index): each for name in ("", "n1") for each in sight.devices(name)}
        names = {each.device.key: place for place, each in seen.items()}
        found = way(ties(seen, {sight.nsid("n1"): "n1"}), names["n1", "eth0"], names["", "port"])
    assert [seen[each].device.name for each in found] == ["eth0", "va", "br1", "vb", "vc", "br2", "vd", "port"]
