"""What the lab's kernel has that others lack."""

from __future__ import annotations

from pathlib import Path

from tests.lab.host import Host

MAKE = {
    "dummy": "ip link add d0 type dummy",
    "bonding": "ip link add bond7 type bond",
    "8021q": "ip link add link d0 name d0.5 type vlan id 5",
    "bridge": "ip link add br0 type bridge vlan_filtering 1",
    "sch_hfsc": "tc qdisc add dev d0 root hfsc",
    "openvswitch": "modprobe openvswitch",
}


def test_a_module_comes_when_it_is_needed(host: Host) -> None:
    assert "Debian" in Path("/proc/version").read_text()
    host.sh("\n".join(MAKE.values()))
    assert all(Path("/sys/module", module).exists() for module in MAKE)
