"""Every fault is made for real, found, and gone after the commands that were printed for it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import need
from tests.e2e.box import ROOT, Box
from tests.e2e.lab import TWO_NAMESPACES, Lab

VISITS = """
import json, os, subprocess, sys
from click.testing import CliRunner
from netctl.cli.main import cli

def sh(text):
    done = subprocess.run(["bash", "-ec", text], capture_output=True, text=True)
    assert done.returncode == 0, (text, done.stdout, done.stderr)

def doctor():
    done = CliRunner().invoke(cli, ["doctor", "--json", *policy])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    said = json.loads(done.stdout)
    assert done.exit_code == (1 if said["findings"] else 0), done
    return said["findings"]

before, fault, cure, *policy = json.loads(sys.argv[1])
sh(before)
told = [doctor()]
sh(fault)
told.append(doctor())
for each in told[1]:
    for command in each["mend"]:
        sh(command)
sh(cure)
told.append(doctor())
print(json.dumps(told))
"""

NICS = """
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
for nic in eth0 eth2; do
  ip link add $nic type veth peer name $nic-far; ip link set $nic-far up; ip link set $nic up
done
ip addr add 10.0.1.1/24 dev eth0
"""
TWO_SUBNETS = (
    NICS + "ip addr add 10.0.2.1/24 dev eth2; ip route add default via 10.0.1.254\n"
    "ip route add default via 10.0.2.254 dev eth2 table 200; ip rule add pref 1100 from 10.0.2.1 lookup 200\n"
)
ONE_SUBNET = (
    NICS + "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2\n"
    "ip addr add 10.0.1.2/24 dev eth2\n"
)
BRIDGE = """
ip link add br0 address 02:00:00:00:00:99 type bridge group_fwd_mask 0x4000; ip link set br0 up
for end in p1 p2; do ip link add $end type veth peer name $end-far; ip link set $end master br0 up; done
"""
TAP = "ip tuntap add t1 mode tap; ip link set t1 address fe:54:00:00:00:07 up\n"
MACVTAP = (
    "ip link add lower type veth peer name far; ip link set lower up; ip link set far up\n"
    "ip link add link lower name mt0 address 52:54:00:00:00:07 type macvtap mode passthru\n"
    "ip link set mt0 allmulticast on up\n"
)
NETDEV = """
ovs-vsctl add-br ovbr0 -- set bridge ovbr0 datapath_type=netdev external_ids:netctl=hv1
ip netns add g1; ip link add p1 type veth peer name eth0 netns g1; ip link set p1 up; ip -n g1 link set eth0 up
ethtool -K p1 tx off >/dev/null; ip netns exec g1 ethtool -K eth0 tx off >/dev/null
ovs-vsctl add-port ovbr0 p1
"""
QEMU = """
printf '#!/bin/bash\\nexec 1>&- 2>&-\\nread < /run/pipe\\n' > /run/qemu-fake; chmod +x /run/qemu-fake; mkfifo /run/pipe
"""
"""Something that the kernel calls as it calls QEMU, with a command line of that kind; it waits for ever."""

GUEST = "/run/qemu-fake -device virtio-net-pci,mac=52:54:00:00:00:07{} < /dev/null & echo $! > /run/guest.pid\n"
END_GUEST = "kill -9 $(cat /run/guest.pid); while [ -e /proc/$(cat /run/guest.pid) ]; do sleep 0.01; done\n"

SYSTEMCTL = "printf '#!/bin/sh\\n' > /run/bin/systemctl; chmod +x /run/bin/systemctl\n"
"""A box has no systemd whose services could be started again."""

UPLINK = NICS + "ip route add 10.9.0.0/16 via 10.0.1.9 proto 110\n"

NFT = """{python} -c '
from pyroute2.nftables.main import NFTables
with NFTables(nfgen_family=2) as nft:
    nft.table("add", name="t")
    nft.chain("add", table="t", name="f", hook="forward", type="filter", policy=0)
'
"""

FRAME = """{python} -c '
import fcntl, os, struct
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH14x", b"t1", 0x1002))
os.write(tap, bytes.fromhex("ffffffffffff" "525400000007" "88b5") + bytes(50))
'
for each in $(seq 500); do ! ovs-appctl fdb/show sw | grep -q 52:54:00:00:00:07 || exit 0; sleep 0.02; done; exit 1
"""

BREAK_OFF = """{python} -c '
from netctl.kernel import journal
from netctl.kernel.past import Past
journal.begin(journal.Journal("hv1", "netctl apply /etc/netctl/flows", Past()))
'
"""


@dataclass(frozen=True)
class Case:
    name: str
    check: str
    """What is found, and nothing else; "" for nothing."""
    before: str
    fault: str
    cure: str = ":"
    """What the commands that were printed leave to be done."""
    ovs: bool = False
    policy: str = ""


CASES = (
    Case("two NICs in one subnet", "arp-flux", NICS, "ip addr add 10.0.1.2/24 dev eth2"),
    Case("subnets that overlap", "arp-flux", NICS, "ip addr add 10.0.0.2/16 dev eth2"),
    Case(
        "the same in a namespace",
        "arp-flux",
        "ip netns add n1; for nic in n1a n1b; do ip -n n1 link add $nic type veth peer name $nic-far; "
        "ip -n n1 link set $nic up; ip -n n1 link set $nic-far up; done; ip -n n1 addr add 10.0.1.1/24 dev n1a",
        "ip -n n1 addr add 10.0.1.2/24 dev n1b",
    ),
    Case("strict, neighbours", "rp-filter", ONE_SUBNET, "sysctl -qw net.ipv4.conf.eth2.rp_filter=1"),
    Case(
        "strict, elsewhere",
        "rp-filter no-rule",
        TWO_SUBNETS + "sysctl -qw net.ipv4.conf.all.rp_filter=1\n",
        "ip rule del pref 1100",
    ),
    Case("empty table", "empty-table", NICS, "ip rule add pref 1000 from 10.0.1.1 lookup 77"),
    Case("nobody's empty table", "empty-table", NICS, "ip rule add pref 1000 from 10.7.7.7 to 10.8.0.0/16 lookup 77"),
    Case("link went down", "empty-table", TWO_SUBNETS, "ip link set eth2 down"),
    Case("IPv6", "empty-table", NICS, "ip -6 rule add pref 1000 from 2001:db8::7 lookup 77"),
    Case("no rule", "no-rule", TWO_SUBNETS, "ip rule del pref 1100"),
    Case(
        "two defaults in main",
        "no-rule",
        TWO_SUBNETS.partition("ip route add default via 10.0.2.254")[0],
        "ip route add default via 10.0.2.254 metric 100",
    ),
    Case(
        "rule thrice",
        "duplicate-rules",
        TWO_SUBNETS,
        "ip rule add from 10.0.2.1 lookup 200; ip rule add from 10.0.2.1 lookup 200",
    ),
    Case(
        "bridge of nobody's MAC",
        "bridge-mac",
        BRIDGE,
        "ip link add br1 type bridge; ip link add p3 type veth peer name p3-far; ip link set p3 master br1 up",
    ),
    Case(
        "guest's MAC, QEMU",
        "tap-mac-of-guest",
        TAP + QEMU + GUEST.format(""),
        "ip link set t1 address 52:54:00:00:00:07",
    ),
    Case(
        "guest's MAC, learned",
        "tap-mac-of-guest",
        TAP + "ovs-vsctl add-br sw -- set bridge sw datapath_type=netdev -- add-port sw t1; ethtool -K t1 tx off\n"
        "ip link set sw up",
        "ip link set t1 address 52:54:00:00:00:07\n" + FRAME,
        ovs=True,
    ),
    Case("low", "tap-mac-low", BRIDGE + TAP, "ip link set t1 address 00:00:5e:00:53:01; ip link set t1 master br0"),
    Case(
        "vepa",
        "nested-macs",
        MACVTAP,
        "ip link del mt0; ip link add link lower name mt0 address 52:54:00:00:00:08 type macvtap mode vepa\n"
        "ip link set mt0 allmulticast on up",
    ),
    Case("no multicast", "macvtap-multicast", MACVTAP, "ip link set mt0 allmulticast off"),
    Case(
        "redirect to nowhere",
        "dead-redirect",
        NICS + "ip link add gone type veth peer name gone-far; tc qdisc add dev eth0 ingress\n"
        "tc qdisc add dev eth2 clsact\n"
        "tc filter add dev eth0 ingress pref 10 protocol all u32 match u32 0 0 action mirred egress redirect dev gone\n"
        "tc filter add dev eth2 egress pref 20 protocol all u32 match u32 0 0 action mirred egress redirect dev eth0\n",
        "ip link del gone",
    ),
    Case("no LLDP", "lldp-mask", BRIDGE, "ip link set br0 type bridge group_fwd_mask 0"),
    Case("LACP one way", "lacp-mask", BRIDGE, "ip link set p1 type bridge_slave group_fwd_mask 0x4"),
    Case(
        "MTUs of ports",
        "mtu",
        BRIDGE,
        "ip link set p1 mtu 9000; ip link set p1-far mtu 9000",
    ),
    Case("MTUs of a veth pair", "mtu", NICS, "ip link set eth0 mtu 1400"),
    Case("MTU behind a bridge", "mtu", BRIDGE, "ip link set p1-far mtu 9000"),
    Case("MTU of a bridge", "mtu", BRIDGE, "ip link set br0 mtu 9000"),
    Case(
        "MTU of a tunnel",
        "mtu",
        NICS + "ip link add vx type vxlan id 7 dev eth0 dstport 4789 remote 10.0.1.9\n",
        "ip link set eth0 mtu 1400; ip link set eth0-far mtu 1400",
    ),
    Case("checksums", "tx-checksum", NETDEV, "ip netns exec g1 ethtool -K eth0 tx on", ovs=True),
    Case(
        "checksums of a guest",
        "virtio-checksum",
        "ovs-vsctl add-br ovbr0 -- set bridge ovbr0 datapath_type=netdev\n"
        "ip tuntap add t1 mode tap vnet_hdr; ip link set t1 address fe:54:00:00:00:07 up; ethtool -K t1 tx off\n"
        "ovs-vsctl add-port ovbr0 t1\n" + QEMU + GUEST.format(",csum=off"),
        END_GUEST + GUEST.format(""),
        END_GUEST + GUEST.format(",csum=off"),
        ovs=True,
    ),
    Case("lldp:enable", "ovs-lldp", NETDEV, "ovs-vsctl set interface p1 lldp:enable=true", ovs=True),
    Case("STP", "ovs-stp", NETDEV, "ovs-vsctl set bridge ovbr0 stp_enable=true", ovs=True),
    Case("RSTP", "ovs-stp", NETDEV, "ovs-vsctl set bridge ovbr0 rstp_enable=true", ovs=True),
    Case("policing", "ovs-policing", NETDEV, "ovs-vsctl set interface p1 ingress_policing_rate=1000", ovs=True),
    Case("no such device", "ovs-port", NETDEV, "ovs-vsctl add-port ovbr0 nobody 2>/dev/null || true", ovs=True),
    Case(
        "firewall",
        "bridge-firewall",
        BRIDGE + "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1\n",
        NFT,
    ),
    Case(
        "systemd-networkd",
        "foreign-manager",
        UPLINK + SYSTEMCTL,
        "printf '#!/bin/bash\\nread < /run/pipe\\n' > /run/systemd-networkd; chmod +x /run/systemd-networkd\n"
        "mkfifo /run/pipe; /run/systemd-networkd </dev/null >/dev/null 2>&1 &",
    ),
    Case(
        "NetworkManager",
        "foreign-manager",
        UPLINK + SYSTEMCTL,
        "printf '#!/bin/bash\\nread < /run/pipe\\n' > /run/NetworkManager; chmod +x /run/NetworkManager\n"
        "mkfifo /run/pipe; /run/NetworkManager </dev/null >/dev/null 2>&1 &",
    ),
    Case(
        "left by another policy",
        "stale-devices",
        "mkdir /run/other; cp /run/policy.yaml /run/other; cd /run; netctl apply other/policy.yaml",
        "sed -i 's/ns2/ns3/' /run/policy.yaml; sed -i 's/^wires.*//; s/^  - .*//' /run/policy.yaml",
        ovs=True,
        policy=TWO_NAMESPACES,
    ),
    Case(
        "a policy's guest",
        "tap-mac-of-guest",
        "netctl apply /run/policy.yaml",
        "ip link set vm1-eth0 address 52:54:00:00:00:07",
        policy="version: 1\nhosts: {hv1: {guests: {vm1: {nics: {eth0: "
        '{mac: "52:54:00:00:00:07", device: tap}}}}}}\n',
    ),
    Case(
        "MTUs of a wire",
        "mtu",
        "netctl apply /run/policy.yaml",
        "ip link set ns1-eth0 mtu 9000; ip -n ns1 link set eth0 mtu 9000",
        ovs=True,
        policy=TWO_NAMESPACES,
    ),
    Case("broken off", "broken-off", ":", BREAK_OFF),
)


def prepare(box: Box, ovs: bool) -> None:
    """With a command `netctl` in the path, as it is installed where it is used."""
    if ovs:
        box.start_ovs()
    box.run(
        f"mkdir /run/bin; printf '#!/bin/sh\\nexec {sys.executable} -m netctl.cli \"$@\"\\n' > /run/bin/netctl\n"
        "chmod +x /run/bin/netctl"
    )
    box.env["PATH"] = f"/run/bin:{box.env['PATH']}"


def visit(box: Box, case: Case) -> list[list[dict[str, Any]]]:
    """What is found before the fault is made, with it, and after it was mended."""
    words = [text.replace("{python}", sys.executable) for text in (case.before, case.fault, case.cure)]
    policy = ["/run/policy.yaml"] if case.policy else []
    if case.policy:
        box.path("/run/policy.yaml").write_text(case.policy)
    found: list[list[dict[str, Any]]] = json.loads(
        box.run([sys.executable, "-c", VISITS, json.dumps([*words, *policy])], cwd="/run").stdout
    )
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_fault_is_found_and_mended(box: Box, case: Case) -> None:
    need("ethtool")
    prepare(box, case.ovs)
    before, during, after = visit(box, case)
    assert before == [], "the host is healthy"
    assert [each["check"] for each in during] == case.check.split(), during
    for each in during:
        assert each["what"]
        assert each["shows"]
        assert each["mend"] or each["by_hand"], each
    assert after == [], "and mended"


STATE = "ip link; ip -4 addr; ip rule; sysctl -a --pattern 'net.ipv4.conf.*(arp|rp_filter)'"

HEALTHY = ("lab", *(f"examples/0{number}" for number in range(2, 9)))


@pytest.mark.parametrize("start", HEALTHY)
def test_a_healthy_host_has_nothing(box: Box, start: str) -> None:
    (path,) = (ROOT / "flows").glob(f"{start}*.yaml")
    prepare(box, ovs=True)
    box.run("for nic in eno1 eth0 eth2; do ip link add $nic type veth peer name $nic-far; ip link set $nic up; done")
    box.run("for nic in eno1 eth0 eth2; do ip link set $nic-far up; done")
    lab = Lab(box)
    lab.apply(path.read_text())
    for policy in ([lab.policy], []):
        done = box.run(["netctl", "doctor", *policy], check=False, cwd="/run")
        assert (done.returncode, done.stdout) == (0, "Nothing is wrong.\n"), done


def test_setup_one_is_explained_and_its_cure_works(box: Box) -> None:
    (path,) = (ROOT / "flows/examples").glob("01*.yaml")
    prepare(box, ovs=False)
    lab = Lab(box)
    lab.apply(path.read_text())
    done = lab.netctl("doctor", lab.policy, "--json", check=False)
    assert {each["check"] for each in json.loads(done.stdout)["findings"]} == {"nested-macs"}
    lab.apply(path.read_text().replace("mode: vepa", "mode: passthru"))
    lab.netctl("doctor", lab.policy)


def test_fix_mends_all_that_can_be_and_says_what_is_left(box: Box) -> None:
    prepare(box, ovs=False)
    box.run(
        ONE_SUBNET + BRIDGE + MACVTAP + "sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.eth2.rp_filter=1\n"
        "ip link set br0 type bridge group_fwd_mask 0; ip link set mt0 allmulticast off\n"
        "ip link add br1 type bridge; ip link add p3 type veth peer name p3-far; ip link set p3 master br1 up"
    )
    before = box.run(STATE).stdout
    done = box.run(["netctl", "doctor"], check=False, cwd="/run")
    assert done.returncode == 1
    assert "3 faults, 2 traps; `netctl doctor --fix` mends 5 of them." in done.stdout
    assert box.run(STATE).stdout == before, "nothing is changed unless it is asked for"
    done = box.run(["netctl", "doctor", "--fix"], check=False, cwd="/run")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Nothing is wrong any more."), done
    steps = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("~ ")]
    assert steps == ["arp-flux", "rp-filter", "bridge-mac", "lldp-mask", "macvtap-multicast"]
    box.run("ip link del mt0; ip link add link lower name mt0 type macvtap mode vepa; ip link set mt0 up")
    done = box.run(["netctl", "doctor", "--fix", "--json"], check=False, cwd="/run")
    said = json.loads(done.stdout)
    assert (done.returncode, said["healthy"]) == (1, False)
    assert [each["check"] for each in said["mended"]] == ["macvtap-multicast"]
    assert [(each["check"], each["automatic"]) for each in said["findings"]] == [("nested-macs", False)]


def test_what_cannot_be_mended_is_told(box: Box) -> None:
    """The kernel takes a macvtap's multicast, and nobody's `ip` is there to ask for it."""
    prepare(box, ovs=False)
    box.run(MACVTAP + "ip link set mt0 allmulticast off; printf '#!/bin/sh\necho no >&2; exit 3\n' > /run/bin/ip")
    box.run("chmod +x /run/bin/ip")
    done = box.run(["netctl", "doctor", "--fix"], check=False, cwd="/run")
    assert done.returncode == 1
    assert "  ip link set dev mt0 allmulticast on\n  failed: no\n" in done.stdout
    assert "macvtap-multicast: the macvtap mt0 takes no multicast" in done.stdout


def test_bad_input(box: Box) -> None:
    prepare(box, ovs=False)
    box.path("/run/bad.yaml").write_text("version: 1\nhosts: {hv1: {nonsense: 1}}\n")
    done = box.run(["netctl", "doctor", "/run/bad.yaml"], check=False)
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    box.run("mkdir -p /run/here/flows; cp /run/bad.yaml /run/here/flows")
    done = box.run(["netctl", "doctor"], check=False, cwd="/run/here")
    assert (done.returncode, done.stdout) == (0, "Nothing is wrong.\n")
    assert "is not right: the host is looked at without it" in done.stderr
    box.path("/run/good.yaml").write_text(TWO_NAMESPACES)
    done = box.run(["netctl", "doctor", "/run/good.yaml", "--host", "hv9"], check=False)
    assert (done.returncode, done.stderr) == (2, "the policy has no host 'hv9'; it has: hv1\n")
