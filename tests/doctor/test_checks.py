"""Every check on plain data: nothing on a healthy host, one finding where something is wrong, with its commands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netctl.desired.routing import MAIN, Route, Rule
from netctl.doctor import Finding, Picture, Wishes, examine
from netctl.doctor.picture import Address, Guest, Interface, Link, Manager, Redirect, Switch
from netctl.libvirt.hook import owner_of
from tests.doctor.host import BRIDGED, HEALTHY, KERNEL_RULES, NICS, ONE_SUBNET, PATCHED, TWO_SUBNETS

POLICY = Wishes("hv1", "lab.yaml")


def change(picture: Picture, name: str, netns: str = "", **facts: Any) -> Picture:
    """The same with one device otherwise."""
    place = (netns, name)
    assert place in picture.by_place
    return replace(picture, links=tuple(replace(x, **facts) if x.place == place else x for x in picture.links))


def add(picture: Picture, *links: Link, **more: Any) -> Picture:
    return replace(picture, links=(*picture.links, *links), **more)


def only(picture: Picture, check: str, wishes: Wishes | None = None) -> Finding:
    """The one finding that there is."""
    found = examine(picture, wishes)
    assert [each.check for each in found] == [check], found
    return found[0]


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_host_has_nothing(name: str) -> None:
    assert examine(HEALTHY[name]) == []
    assert examine(HEALTHY[name], POLICY) == []
    assert examine(Picture()) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"all.arp_ignore": "1", "all.arp_announce": "2"},
        {"eth0.arp_ignore": "1", "eth0.arp_announce": "2", "eth2.arp_ignore": "2", "all.arp_announce": "2"},
        {"all.arp_filter": "1"},
        {"eth0.arp_filter": "1", "eth2.arp_ignore": "1", "eth2.arp_announce": "2"},
    ],
)
def test_no_flux(settings: dict[str, str]) -> None:
    told = {("", f"net.ipv4.conf.{name}"): value for name, value in settings.items()}
    assert examine(replace(ONE_SUBNET, settings=told)) == []


def test_arp_flux() -> None:
    found = only(replace(ONE_SUBNET, settings={}), "arp-flux")
    assert found.subject == "eth0, eth2"
    assert found.mend == (
        "sysctl -w net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.eth0.arp_announce=2",
        "sysctl -w net.ipv4.conf.eth2.arp_ignore=1 net.ipv4.conf.eth2.arp_announce=2",
    )
    half = {("", f"net.ipv4.conf.eth0.{name}"): value for name, value in (("arp_ignore", "1"), ("arp_announce", "2"))}
    assert len(only(replace(ONE_SUBNET, settings=half), "arp-flux").mend) == 1
    for healthy in ({"up": False}, {"master": "bond0"}, {"arp": False}):
        assert examine(change(replace(ONE_SUBNET, settings={}), "eth2", **healthy)) == []


def test_a_vlan_has_a_dot_in_its_name() -> None:
    picture = replace(
        ONE_SUBNET,
        links=(NICS[0], Link(name="eth0.7", kind="vlan", lower=("", "eth0"))),
        addresses=(Address("", "eth0", "10.0.1.1/24"), Address("", "eth0.7", "10.0.1.2/24")),
        settings={("", f"net.ipv4.conf.eth0.{n}"): v for n, v in (("arp_ignore", "1"), ("arp_announce", "2"))},
    )
    (command,) = only(picture, "arp-flux").mend
    assert command == "sysctl -w net.ipv4.conf.eth0/7.arp_ignore=1 net.ipv4.conf.eth0/7.arp_announce=2"


def test_strict_reverse_path_filter() -> None:
    strict = {("", "net.ipv4.conf.all.rp_filter"): "1"}
    assert examine(replace(TWO_SUBNETS, settings=strict)) == [], "each answers by its own NIC"
    found = only(replace(ONE_SUBNET, settings={**ONE_SUBNET.settings, **strict}), "rp-filter")
    assert found.subject == "eth2"
    assert found.mend == ("sysctl -w net.ipv4.conf.eth2.rp_filter=2",)
    mended = {**ONE_SUBNET.settings, **strict, ("", "net.ipv4.conf.eth2.rp_filter"): "2"}
    assert examine(replace(ONE_SUBNET, settings=mended)) == []
    by_rule = replace(
        ONE_SUBNET,
        settings={**ONE_SUBNET.settings, **strict},
        rules=(*KERNEL_RULES, Rule(1000, 200, source="10.0.1.2")),
        routes=(*ONE_SUBNET.routes, Route("10.0.1.0/24", "eth2", table=200)),
    )
    assert examine(by_rule) == []


def test_rule_to_an_empty_table() -> None:
    empty = replace(TWO_SUBNETS, rules=(*TWO_SUBNETS.rules, Rule(1000, 77, source="10.0.1.1")))
    assert only(empty, "empty-table").mend == (
        "ip route replace 10.0.1.0/24 dev eth0 src 10.0.1.1 table 77",
        "ip route replace default via 10.0.1.254 dev eth0 src 10.0.1.1 table 77",
    )
    nobodys = Rule(1000, 77, 6, source="2001:db8::/32", to="2001:db8:7::1")
    found = only(replace(TWO_SUBNETS, rules=(*TWO_SUBNETS.rules, nobodys)), "empty-table")
    assert found.mend == ("ip -6 rule del pref 1000 from 2001:db8::/32 to 2001:db8:7::1 lookup 77",)
    assert not found.automatic, "somebody may fill it later"
    several = (replace(nobodys, to=None), nobodys)
    assert len(only(replace(TWO_SUBNETS, rules=(*TWO_SUBNETS.rules, *several)), "empty-table").mend) == 2
    down = replace(change(TWO_SUBNETS, "eth2", up=False), routes=TWO_SUBNETS.routes[:3])
    assert only(down, "empty-table").mend[0] == "ip link set dev eth2 up"
    for kernels in (Rule(32767, 253), Rule(0, 255), Rule(1000, 77, more="and more")):
        assert examine(replace(TWO_SUBNETS, rules=(*TWO_SUBNETS.rules, kernels))) == []


def test_address_without_a_rule() -> None:
    found = only(replace(TWO_SUBNETS, rules=KERNEL_RULES), "no-rule")
    assert found.subject == "10.0.2.1 of eth2"
    assert found.mend == ("ip rule add pref 11010 from 10.0.2.1 lookup 200",)
    in_main = (*TWO_SUBNETS.routes[:3], Route("0.0.0.0/0", "eth2", via="10.0.2.254", metric=100))
    assert only(replace(TWO_SUBNETS, rules=KERNEL_RULES, routes=in_main), "no-rule").mend == (
        "ip route replace 10.0.2.0/24 dev eth2 src 10.0.2.1 table 100",
        "ip route replace default via 10.0.2.254 dev eth2 src 10.0.2.1 table 100",
        "ip rule add pref 11010 from 10.0.2.1 lookup 100",
    )
    one_way_out = replace(TWO_SUBNETS, rules=KERNEL_RULES, routes=TWO_SUBNETS.routes[:3])
    assert examine(one_way_out) == []
    wished = only(one_way_out, "no-rule", replace(POLICY, uplinks=frozenset({"eth0", "eth2"})))
    assert (wished.mend, wished.automatic) == ((), False)
    assert "its gateway is not known" in wished.by_hand


def test_duplicate_rules() -> None:
    twice = (Rule(32764, 200, source="10.0.2.1"), Rule(32765, 200, source="10.0.2.1"))
    found = only(replace(TWO_SUBNETS, rules=(*TWO_SUBNETS.rules, *twice)), "duplicate-rules")
    assert found.mend == (
        "ip rule del pref 32764 from 10.0.2.1 lookup 200",
        "ip rule del pref 32765 from 10.0.2.1 lookup 200",
    )
    different = (Rule(900, 200, source="10.0.2.1", to="10.0.1.0/24"), Rule(1100, MAIN, source="10.0.2.1"))
    assert examine(replace(TWO_SUBNETS, rules=(*TWO_SUBNETS.rules, *different))) == []


def test_a_bridge_whose_mac_moves() -> None:
    found = only(change(BRIDGED, "br0", pinned=False), "bridge-mac")
    assert found.mend == ("ip link set dev br0 address 02:00:00:00:00:99",)
    assert examine(change(BRIDGED, "br0", pinned=None)) == [], "what cannot be known is no finding"
    alone = change(change(change(BRIDGED, "br0", pinned=False), "p1", master=""), "t1", master="")
    assert examine(alone) == []


def test_a_tap_with_its_guests_mac() -> None:
    same = change(BRIDGED, "t1", mac="52:54:00:00:00:07")
    mend = ("ip link set dev t1 address fe:54:00:00:00:07",)
    assert only(replace(same, guests=(Guest("52:54:00:00:00:07"),)), "tap-mac-of-guest").mend == mend
    assert only(same, "tap-mac-of-guest", replace(POLICY, taps={"t1": "52:54:00:00:00:07"})).mend == mend
    learned = Switch("sw", learned={"t1": {"52:54:00:00:00:07"}})
    assert only(replace(same, switches=(learned,)), "tap-mac-of-guest").mend == mend
    assert examine(same) == [], "it is above its bridge's and nobody's that is known"


def test_a_tap_below_its_bridge() -> None:
    low = change(BRIDGED, "t1", mac="00:00:5e:00:53:01")
    found = only(low, "tap-mac-low")
    assert (found.mend, found.severity) == (("ip link set dev t1 address fe:00:5e:00:53:01",), "trap")
    moved = change(change(low, "br0", mac="00:00:5e:00:53:01", pinned=False), "t1", mac="00:00:5e:00:53:01")
    assert {each.check: each.severity for each in examine(moved)} == {"bridge-mac": "fault", "tap-mac-low": "fault"}


@pytest.mark.parametrize("mode", ["vepa", "bridge", "private"])
def test_nested_macs(mode: str) -> None:
    ill = change(BRIDGED, "mt0", mode=mode, mac="52:54:00:00:00:08")
    found = only(ill, "nested-macs")
    assert found.mend == (
        "ip link del dev mt0",
        "ip link add link lower name mt0 type macvtap mode passthru",
        "ip link set dev mt0 address 52:54:00:00:00:08 allmulticast on up",
    )
    assert not found.automatic, "its guest holds it"
    assert only(change(ill, "mt0", mark="hv1"), "nested-macs", replace(POLICY, places=frozenset({("", "mt0")}))).by_hand
    beside = add(ill, Link(name="mt1", kind="macvtap", mode="passthru", allmulticast=True, lower=("", "lower")))
    assert only(beside, "nested-macs").mend == (), "two cannot both have the device for themselves"


def test_macvtap_without_multicast() -> None:
    found = only(change(BRIDGED, "mt0", allmulticast=False), "macvtap-multicast")
    assert found.mend == ("ip link set dev mt0 allmulticast on",)
    assert examine(change(BRIDGED, "mt0", allmulticast=False, promisc=True)) == []


def test_a_redirect_to_nowhere() -> None:
    found = only(replace(BRIDGED, dead=(Redirect("n1", "eth0", "ingress", 10),)), "dead-redirect")
    assert found.mend == ("ip netns exec n1 tc filter del dev eth0 ingress pref 10",)
    assert not found.automatic, "it is to be made again"


def test_masks() -> None:
    closed = change(BRIDGED, "br0", group_fwd_mask=0x8)
    assert only(closed, "lldp-mask").mend == ("ip link set dev br0 type bridge group_fwd_mask 0x4008",)
    assert examine(change(closed, "br0", mark="hv1")) == [], "its policy says what it forwards"
    a_switch = add(closed, Link(name="p3", kind="veth", master="br0"))
    assert examine(a_switch) == [], "between three, LLDP is not to pass"
    assert examine(change(closed, "p1", kind="")) == [], "a host at its NIC is no cable"
    assert examine(replace(closed, addresses=(Address("", "br0", "10.0.0.1/24"),))) == []
    one_way = change(BRIDGED, "p1", port_group_fwd_mask=4)
    found = only(one_way, "lacp-mask")
    assert found.mend == ("ip link set dev t1 type bridge_slave group_fwd_mask 0x4",)
    bond = (Link(name="bond0", netns="n1", kind="bond", mode="802.3ad"),)
    bonded = add(change(BRIDGED, "eth0", "n1", master="bond0"), *bond)
    assert [each.subject for each in examine(bonded)] == ["p1", "t1"]
    assert examine(add(change(BRIDGED, "eth0", "n1", master="bond0"), replace(bond[0], mode="balance-rr"))) == []


def test_mtus() -> None:
    odd = change(change(BRIDGED, "p1", mtu=9000), "eth0", "n1", mtu=9000)
    assert only(odd, "mtu").mend == ("ip link set dev t1 mtu 9000",)
    with_nic = change(change(odd, "t1", kind="", mtu=1500), "br0", group_fwd_mask=0)
    assert only(with_nic, "mtu").mend == ("ip link set dev p1 mtu 1500", "ip -n n1 link set dev eth0 mtu 1500")
    assert only(change(BRIDGED, "br0", mtu=9000), "mtu").mend == ("ip link set dev br0 mtu 1500",)
    vlan = add(BRIDGED, Link(name="lower.7", kind="vlan", lower=("", "lower"), mtu=1600))
    assert only(vlan, "mtu").mend == ("ip link set dev lower.7 mtu 1500",)
    tunnel = Link(name="vx", kind="vxlan", lower=("", "lower"), mtu=1500, overhead=50)
    assert only(add(BRIDGED, tunnel), "mtu").mend == ("ip link set dev vx mtu 1450",)
    assert examine(add(BRIDGED, replace(tunnel, mtu=1450))) == []
    assert only(change(PATCHED, "eth0", "n1", mtu=1400), "mtu").mend == ("ip -n n1 link set dev eth0 mtu 1500",)
    behind = change(BRIDGED, "eth0", "n1", mtu=9000)
    assert only(behind, "mtu").mend == ("ip -n n1 link set dev eth0 mtu 1500",), "the port is as its bridge has it"
    between = add(change(behind, "eth0", "n1", master="br1"), Link(name="br1", netns="n1", kind="bridge", mtu=9000))
    assert only(between, "mtu").mend == ()
    wired = replace(POLICY, wires=(("core", "p1", "t1"), ("gone", "p1", "nobody")))
    assert only(change(PATCHED, "t1", mtu=1400), "mtu", wired).mend == ("ip link set dev t1 mtu 1500",)


def test_checksums_on_the_userspace_datapath() -> None:
    found = only(change(PATCHED, "eth0", "n1", tx_checksum=True), "tx-checksum")
    assert found.mend == ("ip netns exec n1 ethtool -K eth0 tx off",)
    assert only(change(PATCHED, "t1", tx_checksum=True), "tx-checksum").mend == ("ethtool -K t1 tx off",)
    system = replace(PATCHED.switches[0], datapath="system")
    assert examine(replace(change(PATCHED, "t1", tx_checksum=True), switches=(system,))) == []
    guest = only(replace(PATCHED, guests=(Guest("52:54:00:00:00:07"),)), "virtio-checksum", POLICY)
    assert (guest.mend, guest.automatic) == ((), False)
    assert "ethtool -K NIC tx off" in guest.by_hand
    assert examine(replace(PATCHED, guests=(Guest("52:54:00:00:00:07", checksum=False),))) == []
    assert examine(replace(PATCHED, guests=(Guest("52:54:00:00:00:99"),))) == []


def test_what_open_vswitch_takes_for_itself() -> None:
    (switch,) = PATCHED.switches
    for ill, check, mend in (
        (replace(switch, stp=True), "ovs-stp", "ovs-vsctl set bridge ovbr0 stp_enable=false"),
        (replace(switch, rstp=True), "ovs-stp", "ovs-vsctl set bridge ovbr0 rstp_enable=false"),
        (
            replace(switch, interfaces=(Interface("p1", lldp=True),)),
            "ovs-lldp",
            "ovs-vsctl remove interface p1 lldp enable",
        ),
    ):
        assert only(replace(PATCHED, switches=(ill,)), check).mend == (mend,)
        assert examine(replace(PATCHED, switches=(replace(ill, ours=False),))) == [], "somebody else's, who wants it so"
    policed = replace(switch, interfaces=(Interface("p1", policing=1000),))
    found = only(replace(PATCHED, switches=(policed,)), "ovs-policing")
    assert found.mend == ("ovs-vsctl set interface p1 ingress_policing_rate=0",)
    assert examine(replace(PATCHED, switches=(replace(policed, datapath="system"),))) == []
    broken = replace(switch, interfaces=(Interface("nobody", error="could not open network device nobody"),))
    found = only(replace(PATCHED, switches=(broken,)), "ovs-port")
    assert found.mend == ("ovs-vsctl --if-exists del-port ovbr0 nobody",)
    assert not found.automatic


def test_a_firewall_between_guests() -> None:
    found = only(replace(BRIDGED, filtered=frozenset({("", "iptables")})), "bridge-firewall")
    assert found.mend == ("sysctl -w net.bridge.bridge-nf-call-iptables=0",)
    assert not found.automatic, "it may be meant"
    assert examine(replace(TWO_SUBNETS, filtered=frozenset({("", "iptables")}))) == [], "no bridge, no matter"


def test_modules() -> None:
    found = only(Picture(lacking=frozenset({"8021q"})), "kernel-module", POLICY)
    assert found.mend == ("modprobe 8021q",)


NETWORKD = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules = false\n"
NM = "[main]\n[device-netctl]\nmatch-device=interface-name:=eth0;interface-name:=eth2\nmanaged=0\n"


def test_foreign_managers() -> None:
    runs = Picture(managers=(Manager("systemd-networkd", "[Network]\nManageForeignRoutes=no\n"),), routed=True)
    found = only(runs, "foreign-manager")
    assert not found.automatic
    assert found.mend[-1] == "systemctl restart systemd-networkd"
    assert examine(replace(runs, managers=(Manager("systemd-networkd", NETWORKD),))) == []
    assert examine(replace(runs, routed=False)) == [], "there is nothing of netctl's that it could remove"
    runs = Picture(managers=(Manager("NetworkManager", NM),), kept=frozenset({"eth0", "eth2"}))
    assert examine(runs) == []
    by_pattern = Manager("NetworkManager", "[keyfile]\nunmanaged-devices=interface-name:eth*")
    assert examine(replace(runs, managers=(by_pattern,))) == []
    lacks = replace(runs, kept=frozenset({"eth0", "eth3"}))
    found = only(lacks, "foreign-manager")
    assert "match-device=interface-name:=eth3" in found.mend[1]
    assert only(lacks, "foreign-manager", replace(POLICY, uplinks=frozenset({"eth4"}))).what.count("eth4") == 1


def test_stale_devices() -> None:
    links = (
        Link(name="v1", kind="veth", mark="hv1", lower=("", "v2")),
        Link(name="v2", kind="veth", mark="hv1", lower=("", "v1")),
        Link(name="eth0", netns="n1", kind="tap", mark="hv1"),
    )
    left = Picture(links=links, namespaces={"n1": "hv1", "other": ""})
    found = only(left, "stale-devices", POLICY)
    assert found.mend == ("ip link del dev v1", "ip netns del n1")
    assert not found.automatic, "the wrong policy may have been found"
    assert examine(left) == [], "without a policy nobody knows what is wanted"
    assert examine(replace(left, agents=frozenset({"hv1"})), POLICY) == [], "its agent sees to it"
    guest = Picture(links=(Link(name="vm9-eth0", kind="tap", mark=owner_of("vm9")),))
    assert examine(guest, POLICY) == [], "it goes with its guest"
    wanted = replace(POLICY, places=frozenset(link.place for link in links), namespaces=frozenset({"n1"}))
    assert examine(left, wanted) == []


def test_a_change_that_was_broken_off() -> None:
    found = only(Picture(broken_off="netctl apply lab.yaml"), "broken-off")
    assert found.mend == ("netctl confirm --cancel",)


def test_names_are_quoted_for_the_shell() -> None:
    found = only(add(BRIDGED, Link(name="$(reboot)", kind="macvtap", mode="passthru")), "macvtap-multicast")
    assert found.mend == ("ip link set dev '$(reboot)' allmulticast on",)


def test_faults_come_before_traps() -> None:
    ill = change(change(BRIDGED, "mt0", allmulticast=False), "br0", mtu=9000)
    assert [each.severity for each in examine(ill)] == ["fault", "trap"]
