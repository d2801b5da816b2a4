"""One wire put in and taken out while the controller runs, among few wires and among very many.

    python -m tests.bench.one_wire [WIRES [ROUNDS]]

When the controller has come to rest, from the REST request to its answer, which comes when the switch has confirmed
the change: that the policy directory has it, and one bundle of two flows, are within. By hand is `ovs-ofctl --bundle
add-flows` of the same two flows, whose policy nobody keeps. Needs root and Open vSwitch.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

from tests.bench.many import policy, ports
from tests.e2e.box import Box
from tests.e2e.lab import Lab

FEW = 50

ASK = """
import http.client, json, sys, time
one, other, rounds, token = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
server = http.client.HTTPConnection("127.0.0.1", 8080)
head = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
took = {"PUT": [], "DELETE": []}
for number in range(rounds):
    for method, body in (("PUT", json.dumps({"ends": [one, other]})), ("DELETE", None)):
        start = time.perf_counter()
        server.request(method, "/api/v1/wires/bench", body, head)
        answer = server.getresponse()
        text = answer.read().decode()
        took[method].append(time.perf_counter() - start)
        assert answer.status in (200, 201) and json.loads(text)["result"] == "done", text
        time.sleep(0.01)
print(json.dumps(took))
"""


def measure(wires: int, rounds: int) -> dict[str, float]:
    """The medians in milliseconds, by what was done."""
    with Box() as box:
        box.start_ovs()
        names = ports(wires)
        for name in names:
            box.run(f"ip tuntap add {name} mode tap && ip link set {name} up")
        lab = Lab(box)
        lab.write(policy(wires))
        lab.controller()
        box.wait_for(lambda: "nothing left to do" in lab.log(), 120, "the controller to have verified its flows")
        time.sleep(wires / 10_000)
        one, other = names[-2:]
        token = box.run("cat $NETCTL_TOKEN_FILE").stdout.strip()
        took = json.loads(box.run([sys.executable, "-c", ASK, one, other, str(rounds), token], timeout=120).stdout)
        figures = {method: 1000 * statistics.median(seconds) for method, seconds in took.items()}
        figures["longest"] = 1000 * max(max(seconds) for seconds in took.values())
        hand = box.run(
            "for i in $(seq 11); do s=$(date +%s%N); "
            f"printf 'priority=90,in_port={one},actions={other}\\npriority=90,in_port={other},actions={one}\\n' "
            "| ovs-ofctl -O OpenFlow13 --bundle add-flows br0 -; echo $((($(date +%s%N) - s) / 1000)); done"
        ).stdout.split()
        figures["by hand"] = statistics.median(map(int, hand)) / 1000
        return figures


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 41
    few, lots = measure(FEW, rounds), measure(many, rounds)
    for wires, figures in ((FEW, few), (many, lots)):
        print(f"among {wires} wires, ms: " + ", ".join(f"{name} {value:.1f}" for name, value in figures.items()))
    print(f"ratio of a PUT among {many} to one among {FEW}: {lots['PUT'] / few['PUT']:.2f} (bar 2; and 5 ms)")


if __name__ == "__main__":
    main()
