"""What must fit together in a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from netctl.policy.finding import Finding
from netctl.policy.model import Policy
from netctl.policy.ports import Path

def check(policy: Policy, where: Callable[[Path], str], lost: Set[str], complete: bool) -> Iterator[Finding]:
    yield from ()
