"""A bridge that was taken over goes back when the policy no longer names it."""

from __future__ import annotations

import pytest

from netctl.controller.commands import ApplyFlows, ApplyRows
from netctl.desired.flow import COOKIE, Flow, Match, Output
from netctl.desired.row import Bridge, Port
from netctl.plan import Found
from tests.controller.world import TARGET, World

LEFT = "version: 1\nhosts:\n  hv1:\n    ovsdb: unix:/run/db.sock\n"
ADOPTED = Bridge("br9", "netdev", TARGET, fail_mode="standalone", adopted=True)
THEIRS = Flow("br9", 7, Match(in_port=1), (Output(2),), cookie=5)
OURS = Flow("br9", 100, Match(in_port=3), (Output(4),), COOKIE | 9)


@pytest.fixture
def world() -> World:
    world = World()
    for row in (ADOPTED, Port("br9", "a")):
        world.rows[row.key] = Found(row)
    world.numbers["a"] = 3
    world.flows[world.dpid("br9")] = {THEIRS.key: Found(THEIRS, ours=False), OURS.key: Found(OURS)}
    return world


def test_it_waits_until_its_switch_is_connected(world: World) -> None:
    world.policy(LEFT)
    assert [f.item for f in world.rows.values()] == [ADOPTED]
    assert "given back once netctl's flows are off it" in world.snapshot().hosts[0].problems[0].message
    assert not world.snapshot().converged


def test_flows_go_first_then_the_bridge_and_nothing_of_others(world: World) -> None:
    world.policy(LEFT)
    dpid = world.dpid("br9")
    said = world.connect("br9")
    flows = [command for command in said if isinstance(command, ApplyFlows)]
    assert [step.item for command in flows for step in command.plan.steps] == [OURS]
    rows = [command for command in said if isinstance(command, ApplyRows)]
    assert [(step.verb, step.item) for command in rows for step in command.plan.steps] == [("remove", ADOPTED)]
    assert said.index(flows[0]) < said.index(rows[0])
    assert [f.item for f in world.flows[dpid].values()] == [THEIRS]
    assert not world.rows
    assert not world.snapshot().hosts[0].problems


def test_one_whose_flows_cannot_be_removed_is_kept(world: World) -> None:
    world.refuse_flows = ("no",)
    world.policy(LEFT)
    world.connect("br9")
    assert [f.item for f in world.rows.values()] == [ADOPTED]
    world.refuse_flows = ()
    world.tick(60)
    assert not world.rows


def test_the_policy_says_what_becomes_of_its_own_ports(world: World) -> None:
    adopt = "version: 1\nhosts:\n  hv1:\n    bridges:\n      br9: {datapath: netdev, adopt: true, ports: [b, c, d]}\n"
    world.policy(adopt + "wires:\n  - [b, c]\n")
    world.connect("br9")
    tags = {f.item.name: f.item.tag for f in world.rows.values() if isinstance(f.item, Port)}
    assert tags == {"b": 4095, "c": 4095, "d": 4095}
    flows = world.flows[world.dpid("br9")].values()
    numbers = {world.numbers["b"], world.numbers["c"]}
    assert {f.item.match.in_port for f in flows if f.ours} == numbers
    assert world.flows[world.dpid("br9")][THEIRS.key] == Found(THEIRS, ours=False)
    world.policy(adopt.replace("adopt: true", "adopt: true, unpatched: normal") + "wires:\n  - [b, c]\n")
    tags = {f.item.name: f.item.tag for f in world.rows.values() if isinstance(f.item, Port)}
    assert tags == {"b": 4095, "c": 4095, "d": None}
    assert not [f for f in world.flows[world.dpid("br9")].values() if f.item.priority == 0]
