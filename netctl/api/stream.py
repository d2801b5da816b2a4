"""What happens, as a stream of server-sent events (HTML Living Standard, 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from netctl.api.feed import Bell, Feed, FullError, Readers
from netctl.api.happening import event, message

CONTENT_TYPE = "text/event-stream"

STREAMS = 32
"""At one time."""
HEARTBEAT_SECONDS = 15.0
"""So often a stream on which nothing happens says that it is there."""
RETRY_MILLISECONDS = 1000
"""After which a client whose stream ends comes back."""


class Streams:
    """Every stream of one controller."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._readers = Readers(STREAMS)

    def open(self, last: str) -> Iterator[bytes]:
        """The events after the one of the id `last`, or from now on without one. Raises FullError.

        Ends when the feed is closed. Whoever takes it too slowly is sent a reset in the place of what is lost.
        """
        if self._readers.count >= self._readers.most:
            raise FullError
        return self._run(last)

    def _run(self, last: str) -> Iterator[bytes]:
        feed = self.feed
        with feed.reader(self._readers) as bell:
            at = feed.last
            begin = "" if last else f"id: {at}\n"
            yield f"retry: {RETRY_MILLISECONDS}\n{begin}\n".encode()
            if last:
                known = last.isascii() and last.isdigit() and feed.has(int(last))
                if known:
                    at = int(last)
                else:
                    yield _reset(at, "the id is too old, or of another start of the controller")
            yield from self._follow(at, bell)

    def _follow(self, at: int, bell: Bell) -> Iterator[bytes]:
        feed = self.feed
        while True:
            bell.clear()
            entries = feed.after(at)
            if entries is None:
                at = feed.last
                yield _reset(at, "more happened than this client took")
            elif entries:
                at = entries[-1].number
                yield "".join(map(event, entries)).encode() or _HEARTBEAT
            elif not feed.open:
                return
            elif not bell.wait(HEARTBEAT_SECONDS):
                yield _HEARTBEAT


_HEARTBEAT = b":\n\n"


def _reset(number: int, why: str) -> bytes:
    return message("reset", json.dumps({"why": why}), number).encode()
