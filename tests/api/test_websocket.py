"""Ryu's topology WebSocket, on real sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from tests.api.following import Following, Socket, following


@pytest.fixture
def server() -> Iterator[Following]:
    with following() as serving:
        yield serving
        assert serving.end() == ""


PORT = '{"dpid": "00000000000000ab", "port_no": "0000000%d", "hw_addr": "fe:54:00:00:00:0%d", "name": "vm%d-eth1"}'
ONE, OTHER = PORT % (1, 1, 1), PORT % (2, 2, 2)
LINK = f'{{"src": {ONE}, "dst": {OTHER}}}'
BARE = '{"dpid": "fedcba9876543210", "ports": []}'


def call(number: int, method: str, parameter: str) -> str:
    return f'{{"jsonrpc": "2.0", "method": "{method}", "params": [{parameter}], "id": {number}}}'


def test_calls_are_ryus(server: Following) -> None:
    with closing(Socket(server.connect())) as client:
        assert client.head.splitlines()[0] == b"HTTP/1.1 101 Switching Protocols"
        server.happen("[SwitchEntered(BARE), LinkAdded(LINK, (ONE, OTHER)), LinkChanged(LINK, (ONE, OTHER))]")
        server.happen("[PortChanged(SWITCH.dpid, ONE), WireChanged(GOOD.wires[0], None)]")
        server.happen("[LinkDeleted(LINK, (ONE, OTHER)), StationAdded(GOOD.stations[0], ONE)]")
        server.happen("[SwitchLeft(BARE)]")
        addresses = '"ipv4": ["10.0.0.1"], "ipv6": ["fe80::1", "fd00::1"]'
        host = f'{{"mac": "52:54:00:84:e3:62", {addresses}, "port": {ONE}}}'
        assert [client.text() for _ in range(5)] == [
            call(1, "event_switch_enter", BARE),
            call(2, "event_link_add", LINK),
            call(3, "event_link_delete", LINK),
            call(4, "event_host_add", host),
            call(5, "event_switch_leave", BARE),
        ]


def test_whoever_comes_later_counts_from_one_and_hears_what_comes_then(server: Following) -> None:
    with closing(Socket(server.connect())) as first:
        server.happen("[SwitchEntered(BARE)]")
        assert first.text() == call(1, "event_switch_enter", BARE)
        first.send(TextMessage('{"id": 1, "jsonrpc": "2.0", "result": ""}'))
        with closing(Socket(server.connect())) as second:
            server.happen("[SwitchLeft(BARE)]")
            assert second.text() == call(1, "event_switch_leave", BARE)
            assert first.text() == call(2, "event_switch_leave", BARE)


def test_the_local_port_is_told_to_nobody(server: Following) -> None:
    with closing(Socket(server.connect())) as client:
        server.happen("[SwitchEntered(SWITCH)]")
        ports = json.loads(client.text())["params"][0]["ports"]
        assert [port["port_no"] for port in ports] == ["00000001", "00000002", "ffffff00"]


def test_who_answers_nothing_delays_nobody(server: Following) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(closing(Socket(server.connect())))
        client = stack.enter_context(closing(Socket(server.connect())))
        began = time.monotonic()
        for number in range(100):
            server.happen("[SwitchEntered(BARE)]")
            assert client.text() == call(number + 1, "event_switch_enter", BARE)
        assert time.monotonic() - began < 3


def test_who_reads_nothing_is_dropped_and_delays_nobody() -> None:
    with following(STALL_SECONDS=1) as server, closing(Socket(server.connect(receive=4096))) as deaf:
        with closing(Socket(server.connect())) as client:
            for number in range(60):
                server.happen("[SwitchEntered(SwitchView(1, (ONE,) * 1000))] * 2")
                assert json.loads(client.text())["id"] == 2 * number + 1
                assert json.loads(client.text())["id"] == 2 * number + 2
            server.get("/healthz")
        time.sleep(1.5)
        server.get("/healthz")
        assert deaf.ended()


def test_who_falls_behind_is_told_so() -> None:
    with following(SIZE=50) as server, closing(Socket(server.connect())) as client:
        server.happen("[SwitchEntered(BARE)] * 51")
        end = client.closed()
        assert (end.code, end.reason) == (1013, "more happened than this client took")
        client.send(CloseConnection(1000))
        assert client.ended(2)


def test_signs_of_life() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(following(PING_SECONDS=0.3, STALL_SECONDS=0.1))
        alive, dead = (stack.enter_context(closing(Socket(server.connect()))) for _ in range(2))
        for _ in range(3):
            event = alive.next()
            assert isinstance(event, Ping)
            alive.send(event.response())
        end = dead.closed()
        assert (end.code, end.reason) == (1008, "no answer to a ping")
        server.happen("[SwitchEntered(BARE)]")
        assert alive.text() == call(1, "event_switch_enter", BARE)


def test_a_ping_is_answered(server: Following) -> None:
    with closing(Socket(server.connect())) as client:
        client.send(Ping(b"there?"))
        event = client.next()
        assert isinstance(event, Pong)
        assert event.payload == b"there?"


def test_closing(server: Following) -> None:
    with closing(Socket(server.connect())) as client:
        client.send(CloseConnection(1000))
        assert client.closed().code == 1000
        assert client.ended(2)
    with closing(Socket(server.connect())) as client:
        server.happen("close")
        assert client.closed().code == 1001


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (TextMessage("x" * 70_000), 1009),
        (BytesMessage(b"x" * 70_000), 1009),
        (b"\xff" * 14, 1002),
        (b"\x81\x04text", 1002),
        (TextMessage("no JSON"), None),
        (BytesMessage(b"\0"), None),
    ],
)
def test_whatever_a_client_says(server: Following, sent: object, code: int | None) -> None:
    with closing(Socket(server.connect())) as client:
        if isinstance(sent, bytes):
            client.connection.sendall(sent)
        else:
            client.send(sent)  # type: ignore[arg-type]
        if code is not None:
            assert client.closed().code == code
        else:
            server.happen("[SwitchEntered(BARE)]")
            assert client.text() == call(1, "event_switch_enter", BARE)


def test_a_page_from_elsewhere_may_not_listen(server: Following) -> None:
    with closing(Socket(server.connect(), headers="Origin: https://example.com\r\n")) as stranger:
        assert stranger.head.startswith(b"HTTP/1.1 403 ")
    with closing(Socket(server.connect(), headers="Origin: http://netctl\r\n")) as friend:
        assert friend.head.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1.0/topology/ws HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (b"HEAD /v1.0/topology/ws HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (b"POST /v1.0/topology/ws HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"GET /v1.0/topology/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"426"),
        (
            b"GET /v1.0/topology/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 7\r\n\r\n",
            b"426",
        ),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"200"),
    ],
)
def test_other_requests(server: Following, head: bytes, status: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)


def test_there_is_room_for_so_many_and_for_others_besides() -> None:
    with following(SOCKETS=3) as server, ExitStack() as stack:
        clients = [stack.enter_context(closing(Socket(server.connect()))) for _ in range(4)]
        assert [client.head[9:12] for client in clients] == [b"101", b"101", b"101", b"503"]
        assert b"Retry-After" in clients[3].head
        clients[0].close()
        end = time.monotonic() + 5
        while (again := Socket(server.connect())).head[9:12] != b"101":
            again.close()
            assert time.monotonic() < end
        again.close()
        assert server.get("/healthz") == {"status": "ok"}


def test_a_client_that_vanishes_leaves_nothing(server: Following) -> None:
    for _ in range(5):
        client = Socket(server.connect())
        client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    for _ in range(3):
        server.happen("[SwitchEntered(BARE)] * 100")
    with closing(Socket(server.connect())) as client:
        server.happen("[SwitchLeft(BARE)]")
        assert client.text() == call(1, "event_switch_leave", BARE)
