"""Bonds: every mode, what a port's loss does, and what each client sees of one that balances."""

from __future__ import annotations

from pathlib import Path

from tests.lab.host import POLICY, Host

MODES = {
    "balance-rr": "miimon: 200",
    "active-backup": "primary: b1q",
    "balance-xor": "hash_policy: layer3+4",
    "broadcast": "mtu: 1400",
    "802.3ad": "lacp_rate: fast, hash_policy: layer2+3",
    "balance-tlb": "mac: '02:00:00:00:00:06'",
    "balance-alb": "addresses: [10.3.0.1/24]",
}


def modes() -> str:
    lines = ["version: 1", "hosts:", "  hv1:", "    links:"]
    for number, (mode, more) in enumerate(MODES.items()):
        lines.append(f"      b{number}: {{kind: bond, mode: {mode}, ports: [b{number}p, b{number}q], {more}}}")
        lines += [f"      b{number}{port}: {{kind: dummy}}" for port in "pq"]
    return "\n".join(lines) + "\n"


def bonding(name: str, fact: str) -> str:
    return Path("/sys/class/net", name, "bonding", fact).read_text().strip()


def test_all_modes(host: Host) -> None:
    host.apply(modes())
    for number, mode in enumerate(MODES):
        bond = host.link(f"b{number}")
        assert bond["linkinfo"]["info_data"]["mode"] == mode
        assert bond["linkinfo"]["info_data"]["miimon"] == (200 if number == 0 else 100)
        assert {"UP", "LOWER_UP"} <= set(bond["flags"])
        assert bonding(f"b{number}", "slaves") == f"b{number}p b{number}q"
    assert bonding("b1", "primary") == bonding("b1", "active_slave") == "b1q"
    assert host.data("b2")["xmit_hash_policy"] == "layer3+4"
    assert host.link("b3")["mtu"] == host.link("b3p")["mtu"] == 1400
    assert host.data("b4")["ad_lacp_rate"] == "fast"
    assert host.data("b4")["xmit_hash_policy"] == "layer2+3"
    assert host.link("b5")["address"] == "02:00:00:00:00:06"

    host.mends(
        "ip link set b0p nomaster",
        "ip link set b1 type bond primary b1p",
        "ip link set b2 type bond xmit_hash_policy layer2",
        "ip link set b3 down",
        "ip link set b4 down; ip link set b4 type bond lacp_rate slow; ip link set b4 up",
        "ip link del b5",
        "ip link del b6q",
        "ip link set b6 type bond miimon 500",
    )
    assert set(bonding("b0", "slaves").split()) == {"b0p", "b0q"}
    assert bonding("b1", "primary") == "b1q"
    assert bonding("b4", "lacp_rate") == "fast 1"
    assert bonding("b5", "mode") == "balance-tlb 5"
    assert set(bonding("b6", "slaves").split()) == {"b6p", "b6q"}

    said = host.apply(modes().replace("mode: balance-rr", "mode: balance-xor"))
    assert "! bond b0" in said
    assert bonding("b0", "mode") == "balance-xor 2"
    assert bonding("b0", "slaves") == "b0p b0q"
    host.down()


FAILOVER = """
version: 1
hosts:
  hv1:
    guests:
      far: {namespace: true}
    links:
      bond0: {kind: bond, mode: active-backup, miimon: 50, ports: [v1, v2], primary: v1, addresses: [10.4.0.1/24]}
      v1: {kind: veth, peer: w1}
      v2: {kind: veth, peer: w2}
      w1: {kind: veth, peer: v1, netns: far, master: br0}
      w2: {kind: veth, peer: v2, netns: far, master: br0}
      br0: {kind: bridge, netns: far, addresses: [10.4.0.2/24]}
      bond0.40: {kind: vlan, link: bond0, id: 40, master: br40}
      br40: {kind: bridge, addresses: [10.40.0.1/24]}
      br0.40: {kind: vlan, link: br0, id: 40, netns: far, addresses: [10.40.0.2/24]}
"""


def test_a_port_that_fails_and_comes_back(host: Host) -> None:
    host.apply(FAILOVER)
    assert bonding("bond0", "active_slave") == "v1"
    assert host.ping("far", "10.4.0.1")
    assert host.ping("far", "10.40.0.1")
    host.sh("ip -n far link set w1 down")
    assert host.wait_for(lambda: bonding("bond0", "active_slave") == "v2", 5)
    assert host.ping("far", "10.4.0.1")
    assert host.ping("far", "10.40.0.1")
    host.netctl("apply", str(POLICY))
    assert host.wait_for(lambda: bonding("bond0", "active_slave") == "v1", 5)
    assert host.ping("far", "10.4.0.1")
    host.netctl("plan", str(POLICY), "--exit-code")
    host.down()
