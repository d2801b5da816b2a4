"""`netctl export`: what runs, as a policy whose plan is empty; and `netctl show host`, the same as a picture."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.e2e.box import ROOT, Box
from tests.e2e.lab import TWO_NAMESPACES, Lab

POLICIES = [ROOT / "flows/lab.yaml", *sorted((ROOT / "flows/examples").glob("*.yaml"))]

NICS = {"04": ("eno1",), "05": ("eth0", "eth2"), "06": ("eth0", "eth2")}
"""The hardware that an example is about: veths here."""

HERE = [path for path in POLICIES if path.name[:2] not in ("09", "10")]
"""Without VLANs and bonds, which only Debian's kernel has."""

SEEDS = """
ip link add br1 type bridge; ip link add br2 type bridge; ip link add br3 type bridge
ip link set br1 up; ip link set br2 up; ip link set br3 up
ip link add veth-br1-br2 type veth peer name veth-br2-br1
ip link add veth-br2-br3 type veth peer name veth-br3-br2
ip link set veth-br1-br2 master br1; ip link set veth-br2-br1 master br2
ip link set veth-br2-br3 master br2; ip link set veth-br3-br2 master br3
for dev in veth-br1-br2 veth-br2-br1 veth-br2-br3 veth-br3-br2; do ip link set $dev up; done
ip netns add ns1; ip netns add ns2
ip link add br1-veth1 type veth peer name veth1; ip link add br3-veth2 type veth peer name veth2
ip link set br1-veth1 master br1; ip link set br3-veth2 master br3
ip link set br1-veth1 up; ip link set br3-veth2 up
ip link set veth1 netns ns1; ip link set veth2 netns ns2
ip -n ns1 address add 10.120.1.11/24 dev veth1; ip -n ns2 address add 10.120.1.12/24 dev veth2
ip -n ns1 link set veth1 up; ip -n ns2 link set veth2 up
"""
"""Three bridges in a row, as people type it."""

MORE = """
ip -n ns1 route add 10.9.0.0/16 via 10.120.1.12
ip tuntap add everybodys mode tap; ip tuntap add users mode tap user 1000
ip link add mv0 link br1 type macvlan mode bridge; ip link add vx0 type vxlan id 7 dstport 4789 remote 192.0.2.9
ip link add up0 type veth peer name up0-far; ip link set up0 up; ip link set up0-far up
ip addr add 192.168.7.1/24 dev up0; ip route add 10.77.0.0/16 via 192.168.7.254
ip route add default via 192.168.7.254 table 77; ip rule add from 192.168.7.1 lookup 77 prio 500
ip route add blackhole 10.66.0.0/16
unshare --net sleep 600 </dev/null >/dev/null 2>&1 & pid=$!
until [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add held type veth peer name held-in; ip link set held-in netns $pid
"""

SWITCH = """
ovs-vsctl add-br ovs0 -- set bridge ovs0 datapath_type=netdev fail_mode=secure
for t in a b c; do
  ip link add p$t up type veth peer name q$t; ip link set q$t up; ovs-vsctl add-port ovs0 p$t
done
ovs-ofctl add-flow ovs0 in_port=1,actions=output:2
ovs-ofctl add-flow ovs0 in_port=2,actions=output:1
ovs-ofctl add-flow ovs0 priority=3,in_port=3,ip,actions=drop
"""


@pytest.fixture
def lab(box: Box) -> Lab:
    return Lab(box)


def exported(lab: Lab, *options: str) -> str:
    """The policy, which `netctl check` finds right."""
    text: str = lab.netctl("export", *options).stdout
    lab.write(text)
    lab.netctl("check", lab.policy)
    return text


def plan(lab: Lab) -> list[str]:
    """The lines of the plan of the policy as it was written last; none where it is empty."""
    done = lab.netctl("plan", lab.policy, "--exit-code", check=False)
    assert done.returncode == (0 if done.stdout.startswith("Nothing to do") else 1), done.stdout + done.stderr
    return [] if done.returncode == 0 else done.stdout.splitlines()


def hardware(box: Box, names: tuple[str, ...]) -> None:
    for name in names:
        box.run(f"ip link add {name} up type veth peer name {name}-far; ip link set {name}-far up")


@pytest.mark.parametrize("path", HERE, ids=lambda path: path.stem)
def test_what_was_applied_is_exported_so_that_nothing_is_to_be_done(lab: Lab, path: Path) -> None:
    lab.box.start_ovs()
    hardware(lab.box, NICS.get(path.name[:2], ()))
    lab.netctl("apply", str(path))
    before = state(lab.box)
    text = exported(lab)
    assert "not said here" not in text
    assert plan(lab) == []
    exported(lab, "--all")
    assert plan(lab) == []
    assert state(lab.box) == before, "nothing was touched"


def state(box: Box) -> str:
    box.wait_for(lambda: "tentative" not in box.run("ip -6 addr").stdout, 10, "IPv6 to have looked for duplicates")
    return box.run(
        "ip link; ip -o addr | grep -v fe80: || true; ip rule; ip route show table all | grep -v fe80:; ovs-vsctl show;"
        "for br in $(ovs-vsctl list-br); do ovs-ofctl --no-stats dump-flows $br; done"
    ).stdout


def test_another_host_is_made_from_what_one_has(lab: Lab) -> None:
    """What is exported says all: taken down and made again from it, it is what it was."""
    lab.box.start_ovs()
    lab.netctl("apply", "flows/lab.yaml")
    text = exported(lab)
    lab.netctl("down")
    lab.netctl("export", "--host", "lab", "-o", "/run/nothing.yaml")
    assert lab.box.path("/run/nothing.yaml").read_text().endswith("hosts:\n  lab: {}\n")
    lab.netctl("apply", lab.policy)
    assert lab.ping("lab-ns1", "10.99.1.2", within=5)
    assert exported(lab) == text


def test_a_wire_whose_name_nobody_knows_gets_one_that_fits(lab: Lab) -> None:
    lab.box.start_ovs()
    lab.apply((ROOT / "flows/examples/07-rate-limit.yaml").read_text().replace("name: slow", "name: nobody.knows.me"))
    text = exported(lab)
    assert "nobody.knows.me" not in text
    assert "name: wire-" in text
    assert "a_to_b: 10mbit" in text
    assert plan(lab) == []


MACHINES = """
version: 1
hosts:
  hv1:
    bridges: {ovbr0: {datapath: netdev}}
    guests:
      vm1:
        nics:
          eth0: {device: tap, mac: "52:54:00:84:e3:62", bridge: ovbr0, owner: 1000}
          eth1: {device: macvtap, lower: under, mac: "52:54:00:74:e2:c3", mode: passthru, allmulticast: true}
          eth2: {device: tap, mac: "fe:54:00:84:e3:63", name: third, master: br1, port: {hairpin: true}, mtu: 9000}
    links: {br1: {kind: bridge}, under: {kind: veth, peer: over}}
"""


def test_virtual_machines_are_known_from_the_policy_in_force(lab: Lab) -> None:
    lab.box.start_ovs()
    lab.apply(MACHINES)
    alone = exported(lab)
    assert "vm1-eth0: {kind: tap, owner: 1000, mac: 'fe:54:00:84:e3:62'}" in alone, "a host keeps no guests"
    assert plan(lab) == []
    lab.write(MACHINES)
    lab.box.run(["cp", lab.policy, "/run/in-force.yaml"])
    env = {"NETCTL_POLICY": "/run/in-force.yaml"}
    text = lab.box.run([sys.executable, "-m", "netctl.cli", "export"], env=env).stdout
    assert "vm1:" in text
    assert "kind: tap" not in text
    assert "name: third, master: br1, port: {hairpin: true}, mtu: 9000" in text
    lab.write(text)
    assert plan(lab) == []
    shown = lab.box.run([sys.executable, "-m", "netctl.cli", "show", "host"], env=env).stdout
    assert "MAC fe:54:00:84:e3:62: the guest's 52:54:00:84:e3:62 with fe in front" in shown
    assert "MAC fa:54:00:84:e3:63: the guest's fe:54:00:84:e3:63 with fa in front" in shown
    assert "MAC 52:54:00:74:e2:c3: the guest's own, as a macvtap's must be" in shown
    assert "guest vm1, NIC eth1" in shown


def test_show_host_is_a_picture_of_it(lab: Lab) -> None:
    lab.box.start_ovs()
    lab.box.run(SEEDS + SWITCH)
    lab.apply((ROOT / "flows/examples/07-rate-limit.yaml").read_text().replace("ns1", "nsa").replace("ns2", "nsb"))
    env = {"NETCTL_POLICY": lab.policy}

    def show(*options: str) -> str:
        command = [sys.executable, "-m", "netctl.cli", "show", "host", *options]
        return lab.box.run(command, env=env).stdout

    lines = [line.strip(" │├└─") for line in show().splitlines()]
    assert lines[0] == "host hv1"
    for line in (
        "bridge ovs0  Open vSwitch, netdev, 3 flows of others  somebody else's",
        "wire pa--pb <-> pb  somebody else's flows",
        "bridge rate0  Open vSwitch, netdev, ports without a wire: nothing  netctl's",
        "nsa-eth0  veth  <-> nsa/eth0  netctl's",
        "wire slow <-> nsb-eth0  10mbit out",
        "namespace nsa  netctl's",
        "eth0  veth  <-> nsa-eth0  10.7.0.1/24  netctl's",
        "Linux bridge br2  somebody else's",
        "namespace ns1  somebody else's",
    ):
        assert line in lines, lines
    assert any("not pinned: the lowest of its ports', " in line for line in lines)
    assert len([line for line in lines if line.startswith("veth-br1-br2 ")]) == 1
    drawn = json.loads(show("--json"))
    assert drawn == json.loads(show("--format", "json"))
    (slow,) = [wire for wire in drawn["wires"] if wire["ours"]]
    assert (slow["name"], slow["rates"]) == ("slow", ["10mbit", ""])
    assert "subgraph" in show("--format", "mermaid")
    assert show("--format", "dot").startswith("graph netctl {")
    refused = lab.netctl("show", "host", "--status", check=False)
    assert refused.returncode == 1
    assert "no agent has run here" in refused.stderr
    agent = lab.agent()
    lab.box.wait_for(lambda: lab.agent_status()["converged"], 20, "the agent")
    assert re.match(r"agent +hv1, process [0-9]+\n", show())
    assert json.loads(show("--json"))["agents"][0]["host"] == "hv1"
    assert json.loads(show("--json", "--status"))[0]["host"] == "hv1"
    agent.terminate()
    agent.wait(10)


def test_wires_in_vlans_copies_and_what_the_controller_hears_are_seen_in_the_flows(lab: Lab) -> None:
    lab.box.start_ovs()
    lab.apply(
        """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, unpatched: normal, ports: [a, b, c, d, {name: trunk, role: fabric}]}
    links:
      a: {kind: tap}
      b: {kind: tap, owner: 1000}
      c: {kind: tap, mac: "fe:00:00:00:00:01"}
      d: {kind: tap}
      trunk: {kind: tap}
wires:
  - {ends: [{port: a, vlan: 100}, b], observe: lldp}
  - [{port: a, vlan: 200}, {port: c, vlan: 300}]
taps:
  - {of: a--b, to: d}
"""
    )
    text = exported(lab)
    assert plan(lab) == []
    assert "unpatched: normal" in text
    assert "{name: trunk, role: fabric}" in text
    assert "{ends: [{port: a, vlan: 100}, b], observe: lldp}" in text
    assert "[{port: a, vlan: 200}, {port: c, vlan: 300}]" in text
    assert "{of: a--b, to: d}" in text


def test_under_running_daemons_it_is_the_same(lab: Lab) -> None:
    """What the controller adds (its row, the flows by which it hears) is no news to the policy."""
    lab.box.start_ovs()
    lab.write(
        TWO_NAMESPACES.replace("    guests:", "    links: {spare: {kind: tap}, fab: {kind: tap}}\n    guests:").replace(
            "{datapath: netdev}",
            "{datapath: netdev, unpatched: normal, discover: true, ports: [spare, {name: fab, role: fabric}]}",
        )
    )
    lab.controller()
    lab.agent()
    lab.converged()
    lab.netctl("export", "-o", "/run/exported.yaml")
    text = lab.box.path("/run/exported.yaml").read_text()
    assert "discover: true, ports: [{name: fab, role: fabric}, spare]" in text
    done = lab.netctl("plan", "/run/exported.yaml", "--exit-code", check=False)
    assert done.returncode == 0, done.stdout


def test_what_was_set_up_by_hand_serves_as_it_is(lab: Lab) -> None:
    lab.box.run(SEEDS)
    assert "links:" not in exported(lab), "none of it is netctl's"
    assert plan(lab) == []
    text = exported(lab, "--all")
    assert plan(lab) == []
    for said in ("name: br1-veth1, master: br1", "veth-br2-br3: {kind: veth, peer: veth-br3-br2, master: br2}"):
        assert said in text
    lab.netctl("apply", lab.policy)
    assert lab.box.run("ip -d link").stdout.count("netctl") == 0, "nothing got netctl's mark"


def test_what_cannot_be_said_is_told_with_the_reason(lab: Lab) -> None:
    lab.box.run(SEEDS + MORE)
    text = exported(lab, "--all")
    assert plan(lab) == []
    assert "users: {kind: tap, owner: 1000" in text
    assert "routes: [{to: 10.9.0.0/16, via: 10.120.1.12}]" in text
    assert "{to: default, via: 192.168.7.254, table: 77}" in text
    told = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    for why in (
        "tap everybodys: everybody may open it",
        "rule 500: from 192.168.7.1 lookup 77, which somebody else made: rules come with `uplinks`",
        "route 10.66.0.0/16 table 254: it has no device",
        "veth held: its other end is in a namespace without a name",
    ):
        assert why in told, told


HELD = """
import fcntl, os, struct
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"held0", 0x1002))
from netctl.kernel.survey import survey
for each in survey().devices:
    print(each.link.name, each.held, each.pinned)
"""


def test_a_tap_that_goes_with_its_program_is_known(lab: Lab) -> None:
    lab.box.run("ip tuntap add stays0 mode tap; ip link add dummy1 address 02:00:00:00:00:01 type bridge")
    assert lab.box.python(HELD).stdout.splitlines() == ["stays0 False False", "dummy1 False True", "held0 True False"]


def test_a_nic_gets_a_mark_and_nothing_else(lab: Lab) -> None:
    """An ipip tunnel is what netctl does not make."""
    lab.box.run("ip link add tun0 type ipip local 192.0.2.1 remote 192.0.2.2 || ip tuntap add tun0 mode tun")
    lab.box.run("ip link set tun0 up; ip addr add 10.5.0.1/24 dev tun0")
    text = exported(lab, "--all")
    assert "tun0: {kind: nic, addresses: [10.5.0.1/24]}" in text
    (line,) = plan(lab)
    assert line.startswith("~ nic tun0: kept no -> yes")


def test_a_bridge_of_somebody_elses_is_taken_over_with_its_wire(lab: Lab) -> None:
    lab.box.start_ovs()
    lab.box.run(SWITCH)
    assert "bridges:" not in exported(lab)
    text = exported(lab, "--all")
    assert "ovs0: {datapath: netdev, adopt: true, ports: [pa, pb, pc]}" in text
    assert "- [pa, pb]" in text
    assert "1 flow of others that is no wire" in text
    taken, wire = plan(lab)
    assert taken.startswith("~ bridge ovs0: adopted no -> yes")
    assert wire.startswith("+ wire ovs0/pa--pb")
    flows = lab.flows("ovs0")
    lab.netctl("apply", lab.policy)
    assert set(flows) < set(lab.flows("ovs0"))
    assert plan(lab) == []


def test_two_hosts_on_one_machine_must_be_told_apart(lab: Lab) -> None:
    for host in ("hv1", "hv2"):
        lab.write(f"version: 1\nhosts: {{{host}: {{links: {{of-{host}: {{kind: bridge}}}}}}}}")
        lab.netctl("apply", lab.policy)
    done = lab.netctl("export", check=False)
    assert done.returncode == 1
    assert "hv1, hv2; say which with --host" in done.stderr
    text = exported(lab, "--host", "hv2")
    assert "of-hv2" in text
    assert "of-hv1" not in text
    assert plan(lab) == []


def test_strange_names_are_told_of_and_break_nothing(lab: Lab) -> None:
    lab.box.run(
        """
        for name in 'a"]b' '#c' on 12; do ip link add "$name" type bridge; done
        ip netns add 'x y'; ip netns add $'nl\\n- {}'; touch /run/netns/nothing
        ip link add up type veth peer name '%d-x'; ip link set dev '%d-x' netns 'x y' || true
        """
    )
    text = exported(lab, "--all")
    assert plan(lab) == []
    assert "'on': {kind: bridge" in text
    assert "'12': {kind: bridge" in text
    assert "namespace x y: " in text
    assert "namespace nl" in text
    lab.netctl("show", "host")
    lab.netctl("show", "host", "--format", "dot")


def test_an_open_vswitch_that_does_not_answer_is_told_of(lab: Lab) -> None:
    lab.box.start_ovs()
    lab.netctl("apply", "flows/lab.yaml")
    lab.box.kill_vswitchd()
    done = lab.netctl("export", check=False)
    assert done.returncode == 1
    assert "bridge lab0, which is netctl's, cannot be looked at" in done.stderr
    assert "start it with" in lab.netctl("show", "host").stdout


def test_it_is_fast_enough_for_a_full_host(lab: Lab) -> None:
    """300 guests, whose devices are seen, said and held against the host."""
    guests = "".join(
        f"      g{n}: {{nics: {{eth0: {{device: tap, mac: '52:54:00:00:{n // 256:02x}:{n % 256:02x}'}}}}}}\n"
        for n in range(300)
    )
    lab.apply(f"version: 1\nhosts:\n  hv1:\n    guests:\n{guests}")
    text = exported(lab)
    assert text.count("kind: tap") == 300
    assert plan(lab) == []
    json.loads(lab.netctl("show", "host", "--format", "json").stdout)
