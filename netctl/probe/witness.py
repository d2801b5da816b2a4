"""What can be asked about a wire besides its frames: the way, and counters on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from netctl.path import Path, Step


@dataclass(frozen=True)
class FlowCount:
    """One flow of the bridge and what it has matched."""

    text: Callable[[], str]
    """For a person: table, priority, match, actions, whose it is. Made when asked for: a bridge has many flows."""
    packets: int
    table: int
    in_port: int | None
    """The OpenFlow number of the port that it looks at; None for any."""
    of_wire: bool
    learning: bool
    """Whether it sends by NORMAL."""


class Witness(Protocol):
    """Of one wire."""

    def path(self) -> Path:
        """What is known about the way, now."""

    def installed(self) -> str:
        """Why the switch has not got the wire; empty when it has."""

    def steps(self, sender: int) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """The counters that frames from end `sender` (0 or 1) pass, as they stand: up to port A, and from port B."""

    def flows(self) -> Mapping[object, FlowCount]:
        """The flows of the bridge, with what has passed until now, by what tells them apart. Takes up to half a
        second."""
