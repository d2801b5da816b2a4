"""When each port's turn is: once in an interval, as evenly spread as it can be."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from typing import Generic, TypeVar

SLOTS = 50
"""How many turns an interval has at most."""
SLOT_SECONDS = 0.02
"""And how far apart they are at least."""

T = TypeVar("T")


class Schedule(Generic[T]):
    """Hands out turns. Times are seconds of a clock that only goes forward."""

    def __init__(self, interval: float) -> None:
        count = max(1, min(SLOTS, round(interval / SLOT_SECONDS)))
        self.step = interval / count
        self._slots: list[dict[T, None]] = [{} for _ in range(count)]
        self._order = sorted(range(count), key=_reversed)
        """Which slot is filled first among those with as few: the next is far from the last."""
        self._least: list[tuple[int, int, int]] = []
        """A heap: how many a slot has, its place in that order, and which it is; empty where that is not known."""
        self._place: dict[T, int] = {}
        self._done: int | None = None
        """The number of the last turn that was, counted from the clock's zero; None before there was any."""

    def __len__(self) -> int:
        return len(self._place)

    def add(self, item: T) -> None:
        if not self._least:
            self._least = sorted((len(self._slots[slot]), place, slot) for place, slot in enumerate(self._order))
        count, place, slot = self._least[0]
        heapq.heapreplace(self._least, (count + 1, place, slot))
        self._slots[slot][item] = None
        self._place[item] = slot

    def remove(self, item: T) -> None:
        del self._slots[self._place.pop(item)][item]
        self._least.clear()

    def due(self, now: float) -> Iterator[T]:
        """Whose turn it was since the last time that this was asked, each once."""
        turn = math.floor(now / self.step + 1e-6)
        first = turn if self._done is None else max(self._done + 1, turn - len(self._slots) + 1)
        if self._done is None or turn > self._done:
            self._done = turn
        for each in range(first, turn + 1):
            yield from self._slots[each % len(self._slots)]

    @property
    def deadline(self) -> float | None:
        """When the next turn is of anybody."""
        if not self._place or self._done is None:
            return None
        for each in range(self._done + 1, self._done + 1 + len(self._slots)):
            if self._slots[each % len(self._slots)]:
                return each * self.step
        return None


def _reversed(number: int) -> int:
    """The bits of a number below 64 the other way round."""
    return int(f"{number:06b}"[::-1], 2)
