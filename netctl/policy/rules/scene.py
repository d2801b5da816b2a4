"""What the rules know besides the policy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from dataclasses import dataclass

from netctl.policy.name import shown, suggest
from netctl.policy.ports import Path


@dataclass(frozen=True)
class Scene:
    where: Callable[[Path], str]
    """«file:line:col» of the value at a path."""
    lost: Set[str]
    """Names and keys under hosts, queues and wires that could not be read, and have had their problem told."""
    complete: bool
    """Whether every file could be read; if not, what is missing may be in another."""

    def unknown(self, what: str, name: str, known: Collection[str], otherwise: str = "") -> str | None:
        """What to say when `name` is not one of `known`; None when there is nothing to complain about."""
        if name in known or name in self.lost or not self.complete:
            return None
        near = suggest(name, known) or (f"; {otherwise}" if otherwise else "")
        return f"no {what} is called {shown(name)}{near}"
