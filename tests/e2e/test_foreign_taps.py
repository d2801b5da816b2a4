"""Taps that others attach to the policy's bridges, as libvirt and people do: told of, or given the right MAC."""

from __future__ import annotations

import time

import pytest

from tests.e2e.box import Box
from tests.e2e.lab import Lab

POLICY = """
version: 1
hosts:
  hv1:
    foreign_taps: RULE
    bridges: {ovbr0: {datapath: netdev}}
    links:
      br1: {kind: bridge}
    guests:
      vm1: {nics: {eth0: {device: tap, mac: "52:54:00:00:00:01"}}}
"""
GUEST = "52:54:00:00:00:01"
MENDED = "fe:54:00:00:00:01"


def start(box: Box, rule: str) -> Lab:
    box.start_ovs()
    box.run("ovs-vsctl add-br ovbr0 -- set bridge ovbr0 datapath_type=netdev external_ids:netctl=hv1")
    lab = Lab(box)
    lab.write(POLICY.replace("RULE", rule))
    lab.agent()
    box.wait_for(lambda: lab.agent_status()["converged"], 15, "the agent")
    return lab


def attach(box: Box, name: str, mac: str, bridge: str) -> None:
    box.run(f"ip tuntap add dev {name} mode tap; ip link set {name} address {mac} up")
    box.run(f"ovs-vsctl add-port {bridge} {name}" if bridge == "ovbr0" else f"ip link set {name} master {bridge}")


def mac(box: Box, name: str) -> str:
    return box.run(f"cat /sys/class/net/{name}/address").stdout.strip()


def test_they_are_told_of(box: Box) -> None:
    lab = start(box, "report")
    attach(box, "vnet0", GUEST, "br1")
    attach(box, "vnet1", "52:54:00:99:99:99", "ovbr0")
    attach(box, "vnet2", "fe:54:00:00:00:09", "br1")
    box.run("ip tuntap add dev alone mode tap; ip link set alone up")
    box.wait_for(lambda: len(lab.agent_status()["foreign_taps"]) == 2, 5, "both to be told of")
    status = lab.agent_status()
    first, second = status["foreign_taps"]
    assert "tap vnet0" in first
    assert "the host takes frames for the guest as its own; bridge br1" in first
    assert f"«ip link set dev vnet0 address {MENDED}»" in first
    assert "tap vnet1" in second
    assert "bridge ovbr0" in second
    assert status["converged"]
    assert status["repairs"] == 0
    assert mac(box, "vnet0") == GUEST
    assert lab.log("agent").count("«ip link set dev vnet0") == 1
    box.run(f"ip link set dev vnet0 address {MENDED}; ip link del vnet1")
    box.wait_for(lambda: lab.agent_status()["foreign_taps"] == [], 5, "them to be forgotten")


@pytest.mark.parametrize("bridge", ["br1", "ovbr0"])
def test_they_are_mended(box: Box, bridge: str) -> None:
    lab = start(box, "enforce")
    before = mac(box, "br1")
    attach(box, "vnet0", GUEST, bridge)
    box.wait_for(lambda: mac(box, "vnet0") == MENDED, 5, "the MAC", 0.005)
    box.wait_for(lambda: lab.agent_status()["repaired"].get("foreign tap"), 5, "it to be counted")
    assert f"repaired: ~ foreign tap vnet0: mac {GUEST} -> {MENDED}" in lab.log("agent")
    assert "it is a guest's MAC" in lab.log("agent")
    attach(box, "low", "00:00:00:00:00:02", bridge)
    box.wait_for(lambda: mac(box, "low") == "fe:00:00:00:00:02", 5, "the other MAC")
    assert mac(box, "br1") == before
    time.sleep(0.3)
    assert lab.agent_status()["repaired"] == {"foreign tap": 2}
    assert lab.agent_status()["foreign_taps"] == []
    box.run("ip link show vnet0 | grep '[<,]UP[,>]'")
    lab.netctl("down")
    assert mac(box, "vnet0") == MENDED, "it stays, as what others made does"
