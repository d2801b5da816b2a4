"""The rates of a policy's wires, as rows and as a policy says them again."""

from __future__ import annotations

import pytest

from netctl.desired.ovs import rows
from netctl.desired.queue import LEAST_AT_ONCE, Queue, Shaper
from netctl.policy import Loaded, loads

LAB = """
version: 1
hosts:
  hv1: {bridges: {br0: {ports: [a, b, c, d, e]}}}
  hv2: {ovsdb: "tcp:192.0.2.2:6640", bridges: {br0: {ports: [f, g]}}}
wires:
  - {name: one, ends: [a, b], rate: {a_to_b: 10mbit}}
  - {name: both, ends: [c, {port: d, vlan: 5}], rate: {b_to_a: 1.5gbit}}
  - {name: far, ends: [f, g], rate: 8kbit}
"""


@pytest.fixture
def lab() -> Loaded:
    loaded = loads(LAB, "lab.yaml")
    assert not loaded.problems, loaded.problems
    return loaded


def shapers(lab: Loaded, host: str) -> dict[Shaper, str]:
    wanted = rows(lab, lab.wiring.ports, host, None)
    return {want.item: want.why for want in wanted if isinstance(want.item, Shaper)}


def test_a_direction_is_limited_where_it_leaves(lab: Loaded) -> None:
    ten, fast = 10_000_000, 1_500_000_000
    assert shapers(lab, "hv1") == {
        Shaper("br0", "b", ten, (Queue(0, ten, ten, ten // 50),)): "lab.yaml:7:5 wire one, 10mbit to b",
        Shaper("br0", "c", fast, (Queue(0, fast, fast, fast // 50),)): "lab.yaml:8:5 wire both, 1.5gbit to c",
    }
    slow = (Queue(0, 8_000, 8_000, LEAST_AT_ONCE),)
    assert set(shapers(lab, "hv2")) == {Shaper("br0", "f", 8_000, slow), Shaper("br0", "g", 8_000, slow)}


def test_a_wire_that_is_changed_at_run_time_has_its_new_rate(lab: Loaded) -> None:
    said = lab.wiring.wire("one")
    assert said.rate is not None
    assert said.rate.bits == (10_000_000, None)
    assert lab.wiring.wire("far").rate == lab.base["far"].rate
    assert lab.wiring.has(said)
    assert not lab.wiring.has(said.model_copy(update={"rate": None}))
    lab.wiring.change([said.model_copy(update={"rate": lab.base["far"].rate})])
    assert [(each.port, each.rate) for each in shapers(lab, "hv1")] == [("c", 1_500_000_000), ("b", 8000), ("a", 8000)]
    lab.wiring.change([], ["one"])
    assert [each.port for each in shapers(lab, "hv1")] == ["c"]
