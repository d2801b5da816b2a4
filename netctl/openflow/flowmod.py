"""OFPT_FLOW_MOD (OpenFlow 1.3.5, 7.3.4.1), for the flows that netctl writes."""

from __future__ import annotations

import struct
from functools import lru_cache

from netctl.desired.flow import TPID, Action, Clone, Flow, Output, PopVlan, PushVlan, SetVlan
from netctl.openflow import match
from netctl.openflow.frame import FLOW_MOD, VERSION

ADD = 0
DELETE_STRICT = 4

_NO_BUFFER = 0xFFFF_FFFF
_ANY = 0xFFFF_FFFF

_FIXED = struct.Struct("!BBHIQQBBHHHIIIH2x")
"""The header and everything up to the match."""

_INSTRUCTION = struct.Struct("!HH4x")
_APPLY_ACTIONS = 4
_OUTPUT = struct.Struct("!HHIH6x")
_PUSH_VLAN = struct.Struct("!HHH2x")
_POP_VLAN = struct.Struct("!HH4x")
_SET_FIELD = struct.Struct("!HH6s6x")
_CLONE = struct.Struct("!HHIH6x")

NICIRA = 0x2320
"""The experimenter of Open vSwitch's own actions."""

CLONE = 42
"""NXAST_CLONE (Open vSwitch, ofp-actions.c): the actions follow its 16 octets."""

_ALL_BITS = 0xFFFF_FFFF_FFFF_FFFF


def add(flow: Flow, xid: int) -> bytes:
    """OFPFC_ADD. A flow of the same table, priority and match is replaced and hands on its counters."""
    return _pack(ADD, flow, xid, matched=match.pack(flow.match), instructions=_instructions(flow.actions))


def delete_strict(flow: Flow, xid: int) -> bytes:
    """OFPFC_DELETE_STRICT of this very flow, if it has this cookie; nothing happens where it is not there."""
    others = tuple(flow.extra.split(",")) if flow.extra else ()
    return _pack(DELETE_STRICT, flow, xid, mask=_ALL_BITS, matched=match.pack(flow.match, others))


def _pack(command: int, flow: Flow, xid: int, *, mask: int = 0, matched: bytes, instructions: bytes = b"") -> bytes:
    length = _FIXED.size + len(matched) + len(instructions)
    return (
        _FIXED.pack(
            VERSION, FLOW_MOD, length, xid,
            flow.cookie, mask, flow.table, command, 0, 0, flow.priority, _NO_BUFFER, _ANY, _ANY, 0,
        )
        + matched
        + instructions
    )  # fmt: skip


@lru_cache(4096)
def _instructions(actions: tuple[Action, ...]) -> bytes:
    if not actions:
        return b""
    packed = b"".join(map(_action, actions))
    return _INSTRUCTION.pack(_APPLY_ACTIONS, _INSTRUCTION.size + len(packed)) + packed


def _action(action: Action) -> bytes:
    """OpenFlow 1.3.5, 7.2.5."""
    if isinstance(action, Output):
        return _OUTPUT.pack(0, _OUTPUT.size, action.port, 0)
    if isinstance(action, PushVlan):
        return _PUSH_VLAN.pack(17, _PUSH_VLAN.size, TPID)
    if isinstance(action, PopVlan):
        return _POP_VLAN.pack(18, _POP_VLAN.size)
    if isinstance(action, SetVlan):
        return _SET_FIELD.pack(25, _SET_FIELD.size, match.vlan_field(action.vlan))
    if isinstance(action, Clone):
        inner = b"".join(map(_action, action.actions))
        return _CLONE.pack(0xFFFF, _CLONE.size + len(inner), NICIRA, CLONE) + inner
    raise ValueError(f"netctl does not write «{action}»")
