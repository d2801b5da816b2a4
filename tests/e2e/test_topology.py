"""Switches, links and wires as they come and go on real Open vSwitch: what REST answers, what the stream and the
WebSocket tell, and what genuine Ryu says of the same bridges."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from netctl.desired.dpid import dpid as dpid_of
from tests.api.following import Socket, Stream
from tests.conftest import missing
from tests.e2e.box import Box, Process
from tests.e2e.lab import REST, Lab

PORT = 8080

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      br0: {datapath: netdev, ports: [{name: a1, role: fabric}, {name: a2, role: fabric}, w1, w2]}
      br1: {datapath: netdev, ports: [{name: b1, role: fabric}, {name: b2, role: fabric}]}
wires:
  - [w1, w2]
"""

PLUG = """
for pair in a1:b1 a2:b2 w1:g1 w2:g2; do
    ip link add ${pair%:*} type veth peer name ${pair#*:}
    ip link set ${pair%:*} up; ip link set ${pair#*:} up
done
"""

TOPOLOGY = f"{REST}/v1.0/topology"


def started(lab: Lab) -> Process:
    """A controller with two bridges, two cables between them, and a wire."""
    lab.box.start_ovs()
    lab.box.run(PLUG)
    lab.write(POLICY)
    controller = lab.controller()
    lab.box.wait_for(lambda: len(lab.read("/v1.0/topology/links")) == 4, 20, "both directions of both cables")
    lab.box.wait_for(lambda: lab.status()["converged"], 20, "the wire to be in")
    return controller


def cables(box: Box) -> list[tuple[str, str]]:
    return sorted((each["src"]["name"], each["dst"]["name"]) for each in box.read(f"{TOPOLOGY}/links"))


BOTH = [("a1", "b1"), ("a2", "b2"), ("b1", "a1"), ("b2", "a2")]


def test_what_happens_is_told_once_and_in_its_order(box: Box, engine_python: str) -> None:
    lab = Lab(box, engine_python)
    started(lab)
    assert cables(box) == BOTH
    graph = lab.read("/api/v1/topology")
    stream = Stream.open(box.connect("127.0.0.1", PORT, 20), graph["event"])
    with closing(Socket(box.connect("127.0.0.1", PORT, 20))) as client:
        box.run("ip link set b1 down")
        heard = until(stream, lambda each: each.kind == "link", 2)
        assert [each.data["change"] for each in heard if each.kind == "link"] == ["removed"] * 2
        assert cables(box) == [("a2", "b2"), ("b2", "a2")]
        calls = [json.loads(client.text()) for _ in range(2)]
        assert [call["method"] for call in calls] == ["event_link_delete"] * 2
        ends = {(call["params"][0]["src"]["name"], call["params"][0]["dst"]["name"]) for call in calls}
        assert ends == {("a1", "b1"), ("b1", "a1")}

        box.run("ip link set b1 up")
        heard = until(stream, lambda each: each.kind == "link" and each.data["change"] == "added", 2)
        assert cables(box) == BOTH
        assert [json.loads(client.text())["method"] for _ in range(2)] == ["event_link_add"] * 2

        box.run("ip link set g1 down")
        (told,) = until(stream, lambda each: each.kind == "wire", 1)[-1:]
        assert (told.data["before"], told.data["wire"]["state"]) == ("up", "down")
        assert lab.read("/api/v1/wires/w1--w2")["state"] == "down"

        box.run("ip link set g1 up")
        (told,) = until(stream, lambda each: each.kind == "wire" and each.data["wire"]["state"] == "up", 1)[-1:]
        lab.write(POLICY.replace("  - [w1, w2]\n", "  []\n"))
        (told,) = until(stream, lambda each: each.kind == "wire" and each.data["change"] == "removed", 1)[-1:]
        assert told.data["wire"]["name"] == "w1--w2"

        box.stop_vswitchd()
        heard = until(stream, lambda each: each.kind == "switch", 2)
        assert [each.data["change"] for each in heard if each.kind == "switch"] == ["removed"] * 2
        assert json.loads(client.text())["method"] == "event_switch_leave"


def until(stream: Stream, fits: Callable[[Any], bool], count: int) -> list[Any]:
    """The events up to the one of which there are so many that fit."""
    heard: list[Any] = []
    while sum(map(fits, heard)) < count:
        heard += stream.read()
    assert not any(each.kind == "reset" for each in heard)
    return heard


def test_a_controller_that_starts_anew_resets_the_stream(box: Box) -> None:
    lab = Lab(box)
    controller = started(lab)
    last = lab.read("/api/v1/topology")["event"]
    controller.kill()
    controller.wait()
    lab.controller()
    box.wait_for(lambda: lab.status()["converged"], 20, "the wire to be there again")
    stream = Stream.open(box.connect("127.0.0.1", PORT, 10), last)
    (reset,) = stream.read()
    assert reset.kind == "reset"
    assert int(reset.id) > int(last)


HOSTS = """
for i in 1 2 3; do
    ip netns add n$i
    ip link add h$i type veth peer name eth0 netns n$i
    ip link set h$i up
    ip -n n$i link set eth0 address 02:00:00:00:00:0$i
    ip netns exec n$i sysctl -qw net.ipv6.conf.all.disable_ipv6=1
    ip netns exec n$i ethtool -K eth0 tx off >/dev/null
    ip -n n$i addr add 10.0.0.$i/24 dev eth0
    ip -n n$i link set eth0 up
done
"""

LOOKED_FOR = """
version: 1
hosts:
  hv1:
    bridges:
      br0: {datapath: netdev, discover: true, unpatched: UNPATCHED, ports: [h1, h2, h3, w1, w2]}
wires: [[w1, w2]]
"""


ASK = """
import fcntl, socket, struct
eth0 = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
eth0.bind(("eth0", 0))
mac = eth0.getsockname()[4]
own = fcntl.ioctl(socket.socket(), 0x8915, struct.pack("16s16x", b"eth0"))[20:24]  # SIOCGIFADDR
eth0.send(b"\\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + own + bytes(6) + bytes((10, 0, 0, 77)))
"""


def asks(guest: str) -> list[str]:
    """A guest asks for somebody who is not there, once: its kernel would ask three times."""
    return ["ip", "netns", "exec", guest, sys.executable, "-c", ASK]


def hosts(box: Box) -> list[tuple[str, str, list[str]]]:
    return [(each["mac"], each["port"]["name"], each["ipv4"]) for each in box.read(f"{TOPOLOGY}/hosts")]


FIRST = ("02:00:00:00:00:01", "h1", ["10.0.0.1"])


@pytest.mark.parametrize("unpatched", ["drop", "normal"])
def test_hosts_are_seen_move_and_go_and_none_is_seen_at_a_wire(box: Box, unpatched: str) -> None:
    lab = Lab(box)
    box.start_ovs()
    box.run(HOSTS)
    for number in (4, 5):
        box.run(f"ip netns add n{number}; ip link add w{number - 3} type veth peer name eth0 netns n{number}")
        box.run(f"ip link set w{number - 3} up; ip -n n{number} link set eth0 up")
        box.run(f"ip -n n{number} addr add 10.0.0.{number}/24 dev eth0; ip netns exec n{number} ethtool -K eth0 tx off")
    lab.write(LOOKED_FOR.replace("UNPATCHED", unpatched))
    lab.controller()
    box.wait_for(lambda: lab.status()["converged"], 20, "the bridge to be there")
    stream = Stream.open(box.connect("127.0.0.1", PORT, 20), lab.read("/api/v1/topology")["event"])
    box.run(asks("n1"))
    (seen,) = until(stream, lambda each: each.kind == "host" and each.data["host"]["ipv4"] == ["10.0.0.1"], 1)[-1:]
    assert (seen.data["host"]["mac"], seen.data["host"]["port"]) == FIRST[:2]
    assert hosts(box) == [FIRST]
    assert lab.ping("n4", "10.0.0.5", within=5), "the wire works"
    assert lab.ping("n1", "10.0.0.2") is (unpatched == "normal")
    assert not any(port.startswith("w") for _, port, _ in hosts(box))

    box.run("ip -n n1 link set eth0 down; ip -n n3 link set eth0 down; ip -n n3 addr flush dev eth0")
    until(stream, lambda each: each.kind == "host" and each.data["change"] == "removed", 1)
    box.run("ip -n n1 link set eth0 up")
    box.run(asks("n1"))
    until(stream, lambda each: each.kind == "host" and each.data["host"]["port"] == "h1", 1)
    box.run("ip -n n3 link set eth0 address 02:00:00:00:00:01; ip -n n3 addr add 10.0.0.1/24 dev eth0")
    box.run("ip -n n3 link set eth0 up")
    box.run(asks("n3"))
    moved = until(stream, lambda each: each.kind == "host" and each.data["host"]["port"] == "h3", 1)[-1]
    assert (moved.data["change"], moved.data["before"]["port"]) == ("changed", "h1")
    assert ("02:00:00:00:00:01", "h3", ["10.0.0.1"]) in hosts(box)


def test_what_is_heard_of_hosts_never_reaches_a_wire(box: Box) -> None:
    """On a learning bridge, whatever VLAN the frame has, that of the wired ports among them."""
    lab = Lab(box)
    box.start_ovs()
    box.run(HOSTS + PLUG)
    lab.write(LOOKED_FOR.replace("UNPATCHED", "normal"))
    lab.controller()
    box.wait_for(lambda: lab.status()["converged"], 20, "the bridge to be there")
    arrived = box.popen("exec tcpdump -lnei g1 -Q in 2>/run/dump.err >/run/dump")
    box.wait_for(lambda: "listening" in box.path("/run/dump.err").read_text(), 5)
    box.run(["ip", "netns", "exec", "n1", sys.executable, "-c", TAGGED])
    box.wait_for(lambda: hosts(box), 5, "the sender to be heard of")
    box.run("ip link set g2 up; ping -c1 -W0.2 -I g2 10.0.0.99", check=False)
    box.wait_for(lambda: box.path("/run/dump").read_text(), 5, "what the wire carries")
    arrived.terminate()
    assert "02:00:00:00:00:01" not in box.path("/run/dump").read_text()


TAGGED = """
import socket
eth0 = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
eth0.bind(("eth0", 0))
mac = bytes.fromhex("020000000001")
for tag in ("", "81000fff", "81000064", "88a80fff", "88a80fff81000064"):
    arp = "08060001080006040001" + mac.hex() + "0a000001" + "00" * 6 + "0a00004d"
    nd = "86dd6000000000203aff" + "fe80" + "00" * 13 + "01" + "ff02" + "00" * 9 + "01ff00004d" + "8700" + "00" * 30
    for payload in (arp, nd):
        eth0.send(bytes.fromhex("ffffffffffff") + mac + bytes.fromhex(tag + payload))
"""


BRIDGES = """
for bridge in br0 br1; do
    ovs-vsctl add-br $bridge -- set bridge $bridge datapath_type=netdev fail_mode=secure protocols=OpenFlow13 \\
        -- set-controller $bridge tcp:127.0.0.1:6653
done
for port in a1 a2 w1 w2; do ovs-vsctl add-port br0 $port; done
for port in b1 b2; do ovs-vsctl add-port br1 $port; done
"""

RYU = """
import sys
import eventlet.wsgi
eventlet.wsgi.ALREADY_HANDLED = object()
from ryu.cmd.manager import main
main(["--observe-links", "--ofp-tcp-listen-port=6653", "--wsapi-host=127.0.0.1", "--wsapi-port=8080",
      "ryu.app.rest_topology", "ryu.app.ws_topology"])
"""


def ryu(box: Box) -> Process:
    """Genuine Ryu with its own topology applications."""
    python = os.environ.get("NETCTL_RYU_PYTHON")
    if not python:
        missing("needs NETCTL_RYU_PYTHON, the python of an environment with genuine Ryu")
    with open(box.path("/run/ryu.log"), "w") as log:
        return box.popen([str(python), "-c", RYU], stdout=log, stderr=log)


@dataclass
class Said:
    """What one controller said. Ports are in the order that the switch told them in, and links in that they were found
    in, which is another each time."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[Counter[str]] = field(default_factory=list)

    def read(self, box: Box, *nouns: str) -> None:
        dpids = sorted(each["dpid"] for each in box.read(f"{TOPOLOGY}/switches"))
        for path in [f"{noun}{rest}" for noun in nouns for rest in ("", *(f"/{dpid}" for dpid in dpids))]:
            answer = box.read(f"{TOPOLOGY}/{path}")
            for each in answer:
                each.get("ports", []).sort(key=json.dumps)
            self.answers[path] = sorted(answer, key=json.dumps)

    def hear(self, box: Box, command: str | list[str], method: str, count: int) -> None:
        """The calls of a method that a new client gets when a command runs: so many, in no order. They are answered, as
        Ryu waits for that. Genuine Ryu puts each in the text of a Python literal, and tells of a host before it has
        noted down its address, or just after."""
        calls: Counter[str] = Counter()
        number = 0
        with closing(Socket(box.connect("127.0.0.1", PORT, 20))) as client:
            box.run(command)
            while calls.total() < count:
                text, number = client.text(), number + 1
                if text.startswith("b'"):
                    text = text[2:-1]
                assert text.endswith(f', "id": {number}}}')
                if f'"method": "{method}"' in text:
                    calls[re.sub(r'"ipv4": \[.*?\]', '"ipv4": []', text.rpartition(", ")[0])] += 1
                client.say(json.dumps({"id": number, "jsonrpc": "2.0", "result": ""}))
        self.calls.append(calls)


def links_of(box: Box) -> Said:
    said = Said()
    box.wait_for(lambda: cables(box) == BOTH, 30, "the links to be found")
    said.read(box, "switches", "links")
    said.hear(box, "ip link set b1 down", "event_link_delete", 2)
    said.hear(box, "ip link set b1 up", "event_link_add", 2)
    box.wait_for(lambda: cables(box) == BOTH, 10, "the link to be there again")
    return said


def test_ryu_finds_the_same_links_on_the_same_bridges(box: Box) -> None:
    lab = Lab(box)
    box.start_ovs()
    box.run(PLUG + BRIDGES)
    theirs = ryu(box)
    expected = links_of(box)
    theirs.kill()
    theirs.wait()
    box.run("ovs-vsctl del-controller br0 -- del-controller br1")
    lab.write(POLICY.replace("netdev,", "netdev, adopt: true,"))
    lab.controller()
    assert links_of(box) == expected
    assert len(expected.answers["links"]) == 4


def hosts_of(box: Box) -> Said:
    said = Said()
    box.wait_for(lambda: len(box.read(f"{TOPOLOGY}/switches")) == 1, 20, "the switch to be there")
    box.wait_for(lambda: "arp" in box.run("ovs-ofctl -O OpenFlow13 dump-flows br0").stdout, 10, "ARP to be heard")
    for number in (1, 2):
        said.hear(box, asks(f"n{number}"), "event_host_add", 1)
    box.wait_for(lambda: all(addresses for _, _, addresses in hosts(box)), 5, "their addresses")
    said.read(box, "switches", "hosts")
    return said


def test_ryu_finds_the_same_hosts(box: Box) -> None:
    """On a bridge of the same name, datapath id and ports; Ryu hears what a flow of the test's sends it."""
    lab = Lab(box)
    box.start_ovs()
    box.run(HOSTS)
    dpid = f"other-config:datapath-id={dpid_of('hv1', 'br0'):016x}"
    box.run(
        f"ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure protocols=OpenFlow13 {dpid} "
        "-- set-controller br0 tcp:127.0.0.1:6653\n"
        "for i in 1 2 3; do ovs-vsctl add-port br0 h$i -- set interface h$i ofport_request=$i; done"
    )
    theirs = ryu(box)
    box.wait_for(lambda: len(box.read(f"{TOPOLOGY}/switches")) == 1, 20, "Ryu to see the switch")
    box.run("ovs-ofctl -O OpenFlow13 add-flow br0 arp,actions=CONTROLLER")
    expected = hosts_of(box)
    theirs.kill()
    theirs.wait()
    box.run("ovs-vsctl del-br br0")
    lab.write(LOOKED_FOR.replace("UNPATCHED", "drop").replace(", w1, w2]", "]").replace("[[w1, w2]]", "[]"))
    lab.controller()
    assert hosts_of(box) == expected
    assert hosts(box)[0] == FIRST
