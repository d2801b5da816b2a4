"""Links between two bridges: how soon they are known, what it costs to know them, how soon a silent one is missed.

    python -m tests.bench.links [patch|veth] [LINKS …]

For 400 and 1 000 directed links, on netctl and then on genuine Ryu's own topology application (where
NETCTL_RYU_PYTHON names a Python that has it), on the same bridges:

- started: the controller starts while all ports are there; from the moment when REST has all ports until it has all
  links. Netctl's flows are on the bridges by then, as after any restart.
- plugged: all ports are plugged in at once, by one transaction, while the controller runs; until REST has all links,
  from the moment when the database says that the switch has the ports.
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

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      br0: {datapath: netdev, discover: true}
      br1: {datapath: netdev, discover: true}
"""

WATCH = """
import http.client, json, subprocess, sys, time
count, plug = int(sys.argv[1]), sys.argv[2]
server = http.client.HTTPConnection("127.0.0.1", 8080)

def read(path):
    while True:
        try:
            server.request("GET", "/v1.0/topology/" + path)
            return json.loads(server.getresponse().read())
        except OSError:
            server.close()
            time.sleep(0.001)

def ports():
    return sum(len([port for port in switch["ports"] if port["name"][0] in "ab"]) for switch in read("switches"))

if plug:
    assert not read("links")
    subprocess.run(plug, shell=True, check=True)
    start = time.monotonic()
else:
    while ports() < count:
        time.sleep(0.001)
    start = time.monotonic()
while (links := len(read("links"))) < count:
    assert time.monotonic() < start + 60, f"{links} links of {count}"
    time.sleep(0.001)
print(time.monotonic() - start)
"""

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
        self.lab.write(POLICY)

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


def watch(box: Box, count: int, plug: str = "") -> int:
    """Milliseconds."""
    said = box.run([sys.executable, "-c", WATCH, str(count), plug], timeout=120).stdout
    return round(1000 * float(said))


def measure(app: Netctl | Ryu, box: Box, kind: str, count: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    box.path("/run/plug.sh").write_text(plug(kind, count // 2))
    with running(app):
        box.wait_for(lambda: len(box.read(f"{REST}/switches")) == 2, 30, "both switches")
        box.run("sleep 1")
        figures["plugged"] = watch(box, count, "bash /run/plug.sh")
        box.run("sleep 2")
    started = []
    for _ in range(ROUNDS):
        with running(app) as pid:
            started.append(watch(box, count))
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
