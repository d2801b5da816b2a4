"""An empty bridge filled again with flows that were packed beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from netctl.desired import observe
from netctl.desired.flow import COOKIE, COOKIE_MASK, Flow
from netctl.openflow import aggregate, bundle, error, flowmod, frame, meter
from netctl.openflow.bundle import Control
from netctl.openflow.frame import XID
from netctl.openflow.local import LocalSwitch
from netctl.plan import Plan

_OPENING, _BARRIER, _CLOSING, _FIRST = range(XID + 1, XID + 5)
_BUNDLE = 1
_OURS_TO_IGNORE = 0
"""A transaction id without netctl's mark: a meter that is there already is no failure."""


@dataclass(frozen=True)
class Packed:
    """Flows as the switch hears them, each in a message of bundle 1; before them, outside the bundle, the meters that
    they go through."""

    count: int
    data: bytes


def pack(plan: Plan[Flow]) -> Packed:
    """What a plan makes; what it removes or changes is left out, so it is one for a bridge without flows.

    Raises ValueError where it asks for what netctl does not write.
    """
    flows = [step.after for step in plan.steps if step.after is not None]
    packed = b"".join(flowmod.add(flow, _FIRST + number, _BUNDLE) for number, flow in enumerate(flows))
    return Packed(len(flows), meter.ensure(observe.limits(flows), _OURS_TO_IGNORE) + packed)


class EmptySwitch(LocalSwitch):
    """A LocalSwitch that may have lost its flows."""

    def __enter__(self) -> EmptySwitch:
        super().__enter__()
        return self

    def count(self) -> tuple[int, int]:
        """How many flows there are, and how many of them are netctl's."""
        return self._count(0, 0), self._count(COOKIE, COOKIE_MASK)

    def _count(self, cookie: int, mask: int) -> int:
        return self._ask(aggregate.request(XID, cookie, mask), frame.MULTIPART_REPLY, aggregate.reply)

    def refill(self, packed: Packed) -> str:
        """All of it, in one bundle, or nothing: then why the switch refuses it. The connection can be used further."""
        return (
            self._refused(bundle.control(Control.OPEN_REQUEST, _BUNDLE, _OPENING), _OPENING)
            or self._fill(packed)
            or self._refused(bundle.control(Control.COMMIT_REQUEST, _BUNDLE, _CLOSING), _CLOSING)
        )

    def _fill(self, packed: Packed) -> str:
        why = self._refused(packed.data + frame.barrier_request(_BARRIER), _BARRIER)
        if why:
            self._refused(bundle.control(Control.DISCARD_REQUEST, _BUNDLE, _CLOSING), _CLOSING)
        return why

    def _refused(self, data: bytes, due: int) -> str:
        """Send, and wait for the answer to the last message: the first error until then, or ""."""
        self._send(data)
        why = ""
        while True:
            message = self._next()
            head = frame.header(message)
            if head.kind == frame.ERROR and head.xid & XID:
                why = why or error.error(message).text
            if head.xid == due:
                return why
