"""What is none of a wire's must not cross it: ends that are VLANs, of sockets that the test joins."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from netctl.probe.crossing import Row, check, strays
from netctl.probe.ends import End, VlanEnd
from netctl.probe.frames import KINDS, with_tag

Switch = Callable[[bytes], bytes | None]
"""What leaves by the far port of what came in; None for nothing."""


class Port(End):
    """A port whose frames go straight to another, through what the test makes of them."""

    def __init__(self, name: str, switch: Switch) -> None:
        mine, self.out = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(name, mine, bytes([2, 0, 0, 0, 0, ord(name)]), 9000)
        self.switch = switch
        self.far: Port | None = None

    def send(self, frame: bytes) -> str:
        leaves = self.switch(self.outside(frame))
        if leaves is not None and self.far is not None:
            self.far.out.send(leaves)
        return ""

    def receive(self) -> bytes | None:
        try:
            return self.link.recv(10_000)
        except BlockingIOError:
            return None


class Vlan(VlanEnd):
    """A VLAN of such a port."""

    def send(self, frame: bytes) -> str:
        return self.raw.send(self.outside(frame))


@pytest.fixture
def joined() -> Iterator[Callable[[Switch, Switch], tuple[Port, Port]]]:
    made: list[Port] = []

    def join(there: Switch, back: Switch) -> tuple[Port, Port]:
        one, other = Port("a", there), Port("b", back)
        one.far, other.far = other, one
        made.extend((one, other))
        return one, other

    yield join
    for port in made:
        port.link.close()
        port.out.close()


Joined = Callable[[Switch, Switch], tuple[Port, Port]]


def retag(came: int, leaves: int, rest: bytes | None = None) -> Switch:
    """What a wire's flow does with a VLAN; `rest` goes the way of every other frame: None drops it."""

    def switch(frame: bytes) -> bytes | None:
        if frame[12:14] == b"\x81\x00" and int.from_bytes(frame[14:16], "big") & 0xFFF == came:
            return frame[:12] + b"\x81\x00" + leaves.to_bytes(2, "big") + frame[16:]
        return frame if rest is not None else None

    return switch


def by_kind(rows: list[Row]) -> dict[tuple[str, str], str]:
    return {(row.kind, row.sender): row.outcome for row in rows}


def test_between_vlans_everything_crosses_and_nothing_else_does(joined: Joined) -> None:
    one, other = joined(retag(100, 200), retag(200, 100))
    ends = Vlan(one, 100), Vlan(other, 200)
    rows = check(*ends, strays=strays(*ends, (frozenset({100}), frozenset({2, 3, 200}))))
    assert {row.outcome for row in rows[: 2 * len(KINDS)]} == {"crossed"}
    assert [(row.kind, row.sender, row.outcome) for row in rows[2 * len(KINDS) :]] == [
        ("untagged", "a", "kept out"),
        ("VLAN 2", "a", "kept out"),
        ("untagged", "b", "kept out"),
        ("VLAN 4", "b", "kept out"),
    ]
    assert all(row.good for row in rows)


def test_a_leak_is_found_whatever_tag_it_has_in_the_end(joined: Joined) -> None:
    one, other = joined(retag(100, 200, rest=b"leaks"), retag(200, 100))
    ends = Vlan(one, 100), Vlan(other, 200)
    outcomes = by_kind(check(*ends, strays=strays(*ends, (frozenset({100}), frozenset({200})))))
    assert outcomes["untagged", "a"] == outcomes["VLAN 2", "a"] == "leaked"
    assert outcomes["untagged", "b"] == outcomes["VLAN 2", "b"] == "kept out"


def test_whole_ports_have_no_strays(joined: Joined) -> None:
    one, other = joined(lambda frame: frame, lambda frame: frame)
    assert strays(one, other, (frozenset(), frozenset())) == []


def test_what_arrives_in_another_vlan_is_changed_and_not_lost(joined: Joined) -> None:
    one, other = joined(retag(100, 201), retag(200, 100))
    ends = Vlan(one, 100), Vlan(other, 200)
    row = next(row for row in check(*ends) if (row.kind, row.sender) == ("ARP", "a"))
    assert (row.outcome, row.detail) == ("changed", "byte 15 was c8 and arrived as c9")


def test_a_tag_that_should_have_come_off(joined: Joined) -> None:
    """From a VLAN to a whole port."""
    one, other = joined(lambda frame: frame, lambda frame: with_tag(frame, 0x8100, 100))
    row, back = (row for row in check(Vlan(one, 100), other) if row.kind == "ARP")
    assert (row.outcome, row.detail) == ("changed", "arrived with a VLAN tag added: 81000064")
    assert back.outcome == "crossed"
