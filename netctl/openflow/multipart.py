"""Multipart messages: a type, a flag that says whether more parts follow, a body (OpenFlow 1.3.5, 7.3.5)."""

from __future__ import annotations

import struct

from netctl.openflow.frame import HEADER, MULTIPART_REPLY, DecodeError, header

FLOW = 1
AGGREGATE = 2
PORT_DESC = 13

MULTIPART = struct.Struct("!HH4x")

_MORE = 1


def part(message: bytes, kind: int) -> tuple[bytes, bool]:
    """The body of an OFPT_MULTIPART_REPLY of a type, and whether more parts follow."""
    if header(message).kind != MULTIPART_REPLY or len(message) < HEADER.size + MULTIPART.size:
        raise DecodeError("not a multipart reply")
    found, flags = MULTIPART.unpack_from(message, HEADER.size)
    if found != kind:
        raise DecodeError(f"a multipart reply of type {found} where {kind} was asked for")
    return message[HEADER.size + MULTIPART.size :], bool(flags & _MORE)
