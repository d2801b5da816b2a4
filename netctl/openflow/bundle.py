"""Bundles: flow modifications that take effect together or not at all.

OpenFlow 1.3 has them by the Open Networking Foundation's extension 230, laid out as in OpenFlow 1.4.1, 7.3.9.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from netctl.openflow.frame import EXPERIMENTER, HEADER, VERSION, DecodeError, header

ONF = 0x4F4E_4600
CONTROL = 2300
ADD_MESSAGE = 2301

ATOMIC = 1
ORDERED = 2
FLAGS = ATOMIC | ORDERED


class Control(IntEnum):
    OPEN_REQUEST = 0
    OPEN_REPLY = 1
    CLOSE_REQUEST = 2
    CLOSE_REPLY = 3
    COMMIT_REQUEST = 4
    COMMIT_REPLY = 5
    DISCARD_REQUEST = 6
    DISCARD_REPLY = 7


_CONTROL = struct.Struct("!BBHIIIIHH")
_ADD = struct.Struct("!BBHIIII2xH")


def control(kind: Control, bundle: int, xid: int) -> bytes:
    return _CONTROL.pack(VERSION, EXPERIMENTER, _CONTROL.size, xid, ONF, CONTROL, bundle, kind, FLAGS)


def add(message: bytes, bundle: int, xid: int) -> bytes:
    """`message` must have the same transaction id."""
    length = _ADD.size + len(message)
    return _ADD.pack(VERSION, EXPERIMENTER, length, xid, ONF, ADD_MESSAGE, bundle, FLAGS) + message


def control_reply(message: bytes) -> tuple[Control, int]:
    """What is confirmed, and of which bundle."""
    if header(message).kind != EXPERIMENTER or len(message) < _CONTROL.size:
        raise DecodeError("not a bundle control message")
    experimenter, kind, bundle, what, _ = struct.unpack_from("!IIIHH", message, HEADER.size)
    if (experimenter, kind) != (ONF, CONTROL):
        raise DecodeError(f"an experimenter message {experimenter:#x}/{kind} where a bundle's was due")
    try:
        return Control(what), bundle
    except ValueError:
        raise DecodeError(f"a bundle control message of type {what}") from None
