"""What the kernel announces of routes, rules and addresses, and what of that the agent hears."""

from __future__ import annotations

import select
import subprocess

from netctl.kernel.events import Changes, Events
from tests.e2e.within import within


def sh(command: str, text: str | None = None) -> None:
    subprocess.run(command, shell=True, check=True, input=text, text=True)


def heard(events: Events, command: str) -> Changes:
    events.read()
    sh(command)
    return events.read()


@within
def test_what_may_be_netctls_is_heard() -> None:
    sh("ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up; ip netns add ns1")
    sh("ip link add vout type veth peer name eth1 netns ns1; ip -n ns1 link set eth1 up")
    sh("ip addr add 192.168.1.1/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad; ip link set vout up; sleep 0.2")
    events = Events()
    for command in (
        "ip route add 10.1.0.0/16 dev eth0 proto 110 table 100",
        "ip route del 10.1.0.0/16 dev eth0 table 100",
        "ip -6 route add 2001:db8:9::/64 dev eth0 proto 110",
        "ip -6 route del 2001:db8:9::/64",
        "ip rule add pref 7 from 192.168.1.1 lookup 100 protocol 110",
        "ip rule del pref 7",
        "ip -6 rule add pref 7 from 2001:db8::1 lookup 100 protocol 110",
        "ip addr add 192.168.2.1/24 dev eth0",
        "ip addr del 192.168.2.1/24 dev eth0",
        "ip -n ns1 route add 10.1.0.0/16 dev eth1 proto 110",
        "ip -n ns1 route del 10.1.0.0/16 dev eth1",
    ):
        assert heard(events, command).routing, command
    for command in (
        "ip route add 10.1.0.0/16 dev eth0",
        "ip route del 10.1.0.0/16 dev eth0",
        "ip route add default via 192.168.1.9",
        "ip -n ns1 -6 route add 2001:db8:9::/64 dev eth1",
        "ip rule add pref 7 from 192.168.1.1 lookup 100",
        "ip rule del pref 7",
    ):
        assert not heard(events, command), command
    assert heard(events, "ip link set eth0 down").fallen == {"eth0"}
    assert heard(events, "ip link set eth0 up").fallen == frozenset()
    assert heard(events, "ip link set eth0 down; ip link set eth0 up").fallen == {"eth0"}


@within
def test_another_default_route_in_the_place_of_netctls_is_heard() -> None:
    sh("ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up")
    sh("ip addr add 192.168.1.1/24 dev eth0; ip route add default via 192.168.1.9 table 100 proto 110")
    events = Events()
    assert heard(events, "ip route replace default via 192.168.1.8 table 100").routing
    assert not heard(events, "ip route replace 10.0.0.0/8 via 192.168.1.8 table 100")


@within
def test_a_full_table_that_comes_and_goes_does_not_wake_anybody() -> None:
    sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
    sh("ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up")
    sh("ip addr add 192.168.1.1/24 dev eth0; sleep 0.2")
    events = Events()
    events.read()
    routes = [f"10.{a}.{b}.0/24" for a in range(40) for b in range(250)]
    for verb in ("add", "replace", "del"):
        sh("ip -batch -", "".join(f"route {verb} {each} via 192.168.1.9 proto bgp\n" for each in routes))
    assert not select.select([events], [], [], 0.05)[0]
    assert not events.read()
