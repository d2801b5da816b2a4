"""What passes between netctl and one switch to read its flows and to change them. No sockets, no clock.

An Exchange belongs to one connection and does one thing at a time: read() or change() give the bytes that
begin it, feed() takes every message that answers and says what came of it, the next bytes to send among that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from netctl.desired import observe
from netctl.desired.flow import WHOLE_COOKIE, Flow
from netctl.openflow import bundle, error, flowmod, meter, stats
from netctl.openflow.bundle import Control
from netctl.openflow.frame import (
    BARRIER_REPLY,
    ERROR,
    EXPERIMENTER,
    MULTIPART_REPLY,
    XID,
    DecodeError,
    barrier_request,
    header,
)
from netctl.plan import Found, Plan, Step

CHUNK = 512
"""How many flow modifications are packed at once: the switch works on them while the next are packed."""


@dataclass(frozen=True)
class Send:
    """Bytes that have to go to the switch now, in pieces of whole messages, made as they are asked for."""

    chunks: Iterable[bytes]


@dataclass(frozen=True)
class FlowsRead:
    """The answer to read()."""

    found: tuple[Found[Flow], ...]


@dataclass(frozen=True)
class Refusal:
    """Why the switch did not take a step; None for what concerns the change as a whole."""

    step: Step[Flow] | None
    text: str

    def __str__(self) -> str:
        return f"{self.step.verb} {'/'.join(self.step.key)}: {self.text}" if self.step else self.text


@dataclass(frozen=True)
class Changed:
    """The answer to change(): all of it or, with errors, nothing."""

    errors: tuple[Refusal, ...]
    count: int
    """Flow modifications that took effect."""
    atomic: bool
    """Whether a bundle was used; without one the change took effect step by step, and was taken back so."""

    @property
    def ok(self) -> bool:
        return not self.errors


@dataclass(frozen=True)
class Failed:
    """What was under way came to no end that can be understood; the flows have to be read again."""

    why: str


Result = Send | FlowsRead | Changed | Failed


class Exchange:
    """Reads and changes the flows of `bridge` over one connection.

    Whoever calls read() or change() while another of them is under way abandons that one.
    """

    def __init__(self, bridge: str) -> None:
        self.bridge = bridge
        self.bundles: bool | None = None
        """Whether the switch has them; None until it was asked."""
        self._xid = 0
        self._bundle = 0
        self._now: _Read | _Change | None = None

    @property
    def busy(self) -> bool:
        return self._now is not None

    def read(self, cookies: Collection[int] = (), mask: int = WHOLE_COOKIE) -> bytes:
        """Begin to read the flows of every table; answered by FlowsRead or Failed.

        With `cookies` only those whose own is one of them where `mask` has a bit.
        """
        asked = [(cookie, mask) for cookie in cookies] or [(0, 0)]
        first = self._next(len(asked))
        self._now = _Read(set(range(first, first + len(asked))))
        return b"".join(stats.request(first + number, *each) for number, each in enumerate(asked))

    def change(self, plan: Plan[Flow]) -> Iterator[bytes]:
        """Begin to carry out the steps of a plan, all together; answered by Changed or Failed.

        A flow that is removed must still have the cookie that was seen. Raises ValueError while the bytes are made
        where the plan asks for something that netctl does not write.
        """
        self._now = now = _Change(plan.steps, self._next(_Change.ids(plan.steps)))
        limits = meter.ensure(observe.limits(step.after for step in plan.steps), XID)
        if self.bundles is False:
            return chain([limits], self._plain(now)) if limits else self._plain(now)
        self._bundle += 1
        now.bundle, now.due = self._bundle, now.opening
        opening = bundle.control(Control.OPEN_REQUEST, now.bundle, now.opening)
        return chain([limits + opening], self._fill(now) if self.bundles else ())

    def feed(self, message: bytes) -> list[Result]:
        """Take a message of the switch's. What answers nothing of ours is passed over. Never raises."""
        try:
            head = header(message)
            now = self._now
            if now is None or not head.xid & XID:
                return []
            if isinstance(now, _Read):
                return self._feed_read(now, head.kind, head.xid, message)
            if head.kind == ERROR:
                return self._refused(now, error.error(message))
            return self._feed_change(now, head.kind, message) if head.xid == now.due else []
        except DecodeError as problem:
            self._now = None
            return [Failed(f"the switch sent {problem}")]

    def _next(self, count: int) -> int:
        """The first of so many transaction ids in a row."""
        if self._xid + count >= XID:
            self._xid = 0
        first = self._xid + 1
        self._xid += count
        return XID | first

    def _feed_read(self, now: _Read, kind: int, xid: int, message: bytes) -> list[Result]:
        if xid not in now.due:
            return []
        if kind == ERROR:
            self._now = None
            return [Failed(f"the switch does not tell its flows: {error.error(message).text}")]
        if kind != MULTIPART_REPLY:
            return []
        found, more = stats.reply(message, self.bridge)
        now.found += found
        if more:
            return []
        now.due.remove(xid)
        if now.due:
            return []
        self._now = None
        return [FlowsRead(tuple(now.found))]

    def _feed_change(self, now: _Change, kind: int, message: bytes) -> list[Result]:
        if kind == BARRIER_REPLY:
            if now.bundle:
                now.due = now.closing
                what = Control.DISCARD_REQUEST if now.errors else Control.COMMIT_REQUEST
                return [Send([bundle.control(what, now.bundle, now.due)])]
            if now.undone is not None:
                return self._end(now.undone, 0)
            return [Send(self._undo(now))] if now.errors else self._end(now, now.sent)
        if kind != EXPERIMENTER:
            return []
        done, _ = bundle.control_reply(message)
        if done is Control.OPEN_REPLY:
            known, self.bundles = self.bundles, True
            now.due = now.barrier
            return [] if known else [Send(self._fill(now))]
        return self._end(now, now.sent if done is Control.COMMIT_REPLY else 0)

    def _refused(self, now: _Change, refused: error.Error) -> list[Result]:
        if refused.xid == now.due:
            if refused.kind == error.BAD_REQUEST and now.due == now.opening and not self.bundles:
                self.bundles, now.bundle = False, 0
                return [Send(self._plain(now))]
            if not now.errors:
                now.errors[refused.xid] = Refusal(None, refused.text)
            return self._end(now, 0)
        step = now.step(refused.xid)
        if step is None:
            return []
        if now.undone is None:
            now.errors.setdefault(refused.xid, Refusal(step, refused.text))
        else:
            now.undone.errors[refused.xid] = Refusal(step, f"cannot be taken back: {refused.text}")
        return []

    def _end(self, now: _Change, count: int) -> list[Result]:
        self._now = None
        return [Changed(tuple(now.errors.values()), count, bool(now.bundle))]

    def _fill(self, now: _Change) -> Iterator[bytes]:
        """Every message into the bundle, then a barrier: what is refused shows before the commit."""
        return chain(_joined(now.messages()), [barrier_request(now.barrier)])

    def _plain(self, now: _Change) -> Iterator[bytes]:
        """One after another; barriers keep what is removed from overtaking what is made."""
        now.due = now.barrier
        removes, makes = now.messages(makes=False), now.messages(removes=False)
        return chain(
            _joined(removes), [barrier_request(now.closing)], _joined(makes), [barrier_request(now.barrier)]
        )

    def _undo(self, now: _Change) -> Iterator[bytes]:
        """Without a bundle, what was not refused is in force: put back what was there before."""
        refused = {id(refusal.step) for refusal in now.errors.values()}
        steps = tuple(_reverse(step) for step in reversed(now.steps) if id(step) not in refused)
        self._now = back = _Change(steps, self._next(_Change.ids(steps)))
        back.undone = now
        return self._plain(back)


def _joined(messages: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := b"".join(islice(messages, CHUNK)):
        yield chunk


def _reverse(step: Step[Flow]) -> Step[Flow]:
    if step.after is None:
        return Step("add", step.why, None, step.before)
    if step.before is None:
        return Step("remove", step.why, step.after)
    return Step(step.verb, step.why, step.after, step.before)


@dataclass
class _Read:
    due: set[int]
    """The transaction ids whose answers are still to come."""
    found: list[Found[Flow]] = field(default_factory=list)


class _Change:
    """`first` is the first of its transaction ids, of which it has `ids(steps)`."""

    def __init__(self, steps: tuple[Step[Flow], ...], first: int) -> None:
        self.steps = steps
        self.opening, self.barrier, self.closing = range(first, first + 3)
        self.due = 0
        """The transaction id that the next answer must have."""
        self.bundle = 0
        """0 where none is used."""
        self.sent = 0
        self.errors: dict[int, Refusal] = {}
        self.undone: _Change | None = None
        """The change that this one takes back."""
        self._base = first + 3

    @staticmethod
    def ids(steps: tuple[Step[Flow], ...]) -> int:
        return 3 + 2 * len(steps)

    def messages(self, removes: bool = True, makes: bool = True) -> Iterator[bytes]:
        """What the switch has to hear.

        A change is an add as well: it takes the place of the flow with the same match and keeps its counters.
        It works where that has vanished meanwhile, or has a time-out, which a modify would leave as it is.
        """
        xid = self._base
        for step in self.steps:
            if removes and step.before is not None and step.verb in ("remove", "replace"):
                self.sent += 1
                yield flowmod.delete_strict(step.before, xid, self.bundle)
            if makes and step.after is not None:
                self.sent += 1
                yield flowmod.add(step.after, xid + 1, self.bundle)
            xid += 2

    def step(self, xid: int) -> Step[Flow] | None:
        """What a message was for."""
        number = (xid - self._base) // 2
        return self.steps[number] if 0 <= number < len(self.steps) else None
