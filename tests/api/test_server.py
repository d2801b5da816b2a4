"""The server on real sockets, in a process of its own: eventlet must not get into the tests' process."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from urllib.request import urlopen

import pytest

from tests.e2e.box import ROOT

SERVER = """
import logging, os, sys, time
import eventlet
from eventlet import tpool
from netctl.api import server
from netctl.api.wsgi import application
from netctl.controller.snapshot import Snapshot
from dataclasses import replace
from tests.api.board import Board, Shelf
from tests.api.world import GOOD

host, request, stall, wires = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
server.REQUEST_SECONDS, server.STALL_SECONDS = request, stall
snapshot = replace(GOOD, wires=tuple(replace(GOOD.wires[0], name=f"wire{i}") for i in range(wires)))
writes = {"patchboard": Board(), "scenes": Shelf(), "token": lambda: "correct-horse-battery-staple"}
serving = server.serve(application(lambda: snapshot, engine="test", **writes), host, 0)
print(serving.url, flush=True)
tpool.execute(sys.stdin.readline)
serving.close()
eventlet.sleep(0.1)
again = server.serve(application(lambda: snapshot, engine="again"), host, serving.address[1])
print(again.url, flush=True)
tpool.execute(sys.stdin.readline)
print("open files", len(os.listdir("/proc/self/fd")), flush=True)
"""


class Serving:
    def __init__(self, host: str = "127.0.0.1", request: float = 15, stall: float = 10, wires: int = 1) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                SERVER,
                host,
                str(request),
                str(stall),
                str(wires),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.url = self.line()
        self.host, self.port = host, int(self.url.rpartition(":")[2])

    def line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        assert line, self.process.stderr and self.process.stderr.read()
        return line

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def connect(self, timeout: float = 5) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout)

    def get(self, path: str) -> bytes:
        with urlopen(self.url + path, timeout=5) as answer:
            body: bytes = answer.read()
            return body

    def end(self) -> str:
        """What it said on standard error."""
        if self.process.poll() is None:
            self.process.kill()
        return self.process.communicate()[1]


@pytest.fixture
def serving() -> Iterator[Serving]:
    server = Serving()
    yield server
    server.end()


def test_it_answers_and_keeps_the_connection(serving: Serving) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", serving.port, timeout=5)) as connection:
        sockets = set()
        for path in ("/healthz", "/api/v1/wires", "/nothing", "/v1.0/topology/switches"):
            connection.request("GET", path)
            answer = connection.getresponse()
            json.loads(answer.read())
            sockets.add(connection.sock)
        assert len(sockets) == 1


def test_head_and_not_modified_leave_the_connection_in_step(serving: Serving) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", serving.port, timeout=5)) as connection:
        connection.request("HEAD", "/api/v1/wires")
        answer = connection.getresponse()
        tag = answer.headers["ETag"]
        assert answer.read() == b""
        connection.request("GET", "/api/v1/wires", headers={"If-None-Match": tag})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (304, b"")
        connection.request("PATCH", "/api/v1/wires", body=b"{}" * 1000)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
        answer.read()
        connection.request("POST", "/api/v1/wires", body=b"{}" * 1000)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="netctl"')
        answer.read()
        connection.request("GET", "/healthz")
        assert json.loads(connection.getresponse().read()) == {"status": "ok"}


def test_slow_clients_block_nobody(serving: Serving) -> None:
    with ExitStack() as stack:
        for beginning in (b"", b"GET /healthz HTT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: ") * 10:
            stack.enter_context(serving.connect()).sendall(beginning)
        began = time.monotonic()
        for _ in range(5):
            serving.get("/healthz")
        assert time.monotonic() - began < 2


def drip(connection: socket.socket, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.sendall(b"X-Drip: 1\r\n")
        time.sleep(0.1)


def test_a_request_that_drips_in_is_cut_off() -> None:
    server = Serving(request=1)
    try:
        with server.connect() as connection:
            began = time.monotonic()
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            with pytest.raises(OSError, match=r"reset|Broken"):
                drip(connection, 5)
            assert 0.9 < time.monotonic() - began < 3
        server.get("/healthz")
    finally:
        server.end()


RIGHT = {"Authorization": "Bearer correct-horse-battery-staple", "Content-Type": "application/json"}
WIRE = b'{"ends": ["vm3-eth1", "vm4-eth1"]}'


@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
def test_a_change_on_a_connection_that_is_kept(serving: Serving, chunked: bool) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", serving.port, timeout=5)) as connection:
        for status in (201, 200):
            body = (bytes([each]) for each in WIRE) if chunked else WIRE
            connection.request("PUT", "/api/v1/wires/core", body, RIGHT, encode_chunked=chunked)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["put"]) == (status, ["core"])
        connection.request("DELETE", "/api/v1/wires/core", headers=RIGHT)
        assert connection.getresponse().status == 200


def test_a_client_that_asks_first_may_send_or_not(serving: Serving) -> None:
    head = b"PUT /api/v1/wires/core HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
    length = b"Content-Length: %d\r\n" % len(WIRE)
    with serving.connect() as stranger:
        stranger.sendall(head + length + b"\r\n")
        assert stranger.recv(4096).startswith(b"HTTP/1.1 401")
    with serving.connect() as friend:
        friend.sendall(head + length + b"Authorization: " + RIGHT["Authorization"].encode() + b"\r\n\r\n")
        assert friend.recv(4096).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        friend.sendall(WIRE)
        assert friend.recv(4096).startswith(b"HTTP/1.1 201")


@pytest.mark.parametrize(
    ("token", "status"), [(RIGHT["Authorization"], b"413"), ("Bearer wrong", b"401")], ids=["friend", "stranger"]
)
def test_a_body_without_end_is_cut_off(serving: Serving, token: str, status: bytes) -> None:
    head = "PUT /api/v1/wires/core HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with serving.connect() as connection:
        connection.sendall(f"{head}Authorization: {token}\r\nContent-Length: 1000000000\r\n\r\n".encode())
        with suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b" " * 100_000)
            raise AssertionError("100 MB were taken")
    serving.get("/healthz")
    with serving.connect() as connection:
        connection.sendall(f"{head}Authorization: {token}\r\nContent-Length: 70000\r\n\r\n".encode() + b" " * 70_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("token", [RIGHT["Authorization"], "Bearer wrong"], ids=["friend", "stranger"])
def test_a_body_that_drips_in_is_cut_off(token: str) -> None:
    server = Serving(request=1)
    try:
        head = "PUT /api/v1/wires/core HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        with server.connect() as connection:
            began = time.monotonic()
            connection.sendall(f"{head}Authorization: {token}\r\nContent-Length: 1000\r\n\r\n".encode())
            with pytest.raises(OSError, match=r"reset|Broken"):
                drip(connection, 8)
            assert 0.9 < time.monotonic() - began < 4
        server.get("/healthz")
        assert "Traceback" not in server.end()
    finally:
        server.end()


def test_an_idle_connection_is_closed() -> None:
    server = Serving(request=0.5)
    try:
        with server.connect() as connection:
            began = time.monotonic()
            assert connection.recv(1) == b""
            assert 0.4 < time.monotonic() - began < 2
    finally:
        server.end()


def test_a_client_that_does_not_read_is_dropped_and_blocks_nobody() -> None:
    server = Serving(stall=0.5, wires=20_000)
    try:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.settimeout(10)
            deaf.connect((server.host, server.port))
            deaf.sendall(b"GET /api/v1/wires HTTP/1.1\r\nHost: x\r\n\r\n")
            server.get("/healthz")
            time.sleep(1.5)
            received = 0
            with suppress(ConnectionResetError):
                while data := deaf.recv(1 << 16):
                    received += len(data)
        assert 0 < received < len(server.get("/api/v1/wires"))
    finally:
        server.end()


def test_closing_frees_the_port_even_under_an_idle_client(serving: Serving) -> None:
    with serving.connect() as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
        serving.go_on()
        assert serving.line() == serving.url
        assert idle.recv(4096) == b""
    assert json.loads(serving.get("/api/v1/status"))["engine"] == "again"


def test_it_is_quiet_and_shows_no_traceback(serving: Serving) -> None:
    serving.get("/healthz")
    with serving.connect() as rude:
        rude.sendall(b"\x16\x03\x01 no http\r\n\r\n")
        answer = rude.recv(4096)
        assert b" 400 " in answer or b"BAD_REQUEST" in answer, "Python 3.10 sends no status line to who speaks no HTTP"
    with serving.connect() as long:
        long.sendall(b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n")
        assert b" 414 " in long.recv(4096)
    serving.get("/healthz")
    said = serving.end()
    assert said == ""


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    server = Serving("::1")
    try:
        assert server.url == f"http://[::1]:{server.port}"
        assert json.loads(server.get("/healthz")) == {"status": "ok"}
    finally:
        server.end()


TRY = """
import sys
from netctl.api.server import AddressError, serve
try:
    serve(lambda environ, start: [], sys.argv[1], int(sys.argv[2]))
except AddressError as error:
    print(error)
"""


def refusal(host: str, port: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", TRY, host, str(port)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return done.stdout.strip()


def test_a_port_that_is_taken(serving: Serving) -> None:
    assert refusal("127.0.0.1", serving.port) == (
        f"REST cannot listen on 127.0.0.1:{serving.port}: the port is taken "
        f"(`ss -ltnp sport = :{serving.port}` says by whom); name another one"
    )


@pytest.mark.parametrize(
    ("host", "port", "why"),
    [
        ("192.0.2.1", 8080, "this machine has no such address"),
        ("no.such.host.invalid", 8080, "no.such.host.invalid:8080: "),
        ("127.0.0.1", 70000, "127.0.0.1:70000: "),
        ("a" * 100, 8080, ":8080: "),
        ("2001:db8::1", 8080, "[2001:db8::1]:8080: "),
    ],
)
def test_an_address_that_cannot_be_had(host: str, port: int, why: str) -> None:
    assert why in refusal(host, port)
