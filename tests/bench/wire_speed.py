"""What passes a wire, and how soon, against two flows that somebody typed for the same ports.

    python -m tests.bench.wire_speed [SECONDS]

Two namespaces on a userspace bridge: a TCP stream of zeros for so many seconds, and a UDP echo, one at a time, for as
long, its median; first by the wire, then by hand, then the other way round, 25 times each, for what else a machine
does comes and goes within seconds: a ratio is the median of those of neighbours. The controller and the agent run all
the while. Needs root and Open vSwitch.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from typing import NamedTuple

from tests.e2e.box import Box, Process
from tests.e2e.test_patching import WIRES, Panel

ROUNDS = 25
SECONDS = 0.5
BAR = (0.97, 1.03)

PINNED = ("taskset", "-c", str(max(os.sched_getaffinity(0))))
"""The guests have a CPU, the switch has another: an echo takes half as long again where the kernel moves them about."""

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev}
    guests:
      ns1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      ns2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
"""
WIRE = f"{WIRES}/core"
ENDS = ["ns1-eth0", "ns2-eth0"]

SERVE = """
import os, socket
tcp, udp = socket.create_server(("", 5001)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", 5002))
space = bytearray(1 << 20)
print("ready", flush=True)
if os.fork():
    while True:
        connection, _ = tcp.accept()
        taken = 0
        while more := connection.recv_into(space, 0, socket.MSG_TRUNC):
            taken += more
        connection.sendall(str(taken).encode())
        connection.close()
while True:
    udp.sendto(*udp.recvfrom(64))
"""
"""Takes what comes by TCP, without looking, and sends back how much that was; echoes what comes by UDP."""

ASK = """
import json, socket, statistics, sys, time
seconds = float(sys.argv[1])
zeros = bytes(1 << 16)
tcp = socket.create_connection(("10.99.1.2", 5001), 10)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
start = time.perf_counter()
while time.perf_counter() - start < seconds:
    tcp.send(zeros)
tcp.shutdown(socket.SHUT_WR)
rate = 8 * int(tcp.recv(64)) / (time.perf_counter() - start)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(5)
udp.connect(("10.99.1.2", 5002))
echoes, start = [], time.perf_counter()
while time.perf_counter() - start < seconds:
    begin = time.perf_counter()
    udp.send(b"?")
    udp.recv(64)
    echoes.append(time.perf_counter() - begin)
print(json.dumps([rate, statistics.median(echoes), len(echoes)]))
"""
"""No more is under way than the switch's own sockets take: what is lost makes TCP's rate a matter of luck."""


class Figures(NamedTuple):
    rate: float
    """Bits a second by TCP."""
    echo: float
    """Seconds there and back, the median."""
    echoes: int


def measure(box: Box, seconds: float) -> Figures:
    ask = [*PINNED, "ip", "netns", "exec", "ns1", sys.executable, "-c", ASK, str(seconds)]
    return Figures(*json.loads(box.run(ask, timeout=60).stdout))


def wire(lab: Panel) -> None:
    lab.box.run("ovs-ofctl -O OpenFlow13 del-flows ovbr0 cookie=0x99/-1")
    assert lab.ask("PUT", WIRE, ENDS)[1]["result"] == "done"


def by_hand(lab: Panel) -> None:
    assert lab.ask("DELETE", WIRE)[1]["result"] == "done"
    one, other = ENDS
    for entry, leave in ((one, other), (other, one)):
        lab.box.run(f"ovs-ofctl -O OpenFlow13 add-flow ovbr0 cookie=0x99,in_port={entry},actions=output:{leave}")


def served(box: Box) -> Process:
    serve = [*PINNED, "ip", "netns", "exec", "ns2", sys.executable, "-c", SERVE]
    with open(box.path("/run/served"), "w") as log:
        server = box.popen(serve, stdout=log)
    box.wait_for(lambda: "ready" in box.path("/run/served").read_text(), 10, "the server")
    return server


def main(seconds: float) -> None:
    took: dict[str, list[Figures]] = {"wire": [], "by hand": []}
    with Box() as box:
        box.start_ovs()
        lab = Panel(box)
        lab.write(POLICY)
        lab.start()
        lab.agent()
        lab.converged()
        served(box)
        switch = box.path("/run/openvswitch/ovs-vswitchd.pid").read_text().strip()
        box.run(f"taskset -apc {min(os.sched_getaffinity(0))} {switch}")
        ways = [("wire", wire), ("by hand", by_hand)]
        wire(lab)
        measure(box, 0.5)
        by_hand(lab)
        measure(box, 0.5)
        for _ in range(ROUNDS):
            for name, patch in ways:
                if (name == "wire") != ("core" in lab.wires()):
                    patch(lab)
                took[name].append(measure(box, seconds))
            ways.reverse()
    rate = {name: statistics.median(each.rate for each in figures) for name, figures in took.items()}
    echo = {name: statistics.median(each.echo for each in figures) for name, figures in took.items()}
    for name, figures in took.items():
        count = sum(each.echoes for each in figures)
        print(f"{name}: {rate[name] / 1e9:.3f} Gbit/s, echo {1e6 * echo[name]:.1f} us (of {count})")
    pairs = list(zip(took["wire"], took["by hand"], strict=True))
    throughput = statistics.median(wire.rate / hand.rate for wire, hand in pairs)
    latency = statistics.median(wire.echo / hand.echo for wire, hand in pairs)
    print(f"ratio of throughput {throughput:.3f}, of latency {latency:.3f} (bar {BAR[0]} to {BAR[1]})")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
