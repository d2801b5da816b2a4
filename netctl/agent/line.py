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
SHY = 2.0
"""Seconds between two tries, at most, where a switch takes connections and ends them at once."""


class Line:
    """To one bridge. It says hello, answers echoes, and asks for nothing. It is up once the switch has said hello."""

    def __init__(self, bridge: str, now: float) -> None:
        self.bridge = bridge
        self.up = False
        self.why = ""
        """Why it is down, and what to do about it; empty before the first try, and while it is up."""
        self._socket: socket.socket | None = None
        self._heard = bytearray()
        self._since = now
        """When it went down."""
        self._next = now
        self._ended = 0
        """How many connections the switch has ended in a row without a hello."""

    def fileno(self) -> int:
        """-1 while there is no connection."""
        return -1 if self._socket is None else self._socket.fileno()

    @property
    def due(self) -> float | None:
        """When to `move` though there is nothing to read; None for never."""
        return self._next if self._socket is None else None

    def move(self, now: float) -> None:
        """Connect, if it is time to, and take what the switch says. Does not wait."""
        if self._socket is None and now >= self._next:
            self._connect(now)
        if self._socket is not None:
            self._hear(self._socket, now)

    def close(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None
        self.up = False

    def _connect(self, now: float) -> None:
        self._next = now + (QUICK if now - self._since < QUICKLY else SLOW)
        path = management(self.bridge)
        attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            attempt.connect(os.fspath(path))
            attempt.send(frame.hello(frame.XID))
        except OSError as problem:
            attempt.close()
            if isinstance(problem, PermissionError):
                self.why = f"no permission to open {path}; run as root"
            elif isinstance(problem, FileNotFoundError | ConnectionError):
                self.why = f"nobody answers at {path}; is ovs-vswitchd running?"
            else:
                self.why = f"cannot connect to {path}: {problem.strerror or problem}"
            return
        self._socket = attempt
        self._heard.clear()
        self.why = f"no answer at {path}; is ovs-vswitchd stopped?"

    def _hear(self, connection: socket.socket, now: float) -> None:
        why = f"the connection to {management(self.bridge)} was ended"
        try:
            while data := connection.recv(1 << 16):
                self._heard += data
                for message in frame.split(self._heard):
                    if message[1] == frame.ECHO_REQUEST:
                        connection.send(frame.echo_reply(message))
                    elif message[1] == frame.HELLO and not frame.offers(message):
                        why = (
                            f"it does not speak OpenFlow 1.3; «ovs-vsctl add bridge {self.bridge} protocols "
                            "OpenFlow13» allows it"
                        )
                        raise ConnectionError
                    elif message[1] == frame.HELLO:
                        self.up, self.why, self._ended = True, "", 0
        except BlockingIOError:
            return
        except (OSError, frame.DecodeError):
            pass
        if self.up:
            self._since = self._next = now
        else:
            self._next = now + min(SHY, QUICK * 2**self._ended)
            self._ended = min(self._ended + 1, 16)
        self.close()
        self.why = why
