"""1 000 ports in one transaction: netctl's connection against one call of `ovs-vsctl`, in turns.

Run as root: python -m tests.bench.ovsdb. Both wait until ovs-vswitchd has acted. The devices do not exist, so
that it is the database that is measured and not the making of datapath ports.
"""

from __future__ import annotations

import time
from statistics import median

from netctl.desired.row import ORDER, Bridge, Port, Row
from netctl.desired.takeover import plan
from netctl.ovsdb.database import Database
from netctl.plan import Wanted, delta
from tests.e2e.box import Box

PORTS = 1000
ROUNDS = 5
BRIDGE = Bridge("br0", "netdev", None)


def wanted(*rows: Row) -> list[Wanted[Row]]:
    return [Wanted(row, "bench") for row in rows]


def settle(database: Database) -> None:
    while database.wait(0.3):
        pass


def by_netctl(database: Database) -> float:
    """Seconds from what is there to all ports there, planning included."""
    rows = wanted(BRIDGE, *(Port("br0", f"p{number}") for number in range(PORTS)))
    start = time.perf_counter()
    outcome = database.apply(plan(rows, database.observe()), 60)
    took = time.perf_counter() - start
    assert outcome.changed == PORTS, outcome
    return took


def by_vsctl(box: Box) -> float:
    words = ["ovs-vsctl"]
    for number in range(PORTS):
        words += ["--", "add-port", "br0", f"p{number}"]
    start = time.perf_counter()
    box.run([*words, "--", "set", "bridge", "br0", "external_ids:bench=1"], check=False)
    took = time.perf_counter() - start
    assert len(box.run(["ovs-vsctl", "list-ports", "br0"]).stdout.split()) == PORTS
    return took


def main() -> None:
    netctl, vsctl = [], []
    with Box() as box:
        box.start_ovs()
        database = Database(f"unix:{box.path('/run/openvswitch/db.sock')}", "bench")
        while not database.connected:
            database.wait(1)
        for turn in range(2 * ROUNDS):
            box.run("ovs-vsctl --if-exists del-br br0")
            settle(database)
            assert database.apply(delta(wanted(BRIDGE), database.observe().rows, ORDER)).ok
            if turn % 2:
                vsctl.append(by_vsctl(box))
            else:
                netctl.append(by_netctl(database))
            settle(database)
        database.close()
    ours, theirs = median(netctl), median(vsctl)
    print(f"{PORTS} ports: netctl {ours:.2f} s, ovs-vsctl {theirs:.2f} s, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
