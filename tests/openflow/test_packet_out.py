"""Packet-outs, held against the engine's own parser and packer."""

from __future__ import annotations

import pytest

from netctl.openflow import frame
from netctl.openflow.packet_out import asked, packet_outs

parser = pytest.importorskip("os_ken.ofproto.ofproto_v1_3_parser")
proto = pytest.importorskip("os_ken.ofproto.ofproto_v1_3")
protocol = pytest.importorskip("os_ken.ofproto.ofproto_protocol")

FRAMES = ((1, b"\x01" * 60), (0xFFFFFF00, b"\x02" * 81))


def theirs(port: int, data: bytes, xid: int) -> bytes:
    made = parser.OFPPacketOut(
        protocol.ProtocolDesc(proto.OFP_VERSION),
        buffer_id=proto.OFP_NO_BUFFER,
        in_port=proto.OFPP_CONTROLLER,
        actions=[parser.OFPActionOutput(port, 0)],
        data=data,
    )
    made.set_xid(xid)
    made.serialize()
    return bytes(made.buf)


def test_they_are_what_the_engine_makes() -> None:
    messages = frame.split(bytearray(packet_outs(FRAMES, 0)))
    assert messages == [
        theirs(port, data, frame.header(message).xid) for (port, data), message in zip(FRAMES, messages, strict=True)
    ]


@pytest.mark.parametrize("ask", [1, 7, (1 << 28) - 1])
def test_a_barrier_behind_them_says_which_it_was(ask: int) -> None:
    *outs, barrier = frame.split(bytearray(packet_outs(FRAMES, ask)))
    assert len(outs) == 2
    head = frame.header(barrier)
    assert head.kind == frame.BARRIER_REQUEST
    assert asked(frame.message(frame.BARRIER_REPLY, head.xid)) == ask


@pytest.mark.parametrize("xid", [1, frame.XID | 1, frame.XID | 0x4000_0000 | 5, 0xFFFF_FFFF])
def test_what_answers_others_answers_none_of_these(xid: int) -> None:
    assert asked(frame.message(frame.BARRIER_REPLY, xid)) == 0


def test_an_error_is_no_answer() -> None:
    (barrier,) = frame.split(bytearray(packet_outs((), 5)))
    xid = frame.header(barrier).xid
    assert asked(frame.message(frame.ERROR, xid, bytes(4))) == 0
    assert asked(frame.message(frame.ECHO_REPLY, xid)) == 0
