"""The agent as a process, with real devices and a real Open vSwitch."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.e2e.box import Box, Process

pytestmark = pytest.mark.e2e

POLICY = """
version: 1
hosts:
  hv1:
    bridges: {ovbr0: {datapath: netdev}}
    guests:
      ns1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      ns2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
      vm1: {nics: {eth1: {device: tap, bridge: ovbr0, mac: "52:54:00:00:00:01"}}}
"""
COMMAND = [sys.executable, "-m", "netctl.cli", "agent", "--policy", "/run/policy.yaml"]
SWITCH = """
ovs-vsctl add-br ovbr0 -- set bridge ovbr0 datapath_type=netdev fail_mode=secure
for port in ns1-eth0 ns2-eth0 vm1-eth1; do ovs-vsctl add-port ovbr0 $port; done
ovs-ofctl add-flow ovbr0 in_port=ns1-eth0,actions=output:ns2-eth0
ovs-ofctl add-flow ovbr0 in_port=ns2-eth0,actions=output:ns1-eth0
"""
GUEST = """
import fcntl, os, select, struct, sys, time
while True:
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", sys.argv[1].encode(), 0x1002))
        while True:
            frame = os.read(tap, 65536)
            os.write(tap, frame[6:12] + frame[:6] + frame[12:])
    except OSError:
        os.close(tap)
        while not os.path.exists("/sys/class/net/" + sys.argv[1]):
            time.sleep(0.01)
"""
"""A guest that sends every frame back, and opens its tap again when it is lost."""


class Agent:
    """An agent in a box, and what it says."""

    def __init__(self, box: Box, policy: str | None = POLICY, *arguments: str) -> None:
        self.box = box
        if policy is not None:
            self.write(policy)
        self.process = self.start(*arguments)

    def start(self, *arguments: str) -> Process:
        with open(self.box.path("/run/agent.log"), "a") as log:
            return self.box.popen([*COMMAND, *arguments], stdout=log, stderr=log)

    def write(self, policy: str) -> None:
        path = self.box.path("/run/policy.yaml")
        draft = path.with_suffix(".new")
        draft.write_text(policy)
        draft.rename(path)

    def status(self, host: str = "hv1") -> Any:
        return json.loads(self.box.path(f"/run/netctl/agent-{host}.json").read_text())

    def log(self) -> str:
        return self.box.path("/run/agent.log").read_text()

    def converged(self, seconds: float = 30) -> None:
        self.box.wait_for(lambda: self.status()["converged"], seconds, "the host to be as the policy says")

    def repaired(self, damage: str, check: str) -> float:
        """Seconds from the damage until the check is good."""
        before = self.status()["repairs"]
        self.box.run(damage)
        start = time.monotonic()
        self.box.wait_for(lambda: self.status()["repairs"] > before, 5, f"a repair of: {damage}", 0.002)
        seconds = time.monotonic() - start
        self.box.run(check)
        self.converged()
        return seconds


@pytest.fixture
def agent(box: Box) -> Agent:
    return Agent(box)


def test_it_makes_keeps_and_leaves(agent: Agent) -> None:
    agent.converged()
    box = agent.box
    status = agent.status()
    inner = box.run("cat /run/netctl/agent-hv1.pid").stdout.split()[0]
    assert str(status["pid"]) == inner
    assert abs(status["started"] - time.time()) < 60
    assert status["problems"] == []
    up = "ip link show {} | grep -q '[<,]UP[,>]'"
    damages = [
        ("ip link del vm1-eth1", up.format("vm1-eth1")),
        ("ip link del ns1-eth0", up.format("ns1-eth0")),
        ("ip -n ns1 link del eth0", up.format("ns1-eth0")),
        ("ip link set vm1-eth1 down", up.format("vm1-eth1")),
        ("ip -n ns1 link set eth0 down", "ip -n ns1 link show eth0 | grep -q '[<,]UP[,>]'"),
        ("ip -n ns1 addr del 10.99.1.1/24 dev eth0", "ip -n ns1 addr show eth0 | grep -q 10.99.1.1/24"),
        ("ip -n ns1 link set eth0 mtu 1280", "ip -n ns1 link show eth0 | grep -q 'mtu 1500'"),
        ("ethtool -K ns1-eth0 tx on", "ethtool -k ns1-eth0 | grep -q 'tx-checksumming: off'"),
    ]
    for damage, check in damages:
        assert agent.repaired(damage, check) < 1, damage
    assert agent.repaired("ip netns del ns2", "ip -n ns2 addr show eth0 | grep -q 10.99.1.2/24") < 1
    agent.process.terminate()
    assert agent.process.wait(5) == 0
    assert "the devices stay as they are" in agent.log()
    box.run("ip link show vm1-eth1; ip -n ns1 link show eth0")
    assert not box.path("/run/netctl/agent-hv1.pid").exists()
    assert "Traceback" not in agent.log()


def test_a_namespace_that_lives_on_without_its_name_gets_one_at_once(agent: Agent) -> None:
    """What is in it goes on, so nothing but the name in /run/netns tells of it."""
    agent.converged()
    agent.box.popen("exec ip netns exec ns2 sleep 60")
    inside = "ip netns pids ns2 | xargs ps -ho comm | grep sleep"
    agent.box.wait_for(lambda: agent.box.run(inside), 5, "the process in it")
    before = agent.status()["repairs"]
    start = time.monotonic()
    agent.box.run("ip netns del ns2")
    agent.box.wait_for(lambda: agent.status()["repairs"] > before, 5, "the repair", 0.002)
    assert time.monotonic() - start < 1
    agent.converged()


@pytest.mark.parametrize(("fact", "theirs"), [("mtu", "1400"), ("address", "fe:00:00:00:00:99")])
def test_it_does_not_fight_with_another_manager(agent: Agent, fact: str, theirs: str) -> None:
    agent.converged()
    box = agent.box
    other = box.popen(f"while :; do ip link set vm1-eth1 {fact} {theirs}; sleep 0.05; done")
    box.wait_for(lambda: agent.status()["fights"], 5, "the fight", 0.01)
    status = agent.status()
    assert status["repairs"] == 3
    assert status["repaired"] == {"tap": 3}
    (fight,) = status["fights"]
    assert (fight["name"], fight["fact"], fight["theirs"]) == ("vm1-eth1", fact.replace("address", "mac"), theirs)
    assert fight["until"] > time.time()
    assert not status["converged"]
    assert "somebody" in status["problems"][0]
    time.sleep(1)
    assert agent.status()["repairs"] == 3, "quiet"
    assert theirs in box.run("ip link show vm1-eth1").stdout
    box.run("ip link del ns1-eth0")
    box.wait_for(lambda: agent.status()["repaired"].get("veth"), 1, "the repair of something else", 0.01)
    other.kill()
    box.run(f"ip link set vm1-eth1 {fact} {theirs}")
    agent.converged()
    assert theirs not in box.run("ip link show vm1-eth1").stdout
    assert agent.status()["fights"] == []
    assert agent.log().count("by somebody each time") == 1
    assert f"repaired: ~ tap vm1-eth1: {fight['fact']} {theirs} -> {fight['ours']}" in agent.log()


def test_a_saved_policy_is_in_force_at_once(agent: Agent) -> None:
    """However it is saved: as a new file, into the old one, or behind a symbolic link that is turned."""
    agent.converged()
    box = agent.box
    took = []

    def saved(how: str, digest: str) -> None:
        start = time.monotonic()
        box.run(how)
        box.wait_for(lambda: agent.status()["digest"] != digest, 5, f"the policy saved by: {how}", 0.002)
        took.append(time.monotonic() - start)

    for how in (
        "sed -i s/99/98/ /run/policy.yaml",
        "sed s/98/97/ /run/policy.yaml >/run/new; cat /run/new >/run/policy.yaml",
        "mkdir /run/a; sed s/97/96/ /run/policy.yaml >/run/a/new; ln -sf /run/a/new /run/policy.yaml",
        "sed -i s/96/95/ /run/a/new",
    ):
        saved(how, agent.status()["digest"])
    agent.converged()
    box.run("ip -n ns1 addr show eth0 | grep 10.95.1.1/24")
    assert sorted(took)[1] < 0.2, took
    assert max(took) < 1, took


def test_a_policy_whose_directory_is_exchanged_is_noticed_all_the_same(box: Box) -> None:
    """Nothing tells of it: the directory that is watched is what it was, but somewhere else."""
    box.run("mkdir -p /run/a/flows /run/b/flows")
    box.path("/run/a/flows/p.yaml").write_text(POLICY)
    box.path("/run/b/flows/p.yaml").write_text(POLICY.replace("10.99.", "10.98."))
    agent = Agent(box, None, "--policy", "/run/a/flows")
    agent.converged()
    first = agent.status()["digest"]
    box.run("mv /run/a /run/c; mv /run/b /run/a")
    box.wait_for(lambda: agent.status()["digest"] != first, 4, "the other policy")
    agent.converged()
    took = []
    for number in range(98, 93, -1):
        before = agent.status()["digest"]
        start = time.monotonic()
        box.run(f"sed -i s/10.{number}/10.{number - 1}/ /run/a/flows/p.yaml")
        box.wait_for(lambda before=before: agent.status()["digest"] != before, 4, "the change in the new place", 0.005)
        took.append(time.monotonic() - start)
        agent.converged()
    assert sorted(took)[2] < 0.5, f"it is the new place that is watched now: {took}"


def test_it_does_not_wake_for_nothing(agent: Agent) -> None:
    agent.converged()
    time.sleep(0.5)
    inner = agent.process.inner()

    def ticks() -> int:
        with open(f"/proc/{inner}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))

    before = ticks()
    time.sleep(5)
    assert ticks() - before <= 5, "1 % of a core"


def test_a_ping_over_explicit_flows_works_again_within_a_second(agent: Agent) -> None:
    agent.converged()
    box = agent.box
    box.start_ovs()
    box.run(SWITCH)
    box.wait_for(lambda: ping(box), 5, "the wire")
    took = []
    for damage in ("ip link del ns1-eth0", "ip -n ns2 link del eth0", "ip link del ns1-eth0; sleep 0.01"):
        box.run(damage)
        start = time.monotonic()
        box.wait_for(lambda: ping(box), 5, f"the wire after: {damage}")
        took.append(time.monotonic() - start)
    # ARP that finds no wire asks again after a second only: one of the three may have met that
    assert sorted(took)[1] < 1, took
    assert max(took) < 2.2, took


def test_a_tap_that_a_guest_holds_passes_frames_again_within_a_second(agent: Agent) -> None:
    agent.converged()
    box = agent.box
    box.start_ovs()
    box.run(SWITCH)
    box.run("ovs-ofctl del-flows ovbr0; ovs-ofctl add-flow ovbr0 in_port=ns1-eth0,actions=output:vm1-eth1")
    box.run("ovs-ofctl add-flow ovbr0 in_port=vm1-eth1,actions=output:ns1-eth0")
    box.popen([sys.executable, "-c", GUEST, "vm1-eth1"])
    box.run("ip -n ns1 neigh replace 10.99.1.77 lladdr 52:54:00:00:00:01 dev eth0")
    passes = (
        "import socket, sys; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5)); "
        "s.bind(('eth0', 0)); s.settimeout(0.1); mac = s.getsockname()[4]; "
        "s.send(bytes.fromhex('525400000001') + mac + bytes.fromhex('88b5') + bytes(60)); "
        "data = s.recv(2000); "
        "sys.exit(0 if data[:6] == mac else 1)"
    )

    def echo() -> bool:
        command = ["ip", "netns", "exec", "ns1", sys.executable, "-c", passes]
        return box.run(command, check=False).returncode == 0

    box.wait_for(echo, 5, "the guest to answer")
    box.run("ip link del vm1-eth1")
    start = time.monotonic()
    box.wait_for(echo, 5, "the guest to answer again")
    assert time.monotonic() - start < 1


def test_a_device_that_somebody_else_makes_again_is_heard_again(box: Box) -> None:
    box.run("ip tuntap add dev vm1-eth1 mode tap user root; ip link set vm1-eth1 address fe:54:00:00:00:01 up")
    box.run("ethtool -K vm1-eth1 tx off || true")
    agent = Agent(box)
    agent.converged()
    box.start_ovs()
    box.run(SWITCH)
    make = "ip tuntap add dev vm1-eth1 mode tap user root; ip link set vm1-eth1 address fe:54:00:00:00:01 up"
    before = agent.status()["repairs"]
    quickly = f"ip link del vm1-eth1; {make}; ethtool -K vm1-eth1 tx off || true"
    box.run(["flock", "/run/netctl/host.lock", "sh", "-c", quickly])
    box.wait_for(lambda: agent.status()["repairs"] == before + 1, 5, "the port to be revived")
    assert "dead socket of vm1-eth1" in agent.log()
    assert "netctl:" not in box.run("ip link show vm1-eth1").stdout


def test_a_policy_change_is_applied_and_a_wrong_one_refused(agent: Agent) -> None:
    agent.converged()
    first = agent.status()["digest"]
    agent.write(POLICY + '      vm2: {nics: {eth1: {device: tap, bridge: ovbr0, mac: "52:54:00:00:00:02"}}}\n')
    start = time.monotonic()
    agent.box.wait_for(lambda: agent.status()["digest"] != first, 2, "the new policy", 0.005)
    agent.box.wait_for(lambda: agent.status()["converged"], 2, "the new tap", 0.005)
    assert time.monotonic() - start < 1
    agent.box.run("ip link show vm2-eth1")
    agent.write(POLICY.replace("device: tap", "device: tarp"))
    agent.box.wait_for(lambda: agent.status()["refused"], 2, "the refusal")
    status = agent.status()
    assert status["converged"]
    assert any(text.startswith("/run/policy.yaml:9:") for text in status["refused"])
    assert "/run/policy.yaml:9:" in agent.log()
    agent.box.run("ip link del vm2-eth1")
    agent.box.wait_for(lambda: not agent.box.run("ip link show vm2-eth1", check=False).returncode, 2)
    agent.write(POLICY)
    agent.box.wait_for(lambda: not agent.status()["refused"], 2)
    agent.converged()
    assert agent.box.run("ip link show vm2-eth1", check=False).returncode


def test_without_a_policy_it_waits_for_one(box: Box) -> None:
    agent = Agent(box, None, "--host", "hv1")
    box.wait_for(lambda: agent.status()["refused"], 5, "it to say what is missing")
    assert "no such file" in agent.status()["refused"][0]
    agent.write(POLICY)
    agent.converged()


def test_a_step_that_cannot_be_done_does_not_keep_the_others_from_being_done(box: Box) -> None:
    box.run("mount -t tmpfs t /dev/net")
    agent = Agent(box)
    box.wait_for(lambda: agent.status()["problems"], 5, "the problem")
    assert "lacks the module tun" in agent.status()["problems"][0]
    assert "modprobe tun" in agent.status()["problems"][0]
    box.wait_for(lambda: box.run("ip -n ns1 link show eth0"), 5, "the veth")
    box.run("umount /dev/net")
    agent.converged(35)


def test_second_agent_and_bad_input(agent: Agent) -> None:
    agent.converged()
    box = agent.box
    second = box.run(COMMAND, check=False)
    assert second.returncode == 1
    assert f"agent-hv1 runs already, as process {agent.status()['pid']}" in second.stderr
    assert agent.status()["pid"] == int(box.run("cat /run/netctl/agent-hv1.pid").stdout.split()[0])
    unknown = box.run([*COMMAND, "--host", "hv9"], check=False)
    assert unknown.returncode == 2
    assert "hv9" in unknown.stderr
    assert "hv1" in unknown.stderr
    nobody = box.run(["setpriv", "--reuid=65534", "--bounding-set=-all", *COMMAND], check=False)
    assert nobody.returncode == 2
    assert "CAP_NET_ADMIN" in nobody.stderr
    assert "CAP_SYS_ADMIN" in nobody.stderr
    for done in (second, unknown, nobody):
        assert "Traceback" not in done.stderr


def test_the_two_capabilities_that_it_asks_for_are_enough(box: Box) -> None:
    box.path("/run/policy.yaml").write_text(POLICY)
    both = "-all,+net_admin,+sys_admin"
    box.popen(["setpriv", f"--bounding-set={both}", f"--inh-caps={both}", *COMMAND])
    status = box.path("/run/netctl/agent-hv1.json")
    box.wait_for(lambda: json.loads(status.read_text())["converged"], 10, "the host to be as the policy says")
    assert "CAP_SYS_ADMIN" not in status.read_text()
    box.start_ovs()
    box.run(SWITCH)
    box.wait_for(lambda: ping(box), 5, "the wire")
    time.sleep(2.5)
    assert json.loads(status.read_text())["repairs"] == 0


def test_where_it_may_not_write_it_says_so(box: Box) -> None:
    box.path("/run/policy.yaml").write_text(POLICY)
    box.run("mount -t tmpfs -o ro ro /run/netctl")
    done = box.run([*COMMAND, "--once"], check=False)
    assert done.returncode == 1
    assert "NETCTL_RUN_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_once(box: Box) -> None:
    box.path("/run/policy.yaml").write_text(POLICY)
    box.run([*COMMAND, "--once"])
    box.run("ip link show vm1-eth1; ip -n ns1 link show eth0")
    assert not box.path("/run/netctl/agent-hv1.pid").exists()
    box.run("ip link del vm1-eth1; ip link add vm1-eth1 type bridge")
    stuck = box.run([*COMMAND, "--once"], check=False)
    assert stuck.returncode == 1
    assert "netctl did not make it" in stuck.stderr
    box.path("/run/policy.yaml").write_text("version: 2\n")
    wrong = box.run([*COMMAND, "--once"], check=False)
    assert wrong.returncode == 2
    assert "/run/policy.yaml:1:" in wrong.stderr


def test_killed_in_the_middle_and_started_again(box: Box) -> None:
    guests = "".join(
        f"      n{n}: {{namespace: true, nics: {{eth0: {{device: veth, addresses: [10.0.{n}.1/24]}}}}}}\n"
        f"      v{n}: {{nics: {{eth0: {{device: tap}}}}}}\n"
        for n in range(40)
    )
    policy = f"version: 1\nhosts:\n  hv1:\n    guests:\n{guests}"
    for wait in (0.3, 0.4, 0.5):
        agent = Agent(box, policy)
        time.sleep(wait)
        agent.process.send_signal(signal.SIGKILL)
        agent.process.wait()
    agent = Agent(box, policy)
    agent.converged(20)
    assert len(box.run("ip netns list").stdout.splitlines()) == 40


def test_it_never_imports_eventlet(box: Box) -> None:
    code = (
        "import sys, netctl.agent.daemon, netctl.cli.agent; "
        "sys.exit(any(name.split('.')[0] in {'eventlet', 'os_ken', 'ryu'} for name in sys.modules))"
    )
    box.run([sys.executable, "-c", code])


def ping(box: Box) -> bool:
    done = box.run("ip netns exec ns1 ping -c1 -W0.2 10.99.1.2", check=False)
    assert isinstance(done, subprocess.CompletedProcess)
    return done.returncode == 0
