"""What is packed comes back, and no bytes end in anything but DecodeError."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netctl.desired.flow import COOKIE, NORMAL, Flow, Foreign, Match, Output
from netctl.openflow import bundle, error, flowmod, frame, match, port, stats
from netctl.openflow.frame import DecodeError
from tests.openflow.captured import CAPTURED

port_numbers = st.integers(1, 0xFFFF_FF00)
matches = st.builds(Match, st.none() | st.integers(0, 0xFFFF_FFFF), st.none() | st.integers(0, 4095))
flows = st.builds(
    Flow,
    st.just("br0"),
    st.integers(0, 0xFFFF),
    matches,
    st.lists(st.builds(Output, port_numbers | st.just(NORMAL)), max_size=4).map(tuple),
    st.integers(0, 0xFFFF_FFFF).map(COOKIE.__or__),
    st.integers(0, 254),
)
fields = st.sampled_from(["eth_type=0800", "ip_proto=06", "ipv4_src=0a000000/ff000000", "oxm_1_1=00000005"])

DECODERS: list[Callable[[bytes], Any]] = [
    frame.header,
    frame.offers,
    frame.echo_reply,
    frame.datapath_id,
    port.reply,
    port.status,
    lambda message: stats.reply(message, "br0"),
    error.error,
    bundle.control_reply,
    lambda message: frame.split(bytearray(message)),
]


@given(matches, st.lists(fields, unique=True))
def test_a_match_comes_back(wanted: Match, others: list[str]) -> None:
    packed = match.pack(wanted, tuple(others))
    assert len(packed) % 8 == 0
    assert match.unpack(packed, 0, len(packed)) == (wanted, tuple(others), len(packed))


@given(flows, st.integers(0, 0xFFFF_FFFF))
def test_a_flow_mod_carries_the_flow(flow: Flow, xid: int) -> None:
    """Its match and instructions, put behind the head of a flow's statistics, read back as the flow."""
    packed = flowmod.add(flow, xid)
    assert frame.header(packed) == frame.Header(4, frame.FLOW_MOD, len(packed), xid)
    body = packed[48:]
    entry = (
        (48 + len(body)).to_bytes(2, "big")
        + bytes([flow.table, 0])
        + bytes(8)
        + flow.priority.to_bytes(2, "big")
        + bytes(10)
        + flow.cookie.to_bytes(8, "big")
        + bytes(16)
        + body
    )
    reply = frame.message(frame.MULTIPART_REPLY, xid, b"\0\1\0\1\0\0\0\0" + entry)
    (found,), more = stats.reply(reply, "br0")
    assert more
    assert found.ours
    assert found.item == flow


def test_an_action_that_netctl_does_not_write_is_refused() -> None:
    with pytest.raises(ValueError, match="set_queue:3"):
        flowmod.add(Flow("br0", 1, Match(), (Foreign("set_queue:3"),)), 1)


def test_a_field_that_cannot_be_packed_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        flowmod.delete_strict(Flow("br0", 1, Match(), extra="nonsense"), 1)


def test_a_message_longer_than_its_length_field_is_refused() -> None:
    with pytest.raises(ValueError, match="65535"):
        frame.message(frame.ECHO_REQUEST, 1, bytes(0xFFFF))


def test_hello_offers_1_3_and_nothing_else() -> None:
    assert frame.offers(frame.hello(1))
    assert frame.hello(1)[-4:] == (1 << 4).to_bytes(4, "big")
    only_1_0_and_1_5 = frame.hello(1)[:-4] + (1 << 1 | 1 << 6).to_bytes(4, "big")
    assert not frame.offers(only_1_0_and_1_5)
    assert frame.offers(b"\x05\0\0\x08\0\0\0\1")
    assert not frame.offers(b"\x01\0\0\x08\0\0\0\1")


@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_a_stream_is_split_wherever_it_is_cut(bodies: list[bytes], data: st.DataObject) -> None:
    messages = [frame.message(frame.ECHO_REQUEST, number, body) for number, body in enumerate(bodies)]
    stream = b"".join(messages)
    cut = data.draw(st.integers(0, len(stream)))
    buffer = bytearray(stream[:cut])
    first = frame.split(buffer)
    buffer += stream[cut:]
    assert first + frame.split(buffer) == messages
    assert not buffer


@pytest.mark.parametrize("decode", DECODERS)
@given(st.binary(max_size=200))
@example(b"\4\x13\0\x10\0\0\0\1\0\1\0\0\0\0\0\0")
@example(b"\4\1\0\x0c\0\0\0\1\xff\xff\0\0")
def test_any_bytes_decode_or_are_refused(decode: Callable[[bytes], Any], message: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode(message)


@pytest.mark.parametrize("decode", DECODERS)
@given(st.sampled_from(sorted(CAPTURED)), st.data())
def test_a_broken_message_decodes_or_is_refused(decode: Callable[[bytes], Any], name: str, data: st.DataObject) -> None:
    """A real message with some bytes replaced and its end cut off, its length put right again."""
    message = bytearray(CAPTURED[name])
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(message) - 1), st.integers(0, 255)), max_size=6)):
        message[at] = value
    del message[data.draw(st.integers(8, len(message))) :]
    message[2:4] = len(message).to_bytes(2, "big")
    with contextlib.suppress(DecodeError):
        decode(bytes(message))
