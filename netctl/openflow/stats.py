"""OFPMP_FLOW: the flows of a switch (OpenFlow 1.3.5, 7.3.5.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache

from netctl.desired.flow import (
    COOKIE,
    COOKIE_MASK,
    IN_PORT,
    NORMAL,
    TPID,
    Action,
    Clone,
    Flow,
    Foreign,
    GotoTable,
    Match,
    Metered,
    Output,
    Plain,
    PopVlan,
    PushVlan,
    SetVlan,
    ToController,
)
from netctl.openflow import match
from netctl.openflow.flowmod import CLONE, CONTROLLER, NICIRA
from netctl.openflow.frame import MULTIPART_REQUEST, DecodeError, message
from netctl.openflow.multipart import FLOW, MULTIPART, part
from netctl.plan import Found

_REQUEST = struct.Struct("!B3xII4xQQ")
_ALL_TABLES = 0xFF
_ANY = 0xFFFF_FFFF

_ENTRY = struct.Struct("!HB9xH6s4xQ16x8sI4sH")
"""Of a flow its length, table, priority, limits (time-outs and flags), cookie; and of its match what would be the
first octets, the input port, the head of the second field and its value, were it a wire's."""
_FIXED = 48
"""The octets before the match."""
_SHORTEST = _FIXED + 8
_NO_LIMITS = bytes(6)
_LIMITS = struct.Struct("!HHH")
_TLV = struct.Struct("!HH")
_PORT = struct.Struct("!IH")
_METER = struct.Struct("!I")
_MAX_PORT = 0xFFFF_FF00
_PUSHED = TPID.to_bytes(2, "big") + bytes(2)
_PRESENT = 0x1000
_SET_VLAN = match.vlan_field(0)[:4]
_CLONED = NICIRA.to_bytes(4, "big") + CLONE.to_bytes(2, "big") + bytes(6)
_APPLY_ACTIONS = 4
_ONE_OUTPUT = struct.Struct("!12sI8x")
_ONE = struct.pack("!HH4xHH", _APPLY_ACTIONS, 24, 0, 16)
"""What an instruction with an output and nothing else begins with; the port and 8 octets follow."""

_RESERVED = {
    0xFFFF_FFF9: "TABLE",
    0xFFFF_FFFB: "FLOOD",
    0xFFFF_FFFC: "ALL",
    0xFFFF_FFFE: "LOCAL",
}
_INSTRUCTIONS = {1: "goto_table", 2: "write_metadata", 5: "clear_actions", 6: "meter"}
_ACTIONS = {
    11: "copy_ttl_out",
    12: "copy_ttl_in",
    15: "set_mpls_ttl",
    16: "dec_mpls_ttl",
    17: "push_vlan",
    18: "pop_vlan",
    19: "push_mpls",
    20: "pop_mpls",
    21: "set_queue",
    22: "group",
    23: "set_nw_ttl",
    24: "dec_nw_ttl",
    25: "set_field",
    26: "push_pbb",
    27: "pop_pbb",
    0xFFFF: "experimenter",
}


def request(xid: int, cookie: int = 0, mask: int = 0) -> bytes:
    """Every flow of every table, or those whose cookie is `cookie` where `mask` has a bit."""
    body = MULTIPART.pack(FLOW, 0) + _REQUEST.pack(_ALL_TABLES, _ANY, _ANY, cookie, mask) + match.pack(Match())
    return message(MULTIPART_REQUEST, xid, body)


def reply(message: bytes, bridge: str) -> tuple[list[Found[Flow]], bool]:
    """The flows in one part of a reply, and whether more parts follow."""
    body, more = part(message, FLOW)
    return [Found(flow, flow.cookie & COOKIE_MASK == COOKIE) for flow in _flows(body, bridge)], more


def _flows(body: bytes, bridge: str) -> Iterator[Flow]:
    """What wires do most is read at a glance: look at a port, or at a port and a VLAN, and send by a port."""
    by: dict[int, tuple[Action, ...]] = {}
    at, size = 0, len(body)
    body += bytes(_ENTRY.size)
    while at < size:
        if size - at < _SHORTEST:
            raise DecodeError("flow statistics that end within a flow")
        length, table, priority, limits, cookie, head, in_port, second, vid = _ENTRY.unpack_from(body, at)
        end = at + length
        if length < _SHORTEST or end > size:
            raise DecodeError(f"a flow of {length} bytes in {size - at}")
        extra = ""
        if head == match.PORT_HEAD:
            matched = Match(in_port)
            after = at + _FIXED + match.PORT.size
        elif head == match.PORT_VLAN_HEAD and second == match.VLAN_HEAD and vid & ~0xFFF == _PRESENT:
            matched = Match(in_port, vid & 0xFFF)
            after = at + _FIXED + match.PORT_VLAN.size
        else:
            matched, others, after = match.unpack(body, at + _FIXED, end)
            extra = ",".join(others)
        actions: tuple[Action, ...] | None = None
        if end - after == _ONE_OUTPUT.size:
            head, port = _ONE_OUTPUT.unpack_from(body, after)
            if head == _ONE and 0 < port <= _MAX_PORT:
                actions = by.get(port)
                if actions is None:
                    actions = by[port] = (Output(port),)
        elif after > end:
            raise DecodeError("a flow that ends within its match")
        if actions is None:
            actions = _instructions(body[after:end])
        if limits != _NO_LIMITS:
            named = zip(("idle_timeout", "hard_timeout", "flags"), _LIMITS.unpack(limits), strict=True)
            actions += tuple(Foreign(f"{name}={value}") for name, value in named if value)
        yield Flow(bridge, priority, matched, actions, cookie, table, extra)
        at = end


def _instructions(body: bytes) -> tuple[Action, ...]:
    """What a flow does. What is not applied at once is Foreign, and so is every action that netctl never writes."""
    done: list[Action] = []
    for kind, payload in _tlvs(body):
        if kind == _APPLY_ACTIONS:
            done += [_action(action, data) for action, data in _tlvs(payload, 4)]
        elif kind == 3:
            inner = ",".join(str(_action(action, data)) for action, data in _tlvs(payload, 4))
            done.append(Foreign(f"write_actions({inner})"))
        elif kind == 1 and len(payload) == 4 and not any(payload[1:]):
            done.append(GotoTable(payload[0]))
        elif kind == 6 and len(payload) == 4:
            done.append(Metered(_METER.unpack(payload)[0]))
        else:
            done.append(Foreign(f"{_INSTRUCTIONS.get(kind, f'instruction_{kind}')}:{payload.hex()}"))
    return tuple(done)


@lru_cache(1 << 14)
def _action(kind: int, payload: bytes) -> Action:
    if kind == 0xFFFF and payload.startswith(_CLONED):
        return Clone(tuple(_plain(inner, data) for inner, data in _tlvs(payload[len(_CLONED) :])))
    return _plain(kind, payload)


def _plain(kind: int, payload: bytes) -> Plain:
    if kind == 0:
        if len(payload) < _PORT.size:
            raise DecodeError("an output action without a port")
        port, length = _PORT.unpack_from(payload)
        if port == CONTROLLER:
            return ToController(length)
        if port in (NORMAL, IN_PORT) or 0 < port <= _MAX_PORT:
            return Output(port)
        return Foreign(f"output:{_RESERVED.get(port, f'{port:#x}')}")
    if kind == 17 and payload == _PUSHED:
        return PushVlan()
    if kind == 18 and payload == bytes(4):
        return PopVlan()
    if kind == 25 and len(payload) == 12 and payload.startswith(_SET_VLAN) and not any(payload[6:]):
        vid = int.from_bytes(payload[4:6], "big")
        if vid & ~0xFFF == _PRESENT:
            return SetVlan(vid & 0xFFF)
    return Foreign(f"{_ACTIONS.get(kind, f'action_{kind}')}:{payload.hex()}")


def _tlvs(body: bytes, at: int = 0) -> list[tuple[int, bytes]]:
    """Instructions and actions: a type, a length with this header, a payload."""
    found = []
    size = len(body)
    while at < size:
        if size - at < _TLV.size:
            raise DecodeError("a list of actions that ends within one")
        kind, length = _TLV.unpack_from(body, at)
        end = at + length
        if length < _TLV.size or end > size:
            raise DecodeError(f"an action of {length} bytes in {size - at}")
        found.append((kind, body[at + _TLV.size : end]))
        at = end
    return found
