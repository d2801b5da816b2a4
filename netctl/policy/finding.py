"""What the rules find."""

from __future__ import annotations

from typing import NamedTuple

from netctl.policy.ports import Path


class Finding(NamedTuple):
    """Something wrong with a value of a policy."""

    path: Path
    message: str
    key: bool = False
    """Whether it is the key at `path` that is wrong, not its value."""
