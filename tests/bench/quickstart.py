"""scripts/quickstart --once where everything is installed, against the same lab typed by hand.

    python -m tests.bench.quickstart [ROUNDS]

By hand is one shell script: Open vSwitch started, two namespaces and two taps on one bridge, four flows, a ping,
and everything taken down. It does not check what crosses, and knows nothing of what is left from before. Needs
root.
"""

from __future__ import annotations

import statistics
import sys
import time

from tests.e2e.box import ROOT, Box

BAR = 30.0

BY_HAND = """
/usr/share/openvswitch/scripts/ovs-ctl start --system-id=random >/dev/null 2>&1
ovs-vsctl add-br lab0 -- set bridge lab0 datapath_type=netdev fail_mode=secure
for i in 1 2; do
  ip netns add h$i; ip link add h$i-eth0 mtu 9000 type veth peer name eth0 mtu 9000 netns h$i
  ip link set h$i-eth0 up; ip -n h$i link set lo up; ip -n h$i addr add 10.99.1.$i/24 dev eth0
  ethtool -K h$i-eth0 tx off >/dev/null; ip netns exec h$i ethtool -K eth0 tx off >/dev/null
  ip -n h$i link set eth0 up
  ip tuntap add tap$i mode tap; ip link set tap$i mtu 9000 address fe:54:00:00:00:0$i up
  ovs-vsctl add-port lab0 h$i-eth0 -- add-port lab0 tap$i
done
for pair in "h1-eth0 h2-eth0" "h2-eth0 h1-eth0" "tap1 tap2" "tap2 tap1"; do
  set -- $pair; ovs-ofctl add-flow lab0 in_port=$1,actions=output:$2
done
ip netns exec h1 ping -c1 -W1 10.99.1.2 >/dev/null
ovs-vsctl del-br lab0; for i in 1 2; do ip netns del h$i; ip link del tap$i; done
/usr/share/openvswitch/scripts/ovs-ctl stop >/dev/null 2>&1
"""


def seconds(box: Box, argv: list[str] | str) -> float:
    start = time.perf_counter()
    box.run(argv, timeout=120, env={"NETCTL_VENV": sys.prefix})
    return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with Box() as box:
        ours = [seconds(box, [str(ROOT / "scripts/quickstart"), "--once"]) for _ in range(rounds)]
        hand = [seconds(box, BY_HAND) for _ in range(rounds)]
    print(f"quickstart --once: median {statistics.median(ours):.1f} s, longest {max(ours):.1f} s (bar {BAR:.0f} s)")
    print(f"by hand:           median {statistics.median(hand):.1f} s")
    print(f"ratio {statistics.median(ours) / statistics.median(hand):.1f}")


if __name__ == "__main__":
    main()
