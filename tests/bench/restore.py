"""From the start of an ovs-vswitchd that had been killed to the first frame across its last wire, with no controller.

    python -m tests.bench.restore [WIRES...]

The wires are VLANs of a few ports. The agent has what they need packed, or (cold) loads the policy first, as when it
was saved a moment ago. What `ovs-vswitchd` itself takes to start with these ports is in all of it; the last column is
how long after its start the last flow stood, had somebody typed `ovs-ofctl --bundle add-flows` at once. Needs root.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from tests.e2e.box import Box, Process
from tests.e2e.lab import Lab
from tests.e2e.stream import Stream

EACH = 4000
"""Wires for each pair of ports."""


def policy(wires: int) -> str:
    pairs = -(-wires // EACH)
    ports = ", ".join(f"{side}{pair}" for pair in range(pairs) for side in "ab")
    lines = ["version: 1", "hosts:", "  hv1:", "    bridges:", f"      ovbr0: {{datapath: netdev, ports: [{ports}]}}"]
    lines.append("wires:")
    for number in range(wires):
        pair, vlan = number // EACH, number % EACH + 1
        ends = f"[{{port: a{pair}, vlan: {vlan}}}, {{port: b{pair}, vlan: {vlan}}}]"
        lines.append(f"  - {{name: w{number}, ends: {ends}}}")
    return "\n".join(lines) + "\n"


def memory(pid: int | str | None) -> int:
    """MB that a process had at its worst so far."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) // 1024


def work(process: Process) -> int:
    """Waits until an agent's child has ended: the MB that it had at its worst."""
    worst = 0
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            pids = children(process)
            worst = max([worst, *map(memory, pids)])
        except (OSError, KeyError):
            continue
        if not pids:
            return worst
        time.sleep(0.005)
    raise AssertionError("the agent's child does not end")


def ticks(process: Process) -> float:
    """Seconds of CPU of a process and of its children that have ended."""
    text = Path(f"/proc/{process.inner()}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, text[11:15])) / os.sysconf("SC_CLK_TCK")


def measure(wires: int) -> None:
    with Box() as box:
        box.start_ovs()
        lab = Lab(box)
        pairs = -(-wires // EACH)
        for pair in range(pairs):
            for side in "ab":
                box.run(f"ip link add {side}{pair} type veth peer name t{side}{pair}")
                box.run(f"ip link set {side}{pair} up; ip link set t{side}{pair} up")
        lab.write(policy(wires))
        lab.netctl("apply", lab.policy, timeout=120)
        saved = box.run("ovs-ofctl -O OpenFlow13 --no-stats dump-flows ovbr0").stdout
        flows = "\n".join(line.strip() for line in saved.splitlines() if "actions=" in line)
        box.path("/run/flows").write_text(flows.replace(" reset_counts", "") + "\n")
        last = wires - 1
        stream = Stream(box, f"ta{last // EACH}", f"tb{last // EACH}", last % EACH + 1)
        agent = lab.agent()
        box.wait_for(lambda: lab.agent_status()["wires"]["alone"], 30)
        time.sleep(1)
        worst = work(agent)
        packed = [restore(box, lab, stream) for _ in range(3)]
        lab.write(policy(wires) + "# saved\n")
        time.sleep(0.3)
        cold = restore(box, lab, stream, kill_first=False)
        worst = max(worst, work(agent))
        resident = memory(agent.inner())
        before, start = ticks(agent), time.monotonic()
        time.sleep(5)
        idle = (ticks(agent) - before) / (time.monotonic() - start)
        agent.terminate()
        agent.wait(5)
        box.kill_vswitchd()
        start = time.monotonic()
        box.start_vswitchd()
        box.run("ovs-ofctl -O OpenFlow13 --bundle add-flows ovbr0 /run/flows")
        by_hand = stream.after(start)
    show = " ".join(f"{each:.2f}" for each in packed)
    print(
        f"{wires} wires: packed {show} s, cold {cold:.2f} s, by hand {by_hand:.2f} s; "
        f"agent {resident} MB, its child {worst} MB while it lasts, {idle:.1%} of a core when idle",
        flush=True,
    )


def children(process: Process) -> list[str]:
    inner = process.inner()
    return Path(f"/proc/{inner}/task/{inner}/children").read_text().split()


def restore(box: Box, lab: Lab, stream: Stream, kill_first: bool = True) -> float:
    count = lab.agent_status()["wires"]["restores"]
    box.kill_vswitchd()
    time.sleep(0.2 if kill_first else 0)
    start = time.monotonic()
    box.start_vswitchd()
    seconds = stream.after(start, 60)
    box.wait_for(lambda: lab.agent_status()["wires"]["restores"] == count + 1, 30)
    print(json.dumps(lab.agent_status()["wires"]["restore_ms"]), end=" ms  ", flush=True)
    return seconds


def main() -> None:
    for wires in map(int, sys.argv[1:] or ("50", "10000", "50000")):
        measure(wires)


if __name__ == "__main__":
    main()
