"""`netctl wire check` against real bridges, good and bad, with namespaces and played guests at the ends."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.box import Box, Process

CHECK = [sys.executable, "-m", "netctl.cli", "wire", "check", "--policy", "flows/lab.yaml"]

PORTS = {"lab-ns1-eth0": 1, "lab-ns2-eth0": 2, "lab-vm1-tap": 3, "lab-vm2-tap": 4}

KINDS = {"ARP", "ICMP", "LLDP", "STP", "LACP", "802.1Q tag", "9000 bytes", "foreign MAC"}

RESERVED = {"LLDP", "STP", "LACP"}

CARRIERS = "cat /sys/class/net/lab-vm?-tap/carrier"

PLAY = """
import time
from netctl.policy import load
from netctl.probe.play import roles, start
playing = [start(role) for role in roles(load("flows/lab.yaml").policy, "lab")]
print("playing", flush=True)
time.sleep(600)
"""


def make_lab(box: Box) -> None:
    """What flows/lab.yaml asks for, by other means than netctl's."""
    box.start_ovs()
    make = ["ovs-vsctl add-br lab0 -- set bridge lab0 datapath_type=netdev fail_mode=secure"]
    for number in (1, 2):
        ns, veth, tap = f"lab-ns{number}", f"lab-ns{number}-eth0", f"lab-vm{number}-tap"
        make += [
            f"ip netns add {ns}",
            f"ip link add {veth} mtu 9000 type veth peer name eth0 mtu 9000 netns {ns}",
            f"ip link set {veth} up; ip -n {ns} link set eth0 up; ip -n {ns} link set lo up",
            f"ip -n {ns} addr add 10.99.1.{number}/24 dev eth0",
            f"ip tuntap add {tap} mode tap; ip link set {tap} mtu 9000 up",
        ]
    make += [
        f"ovs-vsctl add-port lab0 {port} -- set interface {port} ofport_request={number}"
        for port, number in PORTS.items()
    ]
    box.run("\n".join(make))


def flows(box: Box, *lines: str) -> None:
    box.run("ovs-ofctl -O OpenFlow13 replace-flows lab0 -", input="\n".join(lines) + "\n")


def cross(one: int, other: int, how: str = "") -> tuple[str, str]:
    return f"in_port={one},actions={how}output:{other}", f"in_port={other},actions={how}output:{one}"


@pytest.fixture(scope="module")
def lab(module_box: Box) -> Iterator[Box]:
    make_lab(module_box)
    player = play(module_box)
    yield module_box
    player.terminate()


def play(box: Box) -> Process:
    """The guests of both taps, played by the children of a process."""
    player = box.popen([sys.executable, "-c", PLAY], stdout=-1)
    assert player.stdout
    assert player.stdout.readline() == "playing\n"
    box.wait_for(lambda: box.run(CARRIERS).stdout == "1\n1\n", what="the taps to be held")
    return player


def check(box: Box, *names: str, code: int = 0) -> dict[str, Any]:
    done = box.run([*CHECK, "--json", *names], check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return {each["wire"]: each for each in json.loads(done.stdout)}


def outcomes(wire: dict[str, Any], outcome: str) -> set[str]:
    return {row["kind"] for row in wire["frames"] if row["outcome"] == outcome}


def test_explicit_flows_are_a_cable(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    wires = check(lab)
    assert list(wires) == ["lab-ns1-eth0--lab-ns2-eth0", "lab-vms"]
    for wire in wires.values():
        assert wire["crossed"], wire
        assert outcomes(wire, "crossed") == KINDS
        assert len(wire["frames"]) == 2 * len(KINDS)
        assert all(0 < row["microseconds"] < 1_000_000 for row in wire["frames"])


def test_the_table_names_every_kind_and_the_verdict(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    out = lab.run(CHECK, env={"COLUMNS": "80"}).stdout
    assert all(kind in out for kind in KINDS)
    assert "lost" not in out
    assert out.endswith("2 of 2 wires carry everything.\n")


def test_a_terminal_without_arrows_is_no_trouble(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    out = lab.run(CHECK, env={"PYTHONIOENCODING": "ascii", "COLUMNS": "80"}).stdout
    assert "lab-vm1-tap -> lab-vm2-tap" in out
    assert out.isascii()


def test_a_learning_switch_is_no_cable(lab: Box) -> None:
    flows(lab, "in_port=1,actions=NORMAL", "in_port=2,actions=NORMAL", *cross(3, 4))
    wires = check(lab, code=1)
    assert wires["lab-vms"]["crossed"]
    assert not wires["lab-ns1-eth0--lab-ns2-eth0"]["crossed"]
    assert outcomes(wires["lab-ns1-eth0--lab-ns2-eth0"], "lost") == RESERVED
    out = lab.run(CHECK, check=False).stdout
    assert "lost  lab-ns1-eth0--lab-ns2-eth0: LLDP, lab-ns1-eth0 → lab-ns2-eth0\n" in out
    assert out.endswith("1 of 2 wires carry everything.\n")


@pytest.mark.parametrize("ends", [(1, 2), (3, 4)], ids=["namespaces", "taps"])
def test_a_bridge_that_meddles_is_found_out(lab: Box, ends: tuple[int, int]) -> None:
    """Tags stripped, then every frame touched: at packet sockets, where the kernel hides tags, and taps."""
    name = "lab-ns1-eth0--lab-ns2-eth0" if ends == (1, 2) else "lab-vms"
    one, other = ends
    strip = (f"priority=40000,dl_vlan=100,{flow}" for flow in cross(*ends, "strip_vlan,"))
    flows(lab, *cross(*ends), *strip)
    wire = check(lab, name, code=1)[name]
    assert outcomes(wire, "changed") == {"802.1Q tag"}
    assert outcomes(wire, "crossed") == KINDS - {"802.1Q tag"}
    assert {row["detail"] for row in wire["frames"]} == {"", "arrived without its VLAN tag"}
    touch = f"in_port={one},actions=mod_dl_src:02:00:00:00:00:01,output:{other}"
    flows(lab, touch, f"in_port={other},actions=drop")
    wire = check(lab, name, code=1)[name]
    there = [row for row in wire["frames"] if row["sender"] == list(PORTS)[one - 1]]
    assert {row["outcome"] for row in there} == {"changed"}
    assert {row["outcome"] for row in wire["frames"] if row not in there} == {"lost"}


def test_a_dead_wire_is_known_within_a_second(lab: Box) -> None:
    flows(lab)
    start = time.monotonic()
    wire = check(lab, "lab-vms", code=1)["lab-vms"]
    assert outcomes(wire, "lost") == KINDS
    assert time.monotonic() - start < 3, "with the start of the interpreter"


def test_small_mtu_is_no_fault_of_the_wire(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    lab.run("ip -n lab-ns1 link set eth0 mtu 1500")
    try:
        wire = check(lab, "lab-ns1-eth0--lab-ns2-eth0")["lab-ns1-eth0--lab-ns2-eth0"]
    finally:
        lab.run("ip -n lab-ns1 link set eth0 mtu 9000")
    assert outcomes(wire, "not sent") == {"9000 bytes"}
    assert outcomes(wire, "crossed") == KINDS - {"9000 bytes"}


def test_an_end_that_is_down_is_no_traceback(lab: Box) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    lab.run("ip -n lab-ns1 link set eth0 down")
    try:
        wires = check(lab, code=1)
    finally:
        lab.run("ip -n lab-ns1 link set eth0 up")
    wire = wires["lab-ns1-eth0--lab-ns2-eth0"]
    assert outcomes(wire, "not sent") == KINDS
    assert outcomes(wire, "lost") == KINDS
    assert wires["lab-vms"]["crossed"]


def test_played_guests_answer_like_guests(lab: Box) -> None:
    flows(lab, *cross(1, 3))
    lab.run("ip -n lab-ns1 addr add 10.99.2.9/24 dev eth0")
    lab.run("ip netns exec lab-ns1 ping -c 3 -i 0.05 -W 1 10.99.2.1")
    lab.run("ip netns exec lab-ns1 ping -c 1 -W 1 -s 8972 -M do 10.99.2.1")
    neighbour = lab.run("ip -n lab-ns1 neigh show 10.99.2.1").stdout
    assert "52:54:00:6c:01:01" in neighbour
    assert lab.run("ip netns exec lab-ns1 ping -c 1 -W 0.3 10.99.2.7", check=False).returncode == 1


def test_bad_names_and_policies_are_said_and_exit_2(lab: Box) -> None:
    done = lab.run([*CHECK, "lab-vmz"], check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "the policy has no wire called 'lab-vmz'; did you mean lab-vms?\n",
    )
    done = lab.run([*CHECK[:-1], "nowhere.yaml"], check=False)
    assert done.returncode == 2
    assert "nowhere.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_guest_takes_its_tap_again_after_it_was_deleted(box: Box) -> None:
    make_lab(box)
    player = play(box)
    flows(box, *cross(3, 4))
    box.run("ip link del lab-vm1-tap")
    wire = check(box, "lab-vms", code=1)["lab-vms"]
    assert wire["problem"].startswith("lab-vm1-tap: the guest that netctl plays waits for the tap;")
    box.run("ip tuntap add lab-vm1-tap mode tap; ip link set lab-vm1-tap mtu 9000 up")
    box.run("ovs-vsctl del-port lab-vm1-tap")
    box.run("ovs-vsctl add-port lab0 lab-vm1-tap -- set interface lab-vm1-tap ofport_request=3")
    box.wait_for(lambda: check(box, "lab-vms"), 5)
    assert box.run("ip -d link show lab-vm1-tap").stdout.count("persist on") == 1
    player.kill()
    player.wait(5)
    box.wait_for(lambda: box.run(CARRIERS).stdout == "0\n0\n", 2, "the guests to end with their parent")


def test_ends_that_have_no_way_in_are_explained(box: Box) -> None:
    make_lab(box)
    assert "lab-vm1-tap: no guest holds the tap" in check(box, "lab-vms", code=1)["lab-vms"]["problem"]
    hold = "import os, fcntl, struct, time; f = os.open('/dev/net/tun', os.O_RDWR)\n"
    hold += "fcntl.ioctl(f, 0x400454ca, struct.pack('16sH22x', b'lab-vm1-tap', 0x1002))\n"
    holder = box.popen([sys.executable, "-c", hold + "print('held', flush=True); time.sleep(600)"], stdout=-1)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    problem = check(box, "lab-vms", code=1)["lab-vms"]["problem"]
    assert problem.startswith("lab-vm1-tap: a guest that netctl does not play holds the tap")
    box.run("ip link del lab-vm2-tap; ip netns del lab-ns1; ip -n lab-ns2 link del eth0")
    holder.kill()
    holder.wait(5)
    wires = check(box, code=1)
    problem = wires["lab-ns1-eth0--lab-ns2-eth0"]["problem"]
    assert problem.startswith("lab-ns1-eth0: there is no namespace lab-ns1")
    assert not any(wire["frames"] for wire in wires.values())


def test_clear_ends_guests_whoever_started_them(box: Box) -> None:
    make_lab(box)
    player = play(box)
    guest = [sys.executable, "-m", "netctl.probe.guest", "--tap", "lab-vm1-tap"]
    again = box.run([*guest, "--mac", "52:54:00:00:00:01"], check=False)
    assert again.returncode == 1
    assert "a guest is played there already" in again.stderr
    box.path("/run/netctl/guest-dead.pid").write_text("1 1\n")
    box.python("from netctl.probe.play import clear; clear()")
    assert not list(box.path("/run/netctl").glob("guest-*"))
    assert box.run(CARRIERS).stdout == "0\n0\n"
    assert player.poll() is None
