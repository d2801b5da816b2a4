"""What has passed a switch: its flows, ports and meters with their counters (OpenFlow 1.3.5, 7.3.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from netctl.desired.flow import Flow
from netctl.openflow import stats
from netctl.openflow.frame import MULTIPART_REQUEST, DecodeError, message
from netctl.openflow.multipart import FLOW, MULTIPART, PORT_DESC, part
from netctl.openflow.port import PORT
from netctl.path import Counters

PORT_STATS = 4
METER = 9

PORT_DOWN, NO_RECEIVE, NO_FORWARD = 1, 4, 32
LINK_DOWN = 1

_ENTRY = struct.Struct("!H2xII20xQQ")
"""Of a flow: its length, its age in seconds and nanoseconds, packets, bytes."""
_PORT_REQUEST = struct.Struct("!I4x")
_PORT_ENTRY = struct.Struct("!I4x12Q8x")
_METER_REQUEST = struct.Struct("!I4x")
_METER_ENTRY = struct.Struct("!IH6xIQQII")
_BAND = struct.Struct("!QQ")
_ANY = 0xFFFF_FFFF


@dataclass(frozen=True)
class Counted:
    """A flow and what it has matched."""

    flow: Flow
    packets: int
    bytes: int
    age: float
    """Seconds since it was put in."""


@dataclass(frozen=True)
class PortSettings:
    """What is set for a port, and its link."""

    number: int
    name: str
    link: bool
    down: bool
    """OFPPC_PORT_DOWN."""
    no_receive: bool
    no_forward: bool


@dataclass(frozen=True)
class MeterCount:
    """A meter and what it has seen."""

    meter: int
    packets: int
    bytes: int
    dropped: int
    """Packets that a band took."""


def flows(message: bytes, bridge: str) -> tuple[list[Counted], bool]:
    """The flows in one part of a reply to `stats.request`, and whether more parts follow."""
    found, more = stats.reply(message, bridge)
    body, _ = part(message, FLOW)
    counted = [
        Counted(each.item, packets, octets, seconds + nanoseconds / 1e9)
        for each, (seconds, nanoseconds, packets, octets) in zip(found, _entries(body), strict=True)
    ]
    return counted, more


def _entries(body: bytes) -> Iterator[tuple[int, int, int, int]]:
    at = 0
    while at < len(body):
        length, *counters = _ENTRY.unpack_from(body, at)
        yield counters[0], counters[1], counters[2], counters[3]
        at += length


def ports_request(xid: int, number: int = _ANY) -> bytes:
    """OFPMP_PORT_STATS of one port, or of all."""
    return message(MULTIPART_REQUEST, xid, MULTIPART.pack(PORT_STATS, 0) + _PORT_REQUEST.pack(number))


def ports(message: bytes) -> tuple[dict[int, Counters], bool]:
    """Counters by port number, and whether more parts follow. What is not counted there is 0."""
    body, more = part(message, PORT_STATS)
    if len(body) % _PORT_ENTRY.size:
        raise DecodeError(f"{len(body)} bytes of port statistics; each takes {_PORT_ENTRY.size}")
    found = {}
    for number, rx, tx, _, _, rx_dropped, tx_dropped, rx_errors, tx_errors, *_ in _PORT_ENTRY.iter_unpack(body):
        counters = (rx, tx, rx_dropped, tx_dropped, rx_errors, tx_errors)
        found[number] = Counters(*(0 if each == (1 << 64) - 1 else each for each in counters))
    return found, more


def settings(message: bytes) -> tuple[list[PortSettings], bool]:
    """The ports in one part of a reply to `port.request`, and whether more parts follow."""
    body, more = part(message, PORT_DESC)
    if len(body) % PORT.size:
        raise DecodeError(f"{len(body)} bytes of ports; each takes {PORT.size}")
    found = [
        PortSettings(
            number,
            name.split(b"\0", 1)[0].decode("utf-8", "replace"),
            not state & LINK_DOWN,
            bool(config & PORT_DOWN),
            bool(config & NO_RECEIVE),
            bool(config & NO_FORWARD),
        )
        for number, _, name, config, state, *_ in PORT.iter_unpack(body)
    ]
    return found, more


def meter_request(xid: int, meter: int) -> bytes:
    """OFPMP_METER of one meter."""
    return message(MULTIPART_REQUEST, xid, MULTIPART.pack(METER, 0) + _METER_REQUEST.pack(meter))


def meters(message: bytes) -> tuple[list[MeterCount], bool]:
    """The meters in one part of a reply, and whether more parts follow."""
    body, more = part(message, METER)
    found = []
    at = 0
    while at < len(body):
        if len(body) - at < _METER_ENTRY.size:
            raise DecodeError("meter statistics that end within a meter")
        meter, length, _, packets, octets, _, _ = _METER_ENTRY.unpack_from(body, at)
        if length < _METER_ENTRY.size or at + length > len(body):
            raise DecodeError(f"a meter of {length} bytes in {len(body) - at}")
        bands = body[at + _METER_ENTRY.size : at + length]
        if len(bands) % _BAND.size:
            raise DecodeError(f"{len(bands)} bytes of a meter's bands; each takes {_BAND.size}")
        found.append(MeterCount(meter, packets, octets, sum(dropped for dropped, _ in _BAND.iter_unpack(bands))))
        at += length
    return found, more
