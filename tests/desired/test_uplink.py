"""From the uplinks, routes and settings of a policy to what the host is to have, what it has, and the plan between."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from netctl.desired.device import plan_host
from netctl.desired.host import devices
from netctl.desired.routes import routing
from netctl.desired.routing import DropIn, Routing, Rule, dotted, setting_of, slashed
from netctl.plan import Found, delta
from netctl.plan.text import lines
from netctl.policy import loads

HEAD = "version: 1\nhosts:\n  hv1:\n"
ONE_SUBNET = """    uplinks:
      eth0: {address: 192.168.1.1/24, gateway: 192.168.1.254, table: 100}
      eth2: {address: 192.168.1.253/24, gateway: 192.168.1.254, table: 200}
"""
TWO_SUBNETS = """    uplinks:
      eth0: {address: 192.168.1.1/24, gateway: 192.168.1.254, table: 100}
      eth2: {address: 192.168.2.1/24, gateway: 192.168.2.254, table: 200}
"""


def wanted(text: str) -> list[str]:
    """The items that are not files, as a plan says them, without the reasons."""
    return [line.partition("  (")[0] for line in plan(text) if not line.startswith("+ dropin")]


def plan(text: str, there: Iterable[Found[Routing]] = ()) -> list[str]:
    loaded = loads(HEAD + text, "lab.yaml")
    assert loaded.policy is not None, loaded.problems
    return lines(delta(routing(loaded, "hv1"), there))


def items(text: str) -> list[Routing]:
    return [each.item for each in routing(loads(HEAD + text), "hv1")]


def test_two_nics_in_one_subnet() -> None:
    assert wanted(ONE_SUBNET) == [
        "+ address 192.168.1.1/24 dev eth0",
        "+ address 192.168.1.253/24 dev eth2",
        "+ sysctl net.ipv4.conf.eth0.arp_ignore",
        "+ sysctl net.ipv4.conf.eth0.arp_announce",
        "+ sysctl net.ipv4.conf.eth2.arp_ignore",
        "+ sysctl net.ipv4.conf.eth2.arp_announce",
        "+ route 192.168.1.0/24 dev eth0 table 100",
        "+ route default dev eth0 table 100",
        "+ route 192.168.1.0/24 dev eth2 table 200",
        "+ route default dev eth2 table 200",
        "+ route default dev eth0 metric 4096",
        "+ rule 10990: from 192.168.1.1 to 192.168.1.0/24 lookup 100",
        "+ rule 10990: from 192.168.1.253 to 192.168.1.0/24 lookup 200",
        "+ rule 11000: from all lookup main suppress_prefixlength 0",
        "+ rule 11010: from 192.168.1.1 lookup 100",
        "+ rule 11010: from 192.168.1.253 lookup 200",
    ]


def test_in_two_subnets_no_setting_is_touched() -> None:
    assert wanted(TWO_SUBNETS) == [
        "+ address 192.168.1.1/24 dev eth0",
        "+ address 192.168.2.1/24 dev eth2",
        "+ route 192.168.1.0/24 dev eth0 table 100",
        "+ route default dev eth0 table 100",
        "+ route 192.168.2.0/24 dev eth2 table 200",
        "+ route default dev eth2 table 200",
        "+ route default dev eth0 metric 4096",
        "+ rule 10990: from 192.168.1.1 to 192.168.2.0/24 lookup 100",
        "+ rule 10990: from 192.168.2.1 to 192.168.1.0/24 lookup 200",
        "+ rule 11000: from all lookup main suppress_prefixlength 0",
        "+ rule 11010: from 192.168.1.1 lookup 100",
        "+ rule 11010: from 192.168.2.1 lookup 200",
    ]


def test_ipv6_is_the_same_beside_ipv4() -> None:
    text = """    uplinks:
      eth0.7:
        address: [192.168.1.1/24, "2001:db8:1::1/64"]
        gateway: [192.168.1.254, "fe80::1"]
        table: 100
      eth2: {address: "2001:db8:2::1/64", gateway: "2001:db8:2::ff", table: 200}
"""
    assert wanted(text) == [
        "+ address 192.168.1.1/24 dev eth0.7",
        "+ address 2001:db8:1::1/64 dev eth0.7",
        "+ address 2001:db8:2::1/64 dev eth2",
        "+ sysctl net.ipv6.conf.eth0/7.keep_addr_on_down",
        "+ sysctl net.ipv6.conf.eth2.keep_addr_on_down",
        "+ route 192.168.1.0/24 dev eth0.7 table 100",
        "+ route default dev eth0.7 table 100",
        "+ route 2001:db8:1::/64 dev eth0.7 table 100",
        "+ route default (IPv6) dev eth0.7 table 100",
        "+ route 2001:db8:2::/64 dev eth2 table 200",
        "+ route default (IPv6) dev eth2 table 200",
        "+ route default dev eth0.7 metric 4096",
        "+ route default (IPv6) dev eth0.7 metric 4096",
        "+ rule 10990: from 2001:db8:1::1 to 2001:db8:2::/64 lookup 100",
        "+ rule 10990: from 2001:db8:2::1 to 2001:db8:1::/64 lookup 200",
        "+ rule 11000: from all lookup main suppress_prefixlength 0",
        "+ rule 11000: from all lookup main suppress_prefixlength 0 (IPv6)",
        "+ rule 11010: from 192.168.1.1 lookup 100",
        "+ rule 11010: from 2001:db8:1::1 lookup 100",
        "+ rule 11010: from 2001:db8:2::1 lookup 200",
    ]


def test_what_another_uplink_brings_leaves_the_others_alone() -> None:
    three = ONE_SUBNET.replace(
        "    uplinks:\n", "    uplinks:\n      eth9: {address: 10.0.0.1/24, gateway: 10.0.0.254, table: 7}\n"
    )
    there = [Found(item) for item in items(ONE_SUBNET)]
    assert [line.partition("  (")[0] for line in plan(three, there) if "dropin" not in line] == [
        "- route default dev eth0 metric 4096",
        "+ address 10.0.0.1/24 dev eth9",
        "+ route 10.0.0.0/24 dev eth9 table 7",
        "+ route default dev eth9 table 7",
        "+ route default dev eth9 metric 4096",
        "+ rule 10990: from 10.0.0.1 to 192.168.1.0/24 lookup 7",
        "+ rule 10990: from 192.168.1.1 to 10.0.0.0/24 lookup 100",
        "+ rule 10990: from 192.168.1.253 to 10.0.0.0/24 lookup 200",
        "+ rule 11010: from 10.0.0.1 lookup 7",
    ]


def test_a_plan_says_why() -> None:
    said = "\n".join(plan(ONE_SUBNET))
    for part in (
        "+ rule 11010: from 192.168.1.1 lookup 100  (not there; lab.yaml:5:7 uplink eth0)",
        "eth0.arp_ignore  (not there; lab.yaml:5:7 uplink eth0, in one subnet with eth2: else it answers",
        "metric 4096  (not there; lab.yaml:5:7 uplink eth0, the first: for what the host itself starts)",
        "NetworkManager, which is installed here, would take away their addresses and routes; in force when",
        "systemd-networkd, where it runs, would take away their routes and rules; in force when it is started again",
    ):
        assert part in said, said
    there = [Found(item) for item in items(ONE_SUBNET)]
    assert plan(ONE_SUBNET, there) == []
    moved = ONE_SUBNET.replace("gateway: 192.168.1.254, table: 200", "gateway: 192.168.1.250, table: 200")
    assert plan(moved, there) == [
        "~ route default dev eth2 table 200: via 192.168.1.254 -> 192.168.1.250  (lab.yaml:6:7 uplink eth2)"
    ]


def test_the_files_for_other_programs() -> None:
    tables, network_manager, networkd = (each for each in items(ONE_SUBNET) if isinstance(each, DropIn))
    first = "# Written by netctl for the host hv1: `netctl down` removes it, and so may you.\n"
    assert tables.text == f"{first}100\teth0\n200\teth2\n"
    assert network_manager.text == (
        f"{first}[device-netctl]\nmatch-device=interface-name:=eth0;interface-name:=eth2\nmanaged=0\n"
    )
    assert networkd.text == f"{first}[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"


def test_a_link_of_netctls_has_its_address_itself_and_a_nic_only_once() -> None:
    text = """    links:
      br1: {kind: bridge, addresses: [192.168.1.1/24]}
      eth2: {kind: nic, addresses: [192.168.2.1/24, 192.168.7.1/24]}
    uplinks:
      br1: {address: 192.168.1.1/24, gateway: 192.168.1.254, table: 100}
      eth2: {address: 192.168.2.1/24, gateway: 192.168.2.254, table: 200}
"""
    assert [line for line in wanted(text) if "address" in line] == [
        "+ address 192.168.2.1/24 dev eth2",
        "+ address 192.168.7.1/24 dev eth2",
    ]


def test_routes_and_settings_of_links_guests_and_the_host() -> None:
    text = """    sysctls:
      net.ipv4.ip_forward: 1
      net/ipv4/conf/eth0.7/rp_filter: 2
      net.ipv4.ip_local_port_range: "1  9"
    guests:
      ns1:
        namespace: true
        sysctls: {net.ipv4.ip_forward: 0}
        nics:
          eth0:
            device: veth
            addresses: [10.120.1.11/24]
            routes: [{to: default, via: 10.120.1.1}, {to: 10.120.2.0/24, via: 10.120.1.2, metric: 5, table: 9}]
    links:
      d0: {kind: dummy, addresses: [10.9.0.1/24], routes: [{to: 10.10.0.0/16, src: 10.9.0.1}]}
      d1: {kind: dummy, netns: ns2, addresses: ["fd00::1/64"], routes: [{to: "fd01::/64", metric: 1024}]}
"""
    assert wanted(text) == [
        "+ route 10.10.0.0/16 dev d0",
        "+ route ns2/fd01::/64 dev d1",
        "+ sysctl net.ipv4.ip_forward",
        "+ sysctl net.ipv4.conf.eth0/7.rp_filter",
        "+ sysctl net.ipv4.ip_local_port_range",
        "+ route ns1/default dev eth0",
        "+ route ns1/10.120.2.0/24 dev eth0 table 9 metric 5",
        "+ sysctl ns1/net.ipv4.ip_forward",
    ]
    (value,) = [each.facts()["value"] for each in items(text) if each.key[-1] == "net.ipv4.ip_local_port_range"]
    assert value == "1 9"


def test_what_the_policy_sets_itself_counts_more_than_what_an_uplink_brings() -> None:
    said = "    sysctls: {net.ipv4.conf.eth0.arp_ignore: 2}\n" + ONE_SUBNET
    values = [each.facts()["value"] for each in items(said) if each.key[-1] == "net.ipv4.conf.eth0.arp_ignore"]
    assert values == ["2"]


def test_routes_that_go_with_an_address_are_said_again() -> None:
    before = HEAD + """    guests:
      ns1:
        namespace: true
        nics:
          eth0: {device: veth, addresses: [10.1.0.1/24], routes: [{to: default, via: 10.1.0.9}]}
    links:
      eno1: {kind: nic, addresses: [10.2.0.1/24], routes: [{to: 10.3.0.0/16, via: 10.2.0.9}]}
      eno2: {kind: nic, addresses: [10.4.0.1/24], routes: [{to: 10.5.0.0/16, via: 10.4.0.9}]}
"""
    after = before.replace("10.1.0.1/24", "10.1.0.2/24").replace("10.2.0.1/24", "10.2.0.2/24")
    there = [Found(each.item) for each in devices(loads(before), "hv1")]
    assert [line.partition("  (")[0] for line in lines(plan_host(devices(loads(after), "hv1"), there))] == [
        "- address 10.2.0.1/24 dev eno1",
        "~ veth ns1/eth0: addresses 10.1.0.1/24 -> 10.1.0.2/24",
        "+ address 10.2.0.2/24 dev eno1",
        "~ route 10.3.0.0/16 dev eno1",
        "~ route ns1/default dev eth0",
    ]


def test_a_host_without_uplinks_gets_no_files() -> None:
    assert items("    links: {}\n") == []


@pytest.mark.parametrize(
    ("written", "printed", "path"),
    [
        ("net.ipv4.ip_forward", "net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.7/rp_filter", "net.ipv4.conf.eth0/7.rp_filter", "net/ipv4/conf/eth0.7/rp_filter"),
        ("net.ipv4.conf.eth0/7.rp_filter", "net.ipv4.conf.eth0/7.rp_filter", "net/ipv4/conf/eth0.7/rp_filter"),
    ],
)
def test_the_two_ways_to_write_a_setting(written: str, printed: str, path: str) -> None:
    assert dotted(written) == printed
    assert slashed(printed) == path
    assert setting_of("eth0.7", 4, "rp_filter") == "net.ipv4.conf.eth0/7.rp_filter"


def test_rules_of_one_text_in_two_families_are_two() -> None:
    assert Rule(1, 254).key != Rule(1, 254, 6).key
