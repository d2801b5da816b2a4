"""OFPT_ERROR as text (OpenFlow 1.3.5, 7.4.4; for bundles, ONF extension 230)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from netctl.openflow.bundle import ONF
from netctl.openflow.frame import ERROR, HEADER, DecodeError, header

EXPERIMENTER = 0xFFFF
BAD_REQUEST = 1

_HEAD = struct.Struct("!HH")
_EXPERIMENTER = struct.Struct("!HHI")

_TEXTS = """
hello failed: incompatible, not permitted
bad request: bad version, bad type, bad multipart type, bad experimenter, bad experimenter type, not
    permitted, bad length, buffer empty, buffer unknown, bad table, not for a slave, bad port, bad
    packet, multipart buffer overflow
bad action: bad type, bad length, bad experimenter, bad experimenter type, bad output port, bad
    argument, not permitted, too many, bad queue, bad output group, match inconsistent, unsupported
    order, bad tag, bad set-field type, bad set-field length, bad set-field argument
bad instruction: unknown instruction, unsupported instruction, bad table, unsupported metadata,
    unsupported metadata mask, bad experimenter, bad experimenter type, bad length, not permitted
bad match: bad type, bad length, bad tag, bad datalink mask, bad network mask, bad wildcards, bad
    field, bad value, bad mask, bad prerequisite, duplicate field, not permitted
flow mod failed: unknown, table full, bad table, overlap, not permitted, bad time-out, bad command,
    bad flags
group mod failed: group exists, invalid group, weight unsupported, out of groups, out of buckets,
    chaining unsupported, watch unsupported, loop, unknown group, chained group, bad type, bad
    command, bad bucket, bad watch, not permitted
port mod failed: bad port, bad hardware address, bad config, bad advertise, not permitted
table mod failed: bad table, bad config, not permitted
queue operation failed: bad port, bad queue, not permitted
switch config failed: bad flags, bad length, not permitted
role request failed: stale, unsupported, bad role
meter mod failed: unknown, meter exists, invalid meter, unknown meter, bad command, bad flags, bad
    rate, bad burst, bad band, bad band value, out of meters, out of bands
table features failed: bad table, bad metadata, bad type, bad length, bad argument, not permitted
"""
"""OFPET_*, by number, and the codes of each, by number."""

_BUNDLE_TEXTS = """
bundle failed: unknown, not permitted, bad bundle id, bundle exists, bundle is closed, out of
    bundles, bad control type, bad flags, bad message length, bad message transaction id,
    unsupported message, conflicting messages, too many messages, a message failed, timed out,
    another bundle is in progress
"""
"""OFPBFC_*, by number above 2300."""


def _read(texts: str) -> list[tuple[str, list[str]]]:
    lines = texts.strip().replace("\n    ", " ").split("\n")
    return [(name, codes.split(", ")) for name, codes in (line.split(": ") for line in lines)]


_NAMES = _read(_TEXTS)
_BUNDLE = _read(_BUNDLE_TEXTS)[0]


@dataclass(frozen=True)
class Error:
    xid: int
    """Of the message that was refused."""
    kind: int
    code: int
    """For an experimenter's error (kind 0xffff) its exp_type."""
    text: str


def error(message: bytes) -> Error:
    head = header(message)
    if head.kind != ERROR or len(message) < HEADER.size + _HEAD.size:
        raise DecodeError("not an error message")
    kind, code = _HEAD.unpack_from(message, HEADER.size)
    if kind == EXPERIMENTER:
        if len(message) < HEADER.size + _EXPERIMENTER.size:
            raise DecodeError("an experimenter's error that is too short")
        _, _, experimenter = _EXPERIMENTER.unpack_from(message, HEADER.size)
        return Error(head.xid, kind, code, _experimenter(experimenter, code))
    if kind >= len(_NAMES):
        return Error(head.xid, kind, code, f"error type {kind}, code {code}")
    return Error(head.xid, kind, code, _text(_NAMES[kind], code))


def _experimenter(experimenter: int, code: int) -> str:
    if experimenter == ONF and code >= 2300:
        return _text(_BUNDLE, code - 2300)
    return f"experimenter {experimenter:#x}, error {code}"


def _text(named: tuple[str, list[str]], code: int) -> str:
    name, codes = named
    return f"{name}: {codes[code] if code < len(codes) else f'code {code}'}"
