"""OFPMP_AGGREGATE: how many flows a switch has, without reading them (OpenFlow 1.3.5, 7.3.5.3)."""

from __future__ import annotations

import struct

from netctl.openflow.frame import MULTIPART_REQUEST, DecodeError, message
from netctl.openflow.multipart import AGGREGATE, MULTIPART, part

_REQUEST = struct.Struct("!B3xII4xQQHH4x")
_REPLY = struct.Struct("!QQI4x")
_ALL_TABLES = 0xFF
_ANY = 0xFFFF_FFFF
_OXM, _EMPTY_MATCH = 1, 4


def request(xid: int, cookie: int, mask: int) -> bytes:
    """Of the flows in all tables whose cookie is `cookie` in the bits of `mask`."""
    body = _REQUEST.pack(_ALL_TABLES, _ANY, _ANY, cookie, mask, _OXM, _EMPTY_MATCH)
    return message(MULTIPART_REQUEST, xid, MULTIPART.pack(AGGREGATE, 0) + body)


def reply(message: bytes) -> int:
    """How many there are."""
    body, _ = part(message, AGGREGATE)
    if len(body) < _REPLY.size:
        raise DecodeError(f"an aggregate of {len(body)} bytes; it takes {_REPLY.size}")
    return int(_REPLY.unpack_from(body)[2])
