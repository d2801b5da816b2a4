"""All checks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netctl.doctor import arp, cable, firewall, mac, manager, module, mtu, stale, switch, uplinks
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Picture
from netctl.doctor.wishes import Wishes

CHECKS: tuple[Callable[[Picture, Wishes], Iterator[Finding]], ...] = (
    *(stale.check, module.check, manager.check, arp.check, uplinks.check),
    *(mac.check, mtu.check, cable.check, switch.check, firewall.check),
)


def examine(picture: Picture, wishes: Wishes | None = None) -> list[Finding]:
    """All that is wrong, faults before traps. Without `wishes` only what is wrong whatever is wanted."""
    wishes = wishes or Wishes()
    found = [finding for check in CHECKS for finding in check(picture, wishes)]
    return sorted(found, key=lambda finding: finding.severity != "fault")
