"""What this version does not do yet."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.policy.finding import Finding
from netctl.policy.model import Policy


def check(policy: Policy) -> Iterator[Finding]:
    yield from ()
