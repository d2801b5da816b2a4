"""What `netctl doctor` finds that takes Debian's kernel: modules, bonds, VLANs, the kernel's datapath."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.box import ROOT
from tests.lab.host import POLICY, Host

LOADER = Path("/proc/sys/kernel/modprobe")

EXAMPLES = sorted((ROOT / "flows/examples").glob("09*.yaml")) + sorted((ROOT / "flows/examples").glob("10*.yaml"))

VLAN = """
version: 1
hosts: {hv1: {links: {v1: {kind: veth, peer: v2}, v1.7: {kind: vlan, link: v1, id: 7}}}}
"""

BOND = """
ip netns add far; ip -n far link add bond0 type bond mode 802.3ad miimon 100
ip link add br0 address 02:00:00:00:00:99 type bridge group_fwd_mask 0x4000
for end in p1 p2; do
  ip link add $end type veth peer name $end-far; ip link set $end master br0 up
  ip link set $end type bridge_slave group_fwd_mask 0x4
done
ip link set p1-far netns far; ip -n far link set p1-far master bond0; ip -n far link set bond0 up; ip link set br0 up
"""


def found(host: Host, *arguments: str, code: int) -> list[dict[str, Any]]:
    findings: list[dict[str, Any]] = json.loads(host.netctl("doctor", *arguments, "--json", code=code))["findings"]
    return findings


def test_a_module_that_nobody_loads(host: Host) -> None:
    host.sh("modprobe -r 8021q; modprobe veth")
    POLICY.write_text(VLAN)
    assert found(host, str(POLICY), code=0) == [], "the kernel loads it when it is needed"
    assert not Path("/sys/module/8021q").exists(), "and the doctor does not need it"
    loader = LOADER.read_text()
    try:
        LOADER.write_text("/bin/false")
        (finding,) = found(host, str(POLICY), code=1)
        assert (finding["check"], finding["mend"]) == ("kernel-module", ["modprobe 8021q"])
        host.sh(finding["mend"][0])
        assert found(host, str(POLICY), code=0) == []
    finally:
        LOADER.write_text(loader)
    host.apply(VLAN)
    assert found(host, str(POLICY), code=0) == []


def test_lacp_of_a_bond_behind_a_bridge(host: Host) -> None:
    host.sh(BOND)
    assert found(host, code=0) == []
    host.sh("ip link set p2 type bridge_slave group_fwd_mask 0; ip link set p1 type bridge_slave group_fwd_mask 0")
    findings = found(host, code=1)
    assert [(each["check"], each["subject"]) for each in findings] == [("lacp-mask", "p1"), ("lacp-mask", "p2")]
    for each in findings:
        host.sh(each["mend"][0])
    assert found(host, code=0) == []


def test_the_kernels_datapath_fills_in_checksums(host: Host, ovs: None) -> None:
    host.sh(
        "ovs-vsctl add-br sw; ip netns add g1; ip link add p1 type veth peer name eth0 netns g1; ip link set p1 up\n"
        "ovs-vsctl add-port sw p1; ethtool -k p1 | grep -q 'tx-checksumming: on'"
    )
    assert found(host, code=0) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_a_healthy_host_has_nothing(host: Host, path: Path) -> None:
    host.netctl("apply", str(path))
    assert found(host, str(path), code=0) == []
    host.netctl("down")
