"""OFPT_PACKET_IN: a frame that a flow sent to the controller (OpenFlow 1.3.5, 7.4.1)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from netctl.openflow import match
from netctl.openflow.frame import HEADER, PACKET_IN, DecodeError, header

NO_MATCH = 0
"""OFPR_NO_MATCH: no flow took the frame (a table-miss flow sent it)."""

ACTION = 1
"""OFPR_ACTION: a flow sent it."""

_HEAD = struct.Struct("!4xHBBQ")

COOKIE_AT = slice(16, 20)
"""Where the upper half of the cookie is in the message."""


class PacketIn(NamedTuple):
    cookie: int
    """Of the flow that sent it."""
    table: int
    in_port: int
    """The OpenFlow number of the port that the frame came in by."""
    reason: int
    """ACTION, NO_MATCH, or another OFPR_* of the standard."""
    length: int
    """Octets that the frame has; `data` holds the first of them, or all."""
    data: bytes


def packet_in(message: bytes) -> PacketIn:
    """Raises DecodeError."""
    head = header(message)
    if head.kind != PACKET_IN or len(message) < HEADER.size + _HEAD.size:
        raise DecodeError("not a packet-in")
    length, reason, table, cookie = _HEAD.unpack_from(message, HEADER.size)
    matched, _, after = match.unpack(message, HEADER.size + _HEAD.size, len(message))
    if matched.in_port is None:
        raise DecodeError("a packet-in that does not tell its port")
    if after + 2 > len(message):
        raise DecodeError("a packet-in that ends before its frame")
    return PacketIn(cookie, table, matched.in_port, reason, length, message[after + 2 :])
