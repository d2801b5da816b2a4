"""Repairs that somebody else undoes again and again, and how the agent keeps out of that. Pure, as the core is.

Two who each put right what the other does would go on for ever, at the host's expense. So a fact that was repaired
ROUNDS times within WINDOW seconds and is wrong once more is left alone for a while, each time twice as long; everything
else is repaired at once, other facts of the same device included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from netctl.desired.routing import device_of
from netctl.plan import Item, Key, Step
from netctl.plan.model import show

ROUNDS = 3
WINDOW = 30.0
"""Seconds. A fact that stays right for as long is fought over no more."""
FIRST, LAST = 2.0, 300.0
"""Seconds until the next repair of what is fought over; each that is undone doubles them, up to the last."""

T = TypeVar("T", bound=Item)

Fact = tuple[Key, str]
"""Of an item; "" for its being there at all."""


@dataclass(frozen=True)
class Fight:
    key: Key
    fact: str
    theirs: str
    ours: str
    why: str
    """Where the policy asks for ours."""
    repairs: int
    """How many were undone."""
    since: float
    until: float
    """When the next repair is due. Times are the clock's that the events came with."""
    delay: float

    @property
    def name(self) -> str:
        return f"{self.key[0]} {'/'.join(self.key[1:])}{': ' + self.fact if self.fact else ''}"

    def __str__(self) -> str:
        if self.fact:
            over = f"{self.name} is set to {self.theirs} by somebody each time that it is put to {self.ours}"
            instead = "or let it be so in the policy"
        else:
            over = f"{self.name}: somebody {self.theirs} it each time that it is {self.ours}"
            instead = "or let it be so in the policy"
        return (
            f"{over} ({self.why}); it is left alone for a while. Find who does it and end it there (NetworkManager: "
            f"«nmcli device set {self.key[-1]} managed no»; systemd-networkd: Unmanaged=yes), {instead}"
        )


class Fights:
    """What was repaired lately, and what is fought over."""

    def __init__(self) -> None:
        self._repairs: dict[Fact, deque[float]] = {}
        self._fights: dict[Fact, Fight] = {}
        self._tried: set[Fact] = set()
        """Those that were repaired once more, and not seen wrong since."""
        self._due: set[Fact] = set()
        """Those that are to be repaired once more now."""
        self._right: dict[Fact, float] = {}
        """Those fought over that are right, since when."""

    @property
    def open(self) -> tuple[Fight, ...]:
        """Those in which the other one has the upper hand."""
        return tuple(fight for fact, fight in self._fights.items() if fact not in self._right)

    @property
    def deadline(self) -> float | None:
        """When the next repair is due; None for never."""
        return min((fight.until for fight in self.open), default=None)

    def repaired(self, step: Step[T], now: float) -> None:
        for fact, _, _ in facts(step):
            self._repairs.setdefault(fact, deque(maxlen=ROUNDS)).append(now)
            self._tried.add(fact)

    def seen(self, steps: Iterable[Step[T]], now: float) -> tuple[list[Fight], list[Fight]]:
        """The host was looked at, and this is wrong with it. The fights that begin with that, and those that end."""
        wrong = {fact: (theirs, ours, step.why) for step in steps for fact, theirs, ours in facts(step)}
        begun = []
        self._due = set()
        for fact, (theirs, ours, why) in wrong.items():
            before = self._fights.get(fact)
            self._right.pop(fact, None)
            tried = fact in self._tried
            self._tried.discard(fact)
            if before is None:
                times = self._repairs.get(fact)
                if times and len(times) == ROUNDS and now - times[0] <= WINDOW:
                    fight = Fight(*fact, theirs, ours, why, ROUNDS, now, now + FIRST, FIRST)
                    self._fights[fact] = fight
                    begun.append(fight)
            elif tried:
                delay = min(LAST, 2 * before.delay)
                self._fights[fact] = replace(
                    before, theirs=theirs, repairs=before.repairs + 1, until=now + delay, delay=delay
                )
            elif before.until <= now:
                self._due.add(fact)
                self._fights[fact] = replace(before, until=now + before.delay)
        for fact in self._fights.keys() - wrong.keys():
            self._right.setdefault(fact, now)
        over = [fact for fact, since in self._right.items() if now - since >= WINDOW]
        ended = [self._fights.pop(fact) for fact in over]
        for fact in over:
            del self._right[fact]
        for fact in [fact for fact, times in self._repairs.items() if now - times[-1] > WINDOW]:
            del self._repairs[fact]
            self._tried.discard(fact)
        return begun, ended

    def fell(self, devices: Collection[str]) -> None:
        """Devices were set down. What the kernel takes away with that, nobody is against."""
        known = (*self._repairs, *self._fights) if devices else ()
        for fact in [fact for fact in known if fact[0][0] in ("address", "route") and device_of(fact[0]) in devices]:
            self._repairs.pop(fact, None)
            self._fights.pop(fact, None)
            self._right.pop(fact, None)
            self._tried.discard(fact)
    def due(self, step: Step[T], now: float) -> bool:
        """Whether one begins if a step has to be done."""
        times = [self._repairs.get(fact) for fact, _, _ in facts(step)]
        return any(each and len(each) == ROUNDS and now - each[0] <= WINDOW for each in times)

    def over(self, step: Step[T]) -> bool:
        """Whether anything of a step is fought over."""
        return any(fact in self._fights for fact, _, _ in facts(step))

    def holds(self, step: Step[T]) -> bool:
        """Whether a step is to wait: all that it changes is fought over, and not due."""
        return all(fact in self._fights and fact not in self._due for fact, _, _ in facts(step))


def facts(step: Step[T]) -> Iterator[tuple[Fact, str, str]]:
    """What a step puts right, with what somebody made of it and what it is to be."""
    if step.verb == "add":
        yield (step.key, ""), "removes", "made"
    elif step.verb == "remove":
        yield (step.key, ""), "makes", "removed"
    else:
        for change in step.changes:
            yield (step.key, change.fact), show(change.before), show(change.after)
