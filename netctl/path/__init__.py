"""What is known about the way that a frame takes between a guest and the far end of its wire: the facts that were
found, what each kind of device lets through, and what follows for a frame. Pure."""

from netctl.path import passes
from netctl.path.explain import Reason, notes, reasons
from netctl.path.facts import Counters, Device, Path, Side
from netctl.path.loss import Grown, Place, Step, place
from netctl.path.traits import Traits

__all__ = [
    "Counters",
    "Device",
    "Grown",
    "Path",
    "Place",
    "Reason",
    "Side",
    "Step",
    "Traits",
    "notes",
    "passes",
    "place",
    "reasons",
]
