"""Byte for byte what genuine Ryu's `ryu.app.rest_topology` answers about a real Open vSwitch bridge."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import partial

import pytest
from werkzeug.test import Client

from netctl.api.wsgi import application
from netctl.controller.snapshot import Snapshot, Station, SwitchPort, SwitchView
from tests.conftest import missing, need
from tests.e2e.box import Box

pytestmark = pytest.mark.e2e

RYU = """
import sys
import eventlet.wsgi
eventlet.wsgi.ALREADY_HANDLED = object()
from ryu.cmd.manager import main
main(["--ofp-tcp-listen-port=6653", "--wsapi-host=127.0.0.1", "--wsapi-port=8080", "ryu.app.rest_topology"])
"""

BRIDGES = """
ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure protocols=OpenFlow13 \
    other-config:datapath-id=00000000000000ab -- set-controller br0 tcp:127.0.0.1:6653
ovs-vsctl add-br br1 -- set bridge br1 datapath_type=netdev fail_mode=secure protocols=OpenFlow13 \
    other-config:datapath-id=fedcba9876543210 -- set-controller br1 tcp:127.0.0.1:6653
for i in 1 2 3; do
    ip netns add n$i
    ip link add v$i type veth peer name eth0 netns n$i
    ip link set v$i up
    ip -n n$i link set eth0 address 02:00:00:00:00:0$i
    ip netns exec n$i sysctl -qw net.ipv6.conf.all.disable_ipv6=1
    ip -n n$i addr add 10.0.0.$i/24 dev eth0
    ip -n n$i link set eth0 up
    ovs-vsctl add-port br0 v$i -- set interface v$i ofport_request=$((10 * i))
done
ip link set v3 down
"""

PATHS = [
    f"/v1.0/topology/{noun}{rest}"
    for noun in ("switches", "links", "hosts")
    for rest in (
        "",
        "?ignored=1",
        "/00000000000000ab",
        "/fedcba9876543210",
        "/0000000000000001",
        "/00000000000000AB",
        "/ab",
        "/",
    )
]

PORT = re.compile(r"^ (\w+)\((\S+)\): addr:(\S+)$", re.MULTILINE)


def switch(box: Box, bridge: str, dpid: int, order: list[str]) -> SwitchView:
    """A bridge as OpenFlow describes it to ovs-ofctl, which sorts the ports; `order` is the switch's."""
    said = box.run(["ovs-ofctl", "-O", "OpenFlow13", "dump-ports-desc", bridge]).stdout
    ports = (
        SwitchPort(0xFFFFFFFE if number == "LOCAL" else int(number), name, mac, True)
        for number, name, mac in PORT.findall(said)
    )
    place = {name: position for position, name in enumerate(order)}
    return SwitchView(dpid, tuple(sorted(ports, key=lambda port: place.get(port.name, len(place)))))


@pytest.fixture(scope="module")
def ryu() -> Iterator[Box]:
    """A box where Ryu has seen two bridges and two hosts."""
    need("root", "unshare", "nsenter", "ip", "ovs-vswitchd")
    python = os.environ.get("NETCTL_RYU_PYTHON")
    if not python:
        missing("needs NETCTL_RYU_PYTHON, the python of an environment with genuine Ryu")
    with Box() as box:
        box.start_ovs()
        box.run(BRIDGES)
        with open(box.path("/run/ryu.log"), "w") as log:
            box.popen([str(python), "-c", RYU], stdout=log, stderr=log)
        url = "http://127.0.0.1:8080/v1.0/topology"
        box.wait_for(lambda: len(box.read(f"{url}/switches")) == 2, 20, "Ryu to see both bridges")
        box.run("ovs-ofctl -O OpenFlow13 add-flow br0 actions=CONTROLLER")
        for number in (1, 2):
            box.run(f"ip netns exec n{number} ping -c1 -W0.1 10.0.0.9 || true")
            box.wait_for(partial(has_hosts, box, f"{url}/hosts", number), 10, f"Ryu to see host {number}")
        yield box


def has_hosts(box: Box, url: str, count: int) -> bool:
    hosts = box.read(url)
    return len(hosts) == count and all(host["ipv4"] for host in hosts)


def test_answers_are_ryus(ryu: Box) -> None:
    dpids = {"00000000000000ab": ("br0", 0xAB), "fedcba9876543210": ("br1", 0xFEDCBA9876543210)}
    seen = ryu.read("http://127.0.0.1:8080/v1.0/topology/switches")
    snapshot = Snapshot(
        switches=tuple(switch(ryu, *dpids[each["dpid"]], [port["name"] for port in each["ports"]]) for each in seen),
        stations=tuple(
            Station(f"02:00:00:00:00:0{number}", (f"10.0.0.{number}",), (), 0xAB, f"v{number}") for number in (1, 2)
        ),
    )
    client = Client(application(lambda: snapshot, engine=""))
    bodies = set()
    for path in PATHS:
        status, headers, body = ryu.request(f"http://127.0.0.1:8080{path}")
        ours = client.get(path)
        assert ours.status_code == status, path
        if status == 200:
            assert ours.headers["Content-Type"] == headers["Content-Type"], path
            assert ours.headers["Content-Length"] == headers["Content-Length"], path
            assert ours.data == body, path
            bodies.add(body)
    ports = [port["port_no"] for each in json.loads(max(bodies, key=len)) for port in each["ports"]]
    assert sorted(ports) == ["0000000a", "00000014", "0000001e"], "Ryu saw other ports than this test made"
    assert len(bodies) >= 4
