"""`netctl probe throughput` on wires that are slow, lossy, cut and broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.box import ROOT, Box
from tests.e2e.lab import Lab

EXAMPLE = (ROOT / "flows/examples/07-rate-limit.yaml").read_text()

BRIDGED = """
ip link add sw type bridge; ip link set sw up
for each in 1 2; do
  ip netns add ns$each; ip link add ns$each-eth0 type veth peer name eth0 netns ns$each
  ip link set ns$each-eth0 master sw up; ip -n ns$each link set eth0 up
  ip -n ns$each addr add 10.7.0.$each/24 dev eth0; ip -n ns$each addr add 2001:db8::$each/64 dev eth0 nodad
done
ip addr add 10.7.0.9/24 dev sw
"""

BEHIND = """
ip netns add behind; ip -n ns2 link add near type veth peer name far netns behind
ip -n ns2 addr add 10.8.0.2/24 dev near; ip -n ns2 link set near up
ip -n behind addr add 10.8.0.1/24 dev far; ip -n behind link set far up; ip -n behind route add default via 10.8.0.2
ip netns exec ns2 sysctl -qw net.ipv4.ip_forward=1; ip -n ns1 route add 10.8.0.0/24 via 10.7.0.2
"""


def probe(box: Box, *arguments: str, code: int = 0) -> Any:
    done = Lab(box).netctl("probe", "throughput", *arguments, "--json", check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if code != 2 else done.stderr


@pytest.fixture
def bridged(box: Box) -> Box:
    box.run(BRIDGED)
    return box


def test_a_wire_that_is_slow_one_way_and_then_lossy(box: Box) -> None:
    box.start_ovs()
    lab = Lab(box)
    lab.apply(EXAMPLE)
    for _ in range(2):
        there, back = probe(box, "ns1-eth0", "ns2/10.7.0.2", "--seconds", "2")["directions"]
        print(there, back)
        if there["throughput_mbits"] > 8.5:
            break
    assert (there["from"], there["to"]) == ("ns1-eth0", "ns2/10.7.0.2")
    assert there["addresses"] == back["addresses"][::-1] == ["10.7.0.1", "10.7.0.2"]
    assert 8.5 < there["throughput_mbits"] < 11.5
    assert back["throughput_mbits"] > 1.5 * there["throughput_mbits"]
    for each in (there, back):
        assert each["at_rest"]["sent"] == 200
        assert each["at_rest"]["loss_percent"] < 5
        times = each["at_rest"]["microseconds"]
        assert 1 < times["min"] <= times["median"] <= times["p99"]
        assert times["median"] < 100_000
    full, idle = there["under_load"]["microseconds"], there["at_rest"]["microseconds"]
    assert full["median"] > idle["median"], "what is queued before a rate is waited for"
    box.run(
        "ovs-vsctl clear port ns2-eth0 qos\n"
        "ovs-ofctl -O OpenFlow13 add-meter rate0 meter=7,pktps,burst,band=type=drop,rate=100,burst_size=20\n"
        "ovs-ofctl -O OpenFlow13 del-flows rate0\n"
        "ovs-ofctl -O OpenFlow13 add-flow rate0 in_port=ns1-eth0,actions=meter:7,output:ns2-eth0\n"
        "ovs-ofctl -O OpenFlow13 add-flow rate0 in_port=ns2-eth0,actions=output:ns1-eth0\n"
    )
    (there,) = probe(box, "ns1", "ns2", "--seconds", "1", "--one-way")["directions"]
    print(there)
    assert 0 < there["at_rest"]["loss_percent"] < 60, "200 in a second, of which 100 and a burst may pass"
    assert there["under_load"]["lost"] > 0
    assert there["retransmitted_segments"] > 0
    assert there["throughput_mbits"] < 2


def test_checksums_that_nobody_fills_in_are_named(box: Box) -> None:
    box.start_ovs()
    Lab(box).apply(EXAMPLE)
    box.run("ip netns exec ns1 ethtool -K eth0 tx on")
    found = probe(box, "ns1", "ns2", code=1)
    (reason,) = found["because"]
    assert "ping works and TCP does not: ns1/eth0 leaves checksums" in reason
    box.run(reason.split("`")[1])
    (way,) = probe(box, "ns1", "ns2", "--one-way", "--seconds", "0.2")["directions"]
    assert way["throughput_mbits"] > 1


def test_how_ends_are_named(bridged: Box) -> None:
    for one, other, addresses in (
        ("ns1/eth0", "ns2-eth0", ["10.7.0.1", "10.7.0.2"]),
        (".", "10.7.0.2", ["10.7.0.9", "10.7.0.2"]),
        ("2001:db8::1", "ns2/2001:db8::2", ["2001:db8::1", "2001:db8::2"]),
    ):
        (way,) = probe(bridged, one, other, "--one-way", "--seconds", "0.2")["directions"]
        assert way["addresses"] == addresses
        assert way["throughput_mbits"] > 30
    bridged.run("ip tuntap add vm1-eth1 mode tap; ip link add lonely type veth peer name also")
    for one, other, said in (
        ("vm1-eth1", "ns1", "behind a tap is a guest"),
        ("lonely", "ns1", "also has no address"),
        ("ns3", "ns2", "did you mean"),
        ("ns1", "ns1/eth0", "both in the namespace ns1"),
        ("10.7.0.77", "ns1", "put it second"),
        ("ns1/eth1", "ns2", "did you mean eth0?"),
        ("ns1/10.7.0.2", "ns2", "it has 10.7.0.1, 2001:db8::1"),
    ):
        assert said in probe(bridged, one, other, code=2)


def test_an_address_elsewhere_is_pinged(bridged: Box) -> None:
    lab = Lab(bridged)
    bridged.run(BEHIND)
    bridged.popen("ip netns exec behind sleep 600")
    bridged.wait_for(lambda: bridged.run("ip netns pids behind").stdout, 5, "somebody to keep the namespace")
    bridged.run("ip netns del behind")
    found = probe(bridged, "ns1", "10.8.0.1", "--seconds", "0.5")
    assert "throughput needs both ends here" in found["note"]
    (way,) = found["directions"]
    assert way["latency"] == "round-trip"
    assert way["at_rest"]["sent"] == 25
    assert way["at_rest"]["lost"] == 0
    assert 0 < way["at_rest"]["microseconds"]["median"] < 100_000
    assert "and back" in lab.netctl("probe", "throughput", "ns1", "10.8.0.1", "--seconds", "0.2").stdout
    found = probe(bridged, "ns1", "10.7.0.77", "--seconds", "0.2", code=1)
    assert found["because"] == ["nobody answers for 10.7.0.77 at eth0"]
    found = probe(bridged, "ns1", "10.99.0.1", code=1)
    assert found["problem"] == "ns1 has no route to 10.99.0.1"


def test_why_two_ends_do_not_reach_each_other(bridged: Box) -> None:
    lab = Lab(bridged)

    def because(*ends: str) -> str:
        (reason,) = probe(bridged, *ends, code=1)["because"]
        return str(reason)

    bridged.run("ip -n ns2 addr add 10.9.0.1/24 dev eth0")
    assert because("ns1", "ns2/10.9.0.1").startswith("ns1 has no route to 10.9.0.1")
    bridged.run("ip link set ns2-eth0 nomaster")
    assert because("ns1", "ns2").startswith("nobody answers for 10.7.0.2 at ns1/eth0")
    bridged.run("ip link set ns2-eth0 master sw; ip link set ns2-eth0 down")
    assert because("ns1", "ns2").startswith("ns2/eth0 has no carrier")
    bridged.run("ip link set ns2-eth0 up; ip -n ns2 link set eth0 down")
    reason = because("ns1", "ns2")
    assert reason == "ns2/eth0 is down; `ip -n ns2 link set eth0 up`"
    bridged.run(reason.split("`")[1])
    bridged.run("ip link set ns1-eth0 mtu 9000; ip link set ns2-eth0 mtu 1400; ip link set sw mtu 1400")
    bridged.run("ip -n ns2 link set eth0 mtu 1500; for n in ns1 ns2; do ip netns exec $n ethtool -K eth0 tso off; done")
    assert "small packets pass and those of 1500 octets" in because("ns1", "ns2")
    done = lab.netctl("probe", "throughput", "ns1", "ns2", check=False)
    assert done.returncode == 1
    assert "TCP connects, and nothing came through" in done.stdout
