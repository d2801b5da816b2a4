"""Tells the service manager how the agent is (sd_notify(3)): ready, what it does, alive, about to stop."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

LINE = 400
"""Characters of a status, which is shown on one line."""


class Supervisor:
    """What started this process, if it wants to hear. Never raises, never waits: what does not fit is lost."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._where = _address(environment.get("NOTIFY_SOCKET", ""))
        self._every: float | None = None
        self._next = 0.0
        self._status = ""
        pid = environment.get("WATCHDOG_PID", "")
        with suppress(ValueError):
            microseconds = int(environment.get("WATCHDOG_USEC", ""))
            if self._where and microseconds > 0 and pid in ("", str(os.getpid())):
                self._every = microseconds / 2e6

    @property
    def due(self) -> float | None:
        """When to say that the agent is `alive` at the latest; None for never."""
        return None if self._every is None else self._next

    def ready(self) -> None:
        self._say("READY=1")

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """What it does, in a line; said when it is another one than before."""
        text = " ".join(text.split())[:LINE]
        if text != self._status:
            self._status = text
            self._say(f"STATUS={text}")

    def alive(self, now: float) -> None:
        """Said when it is due: twice in the time after which the service manager would think otherwise."""
        if self._every is not None and now >= self._next:
            self._next = now + self._every
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if self._where:
            kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as line:
                line.sendto(text.encode(), self._where)


def _address(name: str) -> str:
    """Of a Unix socket, «@» for an abstract one; "" for what is none."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else ""
