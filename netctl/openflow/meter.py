"""Meters as a switch is told of them and tells of them (OpenFlow 1.3.5, 7.3.4.4 and 7.3.5.10).

A meter modification cannot be part of a bundle: Open vSwitch answers «bundle failed: unsupported message».
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from netctl.desired.meter import Kind, Meter, ours
from netctl.openflow.frame import (
    BARRIER_REPLY,
    ERROR,
    METER_MOD,
    MULTIPART_REPLY,
    MULTIPART_REQUEST,
    XID,
    DecodeError,
    barrier_request,
    header,
    message,
)
from netctl.openflow.multipart import MULTIPART, part
from netctl.plan import Found, Step

METER_CONFIG = 10
"""OFPMP_METER_CONFIG."""

SWEEP_XID = XID | 0x3FFF_FFF0
"""Beyond what an Exchange counts to."""

ADD = 0
MODIFY = 1
DELETE = 2

_ALL = 0xFFFF_FFFF
_KBPS, _PKTPS, _BURST, _STATS = 1, 2, 4, 8
_FLAGS: dict[Kind, int] = {"kbps": _KBPS, "pktps": _PKTPS}
_DROP = 1

_REQUEST = struct.Struct("!I4x")
_MOD = struct.Struct("!HHI")
_BAND = struct.Struct("!HHII4x")
_ENTRY = struct.Struct("!HHI")
_TLV = struct.Struct("!HH")


def request(xid: int) -> bytes:
    """Every meter of the switch, the controller's among them."""
    return message(MULTIPART_REQUEST, xid, MULTIPART.pack(METER_CONFIG, 0) + _REQUEST.pack(_ALL))


def reply(message: bytes, bridge: str) -> tuple[list[Found[Meter]], bool]:
    """The meters in one part of a reply, and whether more parts follow."""
    body, more = part(message, METER_CONFIG)
    return [Found(meter, ours(meter.number)) for meter in _meters(body, bridge)], more


def mod(step: Step[Meter], xid: int) -> bytes:
    """OFPT_METER_MOD that carries out a step; flows go on using a meter that changes.

    Raises ValueError where the meter is one that netctl does not write.
    """
    if step.after is None:
        return message(METER_MOD, xid, _MOD.pack(DELETE, 0, step.item.number))
    meter = step.after
    if meter.extra:
        raise ValueError(f"netctl does not write a meter with «{meter.extra}»")
    flags = _FLAGS[meter.kind] | _STATS | (_BURST if meter.burst else 0)
    head = _MOD.pack(ADD if step.before is None else MODIFY, flags, meter.number)
    return message(METER_MOD, xid, head + _BAND.pack(_DROP, _BAND.size, meter.rate, meter.burst))


def ensure(meters: Iterable[Meter], xid: int) -> bytes:
    """Make these meters be there, and be so, whether they are or not; the switch refuses to add one that is."""
    return b"".join(
        mod(Step("add", "", None, meter), xid) + mod(Step("change", "", meter, meter), xid) for meter in meters
    )


class Sweep:
    """Takes netctl's meters off a switch, over one connection. No sockets, no clock.

    start() gives the bytes that ask for them; feed() takes every message that the switch sends.
    """

    def __init__(self) -> None:
        self._ours: list[Meter] = []

    def start(self) -> bytes:
        self._ours = []
        return request(SWEEP_XID)

    def feed(self, answer: bytes) -> tuple[bytes, bool]:
        """What is to be sent now, and whether the last of them is gone. Never raises.

        A switch without meters has none of netctl's either.
        """
        try:
            head = header(answer)
            if head.xid == SWEEP_XID + 2 and head.kind == BARRIER_REPLY:
                return b"", True
            if head.xid != SWEEP_XID or head.kind not in (MULTIPART_REPLY, ERROR):
                return b"", False
            if head.kind == MULTIPART_REPLY:
                found, more = reply(answer, "")
                self._ours += [each.item for each in found if each.ours]
                if more:
                    return b"", False
        except DecodeError:
            return b"", False
        gone = (mod(Step("remove", "", each, None), SWEEP_XID + 1) for each in self._ours)
        return b"".join(gone) + barrier_request(SWEEP_XID + 2), False


def _meters(body: bytes, bridge: str) -> Iterator[Meter]:
    for flags, rest in _tlvs(body):
        if len(rest) < 4:
            raise DecodeError("a meter without a number")
        number = int.from_bytes(rest[:4], "big")
        kind: Kind = "kbps" if flags & _KBPS else "pktps"
        bands = list(_bands(rest[4:]))
        if len(bands) == 1 and bands[0][0] == _DROP and not flags & ~(_KBPS | _PKTPS | _BURST | _STATS):
            _, rate, burst = bands[0]
            yield Meter(bridge, number, rate, burst if flags & _BURST else 0, kind)
        else:
            yield Meter(bridge, number, 0, 0, kind, f"flags={flags:#x},bands={rest[4:].hex()}")


def _bands(body: bytes) -> Iterator[tuple[int, int, int]]:
    at = 0
    while at < len(body):
        if len(body) - at < _BAND.size:
            raise DecodeError("a meter that ends within a band")
        kind, length, rate, burst = _BAND.unpack_from(body, at)
        if length != _BAND.size:
            raise DecodeError(f"a meter's band of {length} bytes; each takes {_BAND.size}")
        yield kind, rate, burst
        at += length


def _tlvs(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Of each meter its flags, and what follows them."""
    at = 0
    while at < len(body):
        if len(body) - at < _ENTRY.size:
            raise DecodeError("meter configurations that end within a meter")
        length, flags = _TLV.unpack_from(body, at)
        if length < _ENTRY.size or at + length > len(body):
            raise DecodeError(f"a meter of {length} bytes in {len(body) - at}")
        yield flags, body[at + _TLV.size : at + length]
        at += length
