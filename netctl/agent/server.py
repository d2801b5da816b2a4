"""What the agent says of itself, over HTTP/1.1 (RFC 9112): on a Unix socket, and on the loopback if it is asked to.

One request for each connection, answered from what the agent has at hand. It is served between other work, and whoever
is slow, silent or one too many is hung up on: nobody keeps the agent from its work.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

MODE = 0o660
"""Of the Unix socket."""
MOST = 16
"""Connections at a time."""
PATIENCE = 5.0
"""Seconds that a connection may last."""
HEAD = 8192
"""Bytes of a request that are read."""

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 431: "Header Fields Too Large"}


class BadAddress(ValueError):
    """An address that the agent does not listen at; says why."""


@dataclass(frozen=True)
class Page:
    media: str
    """Its Content-Type."""
    body: bytes


Pages = Callable[[str], Page | None]
"""The page at a path; None where there is none."""


@dataclass
class _Client:
    connection: socket.socket
    until: float
    heard: bytearray = field(default_factory=bytearray)
    to_say: bytes = b""


class Server:
    """Nothing here waits, and nothing raises but the methods that begin to listen."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._listeners: dict[int, socket.socket] = {}
        self._clients: dict[int, _Client] = {}
        self._path: Path | None = None

    def listen_at(self, path: Path) -> None:
        """On a Unix socket, in the place of any that is there. Raises OSError, and listens nowhere new then."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        draft = path.with_name(f".{path.name}")
        try:
            draft.unlink(missing_ok=True)
            listener.bind(os.fspath(draft))
            draft.chmod(MODE)
            listener.listen(MOST)
            draft.replace(path)
        except OSError:
            listener.close()
            raise
        self.leave()
        self._path = path
        self._listeners[listener.fileno()] = listener

    def listen_on(self, host: str, port: int) -> None:
        """On a TCP port. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(MOST)
        except OSError:
            listener.close()
            raise
        self._listeners[listener.fileno()] = listener

    def leave(self) -> None:
        """Listen on the Unix socket no longer."""
        for number, listener in list(self._listeners.items()):
            if listener.family == socket.AF_UNIX:
                self._listeners.pop(number).close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
            self._path = None

    def close(self) -> None:
        self.leave()
        for each in (*self._listeners.values(), *(client.connection for client in self._clients.values())):
            each.close()
        self._listeners.clear()
        self._clients.clear()

    @property
    def due(self) -> float | None:
        """When to `serve` though nothing is ready; None for never."""
        return min((client.until for client in self._clients.values()), default=None)

    def interests(self) -> Iterator[tuple[int, int]]:
        """What to poll, and for what (poll(2))."""
        for number in self._listeners:
            yield number, select.POLLIN
        for number, client in self._clients.items():
            yield number, select.POLLOUT if client.to_say else select.POLLIN

    def serve(self, ready: Collection[int], now: float) -> None:
        for number, client in list(self._clients.items()):
            if number in ready:
                self._attend(client)
            if now >= client.until:
                self._drop(client)
        for number, listener in self._listeners.items():
            if number in ready:
                with suppress(OSError):
                    self._accept(listener.accept()[0], now)

    def _accept(self, connection: socket.socket, now: float) -> None:
        connection.setblocking(False)
        if len(self._clients) >= MOST:
            self._drop(min(self._clients.values(), key=lambda client: client.until))
        self._clients[connection.fileno()] = _Client(connection, now + PATIENCE)

    def _attend(self, client: _Client) -> None:
        try:
            if not client.to_say:
                data = client.connection.recv(1 << 16)
                client.heard += data
                if not data:
                    self._drop(client)
                    return
                if b"\r\n\r\n" not in client.heard and len(client.heard) < HEAD:
                    return
                client.to_say = self._answer(bytes(client.heard))
            client.to_say = client.to_say[client.connection.send(client.to_say) :]
            if not client.to_say:
                self._drop(client)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is not None:
            client.connection.close()

    def _answer(self, request: bytes) -> bytes:
        if b"\r\n\r\n" not in request:
            return _response(431, Page("text/plain", b"the request is too long\n"))
        words = request.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
            return _response(400, Page("text/plain", b"this is not HTTP/1.1\n"))
        method, target, _ = words
        if method not in ("GET", "HEAD"):
            return _response(405, Page("text/plain", b"there is only something to read here\n"), "Allow: GET, HEAD\r\n")
        page = self._pages(target.partition("?")[0])
        if page is None:
            return _response(404, Page("text/plain", b"there are /status and /metrics\n"), head=method == "HEAD")
        return _response(200, page, head=method == "HEAD")


def loopback(text: str) -> tuple[str, int]:
    """«127.0.0.1:PORT», «[::1]:PORT» or «localhost:PORT», taken apart. Raises BadAddress, for any other address too."""
    host, colon, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadAddress(f"{text!r} is not ADDRESS:PORT, as in 127.0.0.1:9469")
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        raise BadAddress(f"{host!r} is no address of the loopback; 127.0.0.1 is") from None
    if not local:
        raise BadAddress(
            f"{host} is not on the loopback: what the agent says is for this machine alone; listen at "
            f"127.0.0.1:{port} and have a proxy with TLS before it"
        )
    return host, int(port)


def _response(status: int, page: Page, more: str = "", head: bool = False) -> bytes:
    lines = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\n"
        f"Content-Type: {page.media}\r\n"
        f"Content-Length: {len(page.body)}\r\n"
        f"{more}"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return lines.encode("ascii") + (b"" if head else page.body)
