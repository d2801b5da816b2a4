"""Ports as a switch describes them, and taking them down (OpenFlow 1.3.5, 7.2.1, 7.3.4.3, 7.3.5.7 and 7.4.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from netctl.controller.carrier import PortChange
from netctl.controller.snapshot import SwitchPort
from netctl.openflow.error import error
from netctl.openflow.frame import (
    BARRIER_REPLY,
    ERROR,
    HEADER,
    MULTIPART_REQUEST,
    PORT_STATUS,
    XID,
    DecodeError,
    barrier_request,
    header,
    message,
)
from netctl.openflow.multipart import MULTIPART, PORT_DESC, part

PORT = struct.Struct("!I4x6s2x16sII16xI4x")
PORT_DOWN = 1
LINK_DOWN = 1

PORT_MOD = 16
MOD = struct.Struct("!I4x6s2xIII4x")

MOD_XID = XID | 0x4000_0000
"""Set in the transaction ids of the changes of ports and of their barriers."""

REASONS: tuple[Literal["add", "delete", "modify"], ...] = ("add", "delete", "modify")


@dataclass(frozen=True)
class PortStatus:
    reason: Literal["add", "delete", "modify"]
    port: SwitchPort


def light(config: int, state: int) -> tuple[bool, bool]:
    """SwitchPort's `link` (not OFPPS_LINK_DOWN) and `held` (OFPPC_PORT_DOWN)."""
    return not state & LINK_DOWN, bool(config & PORT_DOWN)


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
    for number, mac, name, config, state, speed in PORT.iter_unpack(body):
        text = name.split(b"\0", 1)[0].decode("utf-8", "replace")
        yield SwitchPort(number, text, mac.hex(":"), *light(config, state), speed or None)


def mod(change: PortChange, xid: int) -> bytes:
    """OFPT_PORT_MOD of a port's administrative state. The switch refuses it where the port has another MAC."""
    number, mac, down = change
    config = PORT_DOWN if down else 0
    return message(PORT_MOD, xid, MOD.pack(number, bytes.fromhex(mac.replace(":", "")), config, PORT_DOWN, 0))


@dataclass(frozen=True)
class Modified:
    """The answer to Mods.send()."""

    changes: tuple[PortChange, ...]
    refused: Mapping[int, str]
    """Those that the switch did not take, by number, in its words."""


class Mods:
    """Changes of ports over one connection; several may be under way. No sockets, no clock.

    send() gives the bytes; feed() takes every message that the switch sends.
    """

    def __init__(self) -> None:
        self._xid = 0
        self._sent: dict[int, int] = {}
        """The number of the port that each transaction is about."""
        self._under_way: dict[int, tuple[PortChange, ...]] = {}
        """By the transaction id of the barrier."""
        self._refused: dict[int, str] = {}

    def send(self, changes: tuple[PortChange, ...]) -> bytes:
        """The changes and a barrier; answered by Modified."""
        data = []
        for change in changes:
            xid = self._next()
            self._sent[xid] = change[0]
            data.append(mod(change, xid))
        barrier = self._next()
        self._under_way[barrier] = changes
        return b"".join(data) + barrier_request(barrier)

    def feed(self, answer: bytes) -> Modified | None:
        """What the switch's message ends, if anything. Never raises."""
        try:
            head = header(answer)
            if head.kind == ERROR and head.xid in self._sent:
                self._refused[self._sent[head.xid]] = error(answer).text
        except DecodeError:
            return None
        changes = self._under_way.pop(head.xid, None) if head.kind == BARRIER_REPLY else None
        if changes is None:
            return None
        for xid in [xid for xid in self._sent if xid < head.xid]:
            del self._sent[xid]
        refused = {number: self._refused.pop(number) for number, *_ in changes if number in self._refused}
        return Modified(changes, refused)

    def _next(self) -> int:
        self._xid = self._xid % (MOD_XID - XID - 1) + 1
        return MOD_XID | self._xid
