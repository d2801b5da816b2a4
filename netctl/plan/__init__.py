"""Desired and observed state in, an ordered list of steps out. Pure.

The same few lines serve flows, OVSDB rows and host objects: an `Item` says what it is called (`key`) and
what may differ about it (`facts`), and `delta` does the rest.
"""

from netctl.plan.delta import delta
from netctl.plan.model import Change, Collision, Found, Item, Key, Plan, Step, Value, Verb, Wanted

__all__ = [
    "Change",
    "Collision",
    "Found",
    "Item",
    "Key",
    "Plan",
    "Step",
    "Value",
    "Verb",
    "Wanted",
    "delta",
]
