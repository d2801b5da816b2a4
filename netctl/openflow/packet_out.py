"""OFPT_PACKET_OUT: frames that leave by ports of a switch (OpenFlow 1.3.5, 7.3.7)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from netctl.openflow.flowmod import CONTROLLER
from netctl.openflow.frame import BARRIER_REPLY, HEADER, PACKET_OUT, VERSION, XID, barrier_request

_MARK = XID | 0x2000_0000
"""Set in the transaction ids of frames, and with a number of the barriers that follow them."""

_MARKED = 0xF000_0000
_HEAD = struct.Struct("!BBHIIIH6xHHIH6x")
"""The message up to its actions, and one output."""
_NO_BUFFER = 0xFFFF_FFFF
_OUTPUT = 16


def packet_outs(frames: Iterable[tuple[int, bytes]], ask: int) -> bytes:
    """A message for each frame, with the number of the port that it leaves by; and behind them a barrier, if `ask` is
    not 0 (and below 1 << 28): its reply says that they are out."""
    packed = b"".join(
        _HEAD.pack(
            VERSION, PACKET_OUT, _HEAD.size + len(frame), _MARK,
            _NO_BUFFER, CONTROLLER, _OUTPUT, 0, _OUTPUT, port, 0,
        )
        + frame
        for port, frame in frames
    )  # fmt: skip
    return packed + barrier_request(_MARK | ask) if ask else packed


def asked(message: bytes) -> int:
    """What a switch's message answers: the number of such a barrier; 0 if it answers none."""
    if len(message) != HEADER.size:
        return 0
    _, kind, _, xid = HEADER.unpack(message)
    return xid & ~_MARKED if kind == BARRIER_REPLY and xid & _MARKED == _MARK else 0
