"""How long 100 000 flows take: netctl's local client against `ovs-ofctl --bundle add-flows`, in one run.

    python -m tests.bench.flows [FLOWS]

Needs root and Open vSwitch. Both begin from a bridge without flows, and what is measured includes the start of
ovs-ofctl and the connection of the client, as a user would wait for them. Prints the best of three of each, and
the ratio.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from netctl.desired.flow import COOKIE, Flow, Match, Output
from netctl.openflow.local import LocalSwitch
from netctl.plan import Plan, Step
from tests.e2e.box import Box

ROUNDS = 3


def flows(count: int) -> list[Flow]:
    return [
        Flow("br0", 100, Match(1 + number % 60000, number // 60000 or None), (Output(1),), COOKIE | number)
        for number in range(count)
    ]


def ours(path: Path, plan: Plan[Flow]) -> float:
    begin = time.perf_counter()
    with LocalSwitch(path) as switch:
        changed = switch.change(plan)
    took = time.perf_counter() - begin
    assert changed.ok, changed.errors[:3]
    assert changed.count == len(plan.steps)
    return took


def theirs(box: Box) -> float:
    begin = time.perf_counter()
    box.run("ovs-ofctl -O OpenFlow14 --bundle add-flows br0 /run/flows.txt")
    return time.perf_counter() - begin


def main(count: int) -> None:
    wanted = flows(count)
    plan = Plan(tuple(Step("add", "bench", None, flow) for flow in wanted))
    with Box() as box:
        box.start_ovs()
        box.run("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev protocols=OpenFlow13,OpenFlow14")
        path = box.path("/run/openvswitch/br0.mgmt")
        with open(box.path("/run/flows.txt"), "w") as file:
            for flow in wanted:
                file.write(f"cookie={flow.cookie:#x},priority={flow.priority},{flow.match},actions=output:1\n")
        best = {"netctl": float("inf"), "ovs-ofctl": float("inf"), "read": float("inf")}
        for _ in range(ROUNDS):
            box.run("ovs-ofctl -O OpenFlow14 del-flows br0")
            best["netctl"] = min(best["netctl"], ours(path, plan))
            begin = time.perf_counter()
            with LocalSwitch(path) as switch:
                assert {found.item for found in switch.flows()} == set(wanted)
            best["read"] = min(best["read"], time.perf_counter() - begin)
            box.run("ovs-ofctl -O OpenFlow14 del-flows br0")
            best["ovs-ofctl"] = min(best["ovs-ofctl"], theirs(box))
    print(f"{count} flows: netctl {best['netctl']:.2f} s, ovs-ofctl --bundle {best['ovs-ofctl']:.2f} s, ", end="")
    print(f"ratio {best['netctl'] / best['ovs-ofctl']:.2f}; read back and compared in {best['read']:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
