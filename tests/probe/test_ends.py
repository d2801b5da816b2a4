"""An end of a wire that is one VLAN of a port."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from netctl.probe.ends import End, VlanEnd

ADDRESSES = bytes(range(12))


class Socket(End):
    """An end whose other side is in the test's hand."""

    def receive(self) -> bytes | None:
        try:
            return self.link.recv(100)
        except BlockingIOError:
            return None


@pytest.fixture
def pair() -> Iterator[tuple[VlanEnd, socket.socket]]:
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with Socket("a", mine, bytes(6), 1500) as end, theirs:
        yield VlanEnd(end, 100), theirs


def test_what_is_put_in_gets_the_tag(pair: tuple[VlanEnd, socket.socket]) -> None:
    end, theirs = pair
    assert end.send(ADDRESSES + b"\x81\x00\x00\x05rest") == ""
    assert theirs.recv(100) == ADDRESSES + b"\x81\x00\x00\x64\x81\x00\x00\x05rest"


def test_what_comes_out_is_of_the_vlan_and_has_its_tag_no_more(pair: tuple[VlanEnd, socket.socket]) -> None:
    """Other VLANs, other tags, no tag and frames too short to have one are passed over; priority does not matter."""
    end, theirs = pair
    for head in ("81000065", "88a80064", "08000064", "8100", "81", ""):
        theirs.send(ADDRESSES + bytes.fromhex(head))
    theirs.send(ADDRESSES + bytes.fromhex("8100a0648100a065") + b"rest")
    assert end.receive() == ADDRESSES + b"\x81\x00\xa0\x65rest"
    assert end.receive() is None
