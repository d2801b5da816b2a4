"""What happened, kept for a while for whoever reads it, each reader at their own pace.

Bounded: the newest SIZE happenings, and fewer where they tell of many ports, as long as those weigh more than
WEIGHT. A reader who falls behind that is told so, and nobody ever waits for one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from netctl.controller.happenings import Happening, SwitchEntered, SwitchLeft

SIZE = 8192
WEIGHT = 100_000
"""Ports, in all happenings together."""
BATCH = 256
"""Happenings that a reader gets at once, at most."""


class Bell(Protocol):
    """What a reader waits at; threading.Event is one."""

    def set(self) -> None: ...
    def clear(self) -> None: ...
    def wait(self, timeout: float | None = None) -> object: ...


class FullError(Exception):
    """There are as many readers as there may be."""


@dataclass(eq=False)
class Entry:
    number: int
    at: float
    """When, seconds since the epoch."""
    happening: Happening
    rendered: dict[object, str] = field(default_factory=dict)
    """What was made of it, by who made it: once for all readers."""


class Readers:
    """How many read in one way."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0


class Feed:
    """See the module. Not thread-safe, but safe among greenthreads: nothing in it waits but the reader's bell.

    `first` is the number of the first happening; numbers grow by one, and should over restarts as well. `bell` makes
    what a reader waits at.
    """

    def __init__(self, first: int = 1, bell: Callable[[], Bell] = threading.Event) -> None:
        self.first = first
        self.last = first - 1
        """The number of the newest happening."""
        self.open = True
        self._oldest = first
        self._kept: dict[int, Entry] = {}
        self._weight = 0
        self._make_bell = bell
        self._bells: set[Bell] = set()

    def put(self, happenings: Iterable[Happening], at: float) -> None:
        """These happened at `at`, seconds since the epoch."""
        before = self.last
        for happening in happenings:
            self.last += 1
            self._kept[self.last] = Entry(self.last, at, happening)
            self._weight += _weight(happening)
        while len(self._kept) > SIZE or (self._weight > WEIGHT and len(self._kept) > 1):
            self._weight -= _weight(self._kept.pop(self._oldest).happening)
            self._oldest += 1
        if self.last != before:
            self._ring()

    def close(self) -> None:
        """Every reader is to go."""
        self.open = False
        self._ring()

    def has(self, number: int) -> bool:
        """Whether nothing that came after this one is lost; not so for a number of another start, or of none."""
        return self._oldest - 1 <= number <= self.last

    def after(self, number: int) -> list[Entry] | None:
        """What came after the happening of that number, BATCH at most; None where some of it is lost."""
        if not self.has(number):
            return None
        return [self._kept[each] for each in range(number + 1, min(self.last, number + BATCH) + 1)]

    @contextmanager
    def reader(self, among: Readers, bell: Bell | None = None) -> Iterator[Bell]:
        """Read on: the bell, a new one unless there is one, rings at everything that happens. Raises FullError."""
        if among.count >= among.most:
            raise FullError
        among.count += 1
        bell = bell or self._make_bell()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)
            among.count -= 1

    def _ring(self) -> None:
        for bell in list(self._bells):
            bell.set()


def _weight(happening: Happening) -> int:
    return 1 + (len(happening.switch.ports) if isinstance(happening, SwitchEntered | SwitchLeft) else 0)
