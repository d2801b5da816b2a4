"""One thing that is wrong with a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["fault", "trap"]
"""fault: traffic suffers as it is; trap: it will, as soon as somebody relies on what the host does not do."""


@dataclass(frozen=True)
class Finding:
    check: str
    """What was looked for, e.g. «arp-flux»; docs/doctor.md tells of each."""
    subject: str
    """What is wrong: devices, a rule, a port."""
    what: str
    shows: str
    """What somebody notices who does not know."""
    mend: tuple[str, ...] = ()
    """Commands for a shell, in their order, after which the finding is gone."""
    by_hand: str = ""
    """Why `--fix` leaves it, or what to do where no command does it; "" where `--fix` runs `mend`."""
    severity: Severity = "fault"

    @property
    def automatic(self) -> bool:
        return bool(self.mend) and not self.by_hand

    def as_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "severity": self.severity,
            "subject": self.subject,
            "what": self.what,
            "shows": self.shows,
            "mend": list(self.mend),
            "automatic": self.automatic,
            "by_hand": self.by_hand,
        }
