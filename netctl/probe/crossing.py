"""Does a wire carry what a cable does? Each kind of frame, put in at one end and looked for at the other."""

from __future__ import annotations

import secrets
import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from netctl.path import Reason
from netctl.probe.ends import End
from netctl.probe.frames import KINDS, NONCE, Kind, difference, shortest, with_tag

Outcome = Literal["crossed", "changed", "lost", "not testable", "kept out", "leaked"]
"""The last two are of frames that are none of the wire's, as those of another VLAN where an end is one."""

EACH = 0.02
"""Seconds that a frame has before the next is sent, so that one that crosses is timed alone on the wire."""

HOPE = 3
"""Kinds of which nothing crosses after which a direction is taken for dead, and no frame of it is waited for alone."""

LATE = 0.2
"""Seconds that the last frames have after everything was sent twice."""

GOOD = frozenset({"crossed", "not testable", "kept out"})


@dataclass(frozen=True)
class Row:
    """What became of one kind of frame in one direction."""

    kind: str
    sender: str
    receiver: str
    outcome: Outcome
    microseconds: int | None = None
    """From handing the frame to the kernel to having it back, one way."""
    detail: str = ""
    """What changed on the way, where it was lost, why it could not be tested."""
    place: str = ""
    """Where it was lost, in one word (`netctl.path.Place`); empty where nobody looked."""
    because: tuple[Reason, ...] = ()
    """What is known to hold it back there."""
    besides: tuple[Reason, ...] = ()
    """What is known to hold it back elsewhere on its way."""

    @property
    def good(self) -> bool:
        return self.outcome in GOOD

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "sender": self.sender,
            "receiver": self.receiver,
            "outcome": self.outcome,
            "microseconds": self.microseconds,
            "detail": self.detail,
            "place": self.place,
            "because": [each.as_json() for each in self.because],
            "besides": [each.as_json() for each in self.besides],
        }


@dataclass
class Trial:
    """One kind in one direction, under way."""

    kind: Kind
    sender: End
    receiver: End
    sent: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    """By nonce: when (nanoseconds) and what."""
    refused: str = ""
    """Why the last one could not be sent."""
    row: Row | None = None

    def send(self) -> None:
        nonce = secrets.token_bytes(NONCE)
        frame = self.kind.build(self.sender.mac, self.receiver.mac, nonce)
        self.sent[nonce] = (time.perf_counter_ns(), frame)
        self.refused = self.sender.send(frame)

    def take(self, frame: bytes) -> bool:
        """Whether `frame`, come out of the receiver's port, is this trial's; if so it is over."""
        nonce = next((nonce for nonce in self.sent if nonce in frame), None)
        if nonce is None:
            return False
        then, sent = self.sent[nonce]
        within = self.receiver.inside(frame)
        changed = difference(self.receiver.outside(sent), frame) if within is None else difference(sent, within)
        self.end("changed" if changed else "crossed", changed, (time.perf_counter_ns() - then) // 1000)
        return True

    def end(self, outcome: Outcome, detail: str = "", microseconds: int | None = None) -> Row:
        self.row = Row(
            self.kind.name, self.sender.name, self.receiver.name, outcome, microseconds, detail
        )
        return self.row


class Stray(Trial):
    """A frame that is none of the wire's, put in at a port one VLAN of which is its end."""

    def take(self, frame: bytes) -> bool:
        if any(nonce in frame for nonce in self.sent):
            self.end("leaked", "it is none of this wire's, and came out at its other end")
            return True
        return False


def check(one: End, other: End, kinds: Sequence[Kind] = KINDS, strays: Sequence[Trial] = ()) -> list[Row]:
    """Every kind in both directions, `one` to `other` first; what is lost is sent once more before it counts. Then
    `strays`, which must not cross.

    Takes milliseconds on a good wire, 2 * HOPE * EACH + LATE seconds on a dead one.
    """
    trials = [Trial(kind, *ends) for kind in kinds for ends in ((one, other), (other, one))]
    with selectors.DefaultSelector() as selector:
        watch(selector, one, other)
        for stray in strays:
            stray.send()
        everything = [*trials, *strays]
        in_vain = {one: 0, other: 0}
        alive = set()
        for trial in trials:
            mtu = trial.sender.mtu
            if trial.kind.mtu > mtu:
                trial.end("not testable", f"{trial.sender.name} has MTU {mtu} and sends no frame of that size")
                continue
            trial.send()
            hopeless = trial.sender not in alive and in_vain[trial.sender] >= HOPE
            listen(selector, [trial], everything, 0 if trial.refused or hopeless else EACH)
            if trial.row is None:
                in_vain[trial.sender] += 1
            else:
                alive.add(trial.sender)
        missing = [trial for trial in trials if trial.row is None]
        for trial in missing:
            trial.send()
        listen(selector, missing, everything, LATE if any(not trial.refused for trial in missing) else 0)
        if any(stray.row is None for stray in strays):
            listen(selector, strays, everything, EACH)
    return [
        *(trial.row or trial.end("lost", trial.refused) for trial in trials),
        *(stray.row or stray.end("kept out") for stray in strays),
    ]


def watch(selector: selectors.BaseSelector, one: End, other: End) -> None:
    """Register both ends, and forget what came out of them until now."""
    for end in (one.raw, other.raw):
        selector.register(end, selectors.EVENT_READ, end)
        while end.receive() is not None:
            pass


def listen(
    selector: selectors.BaseSelector, awaited: Sequence[Trial], trials: Sequence[Trial], seconds: float
) -> None:
    """Take frames until all that are `awaited` came, for at most `seconds`; late ones of any trial count."""
    end = time.monotonic() + seconds
    while any(trial.row is None for trial in awaited):
        left = end - time.monotonic()
        if left <= 0:
            return
        for key, _ in selector.select(left):
            frame = key.data.receive()
            if frame is not None:
                _ = any(
                    trial.row is None and trial.receiver.raw is key.data and trial.take(frame) for trial in trials
                )


def strays(one: End, other: End, taken: Sequence[frozenset[int]]) -> list[Trial]:
    """What must not cross from the ends that are VLANs. `taken` are the VLANs of each end's port that wires take."""
    found: list[Trial] = []
    for here, there, vlans in ((one, other, taken[0]), (other, one, taken[1])):
        if here.raw is here:
            continue
        free = next(vlan for vlan in range(2, 4095) if vlan not in vlans)

        def outsider(src: bytes, dst: bytes, nonce: bytes, vlan: int = free) -> bytes:
            return with_tag(shortest(src, dst, nonce), 0x8100, vlan)

        found += [
            Stray(Kind("untagged", shortest), here.raw, there),
            Stray(Kind(f"VLAN {free}", outsider), here.raw, there),
        ]
    return found
