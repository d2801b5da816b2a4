"""Patching at run time: what somebody may ask of a running controller, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from netctl.policy import Wire

Result = Literal["unchanged", "planned", "done", "pending", "invalid", "missing", "refused", "unsaved", "unready"]
"""What became of a change.

unchanged: it was so already. planned: a dry run; nothing was touched. done: every switch confirmed it by a barrier.
pending: saved, and in force as soon as a switch or a port that is away now is there. invalid: the policy with it
would be wrong. missing: it removes a wire that is not there. refused: a switch refused it, and everything is as it
was before. unsaved: it could not be written to the policy's directory, and nothing was changed. unready: no policy
is in force yet that could be patched.
"""


@dataclass(frozen=True)
class Change:
    """Wires that are to be there, under their names, and names of wires that are to go; all of it or nothing."""

    put: tuple[Wire, ...] = ()
    """A wire of the same name is replaced."""
    remove: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True)
class Outcome:
    result: Result
    problems: tuple[str, ...] = ()
    """Why it is not done, each with what would be right (of a pending one: what it waits for); empty when it is."""
    steps: tuple[str, ...] = ()
    """What was done, or would be, a line each as `netctl plan` prints them."""
    saved: str = ""
    """The file that it was written to, or that a dry run would write to; empty when there is nothing to write."""


class Patchboard(Protocol):
    """The running controller, for whoever changes its wires."""

    def wires(self) -> Mapping[str, Wire]:
        """Every wire in force, by name; its ends written in full, host/bridge/port.

        A view: asking for it and looking up one name is cheap however many wires there are.
        """
        ...

    def has(self, wire: Wire) -> bool:
        """Whether a wire of this name is in force and does the same; the ends of this one may be written in short."""
        ...

    def change(self, change: Change) -> Outcome:
        """Carry out a change and wait for its end, 10 seconds at most (then it is pending). Never raises."""
        ...
