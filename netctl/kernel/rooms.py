"""The network namespaces of this machine, each with a socket inside."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from netctl.kernel import netns
from netctl.kernel.rtnl import Rtnl

KEPT_OPEN = 64
"""So many at once, each two file descriptors."""


@dataclass(frozen=True)
class Room:
    """A namespace that was entered."""

    netns: str
    """"" for the host's own."""
    rtnl: Rtnl
    descriptor: int
    """By which other namespaces name it."""


class Rooms:
    """A context manager. What is opened stays open for a while, for the next who needs it."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[Room, ExitStack]] = OrderedDict()

    def __enter__(self) -> Rooms:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()

    @property
    def host(self) -> Room:
        return self.at("")

    def at(self, name: str) -> Room:
        """Raises NamespaceMissing and OSError. Use it before the next is asked for."""
        if name in self._open:
            self._open.move_to_end(name)
            return self._open[name][0]
        while len(self._open) >= KEPT_OPEN:
            self._close(next(each for each in self._open if each))
        with ExitStack() as stack:
            if name:
                descriptor = stack.enter_context(netns.opened(name))
                rtnl = stack.enter_context(netns.rtnl(descriptor))
            else:
                descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, descriptor)
                rtnl = stack.enter_context(Rtnl())
            room = Room(name, rtnl, descriptor)
            self._open[name] = (room, stack.pop_all())
        return room

    def forget(self, name: str | None = None) -> None:
        """Close one, which else lives on without its name; or all."""
        for each in [*self._open] if name is None else [name]:
            if each in self._open:
                self._close(each)

    def _close(self, name: str) -> None:
        _, stack = self._open.pop(name)
        stack.close()
