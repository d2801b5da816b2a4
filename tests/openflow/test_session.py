"""An exchange against a switch in memory that has bundles, has none, or refuses."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netctl.desired import observe
from netctl.desired.flow import COOKIE, Flow, Match, Metered, Output
from netctl.openflow import bundle, frame
from netctl.openflow.bundle import Control
from netctl.openflow.refill import pack
from netctl.openflow.session import Changed, Exchange, Failed, FlowsRead, Result, Send
from netctl.plan import Plan, Step
from tests.openflow.captured import CAPTURED

A = Flow("br0", 100, Match(in_port=1), (Output(2),), COOKIE | 1)
B = Flow("br0", 100, Match(in_port=2), (Output(1),), COOKIE | 1)


def add(*flows: Flow) -> Plan[Flow]:
    return Plan(tuple(Step("add", "lab.yaml:1:1", None, flow) for flow in flows))


def refuse(message: bytes, kind: int, code: int) -> bytes:
    xid = frame.header(message).xid
    return frame.message(frame.ERROR, xid, struct.pack("!HH", kind, code) + message[:64])


@dataclass
class FakeSwitch:
    """Keeps the flow mods that took effect, in their order, as (command, in_port).

    As Open vSwitch does, it refuses a flow that goes through a meter it was not told of, and a meter that is there.
    """

    bundles: bool = True
    bad_ports: frozenset[int] = frozenset()
    """Matches on these input ports are refused."""
    fails_commit: bool = False
    done: list[tuple[int, int]] = field(default_factory=list)
    collected: list[bytes] = field(default_factory=list)
    barriers: int = 0
    meters: set[int] = field(default_factory=set)

    def hear(self, data: bytes) -> Iterable[bytes]:
        for message in frame.split(bytearray(data)):
            yield from self._one(message)

    def _one(self, message: bytes) -> Iterable[bytes]:
        head = frame.header(message)
        if head.kind == frame.BARRIER_REQUEST:
            self.barriers += 1
            yield frame.message(frame.BARRIER_REPLY, head.xid)
        elif head.kind == frame.FLOW_MOD:
            yield from self._flow_mod(message, self.done)
        elif head.kind == frame.METER_MOD:
            command, _, number = struct.unpack_from("!HHI", message, 8)
            if (command == 0) == (number in self.meters):
                yield refuse(message, *(METER_EXISTS if command == 0 else UNKNOWN_METER))
            self.meters.add(number)
        elif head.kind == frame.EXPERIMENTER and not self.bundles:
            yield refuse(message, 1, 3)
        elif head.kind == frame.EXPERIMENTER:
            _, what, number = struct.unpack_from("!III", message, 8)
            if what == bundle.ADD_MESSAGE:
                inner = message[24:]
                assert frame.header(inner).xid == head.xid
                refused = list(self._flow_mod(inner, []))
                yield from refused
                if not refused:
                    self.collected.append(inner)
                return
            (control,) = struct.unpack_from("!H", message, 20)
            if control == Control.COMMIT_REQUEST:
                if self.fails_commit:
                    yield refuse(self.collected[0], 5, 1)
                    body = struct.pack("!HHI", 0xFFFF, 2313, bundle.ONF)
                    yield frame.message(frame.ERROR, head.xid, body + message)
                    return
                for each in self.collected:
                    assert not list(self._flow_mod(each, self.done))
            if control in (Control.COMMIT_REQUEST, Control.DISCARD_REQUEST):
                self.collected.clear()
            yield bundle.control(Control(control + 1), number, head.xid)

    def _flow_mod(self, message: bytes, done: list[tuple[int, int]]) -> Iterable[bytes]:
        command, in_port = message[25], int.from_bytes(message[56:60], "big")
        if in_port in self.bad_ports:
            yield refuse(message, 4, 7)
        elif not self.meters.issuperset(used_meters(message)):
            yield refuse(message, *UNKNOWN_METER)
        else:
            done.append((command, in_port))


METER_EXISTS, UNKNOWN_METER = (12, 1), (12, 2)


def used_meters(flow_mod: bytes) -> Iterator[int]:
    """What the instructions name that follow the match (OpenFlow 1.3.5, 7.3.4.1 and 7.2.4)."""
    at = 48 + (int.from_bytes(flow_mod[50:52], "big") + 7) // 8 * 8
    while at < len(flow_mod):
        kind, length, number = struct.unpack_from("!HHI", flow_mod, at)
        if kind == 6:
            yield number
        at += length


def run(exchange: Exchange, switch: FakeSwitch, chunks: Iterable[bytes]) -> Result:
    """Play until something other than Send comes of it; and nothing after that."""
    waiting = list(switch.hear(b"".join(chunks)))
    ends: list[Result] = []
    while waiting:
        for result in exchange.feed(waiting.pop(0)):
            if isinstance(result, Send):
                waiting += switch.hear(b"".join(result.chunks))
            else:
                ends.append(result)
    (end,) = ends
    return end


def test_a_change_is_one_bundle() -> None:
    switch, exchange = FakeSwitch(), Exchange("br0")
    assert run(exchange, switch, exchange.change(add(A, B))) == Changed((), 2, True)
    assert switch.done == [(0, 1), (0, 2)]
    assert not exchange.busy


METERED = {
    "a wire that is observed": observe.observing(A),
    "a port where links are looked for": (observe.listening("br0", 1),),
    "a port where hosts are looked for": tuple(observe.locating("br0", 1, learns=False)),
    "a port where hosts are looked for, that learns": tuple(observe.locating("br0", 1, learns=True)),
}


@pytest.mark.parametrize("bundles", [True, False])
@pytest.mark.parametrize("flows", METERED.values(), ids=METERED)
def test_the_meters_of_flows_are_made_before_them(flows: tuple[Flow, ...], bundles: bool) -> None:
    """Of a switch that is heard for the first time, of one that is known, and of one that has the meters already."""
    (number,) = {each.meter for flow in flows for each in flow.actions if isinstance(each, Metered)}
    exchange = Exchange("br0")
    for switch in (first := FakeSwitch(bundles), FakeSwitch(bundles), first):
        assert run(exchange, switch, exchange.change(add(*flows))) == Changed((), len(flows), bundles)
        assert number in switch.meters


@pytest.mark.parametrize("verb", ["change", "replace"])
def test_a_flow_that_comes_to_go_through_a_meter_finds_it_there(verb: Literal["change", "replace"]) -> None:
    listening = observe.listening("br0", 1)
    switch, exchange = FakeSwitch(), Exchange("br0")
    result = run(exchange, switch, exchange.change(Plan((Step(verb, "", listening._replace(actions=()), listening),))))
    assert isinstance(result, Changed)
    assert result.ok


@pytest.mark.parametrize("flows", METERED.values(), ids=METERED)
def test_the_meters_of_flows_that_are_packed_beforehand_come_first(flows: tuple[Flow, ...]) -> None:
    switch = FakeSwitch()
    assert list(switch.hear(pack(add(*flows)).data)) == []
    assert len(switch.collected) == len(flows)


def test_a_refused_step_is_named_and_nothing_happens() -> None:
    switch, exchange = FakeSwitch(bad_ports=frozenset({2})), Exchange("br0")
    result = run(exchange, switch, exchange.change(add(A, B)))
    assert isinstance(result, Changed)
    assert not result.ok
    (refusal,) = result.errors
    assert refusal.step is not None
    assert refusal.step.item == B
    assert str(refusal) == "add flow/br0/table=0,priority=100,in_port=2: bad match: bad value"
    assert switch.done == []
    assert result.count == 0


def test_a_commit_that_fails_names_the_step() -> None:
    switch, exchange = FakeSwitch(fails_commit=True), Exchange("br0")
    result = run(exchange, switch, exchange.change(add(A, B)))
    assert isinstance(result, Changed)
    assert [(each.step and each.step.item, each.text) for each in result.errors] == [(A, "flow mod failed: table full")]
    assert result.count == 0


def test_without_bundles_removals_come_first_and_it_is_remembered() -> None:
    switch, exchange = FakeSwitch(bundles=False), Exchange("br0")
    other = Flow("br0", 100, Match(in_port=1), (Output(3),), COOKIE | 9)
    plan = Plan((*add(B).steps, Step("replace", "", A, other)))
    assert run(exchange, switch, exchange.change(plan)) == Changed((), 3, False)
    assert switch.done == [(4, 1), (0, 2), (0, 1)]
    assert switch.barriers == 2
    messages = frame.split(bytearray(b"".join(exchange.change(add(A)))))
    assert [each[1] for each in messages] == [frame.BARRIER_REQUEST, frame.FLOW_MOD, frame.BARRIER_REQUEST]


def test_a_switch_that_is_known_to_have_bundles_gets_the_whole_at_once() -> None:
    switch, exchange = FakeSwitch(), Exchange("br0")
    run(exchange, switch, exchange.change(add(A)))
    chunks = list(exchange.change(add(B)))
    assert [each[1] for each in frame.split(bytearray(b"".join(chunks)))] == [
        frame.EXPERIMENTER,
        frame.EXPERIMENTER,
        frame.BARRIER_REQUEST,
    ]
    assert run(exchange, switch, chunks) == Changed((), 1, True)
    assert switch.done == [(0, 1), (0, 2)]


def test_without_bundles_what_was_not_refused_is_taken_back_in_reverse() -> None:
    switch, exchange = FakeSwitch(bundles=False, bad_ports=frozenset({2})), Exchange("br0")
    old = Flow("br0", 100, Match(in_port=1), (Output(3),), COOKIE | 9)
    gone = Flow("br0", 100, Match(in_port=7), (Output(8),), COOKIE | 9)
    plan = Plan((Step("remove", "", gone), Step("change", "", old, A), *add(B).steps))
    result = run(exchange, switch, exchange.change(plan))
    assert isinstance(result, Changed)
    assert [each.step and each.step.item for each in result.errors] == [B]
    assert (result.count, result.atomic) == (0, False)
    assert switch.done == [(4, 7), (0, 1), (0, 1), (0, 7)]
    assert not exchange.busy


def test_what_cannot_be_taken_back_is_told() -> None:
    switch, exchange = FakeSwitch(bundles=False), Exchange("br0")
    exchange.bundles = False
    (adds, *_), barriers = (chunks := list(exchange.change(add(A, B)))[1:]), chunks[-1:]
    waiting = [refuse(frame.split(bytearray(adds))[1], 4, 7), *switch.hear(b"".join(barriers))]
    ends: list[Result] = []
    switch.bad_ports = frozenset({1})
    while waiting:
        for result in exchange.feed(waiting.pop(0)):
            if isinstance(result, Send):
                waiting += switch.hear(b"".join(result.chunks))
            else:
                ends.append(result)
    (changed,) = ends
    assert isinstance(changed, Changed)
    assert [each.text for each in changed.errors] == [
        "bad match: bad value",
        "cannot be taken back: bad match: bad value",
    ]


def test_flows_are_read_by_their_cookies() -> None:
    exchange = Exchange("br0")
    requests = frame.split(bytearray(exchange.read((A.cookie, COOKIE))))
    empty = b"\0\1\0\0\0\0\0\0"
    assert [each[32:48] for each in requests] == [
        A.cookie.to_bytes(8, "big") + b"\xff" * 8,
        COOKIE.to_bytes(8, "big") + b"\xff" * 8,
    ]
    first, second = (frame.message(frame.MULTIPART_REPLY, frame.header(each).xid, empty) for each in requests)
    assert exchange.feed(second) == []
    assert exchange.feed(first) == [FlowsRead(())]


def test_a_change_of_actions_keeps_the_flow_and_a_removal_asks_for_its_cookie() -> None:
    exchange = Exchange("br0")
    exchange.bundles = False
    new = Flow("br0", 100, Match(in_port=1), (Output(3),), COOKIE | 1)
    plan = Plan((Step("remove", "", B), Step("change", "", A, new)))
    messages = frame.split(bytearray(b"".join(exchange.change(plan))))
    remove, _, change, _ = messages
    assert remove[25] == 4
    assert remove[8:24] == B.cookie.to_bytes(8, "big") + b"\xff" * 8
    assert change[25] == 0
    assert change[44:46] == b"\0\0", "no OFPFF_RESET_COUNTS"


def test_an_empty_plan_ends_as_well() -> None:
    switch, exchange = FakeSwitch(), Exchange("br0")
    assert run(exchange, switch, exchange.change(Plan())) == Changed((), 0, True)


def test_flows_are_read_over_several_parts() -> None:
    exchange = Exchange("br0")
    xid = frame.header(exchange.read()).xid
    part = bytearray(CAPTURED["flows_reply"])
    part[4:8] = xid.to_bytes(4, "big")
    last = bytes(part)
    part[11] = 1
    assert exchange.feed(bytes(part)) == []
    assert exchange.busy
    (result,) = exchange.feed(last)
    assert isinstance(result, FlowsRead)
    assert len(result.found) == 10


def test_what_answers_somebody_else_is_passed_over() -> None:
    exchange = Exchange("br0")
    exchange.read()
    assert exchange.feed(CAPTURED["flows_reply"]) == []
    assert exchange.feed(CAPTURED["port_down"]) == []
    assert exchange.feed(CAPTURED["bad_output"]) == []
    assert exchange.busy


def test_a_new_request_abandons_the_one_before() -> None:
    exchange = Exchange("br0")
    first = frame.header(exchange.read()).xid
    exchange.read()
    reply = frame.message(frame.MULTIPART_REPLY, first, b"\0\1\0\0\0\0\0\0")
    assert exchange.feed(reply) == []


@pytest.mark.parametrize("body", [b"", b"\0\x0d\0\0\0\0\0\0", b"\0\1\0\0\0\0\0\0\0"])
def test_an_answer_that_cannot_be_read_fails(body: bytes) -> None:
    exchange = Exchange("br0")
    xid = frame.header(exchange.read()).xid
    (result,) = exchange.feed(frame.message(frame.MULTIPART_REPLY, xid, body))
    assert isinstance(result, Failed)
    assert not exchange.busy


def test_a_switch_that_does_not_tell_its_flows() -> None:
    exchange = Exchange("br0")
    (result,) = exchange.feed(refuse(exchange.read(), 1, 5))
    assert result == Failed("the switch does not tell its flows: bad request: not permitted")


@given(
    st.booleans(),
    st.lists(
        st.tuples(
            st.sampled_from([frame.ERROR, frame.EXPERIMENTER, frame.MULTIPART_REPLY, frame.BARRIER_REPLY]),
            st.integers(0, 6),
            st.binary(max_size=60),
        ),
        max_size=12,
    ),
)
def test_no_message_raises(reading: bool, messages: list[tuple[int, int, bytes]]) -> None:
    exchange = Exchange("br0")
    if reading:
        exchange.read()
    else:
        list(exchange.change(add(A, B)))
    for kind, number, body in messages:
        exchange.feed(frame.message(kind, frame.XID | number, body))
    exchange.feed(b"")
