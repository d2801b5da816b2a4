"""Serves a WSGI application on eventlet; nothing else in netctl.api imports it."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import eventlet
import eventlet.event
import eventlet.queue
import eventlet.wsgi
from eventlet.green import socket

from netctl.api.address import bare
from netctl.api.feed import Bell as AnyBell
from netctl.api.websocket import HIJACK

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

LOG = logging.getLogger(__name__)

CONNECTIONS = 128
"""At one time; few enough that they never take the file descriptors that switches need."""
REQUEST_SECONDS = 15.0
"""For a request to be there as a whole, counted from the connection or from the answer before it."""
UNREAD_OCTETS = 256 * 1024
"""Of a body that nobody wants, taken for the sake of the next request on the connection."""
STALL_SECONDS = 10.0
"""For a client to take the next piece of its answer."""
REST_SECONDS = 1.0
"""Between a failure to accept (no file descriptor left) and the next try."""


class AddressError(Exception):
    """The address cannot be listened on; says why and what to do."""


class _Quiet(_Adapter):
    """eventlet reports each request and each of its steps as info; to an operator they are debugging."""

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs


class _Body(eventlet.wsgi.Input):  # type: ignore[misc]
    """What comes after a request's head. Each read has one deadline over all of it."""

    def __init__(self, protocol: _Protocol, plain: Any) -> None:
        super().__init__(
            plain.rfile, plain.content_length, plain.get_socket(), plain.wfile, plain.wfile_line, plain.chunked_input
        )
        self._protocol = protocol

    def read(self, length: int | None = None) -> bytes:
        with eventlet.Timeout(REQUEST_SECONDS, TimeoutError("body not complete in time")):
            data: bytes = super().read(length)
            return data

    def discard(self, buffer_size: int = UNREAD_OCTETS) -> None:
        """Take what the application left, so that the client hears its answer; one that sends on and on does not."""
        try:
            self.read(buffer_size)
            unread = bool(self.read(1))
        except TimeoutError:
            unread = True
        if unread:
            self._protocol.close_connection = 1


class Bell:
    """What a greenthread waits at; the same methods as threading.Event."""

    def __init__(self) -> None:
        self._event = eventlet.event.Event()

    def set(self) -> None:
        if not self._event.ready():
            self._event.send()

    def clear(self) -> None:
        if self._event.ready():
            self._event = eventlet.event.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self._event.wait(timeout)
        return bool(self._event.ready())


class _Channel:
    """A connection that is not HTTP's any more. What comes in is read piece by piece, in a greenthread of its own."""

    def __init__(self, connection: Any) -> None:
        self.bell = Bell()
        self._connection = connection
        self._pieces = eventlet.queue.LightQueue(1)
        self._reader = eventlet.spawn(self._read)

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)

    def take(self) -> bytes | None:
        try:
            piece: bytes = self._pieces.get_nowait()
        except eventlet.queue.Empty:
            return None
        return piece

    def close(self) -> None:
        self._reader.kill()

    def _read(self) -> None:
        piece = None
        while piece != b"":
            try:
                piece = self._connection.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                piece = b""
            self._pieces.put(piece)
            self.bell.set()


class _Protocol(eventlet.wsgi.HttpProtocol):  # type: ignore[misc]
    """HTTP with one deadline over the whole of a request, however slowly its bytes drip in."""

    def handle_one_request(self) -> None:
        self.deadline = eventlet.Timeout(REQUEST_SECONDS, TimeoutError("request not complete in time"))
        try:
            super().handle_one_request()
        finally:
            self.deadline.cancel()

    def handle_one_response(self) -> None:
        self.deadline.cancel()
        super().handle_one_response()

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ["wsgi.input"] = environ["eventlet.input"] = _Body(self, environ["eventlet.input"])
        environ[HIJACK] = self.hijack
        return environ

    def hijack(self, talk: Callable[[_Channel, AnyBell], None]) -> list[bytes]:
        """The answer of an application that speaks itself; the connection ends with `talk`."""
        channel = _Channel(self.connection)
        try:
            talk(channel, channel.bell)
        except OSError as error:
            LOG.debug("%s: %s", self.client_address, error)
        finally:
            channel.close()
        eventlet.wsgi.WSGI_LOCAL.already_handled = True
        return []

    def log_message(self, format: str, *args: object) -> None:
        """What http.server would print on standard error."""
        LOG.debug("%s: %r", self.client_address, format % args)


class Server:
    """A listening server; `close` ends it."""

    def __init__(self, app: WSGIApplication, listener: Any) -> None:
        self._app = app
        self._listener = listener
        self._open = True
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._thread = eventlet.spawn(self._serve)

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Frees the port and idle connections; answers under way are finished. Harmless when closed."""
        if not self._open:
            return
        self._open = False
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.kill()

    def _serve(self) -> None:
        while self._open:
            try:
                eventlet.wsgi.server(
                    self._listener.dup(),
                    self._app,
                    log=_Quiet(LOG, {}),
                    protocol=_Protocol,
                    max_size=CONNECTIONS,
                    keepalive=REQUEST_SECONDS,
                    socket_timeout=STALL_SECONDS,
                    debug=False,
                )
            except OSError as error:
                if self._open:
                    LOG.warning("REST: cannot take a connection: %s; trying again", error)
            eventlet.sleep(REST_SECONDS)


def serve(app: WSGIApplication, host: str, port: int) -> Server:
    """Listens at once, serves in a greenthread of its own. Port 0 takes a free one; see `Server.address`.

    Raises AddressError when the address cannot be had.
    """
    return Server(app, _listen(bare(host), port))


def _listen(host: str, port: int) -> Any:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if not 0 <= port <= 0xFFFF:
        raise AddressError(f"REST cannot listen on {where}: a port is a number from 0 to 65535")
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"REST cannot listen on {where}: {error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        raise AddressError(f"REST cannot listen on {where}: {_why(error, port)}") from error
    return listener


def _why(error: OSError, port: int) -> str:
    code = error.errno
    if code == errno.EADDRINUSE:
        return f"the port is taken (`ss -ltnp sport = :{port}` says by whom); name another one"
    if code == errno.EADDRNOTAVAIL:
        return "this machine has no such address (`ip address` lists those it has)"
    if code == errno.EACCES:
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE"
    return os.strerror(code) if code else str(error)
