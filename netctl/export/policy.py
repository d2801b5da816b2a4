"""A host -> the draft of its policy."""

from __future__ import annotations

from netctl.export.devices import devices
from netctl.export.draft import Draft, Scope
from netctl.export.switches import switches
from netctl.export.uplinks import uplinks


def draft(scope: Scope) -> Draft:
    made = Draft(scope.host)
    taken = uplinks(scope, made)
    devices(scope, made, taken)
    switches(scope, made)
    made.left += [f"{' '.join(path)}: {why}" for path, why in scope.without.items()]
    return made
