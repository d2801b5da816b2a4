"""An open connection to a bridge's management socket, kept for nothing but to hear at once when it ends."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from netctl.openflow import frame
from netctl.openflow.local import management

QUICK = 0.015
"""Seconds between two tries to connect again."""
QUICKLY = 5.0
"""Seconds for which it is tried so often; then SLOW."""
SLOW = 0.1
"""Seconds. A try costs some 20 microseconds."""


class Line:
    """To one bridge. It says hello, answers echoes, and asks for nothing."""

    def __init__(self, bridge: str, now: float) -> None:
        self.bridge = bridge
        self.why = ""
        """Why there is none; empty while there is."""
        self._socket: socket.socket | None = None
        self._heard = bytearray()
        self._since = now
        self._next = now

    @property
    def up(self) -> bool:
        return self._socket is not None

    def fileno(self) -> int:
        """-1 while it is down."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def due(self) -> float | None:
        """When `connect` is to be called; None while it is up."""
        return None if self.up else self._next

    def connect(self, now: float) -> bool:
        """Whether it is up; does not wait."""
        if self._socket is not None:
            return True
        self._next = now + (QUICK if now - self._since < QUICKLY else SLOW)
        path = management(self.bridge)
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            attempt.connect(os.fspath(path))
            attempt.send(frame.hello(frame.XID))
        except OSError as problem:
            attempt.close()
            self.why = f"cannot connect to {path}: {problem.strerror or problem}"
            return False
        self._socket, self.why = attempt, ""
        self._heard.clear()
        return True

    def hear(self, now: float) -> bool:
        """Takes what the switch says. False when it ended the connection."""
        try:
            while self._socket is not None:
                data = self._socket.recv(1 << 16)
                if not data:
                    break
                self._heard += data
                for message in frame.split(self._heard):
                    if message[1] == frame.ECHO_REQUEST:
                        self._socket.send(frame.echo_reply(message))
        except BlockingIOError:
            return True
        except (OSError, frame.DecodeError):
            pass
        self.close()
        self._since = self._next = now
        self.why = f"the connection to {management(self.bridge)} ended"
        return False

    def close(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None
