"""How much passes from one end of a way to the other, how late, and how much of it is lost.

Both ends are on this machine: sockets are made in their namespaces, and one clock tells when a datagram was sent and
when the kernel had it at the other end. So loss and latency are told for each direction of its own.
"""

from __future__ import annotations

import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal

from netctl.probe import echo
from netctl.probe.namespace import at

CONNECT = 2.0
"""Seconds that TCP has to connect, and that a stream has for its first octet."""

EVERY = 0.005
"""Seconds between two datagrams."""

AT_REST = 1.0
"""Seconds over which the way is measured before there is a stream, or as long as a stream if that is less."""

LATE = 3.0
"""Seconds that the last datagrams have to come through what is queued before them."""

WARM = 0.5
"""Seconds at the start of a stream that do not count, a quarter of it at the most: TCP starts slowly, and shapers with
a burst."""

CHUNK = 1 << 18
SIZE = 64
"""Octets of a datagram's payload."""

_HEAD = struct.Struct("!8sQQ")
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_LINGER_NOT = struct.pack("ii", 1, 0)
_TOTAL_RETRANS = 100
"""Where struct tcp_info has tcpi_total_retrans (linux/tcp.h)."""


@dataclass(frozen=True)
class Point:
    """One end: a namespace, "" for this one, and an address there."""

    name: str
    namespace: str
    address: str
    device: str = ""
    """The only device that it may speak by; empty for what the routes say."""

    @property
    def version(self) -> int:
        return ip_address(self.address).version


class NoWay(Exception):
    """Nothing to measure between two points; `what` says how far it got."""

    def __init__(self, sender: Point, receiver: Point, what: Literal["address", "connect", "stall"], message: str):
        self.sender = sender
        self.receiver = receiver
        self.what = what
        super().__init__(message)


@dataclass(frozen=True)
class Trips:
    """What became of packets sent one after another."""

    sent: int
    microseconds: tuple[float, ...]
    """How long each took that arrived, sorted."""

    @property
    def lost(self) -> int:
        return self.sent - len(self.microseconds)

    @property
    def loss(self) -> float:
        """Percent."""
        return 100 * self.lost / self.sent if self.sent else 0.0

    def quantile(self, part: float) -> float | None:
        """The time that so large a part of them took at the most; None when none arrived."""
        if not self.microseconds:
            return None
        return self.microseconds[min(len(self.microseconds) - 1, int(part * len(self.microseconds)))]

    def as_json(self) -> dict[str, Any]:
        return {
            "sent": self.sent,
            "lost": self.lost,
            "loss_percent": round(self.loss, 3),
            "microseconds": {
                "min": _rounded(self.quantile(0)),
                "median": _rounded(self.quantile(0.5)),
                "p99": _rounded(self.quantile(0.99)),
            },
        }


@dataclass(frozen=True)
class Flow:
    """One direction of a way."""

    sender: Point
    receiver: Point
    rest: Trips
    """While nothing else was sent."""
    mbits: float
    """What TCP delivered, in Mbit/s of payload."""
    full: Trips
    """Beside the stream."""
    again: int
    """Segments that TCP sent again."""

    def as_json(self) -> dict[str, Any]:
        return {
            "from": self.sender.name,
            "to": self.receiver.name,
            "addresses": [self.sender.address, self.receiver.address],
            "throughput_mbits": round(self.mbits, 3),
            "retransmitted_segments": self.again,
            "latency": "one-way",
            "at_rest": self.rest.as_json(),
            "under_load": self.full.as_json(),
        }


Say = Callable[[str, float], None]
"""Told what is being measured, and how much of it is done (0 to 1)."""


def measure(one: Point, other: Point, seconds: float, both: bool, say: Say) -> list[Flow]:
    """From `one` to `other`, and back if `both`; each stream takes `seconds`. Raises NoWay."""
    ways = [(one, other), (other, one)] if both else [(one, other)]
    for sender, receiver in ways:
        with _Stream(sender, receiver):
            pass
    flows = []
    with ExitStack() as stack:
        beats = [stack.enter_context(_Beat(*way)) for way in ways]
        rest = _at_rest(beats, min(AT_REST, seconds), say)
        for beat, before in zip(beats, rest, strict=True):
            with _Stream(beat.sender, beat.receiver) as stream:
                mbits = _run(stream, beat, seconds, say)
                again = stream.retransmitted()
            full = beat.end()
            flows.append(Flow(beat.sender, beat.receiver, before, mbits, full, again))
    return flows


def _at_rest(beats: Sequence[_Beat], seconds: float, say: Say) -> list[Trips]:
    count = round(seconds / EVERY)
    due = time.monotonic()
    for number in range(count):
        for beat in beats:
            beat.send()
        if number % 20 == 0:
            say("at rest", number / count)
        due += EVERY
        time.sleep(max(0.0, due - time.monotonic()))
    return [beat.end() for beat in beats]


def _run(stream: _Stream, beat: _Beat, seconds: float, say: Say) -> float:
    """Mbit/s of the stream, beside which `beat` goes on. Raises NoWay when nothing comes through."""
    warm = min(WARM, seconds / 4)
    stream.start()
    start = due = time.monotonic()
    counted: tuple[float, int] | None = None
    number = 0
    while True:
        now = time.monotonic()
        if stream.octets == 0 and now - start > max(CONNECT, seconds):
            raise NoWay(
                beat.sender, beat.receiver, "stall", f"TCP connects, and nothing came through in {now - start:.0f} s"
            )
        if stream.ended:
            raise NoWay(beat.sender, beat.receiver, "stall", f"the stream broke off: {stream.ended}")
        if counted is None and now - start >= warm and stream.octets:
            counted = now, stream.octets
            start = now - warm
        if counted is not None and now - counted[0] >= seconds - warm:
            return (stream.octets - counted[1]) * 8e-6 / (now - counted[0])
        beat.send()
        number += 1
        if number % 20 == 0:
            say(f"{beat.sender.name} to {beat.receiver.name}", min(1.0, (now - start) / seconds))
        due = max(due + EVERY, now)
        time.sleep(max(0.0005, due - time.monotonic()))


class _Stream:
    """Zeros over TCP, connected, from `start` on for as long as the context lasts."""

    def __init__(self, sender: Point, receiver: Point) -> None:
        """Raises NoWay."""
        self.octets = 0
        """That came through."""
        self.ended = ""
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stack = ExitStack()
        try:
            listener = self._stack.enter_context(_socket(receiver, socket.SOCK_STREAM))
            listener.listen(1)
            self._out = self._stack.enter_context(_socket(sender, socket.SOCK_STREAM))
            self._out.settimeout(CONNECT)
            listener.settimeout(CONNECT)
            try:
                self._out.connect(listener.getsockname())
                self._in = self._stack.enter_context(listener.accept()[0])
            except OSError as error:
                why = f"within {CONNECT:.0f} s" if isinstance(error, TimeoutError) else f"({error.strerror})"
                raise NoWay(sender, receiver, "connect", f"TCP does not connect {why}") from error
        except BaseException:
            self._stack.close()
            raise
        for end in (self._out, self._in):
            end.settimeout(None)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for end in (self._out, self._in):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._stack.close()

    def start(self) -> None:
        for work in (self._send, self._receive):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)

    def retransmitted(self) -> int:
        found = self._out.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return int.from_bytes(found[_TOTAL_RETRANS : _TOTAL_RETRANS + 4], "little" if _LITTLE else "big")

    def _send(self) -> None:
        zeros = bytes(CHUNK)
        try:
            while not self._stop.is_set():
                self._out.send(zeros)
        except OSError as error:
            self.ended = self.ended or str(error.strerror)

    def _receive(self) -> None:
        room = bytearray(CHUNK)
        try:
            while got := self._in.recv_into(room):
                self.octets += got
        except OSError as error:
            self.ended = self.ended or str(error.strerror)


_LITTLE = struct.pack("=H", 1) == struct.pack("<H", 1)


@dataclass
class _Beat:
    """Datagrams from one point to another, numbered; a context manager."""

    sender: Point
    receiver: Point
    mark: bytes = field(default_factory=lambda: secrets.token_bytes(8))
    number: int = 0
    first: int = 0
    """The first number of those that count now."""
    took: dict[int, float] = field(default_factory=dict)

    def __enter__(self) -> _Beat:
        self._in = _socket(self.receiver, socket.SOCK_DGRAM)
        self._in.setsockopt(socket.SOL_SOCKET, echo.SO_TIMESTAMPNS, 1)
        self._in.setsockopt(socket.SOL_SOCKET, echo.SO_RCVBUFFORCE, 4 << 20)
        self._in.setblocking(False)
        self._out = _socket(self.sender, socket.SOCK_DGRAM)
        self._out.setblocking(False)
        self._out.connect(self._in.getsockname())
        return self

    def __exit__(self, *_: object) -> None:
        self._in.close()
        self._out.close()

    def send(self) -> None:
        """One more; what the sender itself cannot send is lost."""
        with suppress(OSError):
            self._out.send(_HEAD.pack(self.mark, self.number, time.time_ns()).ljust(SIZE, b"\0"))
        self.number += 1
        if self.number % 64 == 0:
            self._take()

    def _take(self) -> None:
        while (got := echo.stamped(self._in)) is not None:
            data, then = got
            if len(data) == SIZE:
                mark, number, sent = _HEAD.unpack_from(data)
                if mark == self.mark and number >= self.first:
                    self.took.setdefault(number, max(0, then - sent) / 1000)

    def end(self) -> Trips:
        """What became of those that were sent since the last `end`. A last one is sent after them, and again, until it
        comes: then all have that will."""
        last = self.number
        deadline = time.monotonic() + LATE
        while time.monotonic() < deadline and not any(number >= last for number in self.took):
            self.send()
            time.sleep(0.01)
            self._take()
        trips = Trips(last - self.first, tuple(sorted(took for number, took in self.took.items() if number < last)))
        self.first = self.number
        self.took.clear()
        return trips


def pinged(target: Point | str, source: Point, seconds: float, say: Say) -> Trips:
    """There and back again, by echo requests to an address elsewhere. Raises NoWay."""
    address = target if isinstance(target, str) else target.address
    there = Point(address, "", address)
    version = there.version
    try:
        link = at(source.namespace, lambda: echo.opened(version, address, source.address, source.device))
    except OSError as error:
        raise NoWay(source, there, "connect", f"{error.strerror}") from None
    mark = secrets.token_bytes(8)
    took: dict[int, float] = {}
    count = max(1, round(seconds / EVERY / 4))
    with link:
        due = time.monotonic()

        def take() -> None:
            while (got := echo.stamped(link)) is not None:
                payload = echo.reply(version, got[0])
                if payload is not None and len(payload) == SIZE and payload.startswith(mark):
                    _, number, sent = _HEAD.unpack_from(payload)
                    took.setdefault(number, max(0, got[1] - sent) / 1000)

        for number in range(count):
            payload = _HEAD.pack(mark, number, time.time_ns()).ljust(SIZE, b"\0")
            with suppress(OSError):
                link.send(echo.request(version, 0x6E63, number & 0xFFFF, payload))
            if number % 10 == 0:
                say("echo", number / count)
                take()
            due += EVERY * 4
            time.sleep(max(0.0, due - time.monotonic()))
        end = time.monotonic() + 1
        while len(took) < count and time.monotonic() < end:
            time.sleep(0.01)
            take()
    return Trips(count, tuple(sorted(took.values())))


def _socket(point: Point, kind: int) -> socket.socket:
    """Bound to an address of its own choice of port. Raises NoWay."""

    def make() -> socket.socket:
        link = socket.socket(_FAMILY[point.version], kind)
        try:
            if point.device:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, point.device.encode())
            link.bind((point.address, 0))
        except BaseException:
            link.close()
            raise
        return link

    try:
        return at(point.namespace, make)
    except OSError as error:
        raise NoWay(point, point, "address", f"{point.name}: {point.address}: {error.strerror}") from None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
