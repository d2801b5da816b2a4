"""Trying again what failed, ever more slowly."""

from __future__ import annotations

from dataclasses import dataclass

RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long to wait after the first, second, … failure in a row."""


@dataclass
class Retry:
    """How often something failed in a row, and when it may be tried again."""

    failures: int = 0
    until: float = 0.0

    def failed(self, now: float) -> None:
        self.until = now + RETRY_SECONDS[min(self.failures, len(RETRY_SECONDS) - 1)]
        self.failures += 1

    def worked(self) -> None:
        self.failures = 0
        self.until = 0.0
