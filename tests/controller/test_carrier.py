"""What the controller does to ports whose wires lose carrier."""

from __future__ import annotations

import time

import pytest

from netctl.controller.carrier import Carrier, light_of
from netctl.controller.commands import Command, Log, SetPorts, Wake
from netctl.controller.events import PortGone, PortsSet, SwitchUp
from netctl.controller.snapshot import SwitchPort
from netctl.desired.carrier import Light
from netctl.policy import Cable, PortRef
from tests.controller.world import World

HOST = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, ports: [a, b, c, d, m]}
wires:
"""
WIRE = HOST + "  - [a, b]\n"
SHARED = HOST + "  - [{port: a, vlan: 1}, b]\n  - [{port: a, vlan: 2}, c]\n"


@pytest.fixture
def world() -> World:
    return World()


def changes(commands: list[Command], world: World) -> list[tuple[str, bool]]:
    names = {number: name for name, number in world.numbers.items()}
    asked = [change for each in commands if isinstance(each, SetPorts) for change in each.changes]
    return [(names[number], down) for number, _, down in asked]


def texts(commands: list[Command]) -> list[str]:
    return [each.text for each in commands if isinstance(each, Log)]


def test_an_end_without_carrier_takes_the_other_down_and_brings_it_back(world: World) -> None:
    world.policy(WIRE)
    said = world.carrier("a", False)
    assert changes(said, world) == [("b", True)]
    assert texts(said) == [
        "bridge ovbr0 on hv1: ~ carrier ovbr0/b: admin up -> down  (a has no carrier; lab.yaml:8:5 wire a--b)"
    ]
    assert changes(world.tick(5), world) == []
    said = world.carrier("a", True)
    assert changes(said, world) == [("b", False)]
    assert "a has carrier; lab.yaml:8:5 wire a--b" in texts(said)[0]
    assert changes(world.tick(5), world) == []
    assert world.snapshot().wires[0].state == "up"


def test_both_ends_go_and_come_back_in_either_order(world: World) -> None:
    world.policy(WIRE)
    world.carrier("a", False)
    assert changes(world.carrier("b", False), world) == []
    assert changes(world.carrier("a", True), world) == [("b", False)]
    assert changes(world.tick(1), world) == [("a", True)]
    assert world.snapshot().wires[0].why == "b has no carrier, so a was taken down"
    assert changes(world.carrier("b", True), world) == [("a", False)]
    assert world.held == set()


def test_a_port_that_somebody_takes_down_is_raised_and_its_far_end_left_alone(world: World) -> None:
    world.policy(WIRE)
    assert changes(world.hold("a", True), world) == [("a", False)]
    world.carrier("a", False)
    assert changes(world.hold("a", True), world) == [("a", False)]
    assert changes(world.tick(1), world) == []
    assert world.held == {"b"}


@pytest.mark.parametrize(
    "text",
    [
        HOST + "  - {ends: [a, b], carrier: ignore}\n",
        HOST + "  - {ends: [{port: b, vlan: 1}, {port: b, vlan: 2}]}\n",
        HOST + "  - [a, {port: b, vlan: 1}]\n  - {ends: [{port: b, vlan: 2}, c], carrier: ignore}\n",
        HOST + "  - {name: w, ends: [a, c]}\ntaps: [{of: w, to: b}]\n",
    ],
    ids=["ignores", "one port", "one of two ignores", "monitor"],
)
def test_what_is_never_taken_down(world: World, text: str) -> None:
    world.policy(text)
    assert world.brain.panel is not None
    assert "b" not in dict(changes(world.carrier("a", False) + world.tick(1), world))
    assert world.held <= {"c"}


def test_a_port_with_several_wires_goes_down_when_all_its_far_ends_are_dark(world: World) -> None:
    world.policy(SHARED)
    assert changes(world.carrier("b", False), world) == []
    assert changes(world.carrier("c", False), world) == [("a", True)]
    assert changes(world.carrier("b", True), world) == [("a", False)]
    assert changes(world.carrier("a", False), world) == [("b", True)]
    assert world.held == {"b"}


def test_a_controller_that_comes_back_needs_no_memory(world: World) -> None:
    world.policy(WIRE)
    world.carrier("a", False)
    again = World(rows=world.rows, flows=world.flows, numbers=world.numbers, held=world.held, unplugged=world.unplugged)
    dpid = again.dpid("ovbr0")
    again.policy(WIRE)
    assert changes(again.play([SwitchUp(dpid, again.ports("ovbr0"))]) + again.tick(5), again) == []
    again.unplugged.clear()
    assert changes(again.play([SwitchUp(dpid, again.ports("ovbr0"))]), again) == [("b", False)]
    again.held.update({"a", "b"})
    said = again.play([SwitchUp(dpid, again.ports("ovbr0"))])
    assert sorted(changes(said, again)) == [("a", False), ("b", False)]


def test_a_wire_that_goes_leaves_no_port_down(world: World) -> None:
    world.policy(WIRE)
    world.carrier("a", False)
    said = world.policy(HOST.replace("wires:", ""))
    assert changes(said, world) == [("b", False)]
    assert "no wire holds it down" in "".join(texts(said))
    assert changes(world.hold("b", True), world) == []


def test_a_far_end_that_is_not_there_is_one_without_carrier(world: World) -> None:
    world.missing.add("b")
    world.policy(WIRE)
    assert world.held == set()
    assert changes(world.tick(1), world) == [("a", True)]
    assert changes(world.appear("b"), world) == [("a", False)]


def test_a_port_that_is_gone_takes_its_far_end_down_in_a_second(world: World) -> None:
    world.policy(WIRE)
    assert changes(world.play([PortGone(world.dpid("ovbr0"), world.numbers["a"])]), world) == []
    assert changes(world.tick(1), world) == [("b", True)]


def at(*wires: str) -> dict[str, list[Cable]]:
    """Wires like «a-b» by the ports that they end at."""
    found: dict[str, list[Cable]] = {}
    for wire in wires:
        one, other = (PortRef("hv1", "ovbr0", name) for name in wire.split("-"))
        for end in (one, other):
            found.setdefault(end.port, []).append(Cable(wire, (one, other), "here"))
    return found


def port(name: str, link: bool = True, held: bool = False, number: int | None = None) -> SwitchPort:
    return SwitchPort(number or ord(name[0]), name, "02:00:00:00:00:01", link, held)


def settle(carrier: Carrier, index: dict[str, list[Cable]], now: float) -> list[tuple[int, str, bool]]:
    return list(carrier.settle("hv1", "ovbr0", lambda ref: index.get(ref.port, ()), now)[1])


def test_what_is_not_confirmed_is_asked_for_again_ever_more_slowly() -> None:
    index = at("a-b")
    carrier = Carrier([port("a", False), port("b")])
    (change,) = settle(carrier, index, 0.0)
    assert change == (ord("b"), "02:00:00:00:00:01", True)
    assert carrier.deadline == 1.0
    assert settle(carrier, index, 0.9) == []
    assert settle(carrier, index, 1.0) == [change]
    assert settle(carrier, index, 2.9) == []
    assert settle(carrier, index, 3.0) == [change]
    refused = {change[0]: "not permitted"}
    assert carrier.answered([change], refused, 3.1) == ["port b cannot be taken down: not permitted"]
    assert carrier.answered([change], refused, 3.1) == []
    carrier.answered([change], {}, 3.2)
    assert carrier.ports["b"].held
    assert settle(carrier, index, 100.0) == []


def test_a_device_that_is_gone_has_no_carrier_and_is_not_raised() -> None:
    index = at("a-b")
    carrier = Carrier([port("a"), port("b")])
    assert settle(carrier, index, 0.0) == []
    lost = SwitchPort(ord("a"), "a", "00:00:00:00:00:00", False, True)
    assert light_of(lost) is Light.DARK
    carrier.seen(lost, 1.0)
    assert [change[::2] for change in settle(carrier, index, 1.0)] == [(ord("b"), True)]


def test_a_port_that_is_raised_may_take_a_moment_to_have_carrier() -> None:
    index = at("a-b")
    carrier = Carrier([port("a", False, True), port("b", False, True)])
    changes = settle(carrier, index, 0.0)
    assert len(changes) == 2
    carrier.answered(changes, {}, 0.0)
    carrier.seen(port("b"), 0.01)
    assert settle(carrier, index, 0.05) == []
    assert carrier.deadline is not None
    assert [change[::2] for change in settle(carrier, index, 0.25)] == [(ord("b"), True)]


def test_the_event_of_one_port_costs_nothing_for_the_others() -> None:
    """At 20 000 wires."""
    names = [f"{kind}{number}" for number in range(20_000) for kind in "ab"]
    carrier = Carrier([port(name, number=number + 1) for number, name in enumerate(names)])
    index = at(*(f"a{number}-b{number}" for number in range(20_000)))
    assert settle(carrier, index, 0.0) == []
    start = time.perf_counter()
    for number in range(100):
        carrier.seen(port(f"a{number}", False, number=2 * number + 1), 1.0)
        assert len(settle(carrier, index, 1.0)) == 1
    assert time.perf_counter() - start < 0.1


def test_the_brain_asks_to_be_woken_once(world: World) -> None:
    world.missing.add("b")
    said = world.policy(WIRE)
    assert [each.at for each in said if isinstance(each, Wake)] == [world.now + 1.0]
    assert not [each for each in world.tick(0.5) if isinstance(each, Wake)]


def test_what_a_switch_refuses_is_told(world: World) -> None:
    world.policy(WIRE)
    world.unplugged.add("a")
    dpid = world.dpid("ovbr0")
    commands = world.brain.handle([SwitchUp(dpid, world.ports("ovbr0"))])
    (asked,) = [each for each in commands if isinstance(each, SetPorts)]
    said = world.play([PortsSet(dpid, asked.changes, {asked.changes[0][0]: "bad port"})])
    assert f"switch {dpid:016x}: port b cannot be taken down: bad port" in texts(said)
