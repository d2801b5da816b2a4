"""The policy of a host, part by part, with what is to be told of each part and of what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netctl.desired.link import Place
from netctl.desired.survey import Survey, Switching

Path = tuple[str, ...]
"""The way to a part from the host's entry, or from the top for wires and taps: ("links", "br1")."""


@dataclass(frozen=True)
class Guest:
    """Who is behind a device, as a policy says it."""

    name: str
    nic: str
    mac: str


@dataclass
class Entry:
    value: Any
    """As YAML says it; None for a part of which only notes are left."""
    notes: list[str] = field(default_factory=list)


@dataclass
class Draft:
    host: str
    bridges: dict[str, Entry] = field(default_factory=dict)
    guests: dict[str, Entry] = field(default_factory=dict)
    links: dict[str, Entry] = field(default_factory=dict)
    uplinks: dict[str, Entry] = field(default_factory=dict)
    sysctls: dict[str, Entry] = field(default_factory=dict)
    wires: list[Entry] = field(default_factory=list)
    taps: list[Entry] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What is there and is not said, each with the reason."""
    made: dict[Place, Path] = field(default_factory=dict)
    """The part that says each device."""
    others: set[Path] = field(default_factory=set)
    """The parts that say what is not netctl's."""

    @property
    def sections(self) -> dict[str, dict[str, Entry]]:
        return {
            "bridges": self.bridges,
            "guests": self.guests,
            "links": self.links,
            "uplinks": self.uplinks,
            "sysctls": self.sysctls,
        }


@dataclass(frozen=True)
class Scope:
    """What is to be written."""

    survey: Survey
    switching: Switching
    host: str
    everything: bool = False
    """Others' too."""
    names: Mapping[int, str] = field(default_factory=dict)
    """Names that wires may have, by their flows' cookie."""
    guests: Mapping[str, Guest] = field(default_factory=dict)
    """Virtual machines that a policy puts behind devices of the host, by device."""
    without: Mapping[Path, str] = field(default_factory=dict)
    """Parts that are not to be said, each with why."""

