"""A host with two NICs, which are veths here, and what its neighbours and clients see of it."""

from __future__ import annotations

import json

import pytest

from tests.e2e.box import ROOT, Box
from tests.e2e.lab import Lab

ONE_SUBNET = (ROOT / "flows/examples/05-two-nics-one-subnet.yaml").read_text()
TWO_SUBNETS = (ROOT / "flows/examples/06-two-nics-two-subnets.yaml").read_text()
BOTH_FAMILIES = """
version: 1
hosts:
  hv1:
    uplinks:
      eth0: {address: [192.168.1.1/24, "2001:db8:1::1/64"], gateway: [192.168.1.254, "2001:db8:1::ff"], table: 100}
      eth2: {address: [192.168.1.2/24, "2001:db8:1::2/64"], gateway: [192.168.1.254, "2001:db8:1::ff"], table: 200}
"""

SWITCH = """
ip netns add lan
ip -n lan link add sw type bridge; ip -n lan link set sw up
plug() {  # a cable from device $2 in namespace $1 to the switch
  ip link add far-$2 type veth peer name $2
  ip link set far-$2 netns lan; ip -n lan link set far-$2 master sw up
  [ $1 = host ] || { ip link set $2 netns $1; }
}
plug host eth0; plug host eth2
ip link set eth0 up; ip link set eth2 up
ip netns add client; plug client nic; ip -n client link set nic up; ip -n client addr add 192.168.1.77/24 dev nic
"""

TWO_NETWORKS = """
for ns in router client side lan; do ip netns add $ns; ip -n $ns link set lo up; done
ip link add eth0 type veth peer name r0 netns router
ip -n lan link add sw type bridge; ip -n lan link set sw up
for each in "host eth2" "router r2" "side nic"; do
  set -- $each
  ip link add far-$2 type veth peer name $2; ip link set far-$2 netns lan; ip -n lan link set far-$2 master sw up
  [ $1 = host ] || ip link set $2 netns $1
done
ip -n router link add rc type veth peer name nic netns client
for each in "router r0 192.168.1.254/24 2001:db8:1::ff/64" "router r2 192.168.2.254/24 2001:db8:2::ff/64" \
            "router rc 10.3.0.254/24 2001:db8:3::ff/64" "client nic 10.3.0.5/24 2001:db8:3::5/64" \
            "side nic 192.168.2.50/24 2001:db8:2::50/64"; do
  set -- $each
  ip -n $1 link set $2 up; ip -n $1 addr add $3 dev $2; ip -n $1 addr add $4 dev $2 nodad
done
ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0
ip -n client route add default via 10.3.0.254; ip -n client -6 route add default via 2001:db8:3::ff
ip -n side route add default via 192.168.2.254; ip -n side -6 route add default via 2001:db8:2::ff
ip link set eth0 up; ip link set eth2 up
"""

BY_HAND = "ip addr add 192.168.1.1/24 dev eth0; ip addr add {} dev eth2; ip route add default via 192.168.1.254"

ASK = """
import select, socket, struct, sys, time
what, target = sys.argv[1:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("nic", 0))
mac, ip, to = s.getsockname()[4], socket.inet_aton("192.168.1.77"), socket.inet_aton(target)
arp = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + mac + ip + bytes(6) + to
if what == "arp":
    s.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + arp)
else:
    ping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    ping.sendto(struct.pack("!BBHHH", 8, 0, 0, 1, 1), (target, 0))
seen, end = set(), time.monotonic() + 0.5
while (left := end - time.monotonic()) > 0 and select.select([s], [], [], left)[0]:
    frame = s.recv(2048)
    if what == "arp" and frame[12:14] == b"\\x08\\x06" and frame[20:22] == b"\\0\\2" and frame[28:32] == to:
        seen.add(frame[6:12].hex(":"))
    if what == "ping" and frame[12:14] == b"\\x08\\x00" and frame[26:30] == to and frame[34] == 0:
        seen.add(frame[6:12].hex(":"))
print(*seen)
"""

STATE = (
    "ip -N addr show scope global | grep -v valid_lft; ip -N rule; ip -N -6 rule;"
    "ip -N -4 route show table all; ip -N -6 route show table all | grep -v -e ff00 -e fe80;"
    "sysctl -a --pattern 'net.ipv[46].conf.(all|eth.)' | grep -v stable_secret;"
    "find /etc/iproute2/rt_tables.d /etc/systemd/networkd.conf.d -type f 2>/dev/null || true"
)


def macs(box: Box) -> dict[str, str]:
    return {nic: box.path(f"/sys/class/net/{nic}/address").read_text().strip() for nic in ("eth0", "eth2")}


def answers(box: Box, what: str, target: str) -> set[str]:
    """The MACs from which the host answers the client."""
    box.run("ip netns exec client sysctl -qw net.ipv4.ping_group_range='0 0'")
    return set(box.run(["ip", "netns", "exec", "client", "python3", "-c", ASK, what, target]).stdout.split())


def sent(box: Box) -> dict[str, int]:
    """How many packets each NIC has sent."""
    path = "/sys/class/net/{}/statistics/tx_packets"
    return {nic: int(box.path(path.format(nic)).read_text()) for nic in ("eth0", "eth2")}


def pinged(box: Box, guest: str, target: str) -> tuple[int, set[str]]:
    """How many of 20 pings are answered, and the NICs by which the answers leave."""
    before = sent(box)
    done = box.run(["ip", "netns", "exec", guest, "ping", "-qc20", "-i0.01", "-W1", target], check=False)
    after = sent(box)
    (line,) = [each for each in done.stdout.splitlines() if "received" in each]
    return int(line.split()[3]), {nic for nic in before if after[nic] - before[nic] >= 15}


def test_two_nics_in_one_subnet_answer_each_for_itself(box: Box) -> None:
    box.run(SWITCH + BY_HAND.format("192.168.1.253/24"))
    lab = Lab(box)
    mac = macs(box)
    assert answers(box, "arp", "192.168.1.1") == set(mac.values()), "the flux that is to go"
    assert answers(box, "ping", "192.168.1.253") == {mac["eth0"]}
    lab.apply(ONE_SUBNET)
    elsewhere = ONE_SUBNET + "    links: {eth0: {kind: nic, routes: [{to: 10.9.0.0/16, via: 192.168.1.9}]}}\n"
    lab.apply(elsewhere)
    lab.apply(elsewhere.replace("192.168.1.253", "192.168.1.2").replace("192.168.1.1/24", "192.168.1.3/24"))
    lab.apply(ONE_SUBNET)
    for strictness in (0, 1, 2):
        box.run(f"sysctl -qw net.ipv4.conf.all.rp_filter={strictness}; ip -n client neigh flush all")
        for address, nic in (("192.168.1.1", "eth0"), ("192.168.1.253", "eth2")):
            assert answers(box, "arp", address) == {mac[nic]}, (strictness, address)
            assert answers(box, "ping", address) == {mac[nic]}, (strictness, address)
    lab.netctl("down")
    assert answers(box, "arp", "192.168.1.1") == set(mac.values()), "all is as it was before"


@pytest.mark.parametrize("strictness", [0, 1, 2])
def test_answers_leave_where_the_question_came_in(box: Box, strictness: int) -> None:
    box.run(TWO_NETWORKS)
    box.run(f"{BY_HAND.format('192.168.2.1/24')}; sysctl -qw net.ipv4.conf.all.rp_filter={strictness}")
    assert pinged(box, "client", "192.168.2.1") == ((0, set()) if strictness == 1 else (20, {"eth0"}))
    box.run("ip route del default; ip addr flush dev eth0; ip addr flush dev eth2")
    lab = Lab(box)
    lab.apply(TWO_SUBNETS)
    box.wait_for(lambda: "tentative" not in box.run("ip -6 addr").stdout, 5, "the IPv6 addresses to be good")
    for guest, address, nic in (
        ("client", "192.168.1.1", "eth0"),
        ("client", "192.168.2.1", "eth2"),
        ("side", "192.168.1.1", "eth0"),
        ("side", "192.168.2.1", "eth2"),
        ("client", "2001:db8:1::1", "eth0"),
        ("client", "2001:db8:2::1", "eth2"),
        ("side", "2001:db8:1::1", "eth0"),
    ):
        assert pinged(box, guest, address) == (20, {nic}), (guest, address)
    assert "dev eth0" in box.run("ip route get 10.3.0.5").stdout
    box.run("ip link add lan5 type veth peer name far5; ip link set lan5 up; ip link set far5 up")
    box.run("ip addr add 10.5.0.1/24 dev lan5")
    assert "dev lan5" in box.run("ip route get 10.5.0.9 from 192.168.2.1").stdout, "what main knows better is kept"
    assert f"all.rp_filter = {strictness}" in box.run("sysctl net.ipv4.conf.all.rp_filter").stdout


def test_all_is_given_back_and_what_others_made_is_untouched(box: Box) -> None:
    box.run(TWO_NETWORKS)
    box.run(
        "ip addr add 192.168.1.9/24 dev eth0; ip route add default via 192.168.1.254;"
        "ip route add 10.7.0.0/16 via 192.168.1.254 table 100; ip rule add pref 11010 from 192.168.1.9 lookup 100;"
        "ip -6 rule add pref 900 lookup 7; sysctl -qw net.ipv4.conf.eth0.arp_announce=1; sleep 0.1"
    )
    lab = Lab(box)
    before = box.run(STATE).stdout
    lab.apply(BOTH_FAMILIES)
    during = box.run(STATE).stdout
    for line in before.splitlines():
        if "arp_" not in line and "keep_addr" not in line:
            assert line in during, line
    assert "arp_announce = 2" in during
    assert "/etc/iproute2/rt_tables.d/netctl.conf" in during
    assert "lookup eth2" in box.run("ip rule").stdout
    lab.netctl("down")
    assert box.run(STATE).stdout == before


def test_the_agent_brings_routes_back_when_a_link_returns(box: Box) -> None:
    box.run(TWO_NETWORKS)
    lab = Lab(box)
    lab.write(TWO_SUBNETS)
    lab.agent()
    box.wait_for(lambda: lab.agent_status()["converged"], 15, "the agent to converge")
    routes = "ip route show table 200; ip -6 route show table 200; ip rule; ip -6 rule"
    before = sorted(box.run(routes).stdout.split("\n"))
    took = []
    for _ in range(5):
        box.run("ip link set eth2 down")
        box.wait_for(
            lambda: any("as long as eth2 is down" in each for each in lab.agent_status()["problems"]),
            15,
            "the agent to say that the link is down",
        )
        assert "default" not in box.run("ip route show table 200").stdout
        took.append(
            float(
                box.run(
                    "ip link set eth2 up; a=$(date +%s%N);"
                    "until ip route show table 200 | grep -q default &&"
                    " ip -6 route show table 200 | grep -q default; do :; done;"
                    "echo $((($(date +%s%N) - a) / 1000000))",
                    timeout=20,
                ).stdout
            )
        )
        box.wait_for(lambda: lab.agent_status()["converged"], 15, "the agent to converge")
        assert sorted(box.run(routes).stdout.split("\n")) == before
    assert min(took) < 200, took
    print("routes back after", took, "ms")
    box.run("ip rule del pref 11010; ip -6 route flush table 100; ip addr del 192.168.2.1/24 dev eth2")
    box.wait_for(lambda: sorted(box.run(routes).stdout.split("\n")) == before, 15, "the agent to repair")
    assert "192.168.2.1/24" in box.run("ip addr show dev eth2").stdout
    assert json.loads(lab.netctl("plan", lab.policy, "--json").stdout)["empty"]
