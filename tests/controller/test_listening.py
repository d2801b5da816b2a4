"""LLDP that a wire's flows copy to the controller: who is there, as everybody may read it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netctl.controller.commands import Command, Log
from netctl.controller.events import Heard, PortGone, SwitchDown
from netctl.controller.listening import LOGGED
from netctl.desired.flows import cookie_of
from netctl.topology import lldp
from netctl.topology.neighbours import PER_PLACE
from tests.controller.world import World
from tests.topology.frames import frame

LAB = """
version: 1
hosts:
  hv1: {bridges: {ovbr0: {datapath: netdev, ports: [a, b, c, d]}}}
wires:
  - {name: core, ends: [a, b], observe: lldp}
  - {name: other, ends: [c, d]}
"""
CORE, OTHER = cookie_of("core"), cookie_of("other")


def world() -> World:
    made = World()
    made.policy(LAB)
    return made


def say(name: str, ttl: int = 120, chassis: int = 1) -> bytes:
    return frame(lldp.tlv(5, name.encode()), ttl=ttl, chassis=(4, chassis.to_bytes(6, "big")))


def hear(world: World, port: str, data: bytes, cookie: int = CORE, lost: int = 0) -> list[Command]:
    return world.play([Heard(world.dpid("ovbr0"), world.numbers[port], cookie, data, 1000 + world.now, lost)])


def there(world: World) -> list[tuple[str, str | None, str | None]]:
    return [(each.port, each.wire, each.announced.system_name) for each in world.snapshot().neighbours]


def lines(commands: list[Command]) -> list[str]:
    return [each.text for each in commands if isinstance(each, Log)]


def test_who_is_heard_on_a_wire_is_shown_and_told() -> None:
    lab = world()
    told = lines(hear(lab, "a", say("sw")))
    assert told == ["port hv1/ovbr0/a of wire core: neighbour sw, ifname eth0 is there"]
    assert there(lab) == [("a", "core", "sw")]
    (neighbour,) = lab.snapshot().neighbours
    assert neighbour.since == 1000 + lab.now
    lab.tick(60)
    assert lines(hear(lab, "a", say("sw"))) == []
    lab.tick(119)
    assert there(lab) == [("a", "core", "sw")]
    assert lines(lab.tick(2)) == [
        "port hv1/ovbr0/a of wire core: neighbour sw, ifname eth0 is gone: nothing was heard of it any more"
    ]
    assert there(lab) == []


def test_only_who_is_listened_to_is_heard() -> None:
    lab = world()
    hear(lab, "c", say("sw"), OTHER)
    hear(lab, "c", say("sw"), CORE)
    hear(lab, "a", say("sw"), 0x6E63_746C_0000_0000)
    lab.play([Heard(0xDEAD, 1, CORE, say("sw"), 0)])
    assert there(lab) == []
    assert all(port.lldp is None for port in lab.snapshot().ports)


LOSSES: dict[str, Callable[[World], list[Command]]] = {
    "down": lambda lab: lab.carrier("a", False),
    "gone": lambda lab: lab.play([PortGone(lab.dpid("ovbr0"), lab.numbers["a"])]),
    "switch": lambda lab: lab.play([SwitchDown(lab.dpid("ovbr0"))]),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_a_port_that_is_down_or_gone_has_no_neighbour(lose: Callable[[World], list[Command]]) -> None:
    lab = world()
    hear(lab, "a", say("sw"))
    assert any("neighbour sw, ifname eth0 is gone: its port is down" in line for line in lines(lose(lab)))
    assert there(lab) == []


def test_a_wire_that_is_not_listened_to_any_more_has_no_neighbour() -> None:
    lab = world()
    hear(lab, "a", say("sw"))
    lab.policy(LAB.replace(", observe: lldp", ""))
    assert there(lab) == []
    lab.tick()
    lab.policy(LAB)
    assert there(lab) == []


def test_what_comes_in_is_counted_for_the_port() -> None:
    lab = world()
    hear(lab, "a", say("sw"))
    hear(lab, "a", b"junk", lost=7)
    (port,) = [each for each in lab.snapshot().ports if each.name == "a"]
    assert port.lldp is not None
    assert (port.lldp.frames, port.lldp.malformed, port.lldp.lost) == (2, 1, 7)


def test_a_flood_of_names_fills_no_log() -> None:
    lab = world()
    lab.tick()
    told = [line for number in range(60) for line in lines(hear(lab, "ab"[number % 2], say("\x1b[2J", 60, number)))]
    assert len(there(lab)) == 2 * PER_PLACE
    assert len(told) == LOGGED
    assert all(line.isprintable() for line in told)
    assert lines(lab.tick()) == [f"and {2 * PER_PLACE - LOGGED} more changes of neighbours"]
    assert lines(lab.tick()) == []


def test_a_frame_that_overtakes_the_news_of_its_port() -> None:
    """Heard after the port went down it does not stay; heard before the port is known to be up it does."""
    lab = world()
    lab.carrier("a", False)
    hear(lab, "a", say("sw"))
    lab.tick()
    assert there(lab) == []
    hear(lab, "a", say("sw"))
    lab.carrier("a", True)
    lab.tick()
    assert there(lab) == [("a", "core", "sw")]
