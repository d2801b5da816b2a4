"""VLAN devices, and Linux bridges that look at tags."""

from __future__ import annotations

import json

from tests.lab.host import Host

DEVICES = """
version: 1
hosts:
  hv1:
    guests:
      ns1: {namespace: true, nics: {trunk: {device: veth, name: trunk1, addresses: [10.1.0.1/24]}}}
    links:
      lower: {kind: dummy, mtu: 1600, mac: "02:00:00:00:00:01", txqueuelen: 500}
      lower.100: {kind: vlan, link: lower, id: 100, mtu: 1500, addresses: [10.2.0.1/24]}
      service: {kind: vlan, link: lower, id: 200, protocol: 802.1ad}
      customer: {kind: vlan, link: service, id: 7, mac: "02:00:00:00:00:07"}
      trunk1.5: {kind: vlan, link: trunk1, id: 5, addresses: [10.5.0.2/24]}
      inside.5: {kind: vlan, link: trunk, id: 5, netns: ns1, mtu: 1480, addresses: [10.5.0.1/24]}
      moved: {kind: vlan, link: lower, id: 9, netns: ns1, addresses: [10.9.0.1/24]}
"""


def test_vlan_devices(host: Host) -> None:
    host.apply(DEVICES)
    tags = {
        name: (host.data(name)["protocol"], host.data(name)["id"], host.link(name)["link"])
        for name in ("lower.100", "service", "customer", "trunk1.5")
    }
    assert tags == {
        "lower.100": ("802.1Q", 100, "lower"),
        "service": ("802.1ad", 200, "lower"),
        "customer": ("802.1Q", 7, "service"),
        "trunk1.5": ("802.1Q", 5, "trunk1"),
    }
    assert host.link("customer")["address"] == "02:00:00:00:00:07"
    assert host.link("lower.100")["mtu"] == 1500
    lower = host.link("lower")
    assert (lower["mtu"], lower["address"], lower["txqlen"]) == (1600, "02:00:00:00:00:01", 500)
    assert lower["linkinfo"]["info_kind"] == "dummy"
    assert host.link("inside.5", "ns1")["link"] == "trunk"
    assert host.link("moved", "ns1")["link_index"] == lower["ifindex"]
    assert host.ping("ns1", "10.5.0.2")

    host.mends(
        "ip link set lower.100 down",
        "ip link del service",  # which takes `customer` with it
        "ip -n ns1 link set inside.5 mtu 1400",
        "ip addr del 10.2.0.1/24 dev lower.100",
    )
    assert host.data("customer")["id"] == 7
    assert host.link("inside.5", "ns1")["mtu"] == 1480

    said = host.apply(DEVICES.replace("id: 100", "id: 101"))
    assert "! vlan lower.100" in said
    assert host.data("lower.100")["id"] == 101
    assert host.data("service")["id"] == 200
    host.down()


FILTERING = """
version: 1
hosts:
  hv1:
    guests:
      a1: {namespace: true, nics: {eth0: {device: veth, master: br0, port: {pvid: 10}, addresses: [10.0.0.1/24]}}}
      a2: {namespace: true, nics: {eth0: {device: veth, master: br0, port: {pvid: 10}, addresses: [10.0.0.2/24]}}}
      b1:
        namespace: true
        nics:
          eth0: {device: veth, master: br0, port: {pvid: 20}, addresses: [10.0.0.3/24, 10.0.20.3/24]}
      router: {namespace: true, nics: {eth0: {device: veth, master: br0, port: {vlans: [10, 20, 30, 31]}}}}
    links:
      br0: {kind: bridge, vlan_filtering: true}
      vlan10: {kind: vlan, link: eth0, id: 10, netns: router, addresses: [10.0.0.10/24]}
      vlan20: {kind: vlan, link: eth0, id: 20, netns: router, addresses: [10.0.20.1/24]}
"""


def vlans(host: Host) -> dict[str, list[tuple[int, bool]]]:
    """Of each port its VLANs, and whether it is the one of untagged frames."""
    return {
        port["ifname"]: [(vlan["vlan"], "PVID" in vlan.get("flags", [])) for vlan in port["vlans"]]
        for port in json.loads(host.sh("bridge -j vlan show"))
    }


def test_a_bridge_that_looks_at_tags(host: Host) -> None:
    host.apply(FILTERING)
    assert host.data("br0")["vlan_filtering"] == 1
    wanted = {
        "a1-eth0": [(10, True)],
        "a2-eth0": [(10, True)],
        "b1-eth0": [(20, True)],
        "router-eth0": [(10, False), (20, False), (30, False), (31, False)],
    }
    assert wanted.items() <= vlans(host).items()
    assert host.ping("a1", "10.0.0.2")
    assert host.ping("a1", "10.0.0.10")
    assert host.ping("b1", "10.0.20.1")
    assert not host.ping("a1", "10.0.0.3", within=0)

    host.mends(
        "bridge vlan add dev a1-eth0 vid 20 pvid untagged",
        "bridge vlan del dev router-eth0 vid 10",
        "ip link set b1-eth0 nomaster",
        "ip link set br0 type bridge vlan_filtering 0",
    )
    assert wanted.items() <= vlans(host).items()
    assert host.ping("a1", "10.0.0.10")
    assert not host.ping("a1", "10.0.0.3", within=0)

    host.apply(FILTERING.replace("{pvid: 20}", "{pvid: 10, vlans: [20]}"))
    assert vlans(host)["b1-eth0"] == [(10, True), (20, False)]
    assert host.ping("a1", "10.0.0.3")
    host.down()
