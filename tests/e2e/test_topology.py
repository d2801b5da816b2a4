"""Switches, links and wires as they come and go on real Open vSwitch: what REST answers, what the stream and the
WebSocket tell, and what genuine Ryu says of the same bridges."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any


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

        box.run("ovs-vsctl set bridge br1 protocols=OpenFlow10")
        (told,) = until(stream, lambda each: each.kind == "switch", 1)[-1:]
        assert told.data["change"] == "removed"
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


def said(client: Socket, count: int, strip: bool) -> Counter[str]:
    """So many calls, without their numbers; answered, as Ryu waits for that."""
    calls: Counter[str] = Counter()
    for number in range(count):
        text = client.text()
        if strip:
            assert (text[:2], text[-1]) == ("b'", "'")
            text = text[2:-1]
        assert text.endswith(f', "id": {number + 1}}}')
        calls[text.rpartition(", ")[0]] += 1
        client.say(json.dumps({"id": number + 1, "jsonrpc": "2.0", "result": ""}))
    return calls


def answers(box: Box) -> dict[str, list[Any]]:
    """What each path answers. Ports are in the order that the switch told them in, and links in that they were found
    in, which is another each time."""
    dpids = sorted(each["dpid"] for each in box.read(f"{TOPOLOGY}/switches"))
    said = {
        path: box.read(f"{TOPOLOGY}/{path}")
        for path in (f"{noun}{rest}" for noun in ("switches", "links") for rest in ("", *(f"/{each}" for each in dpids)))
    }
    for path, answer in said.items():
        for each in answer if path.startswith("switches") else ():
            each["ports"].sort(key=json.dumps)
        answer.sort(key=json.dumps)
    return said


def test_ryu_says_the_same_of_the_same_bridges(box: Box) -> None:
    python = os.environ.get("NETCTL_RYU_PYTHON")
    if not python:
        missing("needs NETCTL_RYU_PYTHON, the python of an environment with genuine Ryu")
    lab = Lab(box)
    box.start_ovs()
    box.run(PLUG + BRIDGES)
    seen, told = [], []
    for ours in (False, True):
        if ours:
            theirs.kill()
            theirs.wait()
            box.run("ovs-vsctl del-controller br0 -- del-controller br1")
            lab.write(POLICY.replace("netdev,", "netdev, adopt: true,"))
            lab.controller()
        else:
            with open(box.path("/run/ryu.log"), "w") as log:
                theirs = box.popen([str(python), "-c", RYU], stdout=log, stderr=log)
        box.wait_for(lambda: cables(box) == BOTH, 30, "the links to be found")
        seen.append(answers(box))
        with closing(Socket(box.connect("127.0.0.1", PORT, 20))) as client:
            box.run("ip link set b1 down")
            told.append(said(client, 2, strip=not ours))
        with closing(Socket(box.connect("127.0.0.1", PORT, 20))) as client:
            box.run("ip link set b1 up")
            told.append(said(client, 2, strip=not ours))
        box.wait_for(lambda: cables(box) == BOTH, 10, "the link to be there again")
    assert len(seen[0]["links"]) == 4
    assert seen[0] == seen[1]
    assert told[:2] == told[2:]
