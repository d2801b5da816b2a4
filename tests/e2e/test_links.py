"""Links between two bridges of one box: found, missed, and not to be made up."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection

import pytest

from netctl.topology import lldp
from netctl.topology.probe import Mint
from tests.e2e.box import Box
from tests.e2e.lab import Lab

INTERVAL = 0.4

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      br0:
        datapath: netdev
        ports: [{name: a0, role: fabric}, {name: b0, role: fabric}, {name: i0, role: fabric}, {name: i1, role: fabric}]
      br1: {datapath: netdev, discover: true, ports: [a1, b1, w0, w1, x1]}
wires:
  - [w0, w1]
"""

CABLES = [("a0", "a1"), ("b0", "b1"), ("i0", "i1")]
ALL = {f"{one}>{other}" for cable in CABLES for one, other in (cable, cable[::-1])}

WATCH = """
import http.client, json, subprocess, sys, time
command, name, gone = sys.argv[1], sys.argv[2], sys.argv[3] == "gone"
server = http.client.HTTPConnection("127.0.0.1", 8080)

def there():
    server.request("GET", "/v1.0/topology/links")
    links = json.loads(server.getresponse().read())
    return any(name in (link["src"]["name"], link["dst"]["name"]) for link in links)

assert there() is gone
subprocess.run(command, shell=True, check=True)
start = time.monotonic()
while there() is gone:
    assert time.monotonic() < start + 20
    time.sleep(0.001)
print(time.monotonic() - start)
"""
"""Seconds after a command until REST has a link at a port, or has none."""

SEND = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    wire.send(bytes.fromhex(frame))
"""

LISTEN = """
import json, select, socket, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88CC))
wire.bind((sys.argv[1], 0x88CC))
print("listening", flush=True)
end = time.monotonic() + float(sys.argv[2])
heard = []
while (left := end - time.monotonic()) > 0:
    if select.select([wire], [], [], left)[0]:
        frame, where = wire.recvfrom(2000)
        if where[2] != socket.PACKET_OUTGOING:
            heard.append(frame.hex())
print(json.dumps(heard))
"""


@pytest.fixture
def lab(box: Box, engine_python: str) -> Lab:
    """Three cables: two between the bridges, one of a bridge with itself; and three ports that lead out."""
    box.start_ovs()
    for one, other in [*CABLES, ("w0", "w0p"), ("w1", "w1p"), ("x1", "x1p")]:
        box.run(
            f"ip link add {one} type veth peer name {other};"
            f"sysctl -qw net.ipv6.conf.{one}.disable_ipv6=1 net.ipv6.conf.{other}.disable_ipv6=1;"
            f"ip link set {one} up; ip link set {other} up"
        )
    lab = Lab(box, engine_python)
    lab.write(POLICY)
    start(lab)
    return lab


def start(lab: Lab) -> None:
    lab.controller(None, "--netctl-probe-interval", str(INTERVAL))
    lab.box.wait_for(lambda: lab.status()["converged"], 30, "the controller to converge")
    linked(lab)


def links(lab: Lab) -> set[str]:
    return {f"{link['src']['name']}>{link['dst']['name']}" for link in lab.read("/v1.0/topology/links")}


def linked(lab: Lab, expected: Collection[str] = frozenset(ALL)) -> None:
    lab.box.wait_for(lambda: links(lab) == expected, 10, f"the links {expected}")


def watch(lab: Lab, command: str, name: str, what: str) -> float:
    return float(lab.box.run([sys.executable, "-c", WATCH, command, name, what]).stdout)


def send(lab: Lab, device: str, *frames: bytes) -> None:
    lab.box.python(SEND, device, *[frame.hex() for frame in frames])


def heard(lab: Lab, device: str, seconds: float, *put: tuple[str, bytes]) -> list[bytes]:
    """The LLDP that leaves by a device while frames are put in at others."""
    with lab.box.popen([sys.executable, "-c", LISTEN, device, str(seconds)], stdout=-1) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        for other, frame in put:
            send(lab, other, frame)
        return [bytes.fromhex(frame) for frame in json.loads(listener.stdout.readline())]


def test_a_cable_that_is_pulled_is_known_at_once_and_one_that_is_plugged_in_too(lab: Lab) -> None:
    gone, back = [], []
    for _ in range(3):
        gone.append(watch(lab, "ip link set a0 down", "a0", "gone"))
        assert links(lab) == {each for each in ALL if "a" not in each}
        back.append(watch(lab, "ip link set a0 up", "a1", "back"))
        linked(lab)
    assert min(gone) < 0.05
    assert min(back) < 0.1


def test_a_silent_cable_is_missed_after_three_probes(lab: Lab) -> None:
    drop = "ovs-ofctl -O OpenFlow13 add-flow br1 priority=65000,in_port=b1,actions=drop"
    seconds = watch(lab, f"{drop}; {drop.replace('br1', 'br0').replace('b1', 'b0')}", "b0", "gone")
    assert 2 * INTERVAL < seconds < 3.5 * INTERVAL + 0.5
    assert links(lab) == {each for each in ALL if "b" not in each}
    lab.box.run("ovs-ofctl -O OpenFlow13 --strict del-flows br1 priority=65000,in_port=b1")
    linked(lab, ALL - {"b1>b0"})
    lab.box.wait_for(lambda: "link port hv1/br0/b0 to port hv1/br1/b1 goes one way only" in lab.log(), 5)


def test_what_is_forged_or_relayed_late_makes_no_link(lab: Lab) -> None:
    dpids = {bridge["name"]: bridge["dpid"] for bridge in lab.read("/api/v1/bridges")}
    there = int(str(dpids["br0"]), 16)
    theirs = Mint(b"another key", b"another run")
    forged = theirs.probe(theirs.head(there, 1, bytes(6), 2), 1)
    as_ryu = lldp.build(bytes(6), (7, b"dpid:%016x" % there), (2, b"\0\0\0\1"), 120)
    send(lab, "x1p", forged, as_ryu)
    lab.box.wait_for(lambda: "port hv1/br1/x1: a probe makes no link: it is not one of this" in lab.log(), 5)
    (probe, *_) = heard(lab, "x1p", 2 * INTERVAL)
    lab.box.run("sleep 1.1")
    send(lab, "x1p", probe)
    lab.box.wait_for(lambda: "port hv1/br1/x1: a probe makes no link: it was not sent within" in lab.log(), 5)
    assert links(lab) == ALL
    assert " is gone: " not in lab.log()
    (neighbour,) = lab.read("/api/v1/neighbours")
    assert (neighbour["port"], neighbour["wire"]) == ("x1", None)
    assert neighbour["announced"]["chassis"]["value"] == f"dpid:{there:016x}"


def test_a_wire_is_neither_probed_nor_listened_to(lab: Lab) -> None:
    """Whatever a guest sends crosses it as it is, LLDP that looks like a probe as well."""
    theirs = Mint(b"another key", b"another run")
    frames = [
        theirs.probe(theirs.head(1, 1, bytes(6), 2), 1),
        lldp.build(bytes(6), (7, b"guest"), (7, b"eth0"), 120),
    ]
    number = lab.box.run("ovs-vsctl get interface w0 ofport").stdout.strip()
    assert not [flow for flow in lab.flows("br1") if f"in_port={number}," in flow and "CONTROLLER" in flow]
    assert heard(lab, "w1p", 3 * INTERVAL, *[("w0p", frame) for frame in frames]) == frames
    assert lab.read("/api/v1/neighbours") == []
    assert "makes no link" not in lab.log()


def test_a_port_that_is_wired_is_left_alone_from_then_on(lab: Lab) -> None:
    lab.write(POLICY.replace("[w0, w1]", "[a1, x1]"))
    linked(lab, {each for each in ALL if "a" not in each})
    lab.box.wait_for(lambda: lab.status()["converged"], 10)
    assert heard(lab, "w0p", 2 * INTERVAL), "a port that is not wired any more is probed"
    crossed = heard(lab, "x1p", 2 * INTERVAL)
    numbers = {each["name"]: each["number"] for each in lab.read("/api/v1/ports") if each["bridge"] == "br0"}
    assert {lldp.decode(frame).port.value for frame in crossed} == {f"00:00:00:{numbers['a0']:02x}"}  # type: ignore[union-attr]


def test_a_controller_that_comes_back_finds_all_again_and_changes_nothing(lab: Lab) -> None:
    before = lab.flows("br0") + lab.flows("br1")
    key = lab.box.run("stat -c %a /run/lib/netctl/key; cat /run/lib/netctl/key").stdout
    assert key.startswith("600\n")
    pid = "read -r pid _ < /run/netctl/controller-6653.pid"
    lab.box.run(f"{pid}; kill -9 $pid; while [ -e /proc/$pid ]; do sleep 0.01; done")
    start(lab)
    assert lab.flows("br0") + lab.flows("br1") == before
    assert lab.status()["flow_changes"] == 0
    assert lab.box.run("stat -c %a /run/lib/netctl/key; cat /run/lib/netctl/key").stdout == key
