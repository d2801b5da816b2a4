"""The kernel's routing policy, played through."""

from __future__ import annotations

from netctl.desired.routing import MAIN, Route, Rule
from netctl.doctor.lookup import Tables

ROUTES = (
    Route("0.0.0.0/0", "eth0", via="10.0.1.254"),
    Route("0.0.0.0/0", "eth1", via="10.0.9.254", metric=10),
    Route("10.7.0.0/16", "eth3"),
    Route("0.0.0.0/0", "eth2", via="10.0.2.254", table=200),
)


def way(rules: tuple[Rule, ...], source: str, to: str | None) -> str | None:
    found = Tables((*rules, Rule(32766, MAIN)), ROUTES).way(source, to)
    return found.dev if found else None


def test_the_longest_prefix_and_then_the_least_metric() -> None:
    assert way((), "10.0.1.1", "10.7.1.1") == "eth3"
    assert way((), "10.0.1.1", None) == "eth0"
    assert Tables((), ROUTES).way("10.0.1.1", None) is None


def test_rules_in_their_order() -> None:
    mine = Rule(1100, 200, source="10.0.2.0/24")
    assert way((mine,), "10.0.2.1", None) == "eth2"
    assert way((mine,), "10.0.3.1", None) == "eth0"
    specific = Rule(1000, MAIN, suppress_prefixlength=0)
    assert way((mine, specific), "10.0.2.1", "10.7.1.1") == "eth3"
    assert way((mine, specific), "10.0.2.1", None) == "eth2"
    assert way((Rule(10, 77),), "10.0.2.1", None) == "eth0", "an empty table is passed over"
    assert way((Rule(10, 200, to="10.7.0.0/16"),), "10.0.2.1", "10.7.1.1") == "eth2"
    assert way((Rule(10, 200, to="10.7.0.0/16"),), "10.0.2.1", None) == "eth0"
    assert way((Rule(10, 200, more="and more"),), "10.0.2.1", None) == "eth0", "not to be judged by addresses alone"
