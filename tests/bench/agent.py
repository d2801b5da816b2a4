"""The agent on a host with 1 000 devices: what it costs while nothing happens, and how fast a lost tap is back.

Run as root: python -m tests.bench.agent. In a box of its own, with an Open vSwitch whose bridge the policy names, so
that the agent watches all that it can watch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netctl import rundir
from netctl.desired.device import plan_host
from netctl.desired.host import devices
from netctl.kernel import Host
from netctl.policy import load
from tests.bench.host_objects import POLICY, Announcements, policy
from tests.e2e.box import Box

TAPS, ROOMS = 800, 100
"""With a namespace and a veth for each room: 1 000 devices."""
IDLE_SECONDS = 60.0
LOSSES = 50
LOOKS = 10

BARS = {"idle": 0.5, "memory": 80.0, "repair": 100.0, "plan": 300.0}
"""Percent of a core, MB, ms, ms."""


def converged() -> None:
    """Wait until the agent says that the host is as the policy says."""
    time.sleep(0.2)
    while not (rundir.read_json("agent-hv1") or {}).get("converged"):
        time.sleep(0.1)


@contextmanager
def agent() -> Iterator[int]:
    """The process number of an agent that has made the host as the policy says."""
    command = [sys.executable, "-m", "netctl.cli", "agent", "--policy", str(POLICY)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            converged()
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int, what: str) -> float:
    """Of memory: VmRSS now, VmHWM at most so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {what} of process {pid}")


def repairs() -> list[float]:
    """Milliseconds from the announcement that a tap is gone until the one that it is there again, marked and up."""
    took = []
    for number in range(LOSSES):
        name = f"t{number * (TAPS // LOSSES)}-eth0"
        with Announcements() as heard, subprocess.Popen(["ip", "link", "del", name]):
            start = heard.gone(name)
            took.append(1000 * (heard.back(name) - start))
        converged()
    return sorted(took)


def plans() -> list[float]:
    """Milliseconds for looking at the host and finding that there is nothing to do."""
    loaded = load(POLICY)
    assert loaded.policy, loaded.problems
    took = []
    for _ in range(LOOKS):
        start = time.perf_counter()
        wanted = devices(loaded, "hv1")
        with Host("hv1") as host:
            plan = plan_host(wanted, host.observe([each.item for each in wanted]))
        took.append(1000 * (time.perf_counter() - start))
        assert not plan, plan
    return sorted(took)


def told(text: str, figure: float, unit: str, bar: str) -> None:
    print(f"  {text}: {figure:.2f} {unit}  (bar {BARS[bar]:g}, ratio {figure / BARS[bar]:.2f})")


def inside() -> None:
    POLICY.write_text(policy(TAPS, ROOMS))
    with agent() as pid:
        time.sleep(5)
        before, start = cpu_seconds(pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        idle = 100 * (cpu_seconds(pid) - before) / (time.monotonic() - start)
        told(f"idle, over {IDLE_SECONDS:g} s", idle, "% of a core", "idle")
        lost = repairs()
        told("a lost tap is back, median", lost[len(lost) // 2], "ms", "repair")
        told("a lost tap is back, worst", lost[-1], "ms", "repair")
        told("memory, resident", megabytes(pid, "VmRSS"), "MB", "memory")
        told("memory, resident, at most", megabytes(pid, "VmHWM"), "MB", "memory")
        empty = plans()
        told("a plan of nothing to do, median", empty[len(empty) // 2], "ms", "plan")
        told("a plan of nothing to do, worst", empty[-1], "ms", "plan")


def main() -> None:
    if sys.argv[1:] == ["inside"]:
        inside()
        return
    print(f"{TAPS} taps, {ROOMS} namespaces with a veth each, one agent:")
    with Box() as box:
        box.start_ovs()
        box.run("ovs-vsctl --no-wait add-br ovbr0 -- set bridge ovbr0 datapath_type=netdev external_ids:netctl=hv1")
        print(box.run([sys.executable, "-m", "tests.bench.agent", "inside"], timeout=600).stdout, end="")


if __name__ == "__main__":
    main()
