"""Links between two bridges: how soon they are known, what it costs to know them, how soon a silent one is missed.

    python -m tests.bench.links [patch|veth] [LINKS …]

For 400 and 1 000 directed links, on netctl and then on genuine Ryu's own topology application (where
NETCTL_RYU_PYTHON names a Python that has it), on the same bridges:

- started: the controller starts while all ports are there; from the moment when a switch told it the last port until
  REST has all links. Netctl's flows are on the bridges by then, as after any restart.
- plugged: all ports are plugged in at once, by one transaction, while the controller runs; counted in the same way.
- the CPU time of the controller over SECONDS of nothing but probing, and whether a link was lost meanwhile.
- how long it takes until a link is missed whose frames are dropped while its carrier stays.

Needs root and Open vSwitch.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.box import Box, Process
from tests.e2e.lab import Lab

REST = "http://127.0.0.1:8080/v1.0/topology"
BRIDGES = ("br0", "br1")
SECONDS = 20.0
SILENT_SECONDS = 120.0
"""How long to wait for a silent link to be missed."""
ROUNDS = 3

WATCH = """
import ctypes, http.client, json, socket, struct, subprocess, sys, time
count, plug, kind = int(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3])
server = http.client.HTTPConnection("127.0.0.1", 8080)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
keep_100_octets = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 100))
wire.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1, ctypes.addressof(keep_100_octets)))
wire.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)
wire.setsockopt(socket.SOL_SOCKET, 35, 1)
wire.bind(("lo", 0))
wire.setblocking(False)

def links():
    while True:
        try:
            server.request("GET", "/v1.0/topology/links")
            return len(json.loads(server.getresponse().read()))
        except OSError:
            server.close()
            time.sleep(0.002)

def told():
    last = 0.0
    while True:
        try:
            frame, ancillary, *_ = wire.recvmsg(100, 64)
        except BlockingIOError:
            return last
        at = 34 + 4 * (frame[46] >> 4)
        if 6653 in struct.unpack_from("!HH", frame, 34) and frame[at : at + 1] == b"\\x04":
            if frame[at + 1 : at + 2] + frame[at + 8 : at + 7 + len(kind)] == kind:
                seconds, nanoseconds = struct.unpack("ll", ancillary[0][2])
                last = seconds + nanoseconds / 1e9

if plug:
    assert not links()
    told()
    subprocess.run(plug, shell=True, check=True)
end = time.time() + 60
while (found := links()) < count:
    assert time.time() < end, f"{found} links of {count}"
    time.sleep(0.002)
print(time.time() - told())
"""
"""Seconds from the last message of a kind that a switch sent, seen on the wire, until REST has so many links. A kind
is its type, and what the body begins with."""

PORT_STATUS = "0c"
PORT_DESC = "13000d"

MISS = """
import http.client, json, subprocess, sys, time
server = http.client.HTTPConnection("127.0.0.1", 8080)

def links():
    server.request("GET", "/v1.0/topology/links")
    return [link for link in json.loads(server.getresponse().read()) if link["dst"]["name"] == sys.argv[3]]

assert links()
subprocess.run(sys.argv[1], shell=True, check=True)
start = time.monotonic()
while links() and time.monotonic() < start + float(sys.argv[2]):
    time.sleep(0.02)
print(json.dumps(time.monotonic() - start if not links() else None))
"""


def policy(cables: int) -> str:
    """Every cable ends in a fabric port, or with none yet in whatever port comes."""
    said = []
    for side, bridge in zip("ab", BRIDGES, strict=True):
        ports = ", ".join(f"{{name: {side}{number}, role: fabric}}" for number in range(cables))
        said.append(f"{bridge}: {{datapath: netdev, {f'ports: [{ports}]' if cables else 'discover: true'}}}")
    return "version: 1\nhosts: {hv1: {bridges: {" + ", ".join(said) + "}}}\n"


def plug(kind: str, cables: int) -> str:
    """The command that plugs every cable in."""
    said = []
    for number in range(cables):
        for side, bridge in zip("ab", BRIDGES, strict=True):
            name, peer = f"{side}{number}", f"{'ba'['ab'.index(side)]}{number}"
            said.append(f"add-port {bridge} {name}")
            if kind == "patch":
                said.append(f"set interface {name} type=patch options:peer={peer}")
    return f"ovs-vsctl {' -- '.join(said)}"


class Netctl:
    name = "netctl"

    def __init__(self, box: Box) -> None:
        self.lab = Lab(box)
        self.lab.write(policy(0))

    def settle(self, cables: int) -> None:
        self.lab.write(policy(cables))
        self.lab.box.wait_for(lambda: self.lab.status()["converged"], 30, "the controller to converge")

    def start(self) -> Process:
        return self.lab.controller()


class Ryu:
    name = "Ryu"

    def __init__(self, box: Box, python: str) -> None:
        self.box, self.python = box, python
        for bridge in BRIDGES:
            box.run(
                f"ovs-vsctl add-br {bridge} -- set bridge {bridge} datapath_type=netdev fail_mode=secure "
                f"protocols=OpenFlow13 -- set-controller {bridge} tcp:127.0.0.1:6653 -- "
                f"set controller {bridge} max_backoff=1000 connection_mode=out-of-band"
            )

    def settle(self, cables: int) -> None:
        """There is nothing to be said to it."""

    def start(self) -> Process:
        """Its own application, by netctl's manager: Ryu's own one does not start on today's eventlet."""
        argv = [self.python, "-m", "netctl.manager", "--observe-links", "ryu.app.rest_topology"]
        with open(self.box.path("/run/ryu.log"), "a") as log:
            return self.box.popen(argv, env={"NETCTL_ENGINE": "ryu"}, stdout=log, stderr=log)


@contextmanager
def running(app: Netctl | Ryu) -> Iterator[int]:
    """The controller's process."""
    process = app.start()
    try:
        pid = process.inner()
        assert pid is not None
        yield pid
    finally:
        process.kill()
        process.wait(10)


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def links(box: Box) -> set[str]:
    return {json.dumps(link, sort_keys=True) for link in box.read(f"{REST}/links")}


def watch(box: Box, count: int, kind: str, plug: str = "") -> int:
    """Milliseconds."""
    said = box.run([sys.executable, "-c", WATCH, str(count), plug, kind], timeout=120).stdout
    return round(1000 * float(said))


def measure(app: Netctl | Ryu, box: Box, kind: str, count: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    box.path("/run/plug.sh").write_text(plug(kind, count // 2))
    with running(app):
        box.wait_for(lambda: len(box.read(f"{REST}/switches")) == 2, 30, "both switches")
        box.run("sleep 1")
        figures["plugged"] = watch(box, count, PORT_STATUS, "bash /run/plug.sh")
        app.settle(count // 2)
        box.run("sleep 2")
    started = []
    for _ in range(ROUNDS):
        with running(app) as pid:
            started.append(watch(box, count, PORT_DESC))
            box.run("sleep 2")
            if len(started) == ROUNDS:
                before, used = links(box), cpu(pid)
                box.run(["sleep", str(SECONDS)])
                figures["cpu"] = round(100 * (cpu(pid) - used) / SECONDS, 1)
                figures["lost"] = len(before - links(box))
                drop = "ovs-ofctl -O OpenFlow13 add-flow br1 priority=65535,in_port=b0,actions=drop"
                said = box.run([sys.executable, "-c", MISS, drop, str(SILENT_SECONDS), "b0"], timeout=200).stdout
                seconds = json.loads(said)
                figures["missed"] = f"{seconds:.1f} s" if seconds is not None else f"over {SILENT_SECONDS:.0f} s"
    figures["started"] = statistics.median(started)
    return figures


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "patch"
    counts = [int(each) for each in sys.argv[2:]] or [400, 1000]
    python = os.environ.get("NETCTL_RYU_PYTHON")
    for count in counts:
        started: dict[str, float] = {}
        for name in ("netctl", "Ryu") if python else ("netctl",):
            with Box() as box:
                box.start_ovs()
                if kind == "veth":
                    box.run(
                        f"for i in $(seq 0 {count // 2 - 1}); do echo link add a$i type veth peer name b$i; "
                        "echo link set a$i up; echo link set b$i up; done | ip -batch -"
                    )
                app = Netctl(box) if name == "netctl" else Ryu(box, python or "")
                figures = measure(app, box, kind, count)
            started[name] = figures["started"]
            print(
                f"{count} links by {kind}, {name}: started {figures['started']} ms, plugged {figures['plugged']} ms; "
                f"probing takes {figures['cpu']} % of a core, {figures['lost']} links lost in {SECONDS:.0f} s; "
                f"a silent link is missed after {figures['missed']}",
                flush=True,
            )
        if python:
            print(f"started, Ryu takes {started['Ryu'] / started['netctl']:.1f} times as long")


if __name__ == "__main__":
    main()
