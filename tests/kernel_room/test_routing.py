"""Addresses, routes, rules, settings and drop-in files: made as they are wanted, seen as they are, given back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from netctl.desired.routing import (
    NETWORKD,
    NETWORKMANAGER,
    RT_TABLES,
    Address,
    DropIn,
    Route,
    Routing,
    Rule,
    Sysctl,
    signature,
)
from netctl.kernel import netns, routing
from netctl.kernel.errors import (
    DeviceDown,
    DeviceMissing,
    FileTaken,
    KernelError,
    Refused,
    RouteTaken,
    SettingMissing,
    SettingRefused,
)
from netctl.kernel.rtnl import Rtnl
from netctl.plan import Plan, Wanted, delta
from netctl.plan.text import lines
from tests.e2e.within import within

ALL: tuple[Routing, ...] = (
    Address("eth0", "192.168.1.1/24"),
    Address("eth0", "2001:db8::1/64"),
    Route("192.168.1.0/24", "eth0", src="192.168.1.1", table=100),
    Route("0.0.0.0/0", "eth0", via="192.168.1.254", src="192.168.1.1", table=100),
    Route("0.0.0.0/0", "eth0", via="192.168.1.254", metric=4096),
    Route("2001:db8::/64", "eth0", table=100),
    Route("::/0", "eth0", via="2001:db8::ff", table=70_000),
    Rule(11000, 254, suppress_prefixlength=0),
    Rule(11000, 254, 6, suppress_prefixlength=0),
    Rule(10990, 100, 4, "192.168.1.1", "192.168.2.0/24"),
    Rule(11010, 100, 4, "192.168.1.1"),
    Rule(11010, 70_000, 6, "2001:db8::1"),
    Sysctl("net.ipv4.conf.eth0.arp_ignore", "1"),
    Sysctl("net.ipv4.ip_local_port_range", "20000 60000"),
)


def sh(command: str) -> str:
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


def nics(*names: str) -> None:
    for name in names:
        sh(f"ip link add {name} type veth peer name far-{name}; ip link set {name} up; ip link set far-{name} up")


def plan(wanted: Iterable[Routing], where: str = "", host: str | None = "hv1") -> Plan[Routing]:
    asked = [Wanted(item, "test") for item in wanted]
    with netns.entered(where), Rtnl() as rtnl:
        found = routing.Survey({each.item.key for each in asked}, host).look(rtnl, where, rtnl.links())
    return delta(asked, found, ("dropin", "address", "sysctl", "route", "rule"))


def reach(wanted: Iterable[Routing], where: str = "", host: str | None = "hv1") -> list[tuple[str, str]]:
    """Do what is to be done and see that nothing is left. What was done: (verb, the last part of the key)."""
    wanted = tuple(wanted)
    steps = plan(wanted, where, host).steps
    with netns.entered(where), Rtnl() as rtnl:
        for step in steps:
            if step.after is None:
                routing.remove(step.item, rtnl, host)
            elif step.verb == "change":
                routing.alter(step.after, rtnl, host or "")
            else:
                assert step.verb == "add"
                routing.make(step.after, rtnl, host or "")
    left = plan(wanted, where, host)
    assert not left, lines(left)
    return [(step.verb, step.key[-1]) for step in steps]


def fails(item: Routing, error: type[KernelError]) -> str:
    with Rtnl() as rtnl, pytest.raises(error) as caught:
        routing.make(item, rtnl, "hv1")
    return str(caught.value)


@within
def test_what_is_made_is_what_ip_says() -> None:
    nics("eth0")
    reach(ALL)
    assert "inet 192.168.1.1/24 brd 192.168.1.255 scope global proto 0x6e eth0" in sh("ip addr show dev eth0") or (
        "inet 192.168.1.1/24 brd 192.168.1.255 scope global eth0" in sh("ip addr show dev eth0")
    )
    assert "inet6 2001:db8::1/64 scope global" in sh("ip addr show dev eth0")
    assert sorted(sh("ip -N route show table 100").splitlines()) == [
        "192.168.1.0/24 dev eth0 proto 110 scope 253 src 192.168.1.1 ",
        "default via 192.168.1.254 dev eth0 proto 110 src 192.168.1.1 ",
    ]
    assert "default via 192.168.1.254 dev eth0 proto 110 metric 4096" in sh("ip -N route show table 254")
    assert "2001:db8::/64 dev eth0 proto 110 metric 1024" in sh("ip -N -6 route show table 100")
    assert "default via 2001:db8::ff dev eth0 proto 110" in sh("ip -N -6 route show table 70000")
    assert sh("ip -N rule").replace("\t", " ").splitlines() == [
        "0: from all lookup 255",
        "10990: from 192.168.1.1 to 192.168.2.0/24 lookup 100 proto 110",
        "11000: from all lookup 254 suppress_prefixlength 0 proto 110",
        "11010: from 192.168.1.1 lookup 100 proto 110",
        "32766: from all lookup 254",
        "32767: from all lookup 253",
    ]
    assert sh("ip -N -6 rule").replace("\t", " ").splitlines() == [
        "0: from all lookup 255",
        "11000: from all lookup 254 suppress_prefixlength 0 proto 110",
        "11010: from 2001:db8::1 lookup 70000 proto 110",
        "32766: from all lookup 254",
    ]
    assert sh("sysctl -n net.ipv4.ip_local_port_range").split() == ["20000", "60000"]
    assert sh("sysctl -n net.ipv4.conf.eth0.arp_ignore") == "1\n"


@within
def test_all_goes_and_others_stay() -> None:
    nics("eth0", "eth1")
    sh("ip addr add 192.168.7.1/24 dev eth0; ip addr add 2001:db8:7::1/64 dev eth0 nodad")
    sh("ip route add 10.0.0.0/8 via 192.168.7.254; ip route add default via 192.168.7.254 metric 5000")
    sh("ip route add default via 192.168.7.254 table 7; ip rule add pref 11010 from 192.168.7.1 lookup 7")
    sh("ip -6 rule add pref 11011 lookup 7; ip -6 route add 2001:db8:8::/64 via 2001:db8:7::ff")
    sh("sysctl -qw net.ipv4.conf.eth0.arp_announce=1")
    look = "ip -N addr show scope global; ip -N -4 route show table all; "
    look += "ip -N -6 route show table all | grep -v -e fe80 -e ff00; ip -N rule; ip -N -6 rule; "
    look += "sysctl -a --pattern '^net.ipv[46].(conf|ip_local)'"
    before = sh(look)
    reach(ALL)
    assert sh(look) != before
    done = reach([], host=None)
    assert {verb for verb, _ in done} == {"remove"}
    assert len(done) == len(ALL)
    assert sh(look) == before


@within
def test_each_harm_is_seen_and_put_right_in_place() -> None:
    nics("eth0")
    reach(ALL)
    for harm, repaired in (
        ("ip route del default table 100", [("add", "default dev eth0 table 100")]),
        (
            "ip route replace default via 192.168.1.9 dev eth0 table 100 proto 110",
            [("change", "default dev eth0 table 100")],
        ),
        ("ip -6 route flush table 100", [("add", "2001:db8::/64 dev eth0 table 100")]),
        ("ip rule del pref 11010", [("add", "11010: from 192.168.1.1 lookup 100")]),
        ("ip -6 rule del pref 11000", [("add", "11000: from all lookup main suppress_prefixlength 0 (IPv6)")]),
        (
            "ip rule add pref 900 from 192.168.1.1 lookup 100 protocol 110",
            [("remove", "900: from 192.168.1.1 lookup 100")],
        ),
        (
            "ip rule add fwmark 5 pref 11010 from 192.168.1.1 lookup 100 protocol 110",
            [("remove", "11010: from 192.168.1.1 lookup 100 and more")],
        ),
        ("ip route add 10.9.0.0/16 via 192.168.1.9 proto 110", [("remove", "10.9.0.0/16 dev eth0")]),
        ("sysctl -qw net.ipv4.conf.eth0.arp_ignore=0", [("change", "net.ipv4.conf.eth0.arp_ignore")]),
        ("ip addr del 2001:db8::1/64 dev eth0", None),
        ("ip link set eth0 down; ip link set eth0 up", None),
        ("ip addr flush dev eth0 scope global", None),
    ):
        sh(harm)
        done = reach(ALL)
        assert done if repaired is None else done == repaired, (harm, done)


@within
def test_a_route_changes_in_place_and_is_never_gone() -> None:
    nics("eth0")
    sh("ip addr add 192.168.1.1/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad")
    one = Route("0.0.0.0/0", "eth0", via="192.168.1.7", table=100)
    six = Route("::/0", "eth0", via="2001:db8::7", table=9)
    reach([one, six])
    watcher = subprocess.Popen(["ip", "monitor", "route"], stdout=subprocess.PIPE, text=True)
    other: list[Routing] = [Route(one.to, "eth0", via="192.168.1.8", src="192.168.1.1", table=100)]
    other.append(Route(six.to, "eth0", via="2001:db8::8", table=9))
    assert [verb for verb, _ in reach(other)] == ["change", "change"]
    sh("ip route add 10.1.1.1 dev eth0")
    assert watcher.stdout is not None
    said = ""
    while "10.1.1.1" not in said:
        said += watcher.stdout.readline()
    watcher.kill()
    assert "Deleted" not in said, said
    assert "via 192.168.1.8" in sh("ip route show table 100")
    assert sh("ip -6 route show table 9").count("default") == 1


@within
def test_what_somebody_else_made_the_same_is_left_to_him() -> None:
    nics("eth0")
    sh("ip addr add 192.168.1.1/24 dev eth0; ip route add default via 192.168.1.254 table 100")
    sh("ip rule add pref 11010 from 192.168.1.1 lookup 100")
    wanted: list[Routing] = [
        Address("eth0", "192.168.1.1/24"),
        Route("0.0.0.0/0", "eth0", via="192.168.1.254", table=100),
        Rule(11010, 100, 4, "192.168.1.1"),
    ]
    assert reach(wanted) == []
    assert reach([]) == []
    assert "default" in sh("ip route show table 100")
    differs = plan([Route("0.0.0.0/0", "eth0", via="192.168.1.9", table=100)])
    assert not differs.steps
    assert "via 192.168.1.254 -> 192.168.1.9" in str(differs.collisions[0])
    nics("eth1")
    sh("ip addr add 192.168.2.1/24 dev eth1")
    said = fails(Route("0.0.0.0/0", "eth1", via="192.168.2.9", table=100), RouteTaken)
    assert "default dev eth1 table 100" in said
    assert "192.168.1.254" in sh("ip route show table 100")
    shared = Route("10.0.0.0/8", "eth0", via="192.168.1.9")
    reach([*wanted, shared])
    sh("ip route append 10.0.0.0/8 via 192.168.2.9")
    reach([*wanted, Route("10.0.0.0/8", "eth0", via="192.168.1.8")])
    gateways = sorted(line.split()[2] for line in sh("ip route show 10.0.0.0/8").splitlines())
    assert gateways == ["192.168.1.8", "192.168.2.9"]


@within
def test_what_needs_a_nic_that_is_down_or_gone_waits() -> None:
    nics("eth0")
    reach(ALL)
    sh("sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=1; ip link set eth0 down")
    waits = plan(ALL)
    assert not waits.steps
    assert len(waits.collisions) == 5
    for collision in waits.collisions:
        assert "cannot be as long as eth0 is down; `ip link set eth0 up`" in str(collision)
    sh("ip link set eth0 up")
    assert len(reach(ALL)) == 5
    sh("ip link del eth0")
    waits = plan(ALL)
    assert not waits.steps
    assert len(waits.collisions) == 8
    assert all("there is no device eth0" in str(collision) for collision in waits.collisions)
    with Rtnl() as rtnl:
        wanted = {("veth", "eth0"), *(item.key for item in ALL)}
        found = routing.Survey(wanted, "hv1").look(rtnl, "", rtnl.links())
    assert not any(each.stays for each in found)
    fails(Route("10.0.0.0/8", "eth0"), DeviceMissing)
    fails(Address("eth0", "10.0.0.1/8"), DeviceMissing)
    sh("ip link add eth0 type veth peer name eth9")
    assert "say `links: {eth0: {kind: nic, up: true}}`" in fails(Route("10.0.0.0/8", "eth0"), DeviceDown)


@within
def test_a_gateway_that_cannot_be_reached_is_told() -> None:
    nics("eth0")
    said = fails(Route("10.0.0.0/8", "eth0", via="192.168.1.9"), Refused)
    assert "a gateway has to be in the network of one of the device's addresses" in said


@within
def test_a_setting_is_given_back_unless_somebody_set_it_since() -> None:
    record = Path("/run/netctl/sysctls.json")
    range_, forward = Sysctl("net.ipv4.ip_local_port_range", "20000 60000"), Sysctl("net.ipv4.ip_forward", "1")
    before = sh("sysctl -n net.ipv4.ip_local_port_range")
    assert reach([range_]) == [("change", "net.ipv4.ip_local_port_range")]
    assert reach([Sysctl(range_.name, "21000 60000"), forward]) == [("change", range_.name), ("change", forward.name)]
    assert json.loads(record.read_text())["net.ipv4.ip_local_port_range"]["before"].split() == before.split()
    sh("sysctl -qw net.ipv4.ip_forward=0")
    reach([])
    assert sh("sysctl -n net.ipv4.ip_local_port_range") == before
    assert sh("sysctl -n net.ipv4.ip_forward") == "0\n"
    assert not record.exists()
    reach([forward])
    reach([], host="hv2")
    assert sh("sysctl -n net.ipv4.ip_forward") == "1\n"
    sh("sysctl -qw net.ipv4.tcp_fin_timeout=61")
    assert reach([forward, Sysctl("net.ipv4.tcp_fin_timeout", "61")]) == []
    reach([forward])
    assert sh("sysctl -n net.ipv4.tcp_fin_timeout") == "61\n"
    assert "no setting net.ipv4.no_such" in fails(Sysctl("net.ipv4.no_such", "1"), SettingMissing)
    assert "does not take 'many'" in fails(Sysctl("net.ipv4.ip_forward", "many"), SettingRefused)


@within
def test_a_namespace_has_its_own() -> None:
    sh("ip netns add ns1; ip link add eth0.5 type veth peer name e netns ns1; ip -n ns1 link set e name eth0.5")
    sh("ip link set eth0.5 up; ip -n ns1 link set eth0.5 up; ip -n ns1 addr add 10.1.1.1/24 dev eth0.5")
    wanted: list[Routing] = [
        Route("10.2.0.0/16", "eth0.5", via="10.1.1.9", netns="ns1"),
        Rule(900, 7, 4, "10.1.1.1", netns="ns1"),
        Sysctl("net.ipv4.conf.eth0/5.arp_ignore", "2", netns="ns1"),
        Sysctl("net.ipv4.ip_forward", "1", netns="ns1"),
    ]
    before = sh("sysctl -n net.ipv4.ip_forward")
    assert [line.partition("  (")[0] for line in lines(plan(wanted, "ns1"))][:1] == [
        "~ sysctl ns1/net.ipv4.conf.eth0/5.arp_ignore: value 0 -> 2",
    ]
    reach(wanted, "ns1")
    assert "10.2.0.0/16 via 10.1.1.9" in sh("ip -n ns1 route")
    assert sh("ip netns exec ns1 sysctl -n net.ipv4.ip_forward") == "1\n"
    assert sh("sysctl -n net.ipv4.ip_forward") == before
    assert not plan([])
    reach([], "ns1")
    assert sh("ip netns exec ns1 sysctl -n net.ipv4.ip_forward net.ipv4.conf.eth0/5.arp_ignore") == "0\n0\n"
    reach(wanted, "ns1")
    sh("ip netns del ns1")
    assert not plan([])
    reach([Sysctl("net.ipv4.tcp_fin_timeout", "61")])
    assert list(json.loads(Path("/run/netctl/sysctls.json").read_text())) == ["net.ipv4.tcp_fin_timeout"]


@within
def test_a_file_is_written_where_its_program_is_and_removed_with_its_folder() -> None:
    sh("rm -rf /etc/NetworkManager /etc/systemd/networkd.conf.d; mkdir -p /etc/iproute2/rt_tables.d /etc/systemd")
    sh("touch /etc/iproute2/rt_tables.d/theirs.conf")
    files = [DropIn(path, f"{signature('hv1')}\n100\teth0\n") for path in (RT_TABLES, NETWORKMANAGER, NETWORKD)]
    assert reach(files) == [("add", RT_TABLES), ("add", NETWORKD)]
    assert "lookup eth0" in sh("ip rule add from 10.1.1.1 lookup 100; ip rule")
    assert Path(NETWORKD).stat().st_mode & 0o777 == 0o644
    Path(NETWORKD).write_text(f"{signature('hv1')}\nother\n")
    assert reach(files) == [("change", NETWORKD)]
    assert sorted(reach([])) == [("remove", RT_TABLES), ("remove", NETWORKD)]
    assert not Path(NETWORKD).parent.exists()
    assert Path(RT_TABLES).parent.exists()
    Path(RT_TABLES).write_text("99 mine\n")
    assert "the file /etc/iproute2/rt_tables.d/netctl.conf is there and netctl did not write it" in str(
        plan(files).collisions[0]
    )
    fails(files[0], FileTaken)
    assert reach([]) == []
    assert Path(RT_TABLES).read_text() == "99 mine\n"
