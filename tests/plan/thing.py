"""The simplest item, and the simplest world to apply a plan to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from netctl.plan import Found, Key, Plan, Value, Wanted

ORDER = ("house", "room", "chair")


@dataclass(frozen=True)
class Thing:
    """`size` None does not care; `colour` cannot change in place."""

    kind: str
    name: str
    colour: str = "red"
    size: int | None = 1

    fixed: ClassVar[frozenset[str]] = frozenset({"colour"})

    @property
    def key(self) -> Key:
        return (self.kind, self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"colour": self.colour} | ({} if self.size is None else {"size": self.size})


def wanted(*things: Thing) -> list[Wanted[Thing]]:
    return [Wanted(thing, f"x.yaml:{line}:1 {thing.name}") for line, thing in enumerate(things, 1)]


def found(*things: Thing, ours: bool = True) -> list[Found[Thing]]:
    return [Found(thing, ours) for thing in things]


def apply(plan: Plan[Thing], world: Iterable[Found[Thing]]) -> list[Found[Thing]]:
    """The world after the plan, done step by step; an impossible step is an AssertionError."""
    there = {each.item.key: each for each in world}
    for step in plan.steps:
        have = there.get(step.key)
        if step.verb == "add":
            assert have is None
            assert step.before is None
        else:
            assert have is not None
            assert have.ours
            assert have.item == step.before
        if step.after is None:
            assert step.verb == "remove"
            del there[step.key]
            continue
        after = step.after
        if step.verb == "change":
            assert have is not None
            assert not {change.fact for change in step.changes} & Thing.fixed
            differs: dict[str, Any] = {change.fact: change.after for change in step.changes}
            after = replace(have.item, **differs)
        there[step.key] = Found(after)
    return list(there.values())
