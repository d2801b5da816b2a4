"""Frames put in at guests in a box, and what comes out where, byte for byte."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.e2e.box import Box

MARK = b"netctl-test"
"""In every frame of a test's, and in no frame that a kernel sends of its own."""

DST = bytes.fromhex("02aaaaaaaa02")
SRC = bytes.fromhex("02aaaaaaaa01")

AHEAD = 64
"""So many frames may be under way: the switch's own sockets take a few hundred before they drop."""

PLAY = """
import json, selectors, sys, time
from netctl.probe.ends import NamespaceEnd

mark, guests, ahead, puts = bytes.fromhex(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]), json.load(sys.stdin)
ends = {guest: NamespaceEnd(guest, guest, "eth0") for guest in guests}
selector = selectors.DefaultSelector()
for guest, end in ends.items():
    selector.register(end, selectors.EVENT_READ, guest)
answers = []

def take(seconds):
    ready = selector.select(seconds)
    for key, _ in ready:
        while (frame := ends[key.data].receive()) is not None:
            if mark in frame:
                came[key.data].append(frame.hex())
    return bool(ready)

for put in puts:
    came = {guest: [] for guest in guests}
    copies = put["count"] / len(put["frames"])
    until = time.monotonic() + 5
    for number, frame in enumerate(put["frames"]):
        while (number - ahead) * copies > sum(map(len, came.values())) and time.monotonic() < until:
            take(0.1)
        why = ends[put["sender"]].send(bytes.fromhex(frame))
        if why:
            sys.exit(f"{put['sender']}: {why}")
    until = time.monotonic() + 5
    quiet = False
    while not quiet:
        enough = sum(map(len, came.values())) >= put["count"]
        heard = take(0.1 if enough else max(until - time.monotonic(), 0.1))
        quiet = not heard and (enough or time.monotonic() >= until)
    answers.append(came)
json.dump(answers, sys.stdout)
"""


def frame(*tags: str, body: bytes = b"", dst: bytes = DST) -> bytes:
    """A frame behind `tags`, the outermost first, each as 8 hex digits: TPID, priority and VLAN."""
    return dst + SRC + bytes.fromhex("".join(tags)) + b"\x88\xb5" + MARK + body.ljust(50, b"\0")


@dataclass(frozen=True)
class Put:
    """Frames put in at one guest, as fast as it can, and what must come out at which: elsewhere nothing."""

    sender: str
    frames: Sequence[bytes]
    out: Mapping[str, Sequence[bytes]] = field(default_factory=dict)


def one(sender: str, sent: bytes, **out: bytes) -> Put:
    return Put(sender, [sent], {guest: [each] for guest, each in out.items()})


def play(box: Box, guests: list[str], puts: list[Put]) -> None:
    """Put in one after another, and hold what came out, at every guest and in its order, against what must."""
    asked = [
        {
            "sender": put.sender,
            "frames": [each.hex() for each in put.frames],
            "count": sum(len(frames) for frames in put.out.values()),
        }
        for put in puts
    ]
    done = box.run(
        [sys.executable, "-c", PLAY, MARK.hex(), ",".join(guests), str(AHEAD)], input=json.dumps(asked)
    )
    for put, came in zip(puts, json.loads(done.stdout), strict=True):
        wanted = {guest: [each.hex() for each in put.out.get(guest, ())] for guest in guests}
        if came != wanted:
            raise AssertionError(
                f"{put.sender} put in {short(put.frames)}\n"
                + "\n".join(
                    f"{guest} got {short(came[guest])}\n{' ' * len(guest)} not {short(wanted[guest])}"
                    for guest in guests
                    if came[guest] != wanted[guest]
                )
            )


def short(frames: Sequence[bytes | str]) -> str:
    """A few frames without their addresses and padding, and how many there are."""
    some = [each if isinstance(each, str) else each.hex() for each in frames[:4]]
    return f"{len(frames)} frames {[each[24:].rstrip('0') for each in some]}"
