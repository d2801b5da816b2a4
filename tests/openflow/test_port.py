"""Taking ports down and raising them (OpenFlow 1.3.5, 7.3.4.3)."""

from __future__ import annotations

import struct

from netctl.openflow import frame, port
from netctl.openflow.frame import BARRIER_REPLY, BARRIER_REQUEST, ERROR, message, split

DOWN, UP = (1, "02:00:00:00:00:01", True), (2, "02:00:00:00:00:02", False)


def refusal(xid: int) -> bytes:
    return message(ERROR, xid, struct.pack("!HH", 7, 1))


def test_a_port_mod_by_the_letter() -> None:
    assert port.mod(DOWN, 5).hex() == (
        "04100028" "00000005" "00000001" "00000000" "020000000001" "0000" "00000001" "00000001" "00000000" "00000000"
    )
    config, mask = struct.unpack_from("!II", port.mod(UP, 5), 24)
    assert (config, mask) == (0, 1)


def test_changes_end_with_their_barrier_and_a_refusal_is_told_with_its_port() -> None:
    mods = port.Mods()
    first, second, barrier = split(bytearray(mods.send((DOWN, UP))))
    other = split(bytearray(mods.send((DOWN,))))
    assert [frame.header(each).kind for each in (first, second, barrier)] == [16, 16, BARRIER_REQUEST]
    assert mods.feed(message(BARRIER_REPLY, 7)) is None
    assert mods.feed(refusal(9)) is None
    assert mods.feed(refusal(frame.header(second).xid)) is None
    done = mods.feed(message(BARRIER_REPLY, frame.header(barrier).xid))
    assert done == port.Modified((DOWN, UP), {2: "port mod failed: bad hardware address"})
    assert mods.feed(message(BARRIER_REPLY, frame.header(other[1]).xid)) == port.Modified((DOWN,), {})
    assert mods.feed(b"\0") is None


def test_what_a_port_is_told_to_be() -> None:
    def told(config: int, state: int) -> tuple[bool, bool, bool]:
        body = port.PORT.pack(1, b"\2\0\0\0\0\1", b"v1", config, state, 10_000_000)
        status = port.status(message(frame.PORT_STATUS, 0, b"\2" + b"\0" * 7 + body))
        assert status.port.speed == 10_000_000
        return status.port.link, status.port.held, status.port.up

    assert told(0, 4) == (True, False, True)
    assert told(0, 1) == (False, False, False)
    assert told(1, 1) == (False, True, False)
    assert told(1, 4) == (True, True, False)
