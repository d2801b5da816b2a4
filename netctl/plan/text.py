"""How a plan reads on a terminal and in a log."""

from __future__ import annotations

from netctl.plan.model import Plan, Step, T

SIGN = {"add": "+", "change": "~", "replace": "!", "remove": "-"}


def line(step: Step[T]) -> str:
    """One step on one line: «+ tap vm1-eth1  (not there; lab.yaml:12:5 guest vm1)»."""
    detail = "; ".join(map(str, step.changes))
    name = "/".join(step.key[1:])
    note = f"  (made again: {step.why})" if step.verb == "replace" else f"  ({step.why})"
    return f"{SIGN[step.verb]} {step.key[0]} {name}{': ' + detail if detail else ''}{note}"


def lines(plan: Plan[T]) -> list[str]:
    """The whole plan, collisions last, each behind an exclamation that no step has."""
    return [line(step) for step in plan.steps] + [
        f"x {collision}  ({collision.why})" for collision in plan.collisions
    ]
