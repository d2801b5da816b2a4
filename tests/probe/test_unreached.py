"""What is said about two ends that do not reach each other."""

from __future__ import annotations

from dataclasses import replace

from netctl.probe.throughput import Trips
from netctl.probe.unreached import Standing, Tried, standing, why

ONE = Standing("ns1", "10.0.0.1", "ns1/eth0", "eth0", "ip -n ns1", "ip netns exec ns1 ")
OTHER = Standing("here", "10.0.0.2", "br0", "br0", "ip", "")
NOTHING = Tried("connect", 0, False, 1500)
PING = Tried("connect", 3, True, 1500)


def test_the_nearest_cause_is_said_and_no_other() -> None:
    down = replace(OTHER, up=False, carrier=False)
    assert why(replace(ONE, asked_in_vain=True), down, NOTHING) == ["br0 is down; `ip link set br0 up`"]
    assert standing(ONE, OTHER) == []
    (reason,) = why(ONE, replace(OTHER, has_way=False), NOTHING)
    assert reason.startswith("here has no route to 10.0.0.1; `ip route add 10.0.0.1 via GATEWAY`")
    (reason,) = why(replace(ONE, asked_in_vain=True, via="10.0.0.254"), OTHER, NOTHING)
    assert reason.startswith("nobody answers for 10.0.0.254 at ns1/eth0")


def test_ping_tells_filters_from_checksums() -> None:
    assert "does not answer ping either" in why(ONE, OTHER, NOTHING)[0]
    assert "`ip netns exec ns1 nft list ruleset` and `nft list ruleset`" in why(ONE, OTHER, PING)[0]
    both = [replace(each, leaves_checksums=True) for each in (ONE, OTHER)]
    assert "`ip netns exec ns1 ethtool -K eth0 tx off; ethtool -K br0 tx off`" in why(*both, PING)[0]
    assert "1500 octets" in why(*both, replace(PING, got="stall", full_size=False))[0]
    assert "leave checksums" in why(*both, replace(PING, got="stall"))[0]


def test_quantiles_and_losses() -> None:
    trips = Trips(200, tuple(float(each) for each in range(1, 101)))
    assert (trips.lost, trips.loss) == (100, 50.0)
    assert [trips.quantile(part) for part in (0, 0.5, 0.99, 1)] == [1, 51, 100, 100]
    nothing = Trips(0, ())
    assert nothing.loss == 0
    assert nothing.as_json()["microseconds"] == {"min": None, "median": None, "p99": None}
