"""What asks a switch for news, and what takes netctl's meters off it."""

from __future__ import annotations

import pytest

from netctl.desired.meter import FIRST, Meter
from netctl.openflow import frame, meter
from netctl.openflow.frame import BARRIER_REPLY, ERROR, MULTIPART_REPLY, message
from netctl.openflow.meter import SWEEP_XID, Sweep
from netctl.plan import Step
from tests.conftest import missing


def config(number: int) -> bytes:
    told = meter.mod(Step("add", "", None, Meter("br0", number, 7)), 1)[8:]
    return len(told).to_bytes(2, "big") + told[2:]


def told(*numbers: int, more: bool = False, xid: int = SWEEP_XID) -> bytes:
    return message(MULTIPART_REPLY, xid, bytes([0, 10, 0, more, 0, 0, 0, 0]) + b"".join(map(config, numbers)))


def deleted(data: bytes) -> list[int]:
    """The meters that messages delete; the last message is a barrier."""
    *deletes, barrier = frame.split(bytearray(data))
    assert frame.header(barrier).kind == frame.BARRIER_REQUEST
    assert all(each[8:10] == meter.DELETE.to_bytes(2, "big") for each in deletes)
    return [int.from_bytes(each[12:16], "big") for each in deletes]


def test_only_meters_of_netctls_go_and_the_end_is_told_behind_them() -> None:
    sweep = Sweep()
    assert frame.header(sweep.start()).xid == SWEEP_XID
    assert sweep.feed(told(3, FIRST + 1, more=True)) == (b"", False)
    data, done = sweep.feed(told(FIRST + 9, 4))
    assert (deleted(data), done) == ([FIRST + 1, FIRST + 9], False)
    barrier = frame.header(frame.split(bytearray(data))[-1]).xid
    assert sweep.feed(message(BARRIER_REPLY, barrier)) == (b"", True)


def test_answers_to_others_are_passed_over() -> None:
    sweep = Sweep()
    sweep.start()
    assert sweep.feed(told(FIRST, xid=SWEEP_XID - 5)) == (b"", False)
    assert sweep.feed(message(BARRIER_REPLY, 7)) == (b"", False)
    assert sweep.feed(b"\4") == (b"", False)


def test_a_switch_without_meters_is_swept() -> None:
    sweep = Sweep()
    sweep.start()
    data, _ = sweep.feed(message(ERROR, SWEEP_XID, bytes(4)))
    assert deleted(data) == []


def test_the_request_for_news_is_what_the_engine_would_send() -> None:
    try:
        from os_ken.ofproto import ofproto_v1_3 as ofp
        from os_ken.ofproto import ofproto_v1_3_parser as parser
        from os_ken.ofproto.ofproto_protocol import ProtocolDesc
    except ImportError:
        missing("needs os-ken")
    if not hasattr(parser, "OFPSetAsync"):
        pytest.fail("os-ken knows no OFPT_SET_ASYNC")
    packets = 1 << ofp.OFPR_NO_MATCH | 1 << ofp.OFPR_ACTION
    ports = 1 << ofp.OFPPR_ADD | 1 << ofp.OFPPR_DELETE | 1 << ofp.OFPPR_MODIFY
    flows = 0b1111
    theirs = parser.OFPSetAsync(ProtocolDesc(version=4), [packets, 0], [ports, ports], [flows, 0])
    theirs.set_xid(5)
    theirs.serialize()
    assert frame.set_async(5) == bytes(theirs.buf)
