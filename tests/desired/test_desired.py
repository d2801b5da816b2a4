"""A policy in, what should be there out."""

from __future__ import annotations

from typing import Any

import pytest

from netctl.desired.device import Namespace
from netctl.desired.host import NoSuchHost, choose_host, devices
from netctl.desired.link import Tap, Veth
from netctl.desired.mac import guest_mac, tap_mac
from netctl.desired.ovs import rows
from netctl.desired.row import ISOLATED, Bridge, Port
from netctl.policy import Loaded, PortRef, Ports, loads

ROOTS: dict[str, Any] = {"owner": 0, "group": -1}
"""A tap that nobody else may open."""

LAB = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, ports: [eno2]}
      brs: {unpatched: normal}
    guests:
      vm1:
        nics:
          eth1: {mac: "52:54:00:84:e3:62", device: tap, bridge: ovbr0, mtu: 9000}
          eth2: {device: tap, bridge: brs, name: plain}
      ns1:
        namespace: true
        nics:
          eth0: {device: veth, bridge: ovbr0, addresses: [10.120.1.11/24, "FD00::0:1/64"]}
wires:
  - [vm1-eth1, ns1-eth0]
  - {name: up, ends: [plain, hv1/brs/eno3]}
"""


@pytest.fixture
def lab() -> Loaded:
    loaded = loads(LAB, "lab.yaml")
    assert not loaded.problems
    return loaded


def test_a_bridge_may_say_as_much_as_its_probes_need(lab: Loaded) -> None:
    def rates(text: str) -> list[str]:
        loaded = loads(text, "lab.yaml")
        assert not loaded.problems
        found = [want.item for want in rows(loaded, loaded.wiring.ports, "hv1", None)]
        return [each.settings[3] for each in found if isinstance(each, Bridge)]

    assert rates(LAB) == ["controller_rate_limit=200"] * 2
    one = LAB.replace("ports: [eno2]", "ports: [{name: eno2, role: fabric}]")
    assert rates(one) == ["controller_rate_limit=220", "controller_rate_limit=200"]
    many = ", ".join(f"{{name: f{number}, role: fabric}}" for number in range(100))
    assert rates(LAB.replace("[eno2]", f"[{many}]"))[0] == "controller_rate_limit=2000"
    assert rates(LAB.replace("netdev,", "netdev, discover: true,"))[0] == "controller_rate_limit=2000"


def test_devices(lab: Loaded) -> None:
    assert {want.item.key: want.item for want in devices(lab, "hv1")} == {
        ("tap", "vm1-eth1"): Tap(
            name="vm1-eth1",
            mac="fe:54:00:84:e3:62",
            mtu=9000,
            tx_checksum=False,
            up=None,
            promisc=None,
            master=None,
            **ROOTS,
        ),
        ("tap", "plain"): Tap(
            name="plain",
            mac="fe" + guest_mac("hv1", "vm1", "eth2")[2:],
            mtu=1500,
            tx_checksum=True,
            up=None,
            promisc=None,
            master=None,
            **ROOTS,
        ),
        ("netns", "ns1"): Namespace("ns1"),
        ("veth", "ns1-eth0"): Veth(
            name="ns1-eth0",
            peer="eth0",
            peer_netns="ns1",
            mtu=1500,
            tx_checksum=False,
            up=None,
            promisc=None,
            master=None,
        ),
        ("veth", "ns1", "eth0"): Veth(
            name="eth0",
            netns="ns1",
            peer="ns1-eth0",
            mac=guest_mac("hv1", "ns1", "eth0"),
            mtu=1500,
            addresses=("10.120.1.11/24", "fd00::1/64"),
            tx_checksum=False,
            master=None,
        ),
    }


def test_a_device_is_kept_up_unless_a_wire_passes_carrier_on_to_it() -> None:
    def kept(wires: str) -> dict[str, bool]:
        loaded = loads(LAB.partition("wires:")[0] + wires, "lab.yaml")
        assert not loaded.problems, loaded.problems
        items = [want.item for want in devices(loaded, "hv1") if want.item.key[0] != "netns"]
        return {"/".join(item.key[1:]): "up" in item.facts() for item in items}

    wire = "wires:\n  - {ends: [vm1-eth1, ns1-eth0], carrier: CARRIER}\n"
    all_up = {"vm1-eth1": True, "plain": True, "ns1-eth0": True, "ns1/eth0": True}
    assert kept("") == all_up
    assert kept(wire.replace("CARRIER", "ignore")) == kept("")
    assert kept(wire.replace("CARRIER", "follow")) == {**all_up, "vm1-eth1": False, "ns1-eth0": False}
    assert kept("wires:\n  - [{port: plain, vlan: 1}, {port: plain, vlan: 2}]\n")["plain"]


def test_every_wish_says_where_it_comes_from(lab: Loaded) -> None:
    why = {want.item.key: want.why for want in devices(lab, "hv1")}
    assert why["tap", "vm1-eth1"] == "lab.yaml:11:11 guest vm1, NIC eth1"


def test_another_host_has_nothing(lab: Loaded) -> None:
    assert devices(lab, "hv2") == []


def test_rows(lab: Loaded) -> None:
    wanted = {want.item.key: want.item for want in rows(lab, Ports(lab.policy), "hv1", "tcp:127.0.0.1:6653")}
    assert wanted == {
        ("bridge", "ovbr0"): Bridge("ovbr0", "netdev", "tcp:127.0.0.1:6653"),
        ("bridge", "brs"): Bridge("brs", "system", "tcp:127.0.0.1:6653"),
        ("port", "eno2"): Port("ovbr0", "eno2"),
        ("port", "vm1-eth1"): Port("ovbr0", "vm1-eth1"),
        ("port", "ns1-eth0"): Port("ovbr0", "ns1-eth0"),
        ("port", "plain"): Port("brs", "plain", ISOLATED),
        ("port", "eno3"): Port("brs", "eno3", ISOLATED),
    }


def test_a_port_stays_isolated_as_long_as_the_switch_wires_it(lab: Loaded) -> None:
    unwired = loads(LAB.partition("wires:")[0].replace("ports: [eno2]", "ports: [eno2], unpatched: normal"), "x")
    ports = Ports(unwired.policy)
    tags = {
        want.item.name: want.item.tag
        for want in rows(unwired, ports, "hv1", None, {PortRef("hv1", "ovbr0", "vm1-eth1")})
        if isinstance(want.item, Port)
    }
    assert (tags["vm1-eth1"], tags["ns1-eth0"]) == (ISOLATED, None)


VLANS = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {ports: [a, b, c, mon, mon2], unpatched: UNPATCHED}
wires:
  - {name: w, ends: WIRED}
taps: TAPS
"""


def test_a_monitor_port_is_isolated_on_a_learning_bridge() -> None:
    text = VLANS.replace("UNPATCHED", "normal").replace("WIRED", "[a, b]").replace("TAPS", "[{of: w, to: mon}]")
    loaded = loads(text, "x")
    tags = {
        want.item.name: want.item.tag
        for want in rows(loaded, Ports(loaded.policy), "hv1", None)
        if isinstance(want.item, Port)
    }
    assert tags == {"a": ISOLATED, "b": ISOLATED, "c": None, "mon": ISOLATED, "mon2": None}


def test_the_tap_mac_is_never_the_guests_and_never_low() -> None:
    assert tap_mac("52:54:00:84:E3:62") == "fe:54:00:84:e3:62"
    assert tap_mac("fe:54:00:84:e3:62") == "fa:54:00:84:e3:62"


def test_a_made_up_mac_is_local_unicast_and_always_the_same() -> None:
    mac = guest_mac("hv1", "ns1", "eth0")
    assert mac == guest_mac("hv1", "ns1", "eth0") != guest_mac("hv1", "ns1", "eth1")
    assert int(mac[:2], 16) & 3 == 2


@pytest.mark.parametrize(
    ("name", "hostname", "chosen"),
    [("b", "a", "b"), (None, "a", "a"), (None, "a.example.org", "a")],
)
def test_which_host_this_is(name: str | None, hostname: str, chosen: str) -> None:
    policy = loads("version: 1\nhosts: {a: {}, b: {}}\n", "x").policy
    assert policy is not None
    assert choose_host(policy, name, hostname) == chosen


def test_the_only_host_is_this_one_whatever_its_name() -> None:
    policy = loads("version: 1\nhosts: {a: {}}\n", "x").policy
    assert policy is not None
    assert choose_host(policy, None, "elsewhere") == "a"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("{a: {}, b: {}}", None, "say which one this is with --host: a, b"),
        ("{a: {}}", "c", "no host 'c'; it has: a"),
        ("{}", None, "names no host"),
    ],
)
def test_no_such_host(text: str, name: str | None, message: str) -> None:
    policy = loads(f"version: 1\nhosts: {text}\n", "x").policy
    assert policy is not None
    with pytest.raises(NoSuchHost, match=message):
        choose_host(policy, name, "elsewhere")


def test_a_tap_is_root_s_unless_it_is_said_whose() -> None:
    def owners(said: str) -> tuple[object, object]:
        text = LAB.replace("device: tap, bridge: ovbr0", f"device: tap, bridge: ovbr0{said}")
        (tap,) = [want.item for want in devices(loads(text), "hv1") if want.item.key == ("tap", "vm1-eth1")]
        assert isinstance(tap, Tap)
        return tap.owner, tap.group

    assert owners("") == (0, -1)
    assert owners(", owner: 5") == (5, -1)
    assert owners(", owner: daemon, group: 7") == (1, 7)
    assert owners(", group: daemon") == (-1, 1)
    assert owners(", owner: nobody-of-that-name") == ("nobody-of-that-name", -1)


def test_what_a_passthru_sits_on_has_its_mac() -> None:
    text = """
version: 1
hosts:
  hv1:
    links: {br0: {kind: bridge}, t0: {kind: tap}, v0: {kind: veth, peer: v1}}
    guests:
      vm1: {nics: {eth0: {device: macvtap, lower: t0, mode: MODE}, eth1: {device: macvtap, lower: br0}}}
"""

    def macs(mode: str) -> dict[str, bool]:
        found = devices(loads(text.replace("MODE", mode)), "hv1")
        return {want.item.key[-1]: "mac" in want.item.facts() for want in found}

    vepa = {"br0": True, "t0": True, "v0": False, "v1": False, "vm1-eth0": True, "vm1-eth1": True}
    assert macs("vepa") == vepa
    assert macs("passthru") == {**vepa, "t0": False}
