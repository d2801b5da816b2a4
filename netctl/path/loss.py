"""Where on its way a frame was lost, from what grew while it was sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Place = Literal["entry", "flow", "output", "exit", "sometimes", "unknown"]
"""entry: it never entered port A; flow: it entered A and met no flow of the wire; output: it met the wire's flow and
did not leave by port B; exit: it left by B and did not reach the guest; sometimes: sent again, it crossed."""


@dataclass(frozen=True)
class Step:
    """A counter that a frame on its way passes."""

    where: str
    grown: int
    """Frames that passed."""
    dropped: int = 0
    """Frames that the device says it dropped there, errors among them."""


@dataclass(frozen=True)
class Grown:
    """How counters grew while `sent` frames of a kind were put in at one end of a wire."""

    sent: int
    before: tuple[Step, ...] = ()
    """On the devices from the guest's NIC to port A, that of the port last."""
    after: tuple[Step, ...] = ()
    """On the devices from port B to the far guest's NIC, that of the port first."""
    flow: int | None = None
    """Packets of the wire's flow of this direction; None while it was not looked at."""
    others: tuple[tuple[str, int], ...] = ()
    """The other flows of the bridge that grew at least as much, and by how many packets."""
    elsewhere: int = 0
    """The most packets by which any of the other flows grew."""
    learning: bool = False
    """Whether one of `others` sends by NORMAL."""


def place(grown: Grown) -> Place:
    """Counters of a frame that was lost: somebody else's frames may have added to them, and taken nothing away."""
    if not grown.before or not grown.after:
        return "unknown"
    if grown.before[-1].grown < grown.sent:
        return "entry"
    if grown.after[0].grown >= grown.sent:
        return "exit"
    if grown.flow is None:
        return "unknown"
    return "output" if grown.flow >= grown.sent else "flow"


def last(steps: Sequence[Step], sent: int) -> tuple[Step | None, Step | None]:
    """The last counter that all frames passed, and the first that they did not."""
    passed = None
    for step in steps:
        if step.grown < sent:
            return passed, step
        passed = step
    return passed, None
