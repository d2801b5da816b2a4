"""Links in the brain: which ports are probed, and what is said of what comes of it."""

from __future__ import annotations

import pytest

from netctl.controller.commands import ApplyFlows, Log, SendFrames
from netctl.controller.events import PortSeen, ProbesHeard
from netctl.controller.happenings import LinkAdded, LinkDeleted
from netctl.controller.snapshot import ProbeCounts
from netctl.controller.view import Seen
from netctl.desired.flow import LLDP, NEAREST_BRIDGE, Flow, Match, Metered, ToController
from netctl.desired.meter import FIRST
from netctl.topology.probe import Mint
from tests.controller.world import World

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      br0: {ports: [{name: a0, role: fabric}, x, y]}
      br1: {discover: true, unpatched: drop, ports: [a1, b, c, e]}
wires:
  - [b, c]
"""


@pytest.fixture
def world() -> World:
    made = World(cables={"a0": "a1", "a1": "a0", "b": "c", "c": "b"})
    made.policy(POLICY)
    return made


def links(world: World) -> set[str]:
    names = {number: name for name, number in world.numbers.items()}
    return {f"{names[link.src_port]}>{names[link.dst_port]}" for link in world.snapshot().links}


def probed(world: World, seconds: float = 2.0) -> set[str]:
    """The ports that are probed from now on."""
    names = {number: name for name, number in world.numbers.items()}
    world.heard.clear()
    for _ in range(round(seconds / 0.1)):
        world.tick(0.1)
    return {names[port] for each in world.heard if isinstance(each, SendFrames) for port, _ in each.frames}


def listening(world: World, bridge: str) -> set[str]:
    names = {number: name for name, number in world.numbers.items()}
    return {
        names[found.item.match.in_port]
        for found in world.flows[world.dpid(bridge)].values()
        if found.item.match.eth_type == LLDP and found.item.match.in_port is not None
    }


def happened(world: World) -> list[object]:
    noted, world.brain.happened = world.brain.happened, []
    return [each for each in noted if isinstance(each, LinkAdded | LinkDeleted)]


def test_links_are_looked_for_where_the_policy_says_and_at_no_wire(world: World) -> None:
    assert listening(world, "br0") == {"a0"}
    assert listening(world, "br1") == {"a1", "e"}
    assert links(world) == {"a0>a1", "a1>a0"}
    assert probed(world) == {"a0", "a1", "e"}


def test_the_flow_takes_lldp_to_the_nearest_bridge_and_nothing_else(world: World) -> None:
    number = world.numbers["a0"]
    (flow,) = [
        found.item for found in world.flows[world.dpid("br0")].values() if found.item.match.in_port == number
    ]
    does = (Metered(FIRST + number), ToController(1600))
    assert flow == Flow("br0", 60, Match(number, None, LLDP, NEAREST_BRIDGE), does)


def test_what_comes_and_goes_is_told(world: World) -> None:
    first = happened(world)
    assert [type(each) for each in first] == [LinkAdded, LinkAdded]
    before = world.snapshot()
    said = world.carrier("a1", False)
    assert links(world) == set()
    assert [type(each) for each in happened(world)] == [LinkDeleted, LinkDeleted]
    told = [each.text for each in said if isinstance(each, Log)]
    assert "link port hv1/br0/a0 to port hv1/br1/a1 is gone: its port is down" in told
    assert world.snapshot().revision > before.revision
    world.carrier("a1", True)
    assert links(world) == {"a0>a1", "a1>a0"}


def test_a_cable_that_is_pulled_and_plugged_in_between_two_looks_is_another_link(world: World) -> None:
    happened(world)
    world.unplugged.add("a1")
    down = PortSeen(world.dpid("br1"), world.port("a1"))
    world.unplugged.clear()
    world.play([down, PortSeen(world.dpid("br1"), world.port("a1"))])
    assert [type(each) for each in happened(world)].count(LinkDeleted) == 2
    assert links(world) == {"a0>a1", "a1>a0"}


def test_a_wire_that_is_put_at_a_probed_port_ends_that_in_the_same_change(world: World) -> None:
    assert listening(world, "br1") == {"a1", "e"}
    before = len(world.heard)
    outcome = world.patch("{name: new, ends: [a1, e]}", rest=5)
    assert outcome is not None
    assert outcome.result == "done"
    assert outcome.result == "done"
    (change,) = [each for each in world.heard[before:] if isinstance(each, ApplyFlows)]
    assert {step.item.match for step in change.plan.steps if step.verb == "remove"} >= {
        Match(world.numbers[port], None, LLDP, NEAREST_BRIDGE) for port in ("a1", "e")
    }
    assert listening(world, "br1") == set()
    assert links(world) == set()
    assert probed(world) == {"a0"}
    world.patch(remove=("new",), rest=5)
    assert links(world) == {"a0>a1", "a1>a0"}


def test_probing_costs_readers_nothing(world: World) -> None:
    """What is published stays as it is while nothing changes but the time."""
    before = world.snapshot()
    assert probed(world)
    after = world.snapshot()
    assert after.revision == before.revision
    assert after.links is before.links


def test_a_switch_that_connects_again_is_looked_at_anew(world: World) -> None:
    happened(world)
    world.connect("br1")
    assert [type(each) for each in happened(world)] == [LinkDeleted, LinkDeleted, LinkAdded, LinkAdded]


def test_flows_that_are_not_sure_lose_no_link(world: World) -> None:
    """Somebody's change makes netctl read all flows again: links stay meanwhile."""
    happened(world)
    dpid = world.dpid("br1")
    key = next(key for key, found in world.flows[dpid].items() if found.item.match.in_port == world.numbers["b"])
    del world.flows[dpid][key]
    for _ in range(30):
        world.tick()
    assert key in world.flows[dpid]
    assert not happened(world)


def test_what_is_forged_is_logged_once_in_a_minute(world: World) -> None:
    theirs = Mint(b"theirs", b"run")
    port = world.numbers["a0"]
    frame = theirs.probe(theirs.head(1, 1, bytes(6), 5), 1)
    before = world.snapshot().revision
    world.heard.clear()
    for _ in range(110):
        world.play([ProbesHeard(((world.dpid("br0"), port, frame),) * 5, 1.0)])
        world.tick(1)
    said = [each.text for each in world.heard if isinstance(each, Log) and each.level == "warning"]
    assert len(said) == 2
    assert said[0].startswith("port hv1/br0/a0: 5 probes make no link: it is not one of this controller's")
    assert links(world) == {"a0>a1", "a1>a0"}
    assert world.snapshot().revision > before


def test_many_links_are_some_lines(world: World) -> None:
    ports = range(40)
    text = "version: 1\nhosts:\n  hv1:\n    bridges:\n      br0: {discover: true, ports: [%s]}\n"
    big = World(cables={f"p{each}": f"p{each ^ 1}" for each in ports})
    said = big.policy(text % ", ".join(f"p{each}" for each in ports))
    assert len(big.snapshot().links) == 40
    assert len([each for each in said if isinstance(each, Log) and "link port" in each.text]) == 10
    said = big.tick(1.1)
    assert "and 30 more changes of links" in [each.text for each in said if isinstance(each, Log)]


def test_a_bridge_that_learns_is_listened_to_as_well() -> None:
    world = World()
    world.policy(POLICY.replace("unpatched: drop", "unpatched: normal"))
    for _ in range(5):
        world.tick()
    assert listening(world, "br1") == {"a1", "e"}


def test_what_made_no_link_is_counted_at_its_port(world: World) -> None:
    theirs = Mint(b"theirs", b"run")
    frame = theirs.probe(theirs.head(1, 1, bytes(6), 5), 1)
    world.snapshot()
    world.play([ProbesHeard(((world.dpid("br0"), world.numbers["a0"], frame),) * 5, 1.0)])
    counts = {port.name: port.refused_probes for port in world.snapshot().ports}
    assert counts["a0"] == ProbeCounts(forged=5)
    assert counts["a1"] is None


def test_another_policy_that_has_the_same_links_looked_for_loses_none(world: World) -> None:
    """Though other flows of the port change."""
    happened(world)
    world.policy(POLICY.replace("discover: true", "discover: false").replace("a1, b", "{name: a1, role: fabric}, b"))
    world.policy(POLICY)
    assert probed(world) == {"a0", "a1", "e"}
    assert not happened(world)


def test_who_asks_for_links_does_not_wait_for_ports(world: World) -> None:
    seen = Seen(world.brain)
    assert {(link.src_port, link.dst_port) for link in seen.links}
    assert len(seen.switches) == 2
    assert "ports" not in vars(seen)
    assert seen.relinked() is seen
    eager = world.snapshot()
    assert seen.ports == eager.ports
    assert seen.ports is seen.ports
    world.carrier("a1", False)
    assert seen.relinked().links == ()
    assert len(seen.links) == 2
