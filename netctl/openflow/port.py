"""Ports as a switch describes them (OpenFlow 1.3.5, 7.2.1, 7.3.5.7 and 7.4.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from netctl.controller.snapshot import SwitchPort
from netctl.openflow.frame import HEADER, MULTIPART_REQUEST, PORT_STATUS, DecodeError, header, message
from netctl.openflow.multipart import MULTIPART, PORT_DESC, part

PORT = struct.Struct("!I4x6s2x16sII24x")
PORT_DOWN = 1
LINK_DOWN = 1

REASONS: tuple[Literal["add", "delete", "modify"], ...] = ("add", "delete", "modify")


@dataclass(frozen=True)
class PortStatus:
    reason: Literal["add", "delete", "modify"]
    port: SwitchPort


def is_up(config: int, state: int) -> bool:
    """Neither OFPPC_PORT_DOWN nor OFPPS_LINK_DOWN."""
    return not (config & PORT_DOWN or state & LINK_DOWN)


def request(xid: int) -> bytes:
    """OFPMP_PORT_DESC."""
    return message(MULTIPART_REQUEST, xid, MULTIPART.pack(PORT_DESC, 0))


def reply(message: bytes) -> tuple[list[SwitchPort], bool]:
    """The ports in one part of an OFPMP_PORT_DESC reply, and whether more parts follow."""
    body, more = part(message, PORT_DESC)
    return list(_ports(body)), more


def status(message: bytes) -> PortStatus:
    """OFPT_PORT_STATUS."""
    head = header(message)
    if head.kind != PORT_STATUS or len(message) != HEADER.size + 8 + PORT.size:
        raise DecodeError(f"a port status of {len(message)} bytes, type {head.kind}")
    reason = message[HEADER.size]
    if reason >= len(REASONS):
        raise DecodeError(f"a port status with the reason {reason}")
    (port,) = _ports(message[HEADER.size + 8 :])
    return PortStatus(REASONS[reason], port)


def _ports(body: bytes) -> Iterator[SwitchPort]:
    if len(body) % PORT.size:
        raise DecodeError(f"{len(body)} bytes of ports; each takes {PORT.size}")
    for number, mac, name, config, state in PORT.iter_unpack(body):
        text = name.split(b"\0", 1)[0].decode("utf-8", "replace")
        yield SwitchPort(number, text, mac.hex(":"), is_up(config, state))
