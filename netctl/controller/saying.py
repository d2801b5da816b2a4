"""How much of a plan is logged."""

from __future__ import annotations

from netctl.controller.commands import Command, Log
from netctl.plan import Plan
from netctl.plan.model import T
from netctl.plan.text import line

LOGGED_STEPS = 20
"""Of a large plan this many steps are logged, then their number."""


def logged(place: str, plan: Plan[T]) -> list[Command]:
    log: list[Command] = [Log("info", f"{place}: {line(step)}") for step in plan.steps[:LOGGED_STEPS]]
    if len(plan.steps) > LOGGED_STEPS:
        log.append(Log("info", f"{place}: and {len(plan.steps) - LOGGED_STEPS} more steps"))
    return log
