"""The frame of every OpenFlow 1.3 message, those that are little more (OpenFlow 1.3.5, 7.1, 7.3.1, 7.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

VERSION = 4
"""OpenFlow 1.3 on the wire."""

XID = 0x8000_0000
"""Set in the transaction id of all that netctl sends, so that the answers can be told from other people's."""

HELLO = 0
ERROR = 1
ECHO_REQUEST = 2
ECHO_REPLY = 3
EXPERIMENTER = 4
FEATURES_REQUEST = 5
FEATURES_REPLY = 6
PACKET_IN = 10
PORT_STATUS = 12
PACKET_OUT = 13
FLOW_MOD = 14
MULTIPART_REQUEST = 18
MULTIPART_REPLY = 19
BARRIER_REQUEST = 20
BARRIER_REPLY = 21
SET_ASYNC = 28
METER_MOD = 29

HEADER = struct.Struct("!BBHI")

_HELLO = struct.Struct("!BBHIHHI")
_ELEMENT = struct.Struct("!HH")
_FEATURES = struct.Struct("!QIBB2xII")
_ASYNC = struct.Struct("!6I")
_BITMAP_ELEMENT = 1


class DecodeError(ValueError):
    """Bytes that are not the message they should be."""


@dataclass(frozen=True)
class Header:
    version: int
    kind: int
    length: int
    xid: int


def header(message: bytes) -> Header:
    """The header of a whole message."""
    if len(message) < HEADER.size:
        raise DecodeError(f"a message of {len(message)} bytes; the header alone takes {HEADER.size}")
    found = Header(*HEADER.unpack_from(message))
    if found.length != len(message):
        raise DecodeError(f"a message of {len(message)} bytes that says it has {found.length}")
    return found


def split(buffer: bytearray) -> list[bytes]:
    """Take the whole messages off the front of a stream's buffer."""
    messages = []
    start = 0
    while len(buffer) - start >= HEADER.size:
        length = int.from_bytes(buffer[start + 2 : start + 4], "big")
        if length < HEADER.size:
            raise DecodeError(f"a message that says it has {length} bytes; its header takes {HEADER.size}")
        if len(buffer) - start < length:
            break
        messages.append(bytes(buffer[start : start + length]))
        start += length
    del buffer[:start]
    return messages


def message(kind: int, xid: int, body: bytes = b"") -> bytes:
    """ValueError where that is longer than 65535 bytes, the most that the length field can say."""
    length = HEADER.size + len(body)
    if length > 0xFFFF:
        raise ValueError(f"an OpenFlow message has at most 65535 bytes, this one would have {length}")
    return HEADER.pack(VERSION, kind, length, xid) + body


def hello(xid: int) -> bytes:
    """OFPT_HELLO that offers OpenFlow 1.3 and nothing else (7.5.1)."""
    return _HELLO.pack(VERSION, HELLO, _HELLO.size, xid, _BITMAP_ELEMENT, 8, 1 << VERSION)


def offers(hello: bytes) -> bool:
    """Whether an OFPT_HELLO leaves OpenFlow 1.3 to be agreed on: in its bitmap, or not below its version."""
    version = header(hello).version
    at = HEADER.size
    while at + _ELEMENT.size <= len(hello):
        kind, length = _ELEMENT.unpack_from(hello, at)
        if length < _ELEMENT.size or at + length > len(hello):
            raise DecodeError("a hello with an element longer than itself")
        if kind == _BITMAP_ELEMENT:
            if length < 8:
                raise DecodeError("a hello with an empty version bitmap")
            return bool(int.from_bytes(hello[at + 4 : at + 8], "big") & 1 << VERSION)
        at += (length + 7) // 8 * 8
    return version >= VERSION


def echo_reply(request: bytes) -> bytes:
    """OFPT_ECHO_REPLY with the data of the request (7.5.3)."""
    return message(ECHO_REPLY, header(request).xid, request[HEADER.size :])


def features_request(xid: int) -> bytes:
    return message(FEATURES_REQUEST, xid)


def datapath_id(features_reply: bytes) -> int:
    """The datapath id in an OFPT_FEATURES_REPLY (7.3.1)."""
    if len(features_reply) < HEADER.size + _FEATURES.size:
        raise DecodeError("a features reply that is too short")
    dpid, *_ = _FEATURES.unpack_from(features_reply, HEADER.size)
    return int(dpid)


def barrier_request(xid: int) -> bytes:
    return message(BARRIER_REQUEST, xid)


def set_async(xid: int) -> bytes:
    """OFPT_SET_ASYNC (7.3.10) with what a controller hears anyway: packets by table miss or action, every change of
    a port, every flow that goes; of these the ports only while another one is the master.

    To Open vSwitch's service connections nothing is told before they ask for it.
    """
    return message(SET_ASYNC, xid, _ASYNC.pack(0b11, 0, 0b111, 0b111, 0b1111, 0))
