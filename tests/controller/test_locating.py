"""Hosts in the brain: where they are looked for, what becomes of them, and who is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netctl.controller.commands import Log
from netctl.controller.events import Heard, PortSeen, SwitchDown
from netctl.controller.happenings import Happening, LinkAdded, LinkDeleted, StationAdded, StationChanged, StationRemoved
from netctl.controller.locating import LOGGED, Locating
from netctl.controller.snapshot import LinkView, Station, SwitchPort
from netctl.controller.telling import Telling
from netctl.controller.view import snapshot
from netctl.topology.hosts import AGE_SECONDS
from tests.controller.world import World

GUEST = "52:54:00:00:00:01"
POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      br0: {discover: true, unpatched: drop, ports: [p0, p1, p2, {name: up0, role: fabric}]}
    guests:
      vm1: {nics: {eth1: {device: tap, bridge: br0, mac: "52:54:00:00:00:01", addresses: [10.0.0.9/24]}}}
wires:
  - [p0, vm1-eth1]
"""


def arp(mac: str, address: str = "10.0.0.1") -> bytes:
    source = bytes.fromhex(mac.replace(":", ""))
    return (
        b"\xff" * 6 + source + bytes.fromhex("08060001080006040001") + source
        + bytes(map(int, address.split("."))) + bytes(6) + bytes(4)
    )  # fmt: skip


MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"


@pytest.fixture
def world() -> World:
    world = World()
    world.policy(POLICY)
    world.connect("br0")
    world.tick()
    return world


def heard(world: World, port: str, frame: bytes) -> list[Happening]:
    telling = Telling(world.brain)
    while telling.tell() or telling.unfinished:
        pass
    world.play([Heard(world.dpid("br0"), world.numbers[port], 0, frame, 1000.0)])
    return telling.tell()


def stations(world: World) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.mac, each.port, each.ipv4) for each in snapshot(world.brain).stations]


DECLARED = (GUEST, "vm1-eth1", ("10.0.0.9",))


def test_a_host_is_told_of_and_shown_behind_the_guests_of_the_policy(world: World) -> None:
    dpid, port = world.dpid("br0"), world.port("p1")
    there = Station(MAC, ("10.0.0.1",), (), dpid, "p1", since=1000.0)
    assert heard(world, "p1", arp(MAC)) == [StationAdded(there, port)]
    assert heard(world, "p1", arp(MAC)) == []
    assert stations(world) == [DECLARED, (MAC, "p1", ("10.0.0.1",))]
    more = replace(there, ipv4=("10.0.0.1", "10.0.0.2"))
    assert heard(world, "p1", arp(MAC, "10.0.0.2")) == [StationChanged(more, port, there)]
    moved = replace(more, port="p2")
    assert heard(world, "p2", arp(MAC)) == [StationChanged(moved, world.port("p2"), more)]
    assert stations(world) == [DECLARED, (MAC, "p2", ("10.0.0.1", "10.0.0.2"))]


@pytest.mark.parametrize("port", ["p0", "vm1-eth1", "up0"])
def test_nobody_is_looked_for_at_a_wire_nor_at_a_fabric_port(world: World, port: str) -> None:
    assert heard(world, port, arp(MAC)) == []
    assert stations(world) == [DECLARED]


def test_the_mac_of_a_guest_is_the_guests(world: World) -> None:
    assert heard(world, "p1", arp(GUEST, "10.0.0.66")) == []
    assert stations(world) == [DECLARED]


def test_other_frames_tell_of_nobody(world: World) -> None:
    assert heard(world, "p1", b"") == []
    assert heard(world, "p1", arp(MAC)[:30]) == []


def test_a_link_found_at_the_port_ends_it_and_its_loss_begins_it_anew(world: World) -> None:
    dpid, number = world.dpid("br0"), world.numbers["p1"]
    link = LinkView(9, 9, dpid, number, 1.0)
    heard(world, "p1", arp(MAC))
    locating = world.brain.locating
    (gone,), (line,) = locating.follow([LinkAdded(link)])
    assert isinstance(gone, StationRemoved)
    assert gone.why == "fabric"
    assert isinstance(line, Log)
    assert line.text.endswith("the port leads to another switch")
    assert heard(world, "p1", arp(MAC)) == []
    locating.follow([LinkAdded(replace(link, src_dpid=dpid, src_port=number, dst_dpid=9, dst_port=9))])
    locating.follow([LinkDeleted(link)])
    assert heard(world, "p1", arp(MAC)) == []
    locating.follow([LinkDeleted(replace(link, src_dpid=dpid, src_port=number, dst_dpid=9, dst_port=9))])
    assert len(heard(world, "p1", arp(MAC))) == 1


def test_hosts_go_with_their_port_their_switch_and_their_time(world: World) -> None:
    dpid = world.dpid("br0")
    for number, port in enumerate(("p1", "p2", "p1")):
        heard(world, port, arp(f"02:00:00:00:00:0{number}"))
    world.play([PortSeen(dpid, replace(world.port("p2"), link=False))])
    assert [mac for mac, port, _ in stations(world) if port == "p2"] == []
    world.tick(AGE_SECONDS - 10)
    heard(world, "p1", arp("02:00:00:00:00:02"))
    world.tick(11)
    assert stations(world) == [DECLARED, ("02:00:00:00:00:02", "p1", ("10.0.0.1",))]
    world.play([SwitchDown(dpid)])
    assert snapshot(world.brain).stations == ()


def test_a_policy_that_looks_for_nobody_forgets_them(world: World) -> None:
    heard(world, "p1", arp(MAC))
    world.policy(POLICY.replace("discover: true, ", ""))
    world.tick()
    assert stations(world) == [DECLARED]
    assert heard(world, "p1", arp(MAC)) == []


def test_where_others_flows_decide_nobody_is_looked_for() -> None:
    world = World()
    world.policy(POLICY.replace("discover: true", "discover: true, adopt: true"))
    assert world.brain.panel is not None
    from netctl.policy import PortRef

    assert world.brain.panel.fabric(PortRef("hv1", "br0", "p1"))
    assert world.brain.panel.located(PortRef("hv1", "br0", "p1")) is False


def test_the_log_says_so_much_in_a_second() -> None:
    locating, port = Locating(), SwitchPort(1, "p1", "02:00:00:00:00:ff", True)
    said = []
    for number in range(30):
        frame = arp(f"02:00:00:00:00:{number:02x}")
        _, lines = locating.hear(Heard(1, 1, 0, frame, 0), 1, lambda _: port, frozenset)
        said += lines
    assert len(said) == LOGGED
    _, lines = locating.tick(2, lambda _: port)
    assert [each.text for each in lines if isinstance(each, Log)] == ["and 20 more changes of hosts"]
