"""The server in a process of its own, and what happens at the test's word: eventlet must not get into the tests'
process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import urlopen

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, Event, Ping, TextMessage

from tests.e2e.box import ROOT

SERVER = """
import json, logging, sys
import eventlet
from eventlet import tpool
from netctl.api import feed, server, stream, websocket
from netctl.api.wsgi import application
from netctl.controller.happenings import *
from netctl.controller.snapshot import *
from tests.api.world import GOOD

said = json.loads(sys.argv[1])
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
for module in (feed, server, stream, websocket):
    for name, value in said.items():
        if hasattr(module, name):
            setattr(module, name, value)
happening = feed.Feed(1000, server.Bell)
serving = server.serve(application(lambda: GOOD, engine="test", feed=happening), "127.0.0.1", 0)
print(serving.url, flush=True)
SWITCH = GOOD.switches[0]
BARE = SwitchView(0xFEDCBA9876543210, ())
ONE, OTHER = SWITCH.ports[:2]
LINK = LinkView(SWITCH.dpid, ONE.number, SWITCH.dpid, OTHER.number, 1.0)
while line := tpool.execute(sys.stdin.readline):
    if line == "close\\n":
        happening.close()
    else:
        happening.put(eval(line), 1_790_000_000.0)
    print(happening.last, flush=True)
"""


class Following:
    """`said` are the numbers of netctl.api's modules that are to be others, by name."""

    def __init__(self, **said: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER, json.dumps(said)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.url = self._line()
        self.port = int(self.url.rpartition(":")[2])

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        assert line, self.process.stderr and self.process.stderr.read()
        return line

    def happen(self, happenings: str) -> int:
        """Happenings in Python; the number of the last."""
        assert self.process.stdin
        self.process.stdin.write(" ".join(happenings.split()) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def get(self, path: str) -> Any:
        with urlopen(self.url + path, timeout=5) as answer:
            return json.load(answer)

    def connect(self, receive: int = 0) -> socket.socket:
        """With room for so many octets that were not read, or as many as the system gives."""
        connection = socket.socket()
        if receive:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def end(self) -> str:
        """What it said on standard error."""
        if self.process.poll() is None:
            self.process.kill()
        return self.process.communicate()[1]


@contextmanager
def following(**said: float) -> Iterator[Following]:
    server = Following(**said)
    try:
        yield server
    finally:
        server.end()


@dataclass
class Message:
    """One server-sent event."""

    id: str = ""
    kind: str = ""
    data: Any = None


@dataclass
class Stream:
    """A client of /api/v1/events."""

    connection: socket.socket
    head: bytes = b""
    _buffer: bytes = b""
    comments: int = 0
    last: str = ""
    messages: list[Message] = field(default_factory=list)

    @classmethod
    def open(cls, connection: socket.socket, last: str = "") -> Stream:
        stream = cls(connection)
        asks = f"Last-Event-ID: {last}\r\n" if last else ""
        stream.connection.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n{asks}\r\n".encode())
        while b"\r\n\r\n" not in stream._buffer:
            stream._buffer += stream._receive()
        stream.head, _, stream._buffer = stream._buffer.partition(b"\r\n\r\n")
        return stream

    def _receive(self) -> bytes:
        data = self.connection.recv(1 << 16)
        if not data:
            raise EOFError
        return data

    def _chunk(self) -> str:
        """One piece (RFC 9112, 7.1)."""
        while b"\r\n" not in self._buffer:
            self._buffer += self._receive()
        size, _, rest = self._buffer.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            raise EOFError
        while len(rest) < length + 2:
            rest += self._receive()
        self._buffer = rest[length + 2 :]
        return rest[:length].decode()

    def read(self, count: int = 1, within: float = 30) -> list[Message]:
        """So many events more, each with data."""
        end = time.monotonic() + within
        while len(self.messages) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(self.messages)} events of {count} within {within} s")
            for block in self._chunk().split("\n\n"):
                self._take(block)
        read, self.messages = self.messages[:count], self.messages[count:]
        return read

    def beat(self) -> None:
        """Wait for a sign of life."""
        before = self.comments
        while self.comments == before:
            for block in self._chunk().split("\n\n"):
                self._take(block)

    def begin(self) -> None:
        """Wait until the stream has begun."""
        for block in self._chunk().split("\n\n"):
            self._take(block)

    def _take(self, block: str) -> None:
        kind = data = ""
        for line in block.splitlines():
            name, _, value = line.partition(": ")
            self.comments += line == ":"
            if name == "id":
                self.last = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value
        if data:
            self.messages.append(Message(self.last, kind, json.loads(data)))


class Socket:
    """A client of the topology WebSocket. Its handshake is its own, its frames are wsproto's."""

    def __init__(self, connection: socket.socket, headers: str = "") -> None:
        self.connection = connection
        key = b64encode(os.urandom(16)).decode()
        self.connection.sendall(
            f"GET /v1.0/topology/ws HTTP/1.1\r\nHost: netctl\r\nUpgrade: websocket\r\n"
            f"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"{headers}\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.connection.recv(4096)
            if not piece:
                break
            answer += piece
        self.head, _, rest = answer.partition(b"\r\n\r\n")
        self._frames = Connection(ConnectionType.CLIENT, trailing_data=rest)
        self._events: list[Event] = list(self._frames.events())

    def next(self) -> Event:
        while not self._events:
            data = self.connection.recv(1 << 16)
            self._frames.receive_data(data or None)
            self._events += self._frames.events()
        return self._events.pop(0)

    def text(self, within: float = 20) -> str:
        """The next message; pings on the way are answered."""
        said, end = "", time.monotonic() + within
        while time.monotonic() < end:
            event = self.next()
            if isinstance(event, Ping):
                self.connection.sendall(self._frames.send(event.response()))
                continue
            assert isinstance(event, TextMessage), event
            said += event.data
            if event.message_finished:
                return said
        raise TimeoutError(f"nothing was said within {within} s but {said!r}")

    def closed(self) -> CloseConnection:
        """How the server closes; what it says before is passed over."""
        while not isinstance(event := self.next(), CloseConnection):
            pass
        return event

    def send(self, event: Event) -> None:
        self.connection.sendall(self._frames.send(event))

    def say(self, text: str) -> None:
        self.send(TextMessage(text))

    def ended(self, within: float = 5) -> bool:
        """Whether the server ends the connection."""
        end = time.monotonic() + within
        self.connection.settimeout(within)
        try:
            while time.monotonic() < end:
                if not self.connection.recv(1 << 16):
                    return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            pass
        return False

    def close(self) -> None:
        self.connection.close()
