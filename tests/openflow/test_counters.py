"""Counters of ports and meters, byte by byte (OpenFlow 1.3.5, 7.3.5.6, 7.3.5.9)."""

from __future__ import annotations

import struct

import pytest

from netctl.openflow import counters
from netctl.openflow.counters import MeterCount, PortSettings
from netctl.openflow.frame import MULTIPART_REPLY, DecodeError, message
from netctl.path import Counters

UNKNOWN = (1 << 64) - 1


def multipart(kind: int, body: bytes, more: bool = False) -> bytes:
    return message(MULTIPART_REPLY, 1, struct.pack("!HH4x", kind, more) + body)


def port_stats(number: int, *counts: int) -> bytes:
    return struct.pack("!I4x12QII", number, *counts, 7, 8)


def test_a_request_names_one_port_or_all() -> None:
    assert counters.ports_request(5, 3).hex() == "04120018000000050004000000000000" "0000000300000000"
    assert counters.ports_request(5)[16:20].hex() == "ffffffff"


def test_ports_with_what_they_do_not_count_as_zero() -> None:
    body = port_stats(1, 10, 20, 1000, 2000, 1, 2, 3, 4, 0, 0, 0, 0)
    body += port_stats(2, *[UNKNOWN] * 12)
    found, more = counters.ports(multipart(counters.PORT_STATS, body, more=True))
    assert found == {1: Counters(10, 20, 1, 2, 3, 4), 2: Counters()}
    assert more


def test_settings() -> None:
    head = struct.pack("!I4x6s2x16s", 3, bytes(6), b"tap0")
    blind = struct.pack("!II24x", 1 | 4 | 32, 1)
    found, more = counters.settings(multipart(13, head + blind + head + struct.pack("!II24x", 0, 4)))
    assert found == [
        PortSettings(3, "tap0", link=False, down=True, no_receive=True, no_forward=True),
        PortSettings(3, "tap0", link=True, down=False, no_receive=False, no_forward=False),
    ]
    assert not more


def test_meters_with_what_their_bands_took() -> None:
    def meter(number: int, *bands: int) -> bytes:
        packed = b"".join(struct.pack("!QQ", dropped, 0) for dropped in bands)
        return struct.pack("!IH6xIQQII", number, 40 + len(packed), 1, 100, 6400, 9, 9) + packed

    found, _ = counters.meters(multipart(counters.METER, meter(5, 3, 4) + meter(6)))
    assert found == [MeterCount(5, 100, 6400, 7), MeterCount(6, 100, 6400, 0)]


@pytest.mark.parametrize("cut", [1, 39, 41])
def test_half_an_answer_is_no_traceback(cut: int) -> None:
    body = struct.pack("!IH6xIQQII", 5, 56, 1, 100, 6400, 9, 9) + bytes(16)
    with pytest.raises(DecodeError):
        counters.meters(multipart(counters.METER, body[:cut]))
    with pytest.raises(DecodeError):
        counters.ports(multipart(counters.PORT_STATS, port_stats(1, *range(12))[:cut]))
    with pytest.raises(DecodeError):
        counters.settings(multipart(13, bytes(64)[:cut]))
