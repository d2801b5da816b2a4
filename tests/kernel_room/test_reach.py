"""By which devices somebody is answered."""

from __future__ import annotations

import subprocess

from netctl.kernel.reach import Reach, reach
from netctl.kernel.rtnl import Rtnl
from tests.e2e.within import within

SETUP = """
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
ip netns add far
for n in 0 1 2; do
    ip link add eth$n type veth peer name far$n netns far; ip link set eth$n up; ip -n far link set far$n up
done
ip addr add 192.0.2.1/24 dev eth0; ip -n far addr add 192.0.2.254/24 dev far0
ip addr add 198.51.100.1/24 dev eth1; ip -n far addr add 198.51.100.254/24 dev far1
ip route add default via 192.0.2.254; ip route add default via 198.51.100.254 table 100
ip route add 203.0.113.0/28 via 192.0.2.254; ip route add 100.64.0.0/10 via 192.0.2.254
ip rule add from 198.51.100.1 lookup 100 priority 1000
ip -6 addr add 2001:db8::1/64 dev eth2; ip -6 route add default via 2001:db8::fe
"""


def seen(client: str, server: str) -> Reach | None:
    with Rtnl() as rtnl:
        return reach(rtnl, client, server)


def devices(client: str, server: str) -> set[str]:
    found = seen(client, server)
    assert found is not None
    return set(found.devices)


def sh(command: str) -> str:
    return subprocess.run(["bash", "-ec", command], check=True, capture_output=True, text=True).stdout


@within
def test_of_two_nics_and_their_tables() -> None:
    sh(SETUP)
    assert devices("192.0.2.99", "192.0.2.1") == {"eth0"}
    assert devices("203.0.113.5", "192.0.2.1") == {"eth0"}
    assert devices("203.0.113.5", "198.51.100.1") == {"eth1"}
    assert devices("::ffff:203.0.113.5", "::ffff:192.0.2.1") == {"eth0"}
    assert devices("2001:db8:9::1", "2001:db8::1") == {"eth2"}
    sh("ip rule del priority 1000")
    assert devices("203.0.113.5", "198.51.100.1") == {"eth0", "eth1"}, "in by one, out by the other"
    assert seen("203.0.113.5", "192.0.2.77") is None, "a session of an address that is no longer here"
    link_local = sh("ip -j -6 addr show dev eth1 | sed 's/.*\"local\":\"\\(fe80[^\"]*\\)\".*/\\1/'").strip()
    assert devices("fe80::9%eth1", f"{link_local}%eth1") == {"eth1"}
    found = seen("203.0.113.5", "192.0.2.1")
    assert found is not None
    assert sorted(route.to for route in found.routes) == ["0.0.0.0/0", "0.0.0.0/0", "203.0.113.0/28"]
    assert [rule.priority for rule in found.rules] == [0, 32766, 32767]


@within
def test_through_a_bridge_to_the_port_that_leads_there() -> None:
    sh(SETUP)
    sh(
        "ip -n far link set far2 arp off; ip addr flush dev eth1;"
        "ip link add br0 type bridge; ip link set br0 up; ip link set eth1 master br0; ip link set eth2 master br0;"
        "ip addr add 198.51.100.1/24 dev br0;"
        "ip link add mv0 link br0 type macvlan mode bridge; ip link set mv0 up; ip addr add 10.5.0.1/24 dev mv0"
    )
    assert devices("198.51.100.254", "198.51.100.1") == {"br0", "eth1", "eth2"}, "nothing is known of it yet"
    sh("for n in $(seq 100); do ping -c1 -W1 198.51.100.254 >/dev/null && exit 0; sleep 0.2; done; exit 1")
    assert devices("198.51.100.254", "198.51.100.1") == {"br0", "eth1"}
    assert devices("10.5.0.9", "10.5.0.1") >= {"mv0", "br0"}
    assert devices("127.0.0.1", "127.0.0.1") == {"lo"}
