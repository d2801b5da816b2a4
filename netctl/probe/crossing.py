"""Does a wire carry what a cable does? Each kind of frame, put in at one end and looked for at the other."""

from __future__ import annotations

import secrets
import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from netctl.probe.ends import End
from netctl.probe.frames import KINDS, NONCE, Kind, difference

Outcome = Literal["crossed", "changed", "lost", "not sent"]

EACH = 0.02
"""Seconds that a frame has before the next is sent, so that one that crosses is timed alone on the wire."""

LATE = 0.2
"""Seconds that the last frames have after everything was sent twice."""


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
    """What changed on the way, or why it was not sent."""

    @property
    def good(self) -> bool:
        """It crossed; or the ends' MTU is too small for it, which is no fault of the wire."""
        return self.outcome == "crossed" or (self.outcome == "not sent" and self.detail.startswith("MTU"))

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "sender": self.sender,
            "receiver": self.receiver,
            "outcome": self.outcome,
            "microseconds": self.microseconds,
            "detail": self.detail,
        }


@dataclass
class Trial:
    """One kind in one direction, under way."""

    kind: Kind
    sender: End
    receiver: End
    sent: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    """By nonce: when (nanoseconds) and what."""
    row: Row | None = None

    def send(self) -> None:
        nonce = secrets.token_bytes(NONCE)
        frame = self.kind.build(self.sender.mac, self.receiver.mac, nonce)
        self.sent[nonce] = (time.perf_counter_ns(), frame)
        failed = self.sender.send(frame)
        if failed:
            self.end("not sent", failed)

    def take(self, frame: bytes) -> bool:
        """Whether `frame`, come out at the receiver, is this trial's; if so it is over."""
        for nonce, (then, sent) in self.sent.items():
            if nonce in frame:
                micro = (time.perf_counter_ns() - then) // 1000
                changed = difference(sent, frame)
                self.end("changed" if changed else "crossed", changed, micro)
                return True
        return False

    def end(self, outcome: Outcome, detail: str = "", microseconds: int | None = None) -> Row:
        self.row = Row(
            self.kind.name, self.sender.name, self.receiver.name, outcome, microseconds, detail
        )
        return self.row


def check(one: End, other: End, kinds: Sequence[Kind] = KINDS) -> list[Row]:
    """Every kind in both directions, `one` to `other` first; what is lost is sent once more before it counts.

    Takes milliseconds on a good wire and at most 2 * len(kinds) * EACH + LATE seconds on a dead one.
    """
    trials = [Trial(kind, *ends) for kind in kinds for ends in ((one, other), (other, one))]
    mtu = min(one.mtu, other.mtu)
    with selectors.DefaultSelector() as selector:
        for end in (one, other):
            selector.register(end, selectors.EVENT_READ, end)
            while end.receive() is not None:
                pass
        for trial in trials:
            if trial.kind.mtu > mtu:
                trial.end("not sent", f"MTU {mtu}")
                continue
            trial.send()
            listen(selector, [trial], trials, EACH)
        missing = [trial for trial in trials if trial.row is None]
        for trial in missing:
            trial.send()
        listen(selector, missing, trials, LATE)
    return [trial.row or trial.end("lost") for trial in trials]


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
                    trial.row is None and trial.receiver is key.data and trial.take(frame) for trial in trials
                )
