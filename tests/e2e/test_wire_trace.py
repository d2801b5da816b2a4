"""`netctl wire trace` against real bridges: what it says a frame meets, and what it counts."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from netctl.desired.flows import cookie_of
from tests.e2e.box import Box
from tests.e2e.test_wire_check import NAMESPACES, TAPS, WORKER, broken, cross, flows, make_lab

TRACE = [sys.executable, "-m", "netctl.cli", "wire", "trace", "--policy", "flows/lab.yaml"]


SEND = """
import socket
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth0", 0))
for _ in range(50):
    link.send(bytes(12) + b"\\x88\\xb5" + bytes(46))
"""

@pytest.fixture(scope="module")
def lab(module_box: Box) -> Box:
    make_lab(module_box)
    return module_box


@pytest.fixture(scope="module")
def netctl(lab: Box) -> Iterator[Any]:
    """Runs `netctl wire trace ARGUMENTS`: (exit code, what it printed)."""
    worker = lab.popen([sys.executable, "-c", WORKER], stdin=-1, stdout=-1)

    def run(*arguments: str) -> tuple[int, str]:
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(json.dumps([*TRACE[3:], *arguments]) + "\n")
        worker.stdin.flush()
        code, out = json.loads(worker.stdout.readline())
        return code, out

    yield run
    worker.kill()
    worker.wait(5)


def ways(netctl: Any, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    status, out = netctl(*arguments, "--json")
    assert status == code, out
    directions: list[dict[str, Any]] = json.loads(out)["directions"]
    return directions


def test_a_good_wire_both_ways(lab: Box, netctl: Any) -> None:
    flows(lab, *cross(1, 2), *cross(3, 4))
    there, back = ways(netctl, NAMESPACES)
    for way, here, port in ((there, "lab-ns1-eth0", 1), (back, "lab-ns2-eth0", 2)):
        assert (way["in"]["port"], way["in"]["number"], way["in"]["up"], way["in"]["link"]) == (here, port, True, True)
        (flow,) = way["flows"]
        assert (flow["table"], flow["priority"], flow["match"]) == (0, 100, f"in_port={port}")
        assert flow["actions"] == f"output:{3 - port}"
        assert flow["cookie"] == f"{cookie_of(NAMESPACES):#x}"
        assert (flow["owner"], flow["of_wire"]) == (f"wire {NAMESPACES}", True)
        assert way["passes"]
        assert re.fullmatch(r"\d+", way["datapath_actions"])
        assert f"in_port={port},vlan_tci=0x0000,dl_src=02:00:5e:10:ff:fe" in way["trace"]
    assert there["out"]["port"] == "lab-ns2-eth0"


def test_counters_are_those_of_ovs_ofctl(lab: Box, netctl: Any) -> None:
    flows(lab, *cross(1, 2))
    before = ways(netctl, NAMESPACES)[0]
    lab.run(["ip", "netns", "exec", "lab-ns1", sys.executable, "-c", SEND])
    after = ways(netctl, NAMESPACES)[0]
    assert after["flows"][0]["packets"] - before["flows"][0]["packets"] >= 50
    assert after["in"]["received"] - before["in"]["received"] >= 50
    assert after["out"]["sent"] - before["out"]["sent"] >= 50
    dump = lab.run("ovs-ofctl -O OpenFlow13 dump-flows lab0 in_port=1").stdout
    found = re.search(r"n_packets=(\d+), n_bytes=(\d+)", dump)
    assert found
    assert int(found[1]) >= after["flows"][0]["packets"] >= 50
    assert after["flows"][0]["bytes"] - before["flows"][0]["bytes"] >= 50 * 60
    assert 0 < after["flows"][0]["seconds"] < 600


def test_lldp_that_open_vswitch_eats(lab: Box, netctl: Any) -> None:
    flows(lab, *cross(1, 2))
    speak = "ovs-vsctl set interface lab-ns1-eth0 lldp:enable=true"
    with broken(lab, speak, "ovs-vsctl remove interface lab-ns1-eth0 lldp enable"):
        there, back = ways(netctl, NAMESPACES, "--frame", "lldp", code=1)
        assert all(way["passes"] for way in ways(netctl, NAMESPACES, "--frame", "arp"))
    assert (there["passes"], back["passes"]) == (False, True)
    assert there["datapath_actions"] == "drop"
    assert "Consists of LLDP packets" in there["remarks"]
    assert "lldp:enable of interface lab-ns1-eth0" in there["because"][0]["why"]
    assert there["problem"] == "the frame meets the wire's flow, and Open vSwitch drops it all the same"


def test_a_strangers_flow(lab: Box, netctl: Any) -> None:
    flows(lab, *cross(1, 2), "cookie=0x77,priority=40000,arp,in_port=1,actions=drop")
    there, back = ways(netctl, NAMESPACES, "--frame", "arp", code=1)
    (flow,) = there["flows"]
    assert (flow["priority"], flow["match"], flow["actions"]) == (40000, "arp,in_port=1", "drop")
    assert (flow["owner"], flow["of_wire"]) == ("cookie 0x77, not netctl's", False)
    assert back["passes"]
    code, out = netctl(NAMESPACES, "--frame", "arp")
    assert code == 1
    assert "BAD   the frame meets a flow that is not the wire's (cookie 0x77, not netctl's)\n" in out


def test_a_meter(lab: Box, netctl: Any) -> None:
    there, back = cross(1, 2)
    lab.run("ovs-ofctl -O OpenFlow13 add-meter lab0 meter=5,kbps,band=type=drop,rate=1000")
    flows(lab, there.replace("actions=", "actions=meter:5,"), back)
    way = ways(netctl, NAMESPACES)[0]
    assert way["flows"][0]["actions"] == "meter:5,output:2"
    assert [(meter["meter"], meter["dropped"]) for meter in way["meters"]] == [(5, 0)]
    flows(lab)
    lab.run("ovs-ofctl -O OpenFlow13 del-meter lab0 meter=5")


def test_a_wire_that_is_not_there_says_what_it_waits_for(lab: Box, netctl: Any) -> None:
    flows(lab)
    code, out = netctl(NAMESPACES)
    assert code == 1
    assert f"not installed  bridge lab0 has no flow of this wire (cookie {cookie_of(NAMESPACES):#x}); `netctl" in out
    assert out.count("flow  none in table 0\n") == 2
    flows(lab, cross(1, 2)[0])
    assert "bridge lab0 has only half of its flows" in netctl(NAMESPACES)[1]


def test_a_port_that_is_missing(lab: Box, netctl: Any) -> None:
    flows(lab, *cross(3, 4))
    add = "ovs-vsctl add-port lab0 lab-vm1-tap -- set interface lab-vm1-tap ofport_request=3"
    with broken(lab, "ovs-vsctl del-port lab-vm1-tap", add):
        code, out = netctl(TAPS)
    assert code == 1
    assert "not installed  port lab-vm1-tap is not on bridge lab0; `netctl apply` or a running controller puts" in out
    with broken(lab, "ovs-vsctl del-port lab-vm1-tap", add):
        lab.run("ip link set lab-vm1-tap down; ip link set lab-vm1-tap name away")
        lab.run(add, check=False)
        code, out = netctl(TAPS)
        lab.run("ovs-vsctl del-port lab-vm1-tap; ip link set away name lab-vm1-tap; ip link set lab-vm1-tap up")
    assert "port lab-vm1-tap cannot be opened by Open vSwitch: could not open network device lab-vm1-tap" in out


def test_a_port_that_is_down(lab: Box, netctl: Any) -> None:
    flows(lab, *cross(1, 2))
    with broken(lab, "ip link set lab-ns2-eth0 down", "ip link set lab-ns2-eth0 up"):
        there, _ = ways(netctl, NAMESPACES, code=1)
        out = netctl(NAMESPACES)[1]
    assert (there["out"]["up"], there["out"]["link"]) == (False, False)
    assert "out   port lab-ns2-eth0 (2), administratively down; sent" in out


def test_watching_tells_rates_until_interrupted(lab: Box) -> None:
    flows(lab, *cross(1, 2))
    watching = lab.popen([*TRACE, NAMESPACES, "--watch", "0.1", "--json"], stdout=-1)
    assert watching.stdout
    first, second = (json.loads(watching.stdout.readline()) for _ in range(2))
    assert "rates" not in first["directions"][0]
    assert second["seconds"] >= 0.1
    assert second["directions"][0]["rates"]["received"] >= 0
    assert set(second["directions"][0]["rates"]["flows"][0]) == {"packets", "bytes"}
    watching.send_signal(signal.SIGINT)
    assert watching.wait(10) == 0


def test_bad_names_are_said_and_exit_2(lab: Box) -> None:
    for arguments, said in (
        (["lab-vmz"], "the policy has no wire called 'lab-vmz'; did you mean lab-vms?\n"),
        ([TAPS, "--frame", "ldp"], "no kind of frame is called 'ldp'; did you mean lldp?\n"),
    ):
        done = lab.run([*TRACE, *arguments], check=False)
        assert (done.returncode, done.stderr) == (2, said)


def test_without_open_vswitch(box: Box) -> None:
    done = box.run([*TRACE, TAPS], check=False)
    assert done.returncode == 1
    assert "not installed  Open vSwitch is not running (nothing in /run/openvswitch); start it with" in done.stdout
    assert not done.stderr
