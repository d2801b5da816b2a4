"""From saving a policy with one more wire to the first ping across it, against the same typed by hand.

    python -m tests.bench.saved_to_ping [ROUNDS]

The daemons run in a box on real Open vSwitch (datapath netdev). By hand is one shell script of ip, ethtool,
ovs-vsctl and ovs-ofctl calls. Both end with the first echo that comes back. The pinging begins before the wire
is there, so what ARP remembers of its failure is flushed between two tries: the kernel would wait a second before
it asks again. Needs root.
"""

from __future__ import annotations

import statistics
import sys
import time

from tests.e2e.box import Box
from tests.e2e.lab import TWO_NAMESPACES, Lab

GUEST = "      {0}: {{namespace: true, nics: {{eth0: {{device: veth, bridge: ovbr0, addresses: [{1}/24]}}}}}}\n"

BY_HAND = """
for i in 1 2; do
  ip netns add h$i; ip link add h$i-eth0 type veth peer name eth0 netns h$i
  ip link set h$i-eth0 up; ip -n h$i link set lo up; ip -n h$i addr add 10.98.1.$i/24 dev eth0
  ethtool -K h$i-eth0 tx off >/dev/null; ip netns exec h$i ethtool -K eth0 tx off >/dev/null
  ip -n h$i link set eth0 up
done
ovs-vsctl add-port ovbr0 h1-eth0 -- add-port ovbr0 h2-eth0
ovs-ofctl add-flow ovbr0 priority=50,in_port=h1-eth0,actions=output:h2-eth0
ovs-ofctl add-flow ovbr0 priority=50,in_port=h2-eth0,actions=output:h1-eth0
until ip netns exec h1 ping -c1 -W0.05 10.98.1.2 >/dev/null; do :; done
"""

CLEAN = "ovs-vsctl del-port h1-eth0 -- del-port h2-eth0; ip netns del h1; ip netns del h2; sleep 0.5"


def saved_to_ping(lab: Lab, number: int) -> float:
    one, two = f"w{number}a", f"w{number}b"
    guests = GUEST.format(one, "10.97.1.1") + GUEST.format(two, "10.97.1.2")
    text = TWO_NAMESPACES.replace("wires:\n", f"{guests}wires:\n  - [{one}-eth0, {two}-eth0]\n")
    start = time.perf_counter()
    lab.write(text)
    lab.box.run(
        f"until ip netns exec {one} ping -c1 -W0.05 10.97.1.2 >/dev/null 2>&1; do "
        f"sleep 0.02; ip -n {one} neigh flush all 2>/dev/null || true; done",
        timeout=30,
    )
    seconds = time.perf_counter() - start
    lab.write(TWO_NAMESPACES)
    lab.box.wait_for(lambda: one not in lab.box.run("ip netns list").stdout, 10)
    lab.converged()
    return seconds


def by_hand(lab: Lab) -> float:
    start = time.perf_counter()
    lab.box.run(BY_HAND, timeout=30)
    seconds = time.perf_counter() - start
    lab.box.run(CLEAN)
    return seconds


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with Box() as box:
        box.start_ovs()
        lab = Lab(box)
        lab.write(TWO_NAMESPACES)
        lab.controller()
        lab.agent()
        lab.converged()
        ours, hand = [], []
        for number in range(rounds):
            ours.append(saved_to_ping(lab, number))
            hand.append(by_hand(lab))
    show = " ".join
    print(f"saved to first ping: median {statistics.median(ours):.2f} s ({show(f'{s:.2f}' for s in ours)})")
    print(f"by hand:             median {statistics.median(hand):.2f} s ({show(f'{s:.2f}' for s in hand)})")
    print(f"ratio {statistics.median(ours) / statistics.median(hand):.2f}, longest {max(ours):.2f} s (bar 1 s)")


if __name__ == "__main__":
    main()
