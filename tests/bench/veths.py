"""1 000 veth pairs with addresses and masters: made by netctl and removed as `netctl down` does it, against `ip -batch`
and `ip link del group`.

Run as root: python -m tests.bench.veths. One end of each is a port of one of ten Linux bridges, the other has an IPv4
address; by `ip` they get their alias and group too, as netctl's do. It also times the plan of nothing to do.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from netctl.desired.device import plan_host
from netctl.desired.host import devices
from netctl.kernel import Host
from netctl.policy import load
from tests.e2e.box import Box

PAIRS, BRIDGES = 1000, 10
ROUNDS = 4
POLICY = Path("/run/policy.yaml")
BARS = {"make": 1.5, "remove": 1.2}
NOTHING_BAR = 0.3
"""Seconds."""
SETTLE_SECONDS = 8.0
"""Devices that IPv6 is still busy with are removed sooner than others."""


def policy() -> str:
    lines = ["version: 1", "hosts:", "  hv1:", "    links:"]
    lines += [f"      b{number}: {{kind: bridge}}" for number in range(BRIDGES)]
    for number in range(PAIRS):
        address = f"10.{number >> 8}.{number & 255}.1/30"
        lines.append(f"      v{number}: {{kind: veth, peer: w{number}, master: b{number % BRIDGES}}}")
        lines.append(f"      w{number}: {{kind: veth, peer: v{number}, addresses: [{address}]}}")
    return "\n".join(lines) + "\n"


def timed(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def by_netctl() -> dict[str, float]:
    loaded = load(POLICY)
    assert not loaded.problems, loaded.problems
    wanted = devices(loaded, "hv1")
    items = [each.item for each in wanted]

    def make() -> None:
        with Host("hv1") as host:
            outcome = host.apply(plan_host(wanted, host.observe(items)))
            assert outcome.ok, outcome.error
            assert len(outcome.done) == 2 * PAIRS + BRIDGES

    def nothing() -> None:
        with Host("hv1") as host:
            plan = plan_host(wanted, host.observe(items))
            assert not plan, plan

    def remove() -> None:
        with Host(None) as host:
            outcome = host.apply(plan_host([], host.observe()))
            assert outcome.ok, outcome.error

    made = timed(make)
    time.sleep(SETTLE_SECONDS)
    return {"make": made, "nothing": min(timed(nothing) for _ in range(3)), "remove": timed(remove)}


def by_ip() -> dict[str, float]:
    def batch(lines: list[str]) -> None:
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)

    def make() -> None:
        mark = "alias netctl:hv1 group 7 up"
        lines = []
        for number in range(BRIDGES):
            lines.append(f"link add b{number} address 02:00:00:00:00:{number:02x} type bridge")
            lines.append(f"link set b{number} {mark}")
        for number in range(PAIRS):
            lines += [
                f"link add v{number} type veth peer name w{number}",
                f"link set v{number} master b{number % BRIDGES} {mark}",
                f"link set w{number} {mark}",
                f"addr add 10.{number >> 8}.{number & 255}.1/30 dev w{number}",
            ]
        batch(lines)

    made = timed(make)
    time.sleep(SETTLE_SECONDS)
    return {"make": made, "remove": timed(lambda: batch(["link del group 7"]))}


def inside() -> None:
    POLICY.write_text(policy())
    ratios: dict[str, list[float]] = {"make": [], "remove": []}
    nothing = []
    for number in range(ROUNDS):
        theirs, ours = by_ip(), by_netctl()
        for name, found in ratios.items():
            found.append(ours[name] / theirs[name])
        nothing.append(ours["nothing"])
        said = "  ".join(f"{name} {ours[name]:.3f} s / {theirs[name]:.3f} s" for name in ratios)
        print(f"round {number + 1}, netctl / ip: {said}  nothing to do {ours['nothing'] * 1000:.0f} ms", flush=True)
    for name, found in ratios.items():
        print(f"{name}: median ratio {median(found):.2f}, {min(found):.2f} to {max(found):.2f} (bar {BARS[name]})")
    print(f"nothing to do: median {median(nothing) * 1000:.0f} ms (bar {NOTHING_BAR * 1000:.0f} ms)")


def main() -> None:
    with Box() as box:
        process = box.popen([sys.executable, "-m", "tests.bench.veths", "inside"])
        sys.exit(process.wait())


if __name__ == "__main__":
    inside() if sys.argv[1:] == ["inside"] else main()
