"""What is asked of the agent over HTTP, with real sockets, and who cannot keep it from its work."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netctl.agent.server import HEAD, MODE, MOST, PATIENCE, BadAddress, Page, Server, loopback

LONG = Page("application/json", b"x" * 3_000_000)
PAGES = {"/status": Page("application/json", b"{}\n"), "/long": LONG}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with closing(Server(PAGES.get)) as server:
        server.listen_at(tmp_path / "agent.sock")
        yield server


def turn(server: Server, now: float = 0.0, wait: int = 20) -> None:
    """What the agent's loop does once."""
    poller = select.poll()
    for number, what in server.interests():
        poller.register(number, what)
    server.serve({number for number, _ in poller.poll(wait)}, now)


def connect(tmp_path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(tmp_path / "agent.sock"))
    client.settimeout(0.02)
    return client


def ask(server: Server, tmp_path: Path, request: bytes, turns: int = 500) -> bytes:
    """All that is answered until the server hangs up."""
    with connect(tmp_path) as client:
        client.sendall(request)
        answer = b""
        for _ in range(turns):
            turn(server, wait=0)
            try:
                data = client.recv(1 << 20)
            except TimeoutError:
                continue
            if not data:
                return answer
            answer += data
    raise AssertionError(f"no end of {answer[:100]!r}")


def test_a_page(server: Server, tmp_path: Path) -> None:
    head, _, body = ask(server, tmp_path, b"GET /status?a=b HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Length: 3" in head
    assert b"Content-Type: application/json" in head
    assert body == b"{}\n"
    head, _, body = ask(server, tmp_path, b"HEAD /status HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert b"Content-Length: 3" in head
    assert body == b""
    assert (tmp_path / "agent.sock").stat().st_mode & 0o777 == MODE


def test_a_long_page_in_parts(server: Server, tmp_path: Path) -> None:
    answer = ask(server, tmp_path, b"GET /long HTTP/1.1\r\n\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == LONG.body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /status HTTP/1.1\r\n\r\n", b"405"),
        (b"\r\n\r\n", b"400"),
        (b"GET status HTTP/1.1\r\n\r\n", b"400"),
        (b"\xff\xfe\x00 / HTTP/1.1\r\n\r\n", b"405"),
        (b"GET /status\r\n\r\n", b"400"),
        (b"GET /status SSH-2.0\r\n\r\n", b"400"),
        (b"GET /" + b"a" * HEAD, b"431"),
    ],
)
def test_what_is_no_question_is_told_so(server: Server, tmp_path: Path, request_: bytes, status: bytes) -> None:
    assert ask(server, tmp_path, request_).split(b" ")[1] == status
    assert ask(server, tmp_path, b"GET /status HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_who_is_slow_is_answered_and_keeps_nobody_waiting(server: Server, tmp_path: Path) -> None:
    with connect(tmp_path) as slow:
        for octet in b"GET /status HTTP/1.1\r\n\r":
            slow.send(bytes([octet]))
            turn(server)
        assert ask(server, tmp_path, b"GET /status HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
        slow.send(b"\n")
        turn(server)
        assert slow.recv(100).startswith(b"HTTP/1.1 200")


def test_who_is_silent_or_does_not_read_is_hung_up_on(server: Server, tmp_path: Path) -> None:
    with connect(tmp_path) as silent, connect(tmp_path) as deaf:
        deaf.sendall(b"GET /long HTTP/1.1\r\n\r\n")
        for _ in range(10):
            turn(server, wait=0)
        assert server.due == PATIENCE
        turn(server, PATIENCE, wait=0)
        assert server.due is None
        assert silent.recv(1) == b""


def test_one_too_many(server: Server, tmp_path: Path) -> None:
    crowd = [connect(tmp_path) for _ in range(MOST)]
    for number in range(2 * MOST):
        turn(server, number / 1000, wait=0)
    assert ask(server, tmp_path, b"GET /status HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert sum(1 for _ in server.interests()) <= MOST + 1
    for each in crowd:
        each.close()


def test_the_socket_of_one_that_was_killed_is_taken_over_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = Server(PAGES.get)
    server.listen_at(path)
    assert ask(server, tmp_path, b"GET /status HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
    other = tmp_path / "other.sock"
    server.listen_at(other)
    assert not path.exists()
    with pytest.raises(OSError, match="too long"):
        server.listen_at(tmp_path / ("n" * 120))
    assert other.exists()
    server.close()
    assert not other.exists()


def test_it_listens_on_the_loopback_and_nowhere_else() -> None:
    assert loopback("127.0.0.1:9469") == ("127.0.0.1", 9469)
    assert loopback("[::1]:9469") == ("::1", 9469)
    assert loopback("localhost:9469") == ("127.0.0.1", 9469)
    for wrong in ("0.0.0.0:9469", "192.0.2.1:9469", "[::]:1", "hv1:9469", "9469", "127.0.0.1:", "127.0.0.1:0", "a:b:c"):
        with pytest.raises(BadAddress):
            loopback(wrong)
    with closing(Server(PAGES.get)) as server:
        server.listen_on("127.0.0.1", 0)
        (number,) = (each for each, _ in server.interests())
        port = socket.socket(fileno=socket.dup(number)).getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /status HTTP/1.1\r\n\r\n")
            for _ in range(5):
                turn(server, time.monotonic())
            assert client.recv(100).startswith(b"HTTP/1.1 200")
