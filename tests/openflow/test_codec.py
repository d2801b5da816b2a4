"""What is packed comes back, and no bytes end in anything but DecodeError."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netctl.desired.flow import (
    COOKIE,
    IN_PORT,
    NORMAL,
    UNTAGGED,
    WHOLE,
    Action,
    Clone,
    Flow,
    Foreign,
    GotoTable,
    Match,
    Metered,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
    ToController,
)
from netctl.openflow import bundle, error, flowmod, frame, match, port, stats
from netctl.openflow.frame import DecodeError
from netctl.plan import Found
from tests.openflow.captured import CAPTURED

port_numbers = st.integers(1, 0xFFFF_FF00)
matches = st.builds(
    Match,
    st.none() | st.integers(0, 0xFFFF_FFFF),
    st.none() | st.integers(0, 4095) | st.just(UNTAGGED),
    st.none() | st.integers(0, 0xFFFF),
    st.none() | st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":")),
)
outputs = st.builds(Output, port_numbers | st.sampled_from([NORMAL, IN_PORT]))
copies = st.builds(ToController, st.integers(0, WHOLE))
steps = outputs | copies | st.builds(SetVlan, st.integers(0, 4095)) | st.sampled_from([PushVlan(), PopVlan()])
clones = st.builds(Clone, st.lists(steps, max_size=4).map(tuple))
meters = st.builds(Metered, st.integers(1, 0xFFFF_FFFF)).map(lambda meter: (meter,)) | st.just(())
tables = st.builds(GotoTable, st.integers(0, 254)).map(lambda table: (table,)) | st.just(())
actions: st.SearchStrategy[tuple[Action, ...]] = st.tuples(
    meters, st.lists(steps | clones, max_size=4).map(tuple), tables
).map(lambda parts: (*parts[0], *parts[1], *parts[2]))
flows = st.builds(
    Flow,
    st.just("br0"),
    st.integers(0, 0xFFFF),
    matches,
    actions,
    st.integers(0, 0xFFFF_FFFF).map(COOKIE.__or__),
    st.integers(0, 254),
    st.just(""),
)
fields = st.sampled_from(["eth_src=020000000001", "ip_proto=06", "ipv4_src=0a000000/ff000000", "oxm_1_1=00000005"])

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


@pytest.mark.parametrize("address", ["", "01:80:c2:00:00", "01:80:c2:00:00:0g", "01:80:c2:00:00:0e:00"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is no Ethernet address"):
        match.pack(Match(eth_dst=address))


@given(flows, st.integers(0, 0xFFFF_FFFF))
def test_a_flow_mod_carries_the_flow(flow: Flow, xid: int) -> None:
    """Its match and instructions, put behind the head of a flow's statistics, read back as the flow."""
    packed = flowmod.add(flow, xid)
    assert frame.header(packed) == frame.Header(4, frame.FLOW_MOD, len(packed), xid)
    found, more = read_back(flow, packed, xid)
    assert more
    assert found.ours
    assert found.item == flow


@given(flows, st.integers(0, 0xFFFF_FFFF), st.integers(1, 0xFFFF_FFFF))
def test_a_flow_mod_for_a_bundle_is_the_same_with_the_bundles_head(flow: Flow, xid: int, number: int) -> None:
    for pack in (flowmod.add, flowmod.delete_strict):
        assert pack(flow, xid, number) == bundle.add(pack(flow, xid), number, xid)


@pytest.mark.parametrize(
    "wrong",
    [(Output(1), Metered(1)), (GotoTable(2), Output(1)), (GotoTable(2), Metered(1)), (Metered(1), Metered(1))],
)
def test_a_meter_comes_first_and_a_table_last(wrong: tuple[Action, ...]) -> None:
    with pytest.raises(ValueError, match="a meter comes first, a table last"):
        flowmod.add(Flow("br0", 1, Match(), wrong), 1)


def read_back(flow: Flow, packed: bytes, xid: int = 1) -> tuple[Found[Flow], bool]:
    reply = frame.message(frame.MULTIPART_REPLY, xid, b"\0\1\0\1\0\0\0\0" + entry(flow, packed))
    (found,), more = stats.reply(reply, "br0")
    return found, more


def entry(flow: Flow, packed: bytes) -> bytes:
    """The statistics of a flow with the match and the instructions of a flow mod."""
    body = packed[48:]
    return (
        (48 + len(body)).to_bytes(2, "big")
        + bytes([flow.table, 0])
        + bytes(8)
        + flow.priority.to_bytes(2, "big")
        + bytes(10)
        + flow.cookie.to_bytes(8, "big")
        + bytes(16)
        + body
    )


@pytest.mark.parametrize(
    ("theirs", "reads"),
    [
        ("0011 0008 88a8 0000", "push_vlan:88a80000"),
        ("0012 0008 0000 0001", "pop_vlan:00000001"),
        ("0019 0010 8000 0c02 0064 0000 0000 0000", "set_field:80000c020064000000000000"),
        ("0019 0010 8000 0d04 1064 1fff 0000 0000", "set_field:80000d0410641fff00000000"),
        ("0019 0010 8000 0e01 0300 0000 0000 0000", "set_field:80000e010300000000000000"),
        ("ffff 0010 0000 2320 0001 0002 0000 0000", "experimenter:000023200001000200000000"),
        (
            "ffff 0020 0000 2320 002a 0000 0000 0000 ffff 0010 0000 2320 002a 0000 0000 0000",
            "clone(experimenter:00002320002a000000000000)",
        ),
    ],
)
def test_an_action_of_others_on_tags_is_not_taken_for_ours(theirs: str, reads: str) -> None:
    """Another EtherType, no tag wanted, a mask, the priority, another action of Open vSwitch's, a clone of one."""
    action = bytes.fromhex(theirs)
    flow = Flow("br0", 100, Match(in_port=1))
    packed = flowmod.add(flow, 1) + (4).to_bytes(2, "big") + (8 + len(action)).to_bytes(2, "big") + bytes(4) + action
    found, _ = read_back(flow, packed)
    assert found.item.facts()["actions"] == (reads,)
    with pytest.raises(ValueError, match="does not write"):
        flowmod.add(found.item, 1)


def test_clones_within_clones_without_end_are_read_too() -> None:
    deep = b"".join(
        b"\xff\xff" + (16 * left).to_bytes(2, "big") + bytes.fromhex("00002320002a000000000000")
        for left in range(4000, 0, -1)
    )
    flow = Flow("br0", 100, Match(in_port=1))
    packed = flowmod.add(flow, 1) + (4).to_bytes(2, "big") + (8 + len(deep)).to_bytes(2, "big") + bytes(4) + deep
    found, _ = read_back(flow, packed)
    assert isinstance(found.item.actions[0], Clone)


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
