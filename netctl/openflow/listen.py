"""Listens for switches, in place of the engines' own server.

Both engines' share a port that another process listens on, and get every other switch (SO_REUSEPORT), and stop
listening for good where accepting fails once; genuine Ryu's takes one TLS connection and no other.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from typing import Any

import eventlet
from eventlet.green import socket

LOG = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
"""For a TLS handshake to be over."""
REST_SECONDS = 1.0
"""Between a failure to accept (no file descriptor left) and the next try."""

AT_ONCE = 16384
"""Octets that are read at once: the engines ask for 8, and for what is left of a message, which takes two system calls
for each of thousands of small ones; of more than they asked for they take message by message."""

Handle = Callable[[Any, Any], None]


def context(certificate: str, key: str, authorities: str | None) -> ssl.SSLContext:
    """A server's TLS, 1.2 or later; with `authorities` only for switches with a certificate of theirs.

    Raises OSError (ssl.SSLError among them) where a file cannot be used.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(certificate, key)
    if authorities:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(authorities)
    return made


class Listener:
    """A listening TCP or TLS socket; `handle` takes each connection and its address in a greenthread.

    The arguments are those of the engines' StreamServer. Raises OSError where it cannot listen.
    """

    def __init__(self, address: tuple[str, int], handle: Handle, **tls: Any) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._handle = handle
        self._context = None
        if tls:
            self._context = context(tls["certfile"], tls["keyfile"], tls.get("ca_certs"))
        self.server = eventlet.listen(address, family=family, reuse_port=False)

    @classmethod
    def check(cls, host: str, port: int) -> None:
        """Raises OSError where nobody could listen now."""
        cls((host, port), lambda _connection, _address: None).server.close()

    def serve_forever(self) -> None:
        while True:
            try:
                connection, address = self.server.accept()
            except OSError as error:
                LOG.error("cannot accept a switch's connection: %s", error)
                eventlet.sleep(REST_SECONDS)
                continue
            eventlet.spawn(self._serve, connection, address)

    def _serve(self, connection: Any, address: Any) -> None:
        try:
            if self._context is not None:
                connection.settimeout(HANDSHAKE_SECONDS)
                connection = self._context.wrap_socket(connection, server_side=True)
            read = connection.recv
            connection.recv = lambda _size: read(AT_ONCE)
            self._handle(connection, address)
        except Exception as error:
            LOG.warning("connection from %s closed: %s", address[0], error)
        finally:
            connection.close()
