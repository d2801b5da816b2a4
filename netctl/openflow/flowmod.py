"""OFPT_FLOW_MOD (OpenFlow 1.3.5, 7.3.4.1), for the flows that netctl writes."""

from __future__ import annotations

import struct
from functools import lru_cache

from netctl.desired.flow import (
    TPID,
    Action,
    Clone,
    Flow,
    GotoTable,
    Metered,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
    ToController,
)
from netctl.openflow import match
from netctl.openflow.bundle import ADD_MESSAGE, FLAGS, ONF
from netctl.openflow.frame import EXPERIMENTER, FLOW_MOD, VERSION

ADD = 0
DELETE_STRICT = 4

_FIXED = struct.Struct("!HHIQQBB4xH12s4x")
"""The header and everything up to the match."""

_BUNDLED = struct.Struct("!HHIIII2xHHHIQQBB4xH12s4x")
"""The same, with the bundle's header in front."""

_BUNDLED_HEAD = VERSION << 8 | EXPERIMENTER
_HEAD = VERSION << 8 | FLOW_MOD
_NO_BUFFER_ANY_PORT_ANY_GROUP = b"\xff" * 12

_INSTRUCTION = struct.Struct("!HH4x")
_GOTO_TABLE = struct.Struct("!HHB3x")
_METER = struct.Struct("!HHI")
_APPLY_ACTIONS = 4
_OUTPUT = struct.Struct("!HHIH6x")
_AFTER_HEAD = struct.Struct("!I8x")
"""An output's port and what follows it."""
_PUSH_VLAN = struct.Struct("!HHH2x")
_POP_VLAN = struct.Struct("!HH4x")
_SET_FIELD = struct.Struct("!HH6s6x")
_CLONE = struct.Struct("!HHIH6x")

CONTROLLER = 0xFFFF_FFFD
"""OFPP_CONTROLLER."""

NICIRA = 0x2320
"""The experimenter of Open vSwitch's own actions."""

CLONE = 42
"""NXAST_CLONE (Open vSwitch, ofp-actions.c): the actions follow its 16 octets."""

_ALL_BITS = 0xFFFF_FFFF_FFFF_FFFF


def add(flow: Flow, xid: int, bundle: int = 0) -> bytes:
    """OFPFC_ADD, wrapped up for a bundle if one is given (never 0).

    A flow of the same table, priority and match is replaced and hands on its counters. Raises ValueError where
    the flow does what netctl does not write.
    """
    actions = flow.actions
    if actions and type(last := actions[-1]) is Output:
        rest = match.pack(flow.match, _others(flow)) + _before_port(actions[:-1]) + _AFTER_HEAD.pack(last.port)
    else:
        rest = match.pack(flow.match, _others(flow)) + _instructions(actions)
    return _pack(ADD, flow, xid, bundle, 0, rest)


def delete_strict(flow: Flow, xid: int, bundle: int = 0) -> bytes:
    """OFPFC_DELETE_STRICT of this very flow, if it has this cookie; nothing happens where it is not there."""
    return _pack(DELETE_STRICT, flow, xid, bundle, _ALL_BITS, match.pack(flow.match, _others(flow)))


def _others(flow: Flow) -> tuple[str, ...]:
    return tuple(flow.extra.split(",")) if flow.extra else ()


def _pack(command: int, flow: Flow, xid: int, bundle: int, mask: int, rest: bytes) -> bytes:
    _, priority, _, _, cookie, table, _ = flow
    length = _FIXED.size + len(rest)
    if bundle:
        return (
            _BUNDLED.pack(
                _BUNDLED_HEAD, length + 24, xid, ONF, ADD_MESSAGE, bundle, FLAGS,
                _HEAD, length, xid, cookie, mask, table, command, priority, _NO_BUFFER_ANY_PORT_ANY_GROUP,
            )
            + rest
        )  # fmt: skip
    return _FIXED.pack(_HEAD, length, xid, cookie, mask, table, command, priority, _NO_BUFFER_ANY_PORT_ANY_GROUP) + rest


@lru_cache(1 << 13)
def _before_port(actions: tuple[Action, ...]) -> bytes:
    """The instructions with an output behind these actions, up to its port: of these there are few."""
    return _instructions((*actions, Output(0)))[: -_AFTER_HEAD.size]


def _instructions(actions: tuple[Action, ...]) -> bytes:
    """A meter, then what is applied, then another table: in this order, whatever the order in a message."""
    before = after = b""
    if actions and isinstance(actions[0], Metered):
        before = _METER.pack(6, _METER.size, actions[0].meter)
        actions = actions[1:]
    if actions and isinstance(actions[-1], GotoTable):
        after = _GOTO_TABLE.pack(1, _GOTO_TABLE.size, actions[-1].table)
        actions = actions[:-1]
    if not actions:
        return before + after
    packed = b"".join(map(_action, actions))
    return before + _INSTRUCTION.pack(_APPLY_ACTIONS, _INSTRUCTION.size + len(packed)) + packed + after


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
    if isinstance(action, ToController):
        return _OUTPUT.pack(0, _OUTPUT.size, CONTROLLER, action.length)
    if isinstance(action, Clone):
        inner = b"".join(map(_action, action.actions))
        return _CLONE.pack(0xFFFF, _CLONE.size + len(inner), NICIRA, CLONE) + inner
    if isinstance(action, Metered | GotoTable):
        raise ValueError(f"«{action}» stands where it has no effect; a meter comes first, a table last")
    raise ValueError(f"netctl does not write «{action}»")
