"""How many frames may wait for the brain, so that a storm of them delays nothing else.

Of a port PER_PORT wait at most and TOTAL of all; what comes beyond is dropped, and counted for the port. The switch
sends so few (netctl.desired.observe, and the rate limit of its controller) that this is the last defence.
"""

from __future__ import annotations

from collections import Counter

PER_PORT = 64
TOTAL = 1024

Port = tuple[int, int]
"""A datapath ID and the number of a port."""


class Crowd:
    def __init__(self) -> None:
        self._waiting: Counter[Port] = Counter()
        self._total = 0
        self._lost: Counter[Port] = Counter()

    def enter(self, port: Port) -> int | None:
        """A frame of a port comes: how many of its were dropped since the last one that waits; None drops it too."""
        if self._waiting[port] >= PER_PORT or self._total >= TOTAL:
            self._lost[port] += 1
            return None
        self._waiting[port] += 1
        self._total += 1
        return self._lost.pop(port, 0)

    def clear(self) -> None:
        """All who waited were taken."""
        self._waiting.clear()
        self._total = 0
