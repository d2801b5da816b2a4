"""LLDP on wires that the controller listens to, from real lldpd: the wire does not notice, and nothing is missed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import need
from tests.e2e.box import Box, Process
from tests.e2e.frames import Put, one, play
from tests.e2e.lab import Lab
from tests.topology import frames
from tests.topology.test_oracle import comparable

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev}
    guests:
      n1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      n2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
      m1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
"""
OBSERVED = POLICY + "wires:\n  - {name: core, ends: [n1-eth0, n2-eth0], observe: lldp}\n"
TRUNK = "wires:\n  - {name: trunk, ends: [{port: n1-eth0, vlan: 100}, {port: n2-eth0, vlan: 200}], observe: lldp}\n"
TAP = "taps:\n  - {of: trunk, to: m1-eth0}\n"

TOLD = """
configure lldp portdescription "port d"
configure med location elin 112
configure med policy application voice vlan 500 priority voice dscp 46
configure med power pd source pse priority high value 5000
configure dot3 power pse supported enabled powerpairs spare class class-3
configure lldp custom-tlv oui 33,44,55 subtype 254 oui-info 55,55,55
update
"""
"""Each line makes lldpd send anew: who has heard the custom TLV has heard all."""


def lldpd(box: Box, guest: str, nic: str = "eth0") -> Process:
    """An lldpd of a guest's own, and all that it can be told to say."""
    box.run("mkdir -p /run/lldpd")
    process = box.popen(
        f"exec ip netns exec {guest} lldpd -d -u /run/{guest}.sock -I {nic} -C {nic} -L '' -M 2 -S 'I am {guest}'"
    )
    box.wait_for(lambda: lldpcli(box, guest, "show interfaces"), 10, f"lldpd of {guest}")
    for line in (f"configure system hostname {guest}", *TOLD.strip().splitlines()):
        box.run(f"lldpcli -u /run/{guest}.sock {line}")
    return process


def lldpcli(box: Box, guest: str, what: str) -> str:
    done = box.run(f"lldpcli -u /run/{guest}.sock -f json0 {what}", check=False)
    return done.stdout if done.returncode == 0 else ""


def seen_by(box: Box, guest: str) -> list[dict[str, Any]]:
    said = json.loads(lldpcli(box, guest, "show neighbors details"))
    found: list[dict[str, Any]] = said["lldp"][0].get("interface", [])
    return found


def said_by(interface: dict[str, Any]) -> dict[str, Any]:
    """What it says of the neighbour, and not where it was heard."""
    made = comparable(interface)
    return {key: value for key, value in made.items() if key not in ("name", "bridge", "wire")}


def shown(lab: Lab, *names: str) -> dict[str, dict[str, Any]]:
    """What `netctl show neighbours --json` says, by system name, when it knows these in full and no others."""

    def all_of_them() -> dict[str, dict[str, Any]]:
        answer = json.loads(lab.netctl("show", "neighbours", "--json").stdout)["lldp"][0].get("interface", [])
        found = {each["chassis"][0].get("name", [{}])[0].get("value", ""): each for each in answer}
        whole = all("unknown-tlvs" in each for each in answer)
        return found if len(answer) == len(names) and set(found) == set(names) and whole else {}

    return lab.box.wait_for(all_of_them, 15, f"the neighbours {' and '.join(names)}")


@pytest.fixture
def observed(box: Box, engine_python: str) -> Lab:
    need("lldpd", "lldpcli")
    box.start_ovs()
    lab = Lab(box, engine_python)
    lab.write(OBSERVED)
    lab.controller()
    lab.agent()
    lab.converged()
    return lab


def test_both_ends_are_shown_with_all_they_say_and_see_each_other_as_ever(observed: Lab) -> None:
    lab, box = observed, observed.box
    for guest in ("n1", "n2"):
        lldpd(box, guest)
    netctl = shown(lab, "n1", "n2")
    for guest, other, port in (("n1", "n2", "n2-eth0"), ("n2", "n1", "n1-eth0")):
        (theirs,) = box.wait_for(
            lambda guest=guest: [each for each in seen_by(box, guest) if "unknown-tlvs" in each],  # type: ignore[misc]
            10,
        )
        mine = netctl[other]
        assert (mine["name"], mine["bridge"], mine["wire"]) == (port, "hv1/ovbr0", "core")
        assert said_by(mine) == said_by(theirs)
    assert {each["port"] for each in lab.read("/api/v1/neighbours?wire=core")} == {"n1-eth0", "n2-eth0"}
    assert lab.ping("n1", "10.99.1.2", within=5)
    assert "port hv1/ovbr0/n1-eth0 of wire core: neighbour " in lab.log()
    assert lab.netctl("plan", lab.policy, "--exit-code", check=False).returncode == 0
    lab.write(OBSERVED.replace(", observe: lldp", ""))
    box.wait_for(lambda: lab.read("/api/v1/neighbours") == [], 10, "nobody to listen any more")
    lab.converged()
    assert len(lab.flows()) == 3


def test_who_changes_goes_or_loses_carrier(observed: Lab) -> None:
    lab, box = observed, observed.box
    first, _ = lldpd(box, "n1"), lldpd(box, "n2")
    shown(lab, "n1", "n2")
    before = lab.status()["flow_changes"]
    box.run("lldpcli -u /run/n1.sock configure system hostname renamed; lldpcli -u /run/n1.sock update")
    shown(lab, "renamed", "n2")
    first.terminate()
    shown(lab, "n2")
    box.wait_for(lambda: "neighbour renamed, ifname" in lab.log() and "it said that it goes" in lab.log(), 5)
    box.run("read -r pid _ < /run/netctl/agent-hv1.pid; kill $pid; ip -n n2 link set eth0 down")
    box.wait_for(lambda: lab.read("/api/v1/neighbours") == [], 10, "the port without carrier to have no neighbour")
    assert "its port is down" in lab.log()
    assert lab.status()["flow_changes"] == before


def test_a_storm_leaves_wire_and_controller_alone(observed: Lab) -> None:
    """100 000 frames that would go to the controller: it stays as it was, and an honest neighbour stays known."""
    lab, box = observed, observed.box
    lldpd(box, "n2")
    shown(lab, "n2")
    play(box, ["n1", "n2"], [one("n1", frame, n2=frame) for frame in (marked(b"a"), marked(b"b"))])
    used = cpu(lab)
    start = time.monotonic()
    code = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
head, tail = bytes.fromhex(sys.argv[1]), bytes.fromhex(sys.argv[2])
for number in range(100_000):
    wire.send(head + number.to_bytes(4, "big") + tail)
"""
    frame = frames.frame(*frames.BASIC)
    box.run(["ip", "netns", "exec", "n1", lab.python, "-c", code, frame[:19].hex(), frame[23:].hex()], timeout=60)
    seconds = time.monotonic() - start
    more = cpu(lab) - used
    assert more < 0.1 * seconds + 0.3, f"{more} s of CPU in a storm of {seconds} s"
    (port,) = [each for each in lab.read("/api/v1/ports") if each["name"] == "n1-eth0"]
    assert port["lldp"]["frames"] < 100 + 10 * seconds
    assert port["lldp"]["refused"] > 10
    assert [each["announced"]["system_name"] for each in lab.read("/api/v1/neighbours") if each["port"] == "n2-eth0"]
    box.run("lldpcli -u /run/n2.sock configure system hostname heard; lldpcli -u /run/n2.sock update")
    box.wait_for(lambda: "heard" in json.dumps(lab.read("/api/v1/neighbours")), 5, "another port to be heard")


def marked(body: bytes) -> bytes:
    from tests.e2e.frames import MARK

    return frames.frame(*frames.BASIC, frames.said(frames.UNKNOWN[2:5], 1, (MARK + body).decode()))


def cpu(lab: Lab) -> float:
    """Seconds of CPU that the controller has used."""
    done = lab.box.run("read -r pid _ < /run/netctl/controller-6653.pid; cat /proc/$pid/stat").stdout
    fields = done.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize("tap", ["", TAP], ids=["alone", "tapped"])
def test_a_wire_of_vlans_is_heard_as_it_comes_in(box: Box, tap: str) -> None:
    """And crosses as it should: nothing but the tag changes."""
    box.start_ovs()
    lab = Lab(box)
    lab.write(POLICY + TRUNK + tap)
    lab.controller()
    lab.agent()
    lab.converged()
    here, there = frames.tagged(marked(b""), "8100a064"), frames.tagged(marked(b""), "8100a0c8")
    copies: Callable[[bytes], dict[str, list[bytes]]] = lambda frame: {"m1": [frame]} if tap else {}  # noqa: E731
    play(
        box,
        ["n1", "n2", "m1"],
        [
            Put("n1", [here], {"n2": [there], **copies(here)}),
            Put("n2", [there], {"n1": [here], **copies(there)}),
            Put("n1", [marked(b"untagged")]),
        ],
    )
    heard = box.wait_for(lambda: [each for each in lab.read("/api/v1/neighbours") if each["port"] == "n2-eth0"], 5)
    assert [(each["wire"], each["announced"]["tags"]) for each in heard] == [("trunk", [200])]
    assert {each["port"] for each in lab.read("/api/v1/neighbours")} == {"n1-eth0", "n2-eth0"}


def test_applications_beside_netctl_get_their_own_packets_and_no_others(box: Box, engine_python: str) -> None:
    box.start_ovs()
    lab = Lab(box, engine_python)
    lab.write(OBSERVED)
    lab.controller({}, "tests.e2e.beside")
    lab.agent()
    lab.converged()
    box.run("ovs-ofctl -O OpenFlow13 add-flow ovbr0 cookie=0x77,priority=200,in_port=m1-eth0,actions=CONTROLLER")
    play(
        box,
        ["n1", "n2", "m1"],
        [one("n1", marked(b"first"), n2=marked(b"first")), Put("m1", [marked(b"theirs")])],
    )
    told = box.path("/run/beside.log")
    box.wait_for(lambda: "0x77 3" in told.read_text(), 5, "the application to hear its own flow")
    box.wait_for(lambda: lab.read("/api/v1/neighbours"), 5, "netctl to hear its own")
    assert {line.split()[0] for line in told.read_text().splitlines()} == {"0x77"}
    assert {each["port"] for each in lab.read("/api/v1/neighbours")} == {"n1-eth0"}
