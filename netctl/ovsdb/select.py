"""Rows of the Open_vSwitch database, read once (RFC 7047, 5.2.2), without keeping a copy of it up to date."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from typing import Any

from ovs.jsonrpc import Connection, Message
from ovs.poller import Poller
from ovs.stream import Stream

from netctl.ovsdb.remote import check, silence
from netctl.ovsdb.schema import DATABASE

Row = dict[str, Any]


class NoAnswer(Exception):
    """The database could not be read; the message says why, and what to do."""


def select(remote: str, *questions: tuple[str, str, str, Sequence[str]], timeout: float = 3.0) -> list[list[Row]]:
    """For each question (table, column, value, columns) the rows whose column has that value, or without a column all
    rows, all in one go.

    Maps come as dict, sets as list; but a set of one, as an optional value is, comes as that one. Raises NoAnswer and
    BadRemote.
    """
    check(remote)
    error, stream = Stream.open_block(Stream.open(remote), int(timeout * 1000))
    if error or stream is None:
        raise NoAnswer(silence(remote))
    operations = [
        {"op": "select", "table": table, "where": [[column, "==", value]] if column else [], "columns": list(columns)}
        for table, column, value, columns in questions
    ]
    connection = Connection(stream)
    try:
        answer = _ask(connection, Message.create_request("transact", [DATABASE, *operations]), timeout)
    finally:
        connection.close()
    if answer is None:
        raise NoAnswer(f"{remote} does not answer; is ovsdb-server stopped?")
    if answer.error is not None or not isinstance(answer.result, list):
        raise NoAnswer(f"{remote} answers: {answer.error}")
    found = []
    for result in answer.result:
        if result is None or result.get("error"):
            raise NoAnswer(f"{remote} answers: {result}")
        found.append([{column: _plain(value) for column, value in row.items()} for row in result["rows"]])
    return found


def _ask(connection: Connection, request: Message, timeout: float) -> Message | None:
    """The answer to a request; None where the connection ends, or the time."""
    end = time.monotonic() + timeout
    connection.send(request)
    while time.monotonic() < end:
        connection.run()
        error, message = connection.recv()
        if error == errno.EAGAIN:
            poller = Poller()
            connection.wait(poller)
            connection.recv_wait(poller)
            poller.timer_wait((end - time.monotonic()) * 1000)
            poller.block()
        elif error:
            return None
        elif message is not None and message.id == request.id:
            return message
    return None


def _plain(value: Any) -> Any:
    """A value of RFC 7047, 5.1, as Python has it."""
    match value:
        case ["map", pairs]:
            return {key: _plain(each) for key, each in pairs}
        case ["set", members]:
            return [_plain(each) for each in members]
        case ["uuid" | "named-uuid", text]:
            return text
    return value
