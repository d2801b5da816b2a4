"""What the rules know besides the policy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from dataclasses import dataclass

from netctl.policy.name import shown, suggest
from netctl.policy.ports import Path, PortError


@dataclass
class Stage:
    where: Callable[[Path], str]
    """«file:line:col» of the value at a path."""
    lost: Set[str]
    """Names and keys under hosts, queues and wires that could not be read, and have had their problem told."""
    complete: bool
    """Whether every file could be read; if not, what is missing may be in another."""

    patience: int = 60_000
    """How many more names may be looked at for one that was meant: nobody reads thousands of guesses."""

    def bad_port(self, error: PortError) -> str:
        if self.patience < len(error.known()):
            return error.short
        self.patience -= len(error.known())
        return str(error)

    def excused(self, spec: str) -> bool:
        """Whether the port of a wire's end may be unknown because of something already told."""
        return not self.complete or any(part in self.lost for part in spec.split("/"))

    def unknown(self, what: str, name: str, known: Collection[str], otherwise: str = "") -> str | None:
        """What to say when `name` is not one of `known`; None when there is nothing to complain about."""
        if name in known or name in self.lost or not self.complete:
            return None
        near = ""
        if self.patience >= len(known):
            near = suggest(name, known)
            self.patience -= len(known)
        near = near or (f"; {otherwise}" if otherwise else "")
        return f"no {what} is called {shown(name)}{near}"
