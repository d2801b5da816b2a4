"""Meters and packet-ins as bytes, against the engine's own parser."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netctl.desired.meter import CONTROLLER, FIRST, Meter
from netctl.openflow import frame, meter
from netctl.openflow.frame import DecodeError
from netctl.openflow.packet_in import ACTION, PacketIn, packet_in
from netctl.plan import Found, Step
from tests.conftest import missing

try:
    from os_ken.ofproto import ofproto_v1_3_parser as theirs
    from os_ken.ofproto.ofproto_protocol import ProtocolDesc
except ImportError:
    theirs = None

XID = 0x8000_0001

numbers = st.just(CONTROLLER) | st.integers(FIRST, FIRST + 0xFFFF)
words = st.integers(0, 0xFFFF_FFFF)
meters = st.builds(Meter, st.just("br0"), numbers, words, words, st.sampled_from(["pktps", "kbps"]), st.just(""))


@pytest.fixture
def engine() -> Any:
    if theirs is None:
        missing("needs os-ken")
    return ProtocolDesc(version=4)


def config(wanted: Meter) -> bytes:
    """What the switch tells of a meter: what it was told, with its length in the place of the command."""
    told = meter.mod(Step("add", "", None, wanted), XID)[8:]
    return len(told).to_bytes(2, "big") + told[2:]


def answer(*configs: bytes, more: bool = False) -> bytes:
    return frame.message(frame.MULTIPART_REPLY, XID, bytes([0, 10, 0, more, 0, 0, 0, 0]) + b"".join(configs))


@given(st.lists(meters), st.booleans())
def test_meters_come_back(wanted: list[Meter], more: bool) -> None:
    assert meter.reply(answer(*map(config, wanted), more=more), "br0") == ([Found(each) for each in wanted], more)


@pytest.mark.parametrize("verb", ["add", "change", "remove"])
def test_a_modification_is_the_same_bytes(engine: Any, verb: Any) -> None:
    wanted = Meter("br0", FIRST + 5, 1000, 300, "kbps")
    step = {
        "add": Step("add", "", None, wanted),
        "change": Step("change", "", Meter("br0", FIRST + 5, 1), wanted),
        "remove": Step("remove", "", wanted, None),
    }[verb]
    bands = [] if verb == "remove" else [theirs.OFPMeterBandDrop(1000, 300)]
    command, flags = {"add": (0, 13), "change": (1, 13), "remove": (2, 0)}[verb]
    message = theirs.OFPMeterMod(engine, command, flags, FIRST + 5, bands)
    message.set_xid(XID)
    message.serialize()
    assert meter.mod(step, XID) == bytes(message.buf)


def test_the_request_is_the_same_bytes(engine: Any) -> None:
    message = theirs.OFPMeterConfigStatsRequest(engine, 0, 0xFFFF_FFFF)
    message.set_xid(XID)
    message.serialize()
    assert meter.request(XID) == bytes(message.buf)


def test_a_meter_of_others_is_not_taken_for_ours() -> None:
    two = config(Meter("br0", 7, 5))
    two = (40).to_bytes(2, "big") + two[2:] + two[8:]
    remark = bytearray(config(Meter("br0", FIRST, 5)))
    remark[9] = 2
    (several, marks), _ = meter.reply(answer(two, bytes(remark)), "br0")
    assert (several.ours, marks.ours) == (False, True)
    for found in (several, marks):
        assert found.item.facts()["extra"]
        with pytest.raises(ValueError, match="does not write"):
            meter.mod(Step("add", "", None, found.item), 1)


@pytest.mark.parametrize(("length", "band"), [(7, 16), (33, 16), (24, 15), (25, 16), (24, 0)])
def test_a_meter_that_does_not_fit_is_refused(length: int, band: int) -> None:
    broken = bytearray(config(Meter("br0", FIRST, 5)))
    broken[0:2], broken[10:12] = length.to_bytes(2, "big"), band.to_bytes(2, "big")
    with pytest.raises(DecodeError):
        meter.reply(answer(bytes(broken)), "br0")


def test_a_packet_in_is_read(engine: Any) -> None:
    message = theirs.OFPPacketIn(
        engine, 0xFFFF_FFFF, 60, ACTION, 250, 0x6E63_746C_0000_0007, theirs.OFPMatch(in_port=9, tunnel_id=5), b"frame"
    )
    message.set_xid(XID)
    assert packet_in(serialized(message)) == PacketIn(0x6E63_746C_0000_0007, 250, 9, ACTION, 60, b"frame")
    message.match = theirs.OFPMatch()
    with pytest.raises(DecodeError, match="port"):
        packet_in(serialized(message))


def serialized(message: Any) -> bytes:
    """The engine only reads packet-ins; this is what it would have read."""
    matched = bytearray()
    message.match.serialize(matched, 0)
    head = message.buffer_id.to_bytes(4, "big") + message.total_len.to_bytes(2, "big")
    head += bytes([message.reason, message.table_id]) + message.cookie.to_bytes(8, "big")
    packed = frame.message(frame.PACKET_IN, message.xid, head + bytes(matched) + bytes(2) + message.data)
    read = theirs.OFPPacketIn.parser(message.datapath, 4, frame.PACKET_IN, len(packed), message.xid, packed)
    assert (read.cookie, read.table_id, read.data) == (message.cookie, message.table_id, message.data)
    return packed


IN = bytes.fromhex("ffffffff 003c 01 fa 6e63746c00000007 0001 000c 80000004 00000009 00000000 0000") + b"frame"


@pytest.mark.parametrize("decode", [lambda message: meter.reply(message, "br0"), packet_in])
@given(st.binary(max_size=120), st.sampled_from([frame.PACKET_IN, frame.MULTIPART_REPLY]))
@example(b"", frame.PACKET_IN)
def test_any_bytes_decode_or_are_refused(decode: Callable[[bytes], Any], body: bytes, kind: int) -> None:
    head = bytes([0, 10, 0, 0, 0, 0, 0, 0]) if kind == frame.MULTIPART_REPLY else b""
    with contextlib.suppress(DecodeError):
        decode(frame.message(kind, XID, head + body))


@given(st.lists(st.tuples(st.integers(0, len(IN) - 1), st.integers(0, 255)), max_size=4), st.integers(0, len(IN)))
def test_a_broken_packet_in_decodes_or_is_refused(changes: list[tuple[int, int]], cut: int) -> None:
    body = bytearray(IN)
    for at, value in changes:
        body[at] = value
    with contextlib.suppress(DecodeError):
        packet_in(frame.message(frame.PACKET_IN, XID, bytes(body[:cut])))
    assert packet_in(frame.message(frame.PACKET_IN, XID, IN)).data == b"frame"
