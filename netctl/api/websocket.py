"""Ryu's topology WebSocket (`ryu.app.ws_topology` of Ryu 4.34): what happens, as JSON-RPC 2.0 calls.

RFC 6455 by wsproto; no socket is touched here. A client is sent what happens from now on, numbered from 1, and may
answer each call, as Ryu's do, or not: nobody waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, TextMessage
from wsproto.events import Request as Opening
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from netctl.api.feed import Bell, Entry, Feed, FullError, Readers
from netctl.api.happening import call
from netctl.api.problem import ProblemError

PATH = "/v1.0/topology/ws"

HIJACK = "netctl.hijack"
"""In the environment of a request: takes who speaks something else than HTTP on its connection, a function of the
Channel and of its Bell, and is the answer."""

SOCKETS = 32
"""At one time."""
PING_SECONDS = 20.0
"""So often a client is asked for a sign of life; one that gave none until the next time is dropped."""
CLOSE_SECONDS = 5.0
"""For a client to say that it closes as well."""
MESSAGE_OCTETS = 64 * 1024
"""A client's message is no longer."""


class Channel(Protocol):
    """A connection that HTTP was spoken on."""

    def write(self, data: bytes) -> None:
        """Raises OSError when the client is gone, or does not take it in time."""

    def take(self) -> bytes | None:
        """What came in; None for nothing, no octets for its end. Something that comes in rings the bell."""


class Conversation:
    """One client's WebSocket, from its request on. Raises ProblemError where that does not ask for one."""

    def __init__(self, headers: Iterable[tuple[str, str]], path: str) -> None:
        self.calls = 0
        """How many were made."""
        self._length = 0
        self._broken = False
        self._connection = WSConnection(ConnectionType.SERVER)
        headers = list(headers)
        _refuse_stranger(dict(headers))
        try:
            self._connection.initiate_upgrade_connection(
                [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers], path
            )
        except (RemoteProtocolError, ValueError) as error:
            raise upgrade_required(str(error)) from None
        if not any(isinstance(each, Opening) for each in self._connection.events()):
            raise upgrade_required("")

    def accept(self) -> bytes:
        """The answer to the request."""
        return self._connection.send(AcceptConnection())

    @property
    def open(self) -> bool:
        return self._connection.state is ConnectionState.OPEN

    @property
    def over(self) -> bool:
        """Whether both sides have closed, or what the client sends cannot be read any more."""
        return self._broken or self._connection.state is ConnectionState.CLOSED

    def receive(self, data: bytes) -> bytes:
        """Take what came in, all of it is well if it is shorter than MESSAGE_OCTETS; what to send because of it."""
        answers = b""
        try:
            self._connection.receive_data(data or None)
            for event in self._connection.events():
                if isinstance(event, Ping) and self.open:
                    answers += self._connection.send(event.response())
                elif isinstance(event, CloseConnection):
                    if self._connection.state is ConnectionState.REMOTE_CLOSING:
                        answers += self._connection.send(event.response())
                    elif not self.over:
                        self._broken = True
                        answers += self.close(event.code, event.reason or "")
                elif isinstance(event, Message):
                    self._length = 0 if event.message_finished else self._length + len(event.data)
                    if max(self._length, len(event.data)) > MESSAGE_OCTETS:
                        answers += self.close(CloseReason.MESSAGE_TOO_BIG, f"more than {MESSAGE_OCTETS} octets")
        except RemoteProtocolError as error:
            self._broken = True
            answers += self.close(CloseReason.PROTOCOL_ERROR, str(error))
        return answers

    def call(self, entries: Iterable[Entry]) -> bytes:
        """Make the calls that Ryu makes of these."""
        told = b""
        for said in filter(None, map(call, entries)):
            self.calls += 1
            told += self._connection.send(TextMessage(f'{{"jsonrpc": "2.0", {said}, "id": {self.calls}}}'))
        return told

    def ping(self) -> bytes:
        return self._connection.send(Ping())

    def close(self, code: int, why: str) -> bytes:
        """Nothing where it is closed already."""
        return self._connection.send(CloseConnection(code, why[:120])) if self.open else b""


class Sockets:
    """Every WebSocket of one controller."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._readers = Readers(SOCKETS)

    @property
    def full(self) -> bool:
        return self._readers.count >= self._readers.most

    def serve(self, conversation: Conversation, channel: Channel, bell: Bell) -> None:
        """Until one side closes. Raises FullError, and OSError when the client is gone."""
        if self.full:
            raise FullError
        with self.feed.reader(self._readers, bell):
            channel.write(conversation.accept())
            self._talk(conversation, channel, bell)
            end = time.monotonic() + CLOSE_SECONDS
            while not conversation.over and (left := end - time.monotonic()) > 0:
                bell.clear()
                data = channel.take()
                if data is not None:
                    channel.write(conversation.receive(data))
                else:
                    bell.wait(left)

    def _talk(self, conversation: Conversation, channel: Channel, bell: Bell) -> None:
        feed = self.feed
        at, asked, due = feed.last, False, time.monotonic() + PING_SECONDS
        while conversation.open:
            bell.clear()
            out = b""
            data = channel.take()
            if data is not None:
                out += conversation.receive(data)
                asked = False
            entries = feed.after(at)
            if not conversation.open:
                pass
            elif not feed.open:
                out += conversation.close(CloseReason.GOING_AWAY, "the controller stops")
            elif entries is None:
                out += conversation.close(CloseReason.TRY_AGAIN_LATER, "more happened than this client took")
            elif entries:
                at = entries[-1].number
                out += conversation.call(entries)
            elif data is None and (left := due - time.monotonic()) > 0:
                bell.wait(left)
                continue
            if conversation.open and time.monotonic() >= due:
                if asked:
                    out += conversation.close(CloseReason.POLICY_VIOLATION, "no answer to a ping")
                else:
                    out += conversation.ping()
                    asked, due = True, time.monotonic() + PING_SECONDS
            if out:
                channel.write(out)


def headers_of(environ: Mapping[str, object]) -> list[tuple[str, str]]:
    """A request's headers, of its WSGI environment."""
    return [
        (name.removeprefix("HTTP_").replace("_", "-").title(), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]


def _refuse_stranger(headers: Mapping[str, str]) -> None:
    """What a browser loaded from elsewhere may not read this, as it may not read the rest (RFC 6455, 10.2)."""
    origin = headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("Host", "").lower():
        raise ProblemError(HTTPStatus.FORBIDDEN, "a page from elsewhere may not read this")


def upgrade_required(why: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UPGRADE_REQUIRED,
        f"this is a WebSocket (RFC 6455): ask for one{f' ({why})' if why else ''}",
        headers={"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
    )
