"""A wire passes loss of carrier on, on real Open vSwitch."""

from __future__ import annotations

import json
import re
import statistics
import sys
import time

import pytest

from tests.e2e.box import Box, Process
from tests.e2e.lab import Lab

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev}
    guests:
      a: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
      b: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
      c: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
wires:
"""
PAIR = POLICY + "  - [a-eth0, b-eth0]\n"
IGNORED = POLICY + "  - {ends: [a-eth0, b-eth0], carrier: ignore}\n"
SHARED = POLICY + "  - [{port: a-eth0, vlan: 100}, b-eth0]\n  - [{port: a-eth0, vlan: 200}, c-eth0]\n"
TAPS = POLICY.partition("    guests:")[0] + """    guests:
      vm1: {nics: {eth1: {device: tap, bridge: ovbr0}}}
      vm2: {nics: {eth1: {device: tap, bridge: ovbr0}}}
wires:
  - [vm1-eth1, vm2-eth1]
"""

WITHIN = 0.1
"""Seconds in which the other end has to see it."""

PULL = """
import json, select, socket, struct, subprocess, sys, time

there, rounds = sys.argv[1], int(sys.argv[2])
events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
events.bind((0, 1))
poll = select.poll()
poll.register(events, select.POLLIN)

def until(running):
    while poll.poll(5000):
        data = events.recv(1 << 16)
        kind, flags = struct.unpack_from("=H", data, 4)[0], struct.unpack_from("=I", data, 24)[0]
        if kind == 16 and bool(flags & 0x40) == running:
            return time.monotonic()
    sys.exit("nothing was heard in 5 s")

seconds = {"down": [], "up": []}
for _ in range(rounds):
    for what in seconds:
        start = time.monotonic()
        subprocess.run(["ip", "-n", there, "link", "set", "eth0", what], check=True)
        seconds[what].append(until(what == "up") - start)
        time.sleep(0.1)
time.sleep(0.5)
left = 0
while poll.poll(0):
    events.recv(1 << 16)
    left += 1
json.dump({**seconds, "left": left}, sys.stdout)
"""
"""Inside one guest: take the interface of another down and up, and time when this one's carrier follows."""

EVENTS = """
import select, socket, sys, time
events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
events.bind((0, 1))
poll = select.poll()
poll.register(events, select.POLLIN)
end, count = time.monotonic() + float(sys.argv[1]), 0
while (left := end - time.monotonic()) > 0:
    if poll.poll(left * 1000):
        events.recv(1 << 16)
        count += 1
print(count)
"""
"""How often the kernel announces any device of this namespace in so many seconds."""

HOLD = """
import fcntl, os, signal, struct, sys
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), 0x1002))
signal.pause()
"""
"""A guest: holds a tap."""


@pytest.fixture
def lab(box: Box) -> Lab:
    box.start_ovs()
    return Lab(box)


def running(lab: Lab, text: str) -> Process:
    """A controller, and no agent, which would keep up what the tests take down inside the namespaces."""
    lab.apply(text)
    controller = lab.controller()
    lab.box.wait_for(lambda: lab.status()["converged"], 20)
    return controller


def link(lab: Lab, guest: str, up: bool) -> None:
    lab.box.run(f"ip -n {guest} link set eth0 {'up' if up else 'down'}")


def lit(lab: Lab, guests: str) -> str:
    """Those of the guests whose interface has carrier."""
    return "".join(g for g in guests if "LOWER_UP" in lab.box.run(f"ip -n {g} -o link show eth0").stdout)


def held(lab: Lab) -> set[str]:
    """The wired ports of this machine that are administratively down."""
    links = re.findall(r"^\d+: ([abc]|vm\d)-eth\d@?\S*: <(\S*)>", lab.box.run("ip -o link show").stdout, re.M)
    return {name for name, flags in links if "UP" not in flags.split(",")}


def comes(lab: Lab, guests: str, want: str, within: float = 5.0) -> None:
    lab.box.wait_for(lambda: lit(lab, guests) == want, within, f"of {guests} just {want or 'none'} to have carrier")


def stays(lab: Lab, guests: str, want: str, seconds: float = 1.5) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert lit(lab, guests) == want
        time.sleep(0.1)


def count_events(lab: Lab, seconds: float) -> int:
    return int(lab.box.python(EVENTS, str(seconds)).stdout)


def test_one_end_down_takes_the_other_down_and_back(box: Box, engine_python: str) -> None:
    box.start_ovs()
    lab = Lab(box, engine_python)
    running(lab, PAIR)
    done = lab.box.run(["ip", "netns", "exec", "b", sys.executable, "-c", PULL, "a", "20"])
    found = json.loads(done.stdout)
    for what in ("down", "up"):
        times = sorted(each * 1000 for each in found[what])
        print(f"{what}: median {statistics.median(times):.1f} ms, worst {times[-1]:.1f} ms of {len(times)}")
    assert statistics.median(found["down"]) < WITHIN
    assert statistics.median(found["up"]) < WITHIN
    assert found["left"] == 0, "the carrier went on changing"
    assert lit(lab, "ab") == "ab"
    assert lab.status()["flow_changes"] == 0
    link(lab, "a", False)
    comes(lab, "b", "")
    lab.box.wait_for(
        lambda: lab.read("/api/v1/wires")[0]["why"] == "a-eth0 has no carrier, so b-eth0 was taken down", 5
    )
    assert lab.read("/api/v1/wires")[0]["state"] == "down"
    assert count_events(lab, 3) == 0


def test_both_ends_go_and_come_back_in_both_orders(lab: Lab) -> None:
    running(lab, PAIR)
    for first, second in ("ab", "ba"):
        for back in ((first, second), (second, first)):
            link(lab, first, False)
            comes(lab, "ab", "")
            link(lab, second, False)
            stays(lab, "ab", "", 0.5)
            link(lab, back[0], True)
            comes(lab, "ab", "")
            link(lab, back[1], True)
            comes(lab, "ab", "ab")
    stays(lab, "ab", "ab", 0.5)
    assert count_events(lab, 3) == 0


def test_what_ignores_carrier_is_left_alone(lab: Lab) -> None:
    running(lab, IGNORED)
    link(lab, "a", False)
    lab.box.wait_for(lambda: lab.read("/api/v1/wires")[0]["why"] == "no carrier at a-eth0", 5)
    stays(lab, "bc", "bc")
    lab.write(PAIR)
    comes(lab, "bc", "c")
    lab.write(IGNORED)
    comes(lab, "bc", "bc")


def test_vlans_share_a_port(lab: Lab) -> None:
    running(lab, SHARED)
    link(lab, "b", False)
    stays(lab, "abc", "ac", 0.5)
    link(lab, "c", False)
    comes(lab, "a", "")
    link(lab, "b", True)
    comes(lab, "abc", "ab")
    link(lab, "c", True)
    comes(lab, "abc", "abc")
    link(lab, "a", False)
    comes(lab, "abc", "")
    link(lab, "a", True)
    comes(lab, "abc", "abc")
    assert count_events(lab, 2) == 0


def test_a_controller_that_dies_while_a_port_is_down(lab: Lab) -> None:
    controller = running(lab, PAIR)
    link(lab, "a", False)
    comes(lab, "ab", "")
    controller.kill()
    controller.wait()
    link(lab, "a", True)
    stays(lab, "ab", "a", 0.5)
    controller = lab.controller()
    comes(lab, "ab", "ab", 20)
    lab.box.wait_for(lambda: lab.status()["converged"], 20)
    controller.kill()
    controller.wait()
    link(lab, "b", False)
    lab.controller()
    comes(lab, "ab", "", 20)
    link(lab, "b", True)
    comes(lab, "ab", "ab")


def test_without_a_controller_the_agent_passes_it_on(lab: Lab) -> None:
    for name in ("x", "y"):
        lab.box.run(f"ip link add {name} type veth peer {name}2; ip link set {name} up; ip link set {name}2 up")
    lab.write(POLICY.replace("{datapath: netdev}", "{datapath: netdev, ports: [x, y]}") + "  - [x, y]\n")

    def passes(name: str, *, to: str, up: bool, within: float) -> None:
        lab.box.run(f"ip link set {name} {'up' if up else 'down'}")
        seen = f"ip -o link show {to} | grep -{'q' if up else 'vq'} LOWER_UP"
        lab.box.wait_for(lambda: lab.box.run(seen, check=False).returncode == 0, within, f"{to} to follow")

    controller = lab.controller()
    lab.agent()
    lab.converged()
    passes("x2", to="y2", up=False, within=2)
    controller.kill()
    controller.wait()
    passes("x2", to="y2", up=True, within=20)
    for _ in range(3):
        passes("y2", to="x2", up=False, within=2)
        passes("y2", to="x2", up=True, within=2)
    lab.box.run("ip link set x down")
    lab.box.wait_for(lambda: "LOWER_UP" in lab.box.run("ip -o link show y2").stdout, 2)
    assert "no controller is connected: ~ carrier ovbr0/x: admin" in lab.log("agent")
    assert count_events(lab, 2) == 0
    lab.controller()
    lab.converged()
    passes("x2", to="y2", up=False, within=2)
    passes("x2", to="y2", up=True, within=2)
    assert count_events(lab, 2) == 0


def test_what_somebody_takes_down_is_raised(lab: Lab) -> None:
    running(lab, PAIR)
    lab.box.run("ip link set a-eth0 down")
    comes(lab, "ab", "ab")
    lab.box.run("ip link set a-eth0 down; ip link set b-eth0 down")
    comes(lab, "ab", "ab")
    lab.box.run("ovs-ofctl mod-port ovbr0 a-eth0 down")
    comes(lab, "ab", "ab")


def test_a_guest_that_leaves_its_tap(lab: Lab) -> None:
    running(lab, TAPS)
    lab.agent()
    lab.converged()
    lab.box.popen([sys.executable, "-c", HOLD, "vm1-eth1"])
    lab.box.wait_for(lambda: held(lab) == {"vm1"}, 5, "the tap that nobody is across to go down")
    guest2 = lab.box.popen([sys.executable, "-c", HOLD, "vm2-eth1"])
    lab.box.wait_for(lambda: held(lab) == set(), 5, "it to come back")
    lab.box.wait_for(lambda: lab.read("/api/v1/wires")[0]["state"] == "up", 5)
    guest2.kill()
    lab.box.wait_for(lambda: held(lab) == {"vm1"}, 5)
    lab.box.run("ip link del vm2-eth1")
    lab.converged()
    lab.box.wait_for(lambda: held(lab) == {"vm1"}, 5)
    lab.write(TAPS.partition("wires:")[0])
    lab.box.wait_for(lambda: held(lab) == set(), 5, "no port to be left down without a wire")


def test_without_a_controller_plan_shows_it_and_apply_does_it(lab: Lab) -> None:
    lab.apply(PAIR)
    link(lab, "a", False)
    done = lab.netctl("plan", lab.policy, "--exit-code", check=False)
    assert done.returncode == 1
    assert "~ veth a/eth0: up no -> yes" in done.stdout
    lab.box.run("ip -n a link set eth0 up; ip link set b-eth0 down")
    done = lab.netctl("plan", lab.policy, "--exit-code", "--json", check=False)
    assert json.loads(done.stdout)["carrier"]["ovbr0"]["steps"][0]["name"] == "ovbr0/b-eth0"
    said = lab.netctl("apply", lab.policy).stdout
    assert "~ carrier ovbr0/b-eth0: admin down -> up" in said
    assert lit(lab, "ab") == "ab"
    assert lab.netctl("plan", lab.policy, "--exit-code").returncode == 0


def test_apply_takes_down_what_has_nobody_at_the_other_end(lab: Lab) -> None:
    lab.box.run("ip link add theirs type veth peer name theirs2; ip link set theirs up")
    lab.write(POLICY + "  - [a-eth0, ovbr0/theirs]\n")
    said = lab.netctl("apply", lab.policy).stdout
    assert "~ carrier ovbr0/a-eth0: admin up -> down  (theirs has no carrier; /run/policy.yaml:12:5 wire" in said
    assert lit(lab, "ab") == "b"
    assert lab.netctl("plan", lab.policy, "--exit-code").returncode == 0
    lab.box.run("ip link set theirs2 up")
    lab.netctl("apply", lab.policy)
    assert lit(lab, "ab") == "ab"
    lab.box.run("ip link set theirs down")
    lab.netctl("down")
    assert ",UP" in lab.box.run("ip link show theirs").stdout, "a port that is not netctl's was left down"
