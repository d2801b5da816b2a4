"""What a plan is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

Key = tuple[str, ...]
"""What a thing is called: its kind first, then as many names as it takes, e.g. ("tap", "vm1-eth1")."""

Value = None | bool | int | str | tuple["Value", ...]
"""What a fact can be: comparable, hashable, printable as JSON."""

Verb = Literal["add", "change", "replace", "remove"]


class Item(Protocol):
    """One thing that can be there or not: a flow, a row, a device. Implementations are frozen dataclasses."""

    fixed: ClassVar[frozenset[str]]
    """The facts that cannot change in place: where one differs, the thing is removed and made again."""

    @property
    def key(self) -> Key: ...

    def facts(self) -> Mapping[str, Value]:
        """What is compared, by the name that a person reads in a plan."""


T = TypeVar("T", bound=Item)


@dataclass(frozen=True)
class Wanted(Generic[T]):
    """An item that the policy asks for, and where it does: `why` reads like «lab.yaml:12:5 guest ns1»."""

    item: T
    why: str


@dataclass(frozen=True)
class Found(Generic[T]):
    """An item that was observed. `ours` is true when it carries netctl's mark."""

    item: T
    ours: bool = True
    stays: str | None = None
    """Said of what is to stay as it is, whatever is wanted of it: why it cannot be so, "" where that is as well."""


@dataclass(frozen=True)
class Change:
    fact: str
    before: Value
    after: Value

    def __str__(self) -> str:
        return f"{self.fact} {show(self.before)} -> {show(self.after)}"


@dataclass(frozen=True)
class Step(Generic[T]):
    """One thing to do. `before` is what is there (None for add), `after` what will be (None for remove)."""

    verb: Verb
    why: str
    before: T | None = None
    after: T | None = None
    changes: tuple[Change, ...] = ()

    @property
    def item(self) -> T:
        """The item after the step, or the one that it removes."""
        item = self.after if self.after is not None else self.before
        assert item is not None
        return item

    @property
    def key(self) -> Key:
        return self.item.key

    def as_json(self) -> dict[str, Any]:
        return {
            "verb": self.verb,
            "kind": (key := self.key)[0],
            "name": "/".join(key[1:]),
            "why": self.why,
            "changes": [{"fact": c.fact, "before": c.before, "after": c.after} for c in self.changes],
        }


@dataclass(frozen=True)
class Collision:
    """Something that netctl did not make stands where the policy wants something else."""

    key: Key
    why: str
    changes: tuple[Change, ...] = ()
    said: str = ""
    """What is wrong, where it is something else."""

    def __str__(self) -> str:
        if self.said:
            return self.said
        differs = f" ({', '.join(map(str, self.changes))})" if self.changes else ""
        return f"{self.key[0]} {'/'.join(self.key[1:])} is there already and netctl did not make it{differs}"

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.key[0], "name": "/".join(self.key[1:]), "why": self.why, "message": str(self)}


@dataclass(frozen=True)
class Plan(Generic[T]):
    """The steps from observed to desired, in the order they are done. Falsy when there is nothing to do."""

    steps: tuple[Step[T], ...] = ()
    collisions: tuple[Collision, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.steps or self.collisions)

    def as_json(self) -> dict[str, Any]:
        return {
            "steps": [step.as_json() for step in self.steps],
            "collisions": [collision.as_json() for collision in self.collisions],
        }


def show(value: Value) -> str:
    """A fact as a person reads it: `-` for nothing, yes/no, commas between several."""
    if value is None or value in ((), ""):
        return "-"
    if value is True:
        return "yes"
    if value is False:
        return "no"
    if isinstance(value, tuple):
        return ",".join(map(show, value))
    return str(value)
