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

_BY_PORT = struct.Struct("!2xH8xHBBQ8xI")
_PORT_ONLY = slice(HEADER.size + _HEAD.size, HEADER.size + _HEAD.size + len(match.PORT_HEAD))
_DATA_AT = _BY_PORT.size + 4 + 2
"""Where the frame begins behind a match of the port alone, which is all that there is to most frames."""

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
    if message[_PORT_ONLY] == match.PORT_HEAD and message[1] == PACKET_IN and len(message) >= _DATA_AT:
        size, length, reason, table, cookie, in_port = _BY_PORT.unpack_from(message)
        if size == len(message):
            return PacketIn(cookie, table, in_port, reason, length, message[_DATA_AT:])
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
