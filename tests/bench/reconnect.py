"""A controller that is killed and started again while the switch has all of its flows: there is nothing to do.

    python -m tests.bench.reconnect [WIRES]

From the end of the switch's handshake (ovs-vswitchd's own log) until the controller says that its flows are as they
should be; the peak of its memory; and every change of a flow that the switch tells of meanwhile. Beside it
`ovs-ofctl dump-flows` of the same flows, which reads them and compares nothing. Medians of five, in turns. Needs root
and Open vSwitch.
"""

from __future__ import annotations

import re
import signal
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tests.bench.many import policy, ports
from tests.e2e.box import Box, Process
from tests.e2e.lab import Lab

ROUNDS = 5
BAR_SECONDS = 2
BAR_MEMORY = 400
"""Megabytes."""

VSWITCHD = "/run/openvswitch/ovs-vswitchd.log"
CONNECTED = re.compile(r"^(\S+)Z\|.*\|rconn\|INFO\|br0<->tcp:.*: connected$", re.M)
SETTLED = re.compile(r"^(\S+ \S+) .*bridge br0 on hv1: \d+ flows, nothing left to do$", re.M)


class Restart(NamedTuple):
    connection: float
    """Seconds from the switch's connection until there was nothing left to do."""
    process: float
    """And from the start of the process."""
    memory: float
    """Peak of the resident memory in megabytes."""
    changes: int
    """Flow modifications that the controller sent."""


def peak(process: Process) -> float:
    status = Path(f"/proc/{process.inner()}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def moments(log: Path, pattern: re.Pattern[str]) -> list[float]:
    """When the lines that match were written, in seconds since the epoch."""
    found = pattern.findall(log.read_text(errors="replace"))
    return [datetime.fromisoformat(f"{each.replace(',', '.')}+00:00").timestamp() for each in found]


def restart(box: Box, lab: Lab, running: Process) -> tuple[Process, Restart]:
    """Kill the controller, start another."""
    running.send_signal(signal.SIGKILL)
    running.wait(10)
    start = time.time()
    running = lab.controller({"TZ": "UTC"})
    said = box.path("/run/controller.log")
    settled = box.wait_for(lambda: since(start, moments(said, SETTLED)), 120, "nothing to do", 0.05)
    connected = box.wait_for(lambda: since(start, moments(box.path(VSWITCHD), CONNECTED)), 5)
    status = lab.status()
    assert status["converged"], status
    return running, Restart(settled - connected, settled - start, peak(running), status["flow_changes"])


def since(start: float, moments: list[float]) -> float:
    """The last of these moments, if it is not before the start; else 0."""
    return moments[-1] if moments and moments[-1] > start else 0.0


def dumped(box: Box) -> float:
    start = time.perf_counter()
    box.run("ovs-ofctl -O OpenFlow13 dump-flows br0 > /dev/null")
    return time.perf_counter() - start


def told(box: Box) -> int:
    """How many changes of flows the switch told of."""
    return box.path("/run/watched").read_text().count("event=")


def main(wires: int) -> None:
    with Box() as box:
        box.start_ovs()
        for name in ports(wires):
            box.run(f"ip tuntap add {name} mode tap && ip link set {name} up")
        lab = Lab(box)
        lab.write(policy(wires))
        running = lab.controller({"TZ": "UTC"})
        box.wait_for(lambda: lab.status()["converged"], 120, "the controller to converge", 0.5)
        box.popen("exec ovs-ofctl monitor br0 watch:\\!initial > /run/watched 2>&1")
        restarts, by_hand = [], []
        for _ in range(ROUNDS):
            running, figures = restart(box, lab, running)
            restarts.append(figures)
            by_hand.append(dumped(box))
        silence = told(box)
        box.run("ovs-ofctl add-flow br0 cookie=1,priority=7,actions=drop")
        box.wait_for(lambda: told(box) == silence + 1, 10, "the switch to tell of a flow that was added")
    figures = Restart(*map(statistics.median, zip(*restarts, strict=True)))
    hand = statistics.median(by_hand)
    print(
        f"{wires} wires, connected to nothing to do: {figures.connection:.2f} s (bar {BAR_SECONDS}), "
        f"{figures.connection / hand:.1f} times as long as ovs-ofctl dump-flows ({hand:.2f} s)"
    )
    print(f"from the start of the process: {figures.process:.2f} s, the reading of the policy among that")
    sent = max(each.changes for each in restarts)
    print(f"flow modifications: {sent} by netctl's count, {silence} by the switch's (bar 0)")
    print(f"peak memory: {max(each.memory for each in restarts):.0f} MB (bar {BAR_MEMORY})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
