"""The shortest way between two devices over what ties devices together. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def way(ties: Iterable[tuple[T, T]], start: T, goal: T) -> list[T]:
    """Everything from `start` to `goal`, both among it; empty where nothing ties them together."""
    near: dict[T, list[T]] = {}
    for one, other in ties:
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    came: dict[T, T] = {start: start}
    waiting = deque([start])
    while waiting and goal not in came:
        here = waiting.popleft()
        for there in near.get(here, ()):
            if there not in came:
                came[there] = here
                waiting.append(there)
    if goal not in came:
        return []
    found = [goal]
    while found[-1] != start:
        found.append(came[found[-1]])
    return found[::-1]
