"""OFPMP_QUEUE: the queues that the ports of a switch have, and what passed them (OpenFlow 1.3.5, 7.3.5.8).

Open vSwitch asks the kernel for its classes when it answers, so a queue that is not told of is not in force, whatever
the database says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from netctl.openflow.frame import MULTIPART_REQUEST, DecodeError, message
from netctl.openflow.multipart import MULTIPART, part

QUEUE = 5

_ALL = 0xFFFF_FFFF
"""OFPP_ANY and OFPQ_ALL."""
_REQUEST = struct.Struct("!II")
_ENTRY = struct.Struct("!IIQQQII")


@dataclass(frozen=True)
class QueueCount:
    """A queue and what left through it."""

    port: int
    """The OpenFlow number of its port."""
    number: int
    bytes: int
    packets: int
    errors: int
    """Frames that were dropped because it was full."""


def request(xid: int) -> bytes:
    return message(MULTIPART_REQUEST, xid, MULTIPART.pack(QUEUE, 0) + _REQUEST.pack(_ALL, _ALL))


def reply(message: bytes) -> tuple[list[QueueCount], bool]:
    """The queues in one part of an answer, and whether more follow. Raises DecodeError."""
    body, more = part(message, QUEUE)
    if len(body) % _ENTRY.size:
        raise DecodeError(f"queue statistics of {len(body)} bytes; each takes {_ENTRY.size}")
    return [QueueCount(*entry[:5]) for entry in _ENTRY.iter_unpack(body)], more
