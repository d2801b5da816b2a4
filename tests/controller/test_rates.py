"""Wires with a rate: what the database of their host gets, and what is answered at run time."""

from __future__ import annotations

import pytest

from netctl.desired.queue import Shaper
from tests.controller.world import World

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, ports: [a, b, c, d]}
wires:
  - {name: ab, ends: [a, b], rate: 10mbit}
"""
SLOW = "{name: cd, ends: [c, d], rate: {a_to_b: 1mbit}}"


@pytest.fixture
def world() -> World:
    world = World()
    world.policy(POLICY)
    return world


def rates(world: World) -> dict[str, int | None]:
    return {f.item.port: f.item.rate for f in world.rows.values() if isinstance(f.item, Shaper)}


def test_the_policy_s_rates_are_kept_and_go_with_it(world: World) -> None:
    assert rates(world) == {"a": 10_000_000, "b": 10_000_000}
    flows = dict(world.flows)
    world.policy(POLICY.replace("10mbit", "{b_to_a: 2mbit}"))
    assert rates(world) == {"a": 2_000_000}
    assert world.flows == flows
    world.policy(POLICY.replace(", rate: 10mbit", ""))
    assert rates(world) == {}


def test_a_rate_at_run_time_is_planned_done_and_saved(world: World) -> None:
    planned = world.patch(SLOW, dry_run=True)
    assert planned is not None
    assert "+ shaper d  (not there; flows/patched.yaml wire cd, 1mbit to d)" in planned.steps
    assert rates(world).keys() == {"a", "b"}
    done = world.patch(SLOW)
    assert done is not None
    assert (done.result, done.steps) == ("done", planned.steps)
    assert rates(world)["d"] == 1_000_000
    assert '"a_to_b": "1mbit"' in world.saved.text()


def test_another_rate_alone_touches_no_flow(world: World) -> None:
    world.patch(SLOW)
    changes = world.brain.flow_changes
    changed = world.patch(SLOW.replace("1mbit", "3mbit"))
    assert changed is not None
    assert changed.result == "done"
    (step,) = changed.steps
    assert step.startswith("~ shaper d: rate 1mbit -> 3mbit")
    assert rates(world)["d"] == 3_000_000
    assert world.brain.flow_changes == changes
    unchanged = world.patch(SLOW.replace("1mbit", "3mbit"))
    assert unchanged is not None
    assert unchanged.result == "unchanged"
    world.patch(remove=("cd",))
    assert "d" not in rates(world)


def test_a_rate_that_the_database_refuses_is_pending_and_says_why(world: World) -> None:
    world.refuse_rows = "no room for queues"
    outcome = world.patch(SLOW, rest=5)
    assert outcome is not None
    assert outcome.result == "pending"
    assert outcome.problems == ("host hv1: no room for queues",)
