"""What passes between netctl and one switch to read its flows and to change them. No sockets, no clock.

An Exchange belongs to one connection and does one thing at a time: read() or change() give the bytes that
begin it, feed() takes every message that answers and says what came of it, the next bytes to send among that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netctl.desired.flow import COOKIE, COOKIE_MASK, Flow
from netctl.openflow import bundle, error, flowmod, stats
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


@dataclass(frozen=True)
class Send:
    """Bytes that have to go to the switch now: whole messages, many together."""

    data: bytes


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
    """The answer to change(). Where the switch has bundles, all of it or, with errors, none."""

    errors: tuple[Refusal, ...]
    count: int
    """Flow modifications that took effect."""
    atomic: bool
    """Whether a bundle was used; without one, what was not refused is in force."""

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
        self.bundles = True
        """False once the switch said that it has none."""
        self._xid = 0
        self._bundle = 0
        self._now: _Read | _Change | None = None

    @property
    def busy(self) -> bool:
        return self._now is not None

    def read(self, ours_only: bool = False) -> bytes:
        """Begin to read the flows of every table; answered by FlowsRead or Failed."""
        xid = self._next()
        self._now = _Read(xid, [])
        return stats.request(xid, COOKIE, COOKIE_MASK) if ours_only else stats.request(xid)

    def change(self, plan: Plan[Flow]) -> bytes:
        """Begin to carry out the steps of a plan, all together; answered by Changed or Failed.

        A flow that is removed must still have the cookie that was seen. Raises ValueError where the plan asks
        for something that netctl does not write.
        """
        messages = [
            _Message(self._next(), command, flow, step) for step in plan.steps for command, flow in _commands(step)
        ]
        self._now = now = _Change(messages)
        if not self.bundles:
            return self._plain(now)
        self._bundle += 1
        now.bundle, now.due = self._bundle, self._next()
        return bundle.control(Control.OPEN_REQUEST, now.bundle, now.due)

    def feed(self, message: bytes) -> list[Result]:
        """Take a message of the switch's. What answers nothing of ours is passed over. Never raises."""
        try:
            head = header(message)
            now = self._now
            if now is None or not head.xid & XID:
                return []
            if head.kind == ERROR:
                return self._refused(now, error.error(message))
            if head.xid != now.due:
                return []
            if isinstance(now, _Read):
                return self._feed_read(now, head.kind, message)
            return self._feed_change(now, head.kind, message)
        except DecodeError as problem:
            self._now = None
            return [Failed(f"the switch sent {problem}")]

    def _next(self) -> int:
        self._xid = self._xid % (XID - 1) + 1
        return XID | self._xid

    def _feed_read(self, now: _Read, kind: int, message: bytes) -> list[Result]:
        if kind != MULTIPART_REPLY:
            return []
        found, more = stats.reply(message, self.bridge)
        now.found += found
        if more:
            return []
        self._now = None
        return [FlowsRead(tuple(now.found))]

    def _feed_change(self, now: _Change, kind: int, message: bytes) -> list[Result]:
        if kind == BARRIER_REPLY:
            if not now.bundle:
                return self._end(now, len(now.messages) - len(now.errors))
            now.due = self._next()
            what = Control.DISCARD_REQUEST if now.errors else Control.COMMIT_REQUEST
            return [Send(bundle.control(what, now.bundle, now.due))]
        if kind != EXPERIMENTER:
            return []
        done, _ = bundle.control_reply(message)
        if done is Control.OPEN_REPLY:
            return [Send(self._fill(now))]
        return self._end(now, len(now.messages) if done is Control.COMMIT_REPLY else 0)

    def _refused(self, now: _Read | _Change, refused: error.Error) -> list[Result]:
        if isinstance(now, _Read):
            if refused.xid != now.due:
                return []
            self._now = None
            return [Failed(f"the switch does not tell its flows: {refused.text}")]
        if refused.xid == now.due:
            if refused.kind == error.BAD_REQUEST and not now.filled:
                self.bundles, now.bundle = False, 0
                return [Send(self._plain(now))]
            if not now.errors:
                now.errors[refused.xid] = Refusal(None, refused.text)
            return self._end(now, 0)
        message = now.by_xid.get(refused.xid)
        if message is not None:
            now.errors.setdefault(refused.xid, Refusal(message.step, refused.text))
        return []

    def _end(self, now: _Change, count: int) -> list[Result]:
        self._now = None
        return [Changed(tuple(now.errors.values()), count, bool(now.bundle))]

    def _fill(self, now: _Change) -> bytes:
        """Every message into the bundle, then a barrier: what is refused shows before the commit."""
        now.filled, now.due = True, self._next()
        packed = [bundle.add(each.pack(), now.bundle, each.xid) for each in now.messages]
        return b"".join(packed) + barrier_request(now.due)

    def _plain(self, now: _Change) -> bytes:
        """One after another; a barrier keeps what is removed from overtaking what is made."""
        removes = [each.pack() for each in now.messages if each.command == flowmod.DELETE_STRICT]
        makes = [each.pack() for each in now.messages if each.command != flowmod.DELETE_STRICT]
        between, now.due = self._next(), self._next()
        now.filled = True
        return b"".join([*removes, barrier_request(between), *makes, barrier_request(now.due)])


@dataclass(frozen=True)
class _Message:
    xid: int
    command: int
    flow: Flow
    step: Step[Flow]

    def pack(self) -> bytes:
        if self.command == flowmod.DELETE_STRICT:
            return flowmod.delete_strict(self.flow, self.xid)
        return flowmod.add(self.flow, self.xid)


def _commands(step: Step[Flow]) -> Iterator[tuple[int, Flow]]:
    """A change is an add as well: it takes the place of the flow with the same match and keeps its counters.
    It works where that has vanished meanwhile, or has a time-out, which a modify would leave as it is."""
    if step.before is not None and step.verb in ("remove", "replace"):
        yield flowmod.DELETE_STRICT, step.before
    if step.after is not None:
        yield flowmod.ADD, step.after


@dataclass
class _Read:
    due: int
    """The transaction id that the answer must have."""
    found: list[Found[Flow]]


class _Change:
    def __init__(self, messages: list[_Message]) -> None:
        self.messages = messages
        self.by_xid = {each.xid: each for each in messages}
        self.errors: dict[int, Refusal] = {}
        self.bundle = 0
        """0 where none is used."""
        self.due = 0
        """The transaction id that the next answer must have."""
        self.filled = False
