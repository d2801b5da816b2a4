"""The stream of what happens, on real sockets; and what is kept for those who read it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from jsonschema import Draft202012Validator

from netctl.api import feed
from netctl.api.feed import Feed, FullError, Readers
from netctl.api.openapi import description
from netctl.controller.happenings import PortAdded, SwitchEntered
from netctl.controller.snapshot import SwitchPort, SwitchView
from tests.api.following import Following, Stream, following

AT = "2026-09-21T14:13:20Z"
PORT = SwitchPort(1, "p1", "02:00:00:00:00:01", True)
ADDED = PortAdded(1, PORT)

EVERYTHING = """[
    SwitchEntered(SWITCH),
    PortAdded(SWITCH.dpid, ONE), PortChanged(SWITCH.dpid, ONE), PortRemoved(SWITCH.dpid, ONE),
    LinkAdded(LINK, (ONE, OTHER)), LinkChanged(LINK, (ONE, OTHER)), LinkDeleted(LINK, (ONE, OTHER)),
    WireChanged(GOOD.wires[0], None), WireChanged(GOOD.wires[0], "down"), WireChanged(GOOD.wires[0], "up", gone=True),
    NeighbourAdded(GOOD.neighbours[0]), NeighbourChanged(GOOD.neighbours[0]),
    NeighbourRemoved(GOOD.neighbours[0], "aged"),
    StationAdded(GOOD.stations[0], ONE), StationChanged(GOOD.stations[0], ONE, GOOD.stations[1]),
    StationRemoved(GOOD.stations[0], "aged"),
    SwitchLeft(SWITCH),
]"""


@pytest.fixture
def server() -> Iterator[Following]:
    with following() as serving:
        yield serving
        assert serving.end() == ""


def test_every_kind_of_event_is_told_as_it_is_described(server: Following) -> None:
    stream = Stream.open(server.connect())
    assert b"\r\nContent-Type: text/event-stream" in stream.head
    assert b"\r\nCache-Control: no-store" in stream.head
    stream.begin()
    assert stream.last == "999"
    assert server.happen(EVERYTHING) == 1016
    told = stream.read(17)
    assert [int(each.id) for each in told] == list(range(1000, 1017))
    assert [(each.kind, each.data["change"]) for each in told] == [
        ("switch", "added"),
        *(("port", change) for change in ("added", "changed", "removed")),
        *(("link", change) for change in ("added", "changed", "removed")),
        *(("wire", change) for change in ("added", "changed", "removed")),
        *(("neighbour", change) for change in ("added", "changed", "removed")),
        *(("host", change) for change in ("added", "changed", "removed")),
        ("switch", "removed"),
    ]
    components = description()["components"]
    for each in told:
        assert each.data["at"] == AT
        name = {"switch": "Switch", "port": "Port", "link": "Link", "wire": "Wire", "neighbour": "Neighbour"}
        schema = {"$ref": f"#/components/schemas/{name.get(each.kind, 'Host')}Happened", "components": components}
        Draft202012Validator(schema).validate(each.data)
    assert told[0].data == {"change": "added", "at": AT, "dpid": "00000000000000ab", "ports": 4}
    assert told[4].data == {
        "change": "added",
        "at": AT,
        "src": {"dpid": "00000000000000ab", "number": 1, "port": "vm1-eth1"},
        "dst": {"dpid": "00000000000000ab", "number": 2, "port": "vm2-eth1"},
        "one_way": False,
    }
    assert (told[8].data["before"], told[8].data["wire"]["state"]) == ("down", "up")
    assert told[12].data["why"] == "aged"


def test_a_stream_goes_on_where_it_was_left(server: Following) -> None:
    server.happen("[PortAdded(1, ONE)] * 10")
    stream = Stream.open(server.connect(), "1004")
    assert [each.id for each in stream.read(5)] == ["1005", "1006", "1007", "1008", "1009"]
    server.happen("[PortAdded(1, ONE)]")
    assert stream.read()[0].id == "1010"


def test_a_graph_says_where_the_stream_goes_on(server: Following) -> None:
    server.happen("[PortAdded(1, ONE)] * 10")
    event = server.get("/api/v1/topology")["event"]
    stream = Stream.open(server.connect(), event)
    server.happen("[PortAdded(1, ONE)]")
    assert stream.read()[0].id == str(int(event) + 1) == "1010"


@pytest.mark.parametrize("last", ["998", "5", "1010", "99999999999999999999", "x", "-1", "١٠٠٤"])
def test_an_id_that_is_not_known_any_more_resets(server: Following, last: str) -> None:
    server.happen("[PortAdded(1, ONE)] * 10")
    stream = Stream.open(server.connect(), last if last.isascii() else "\xd9\xa1")
    (reset,) = stream.read()
    assert (reset.id, reset.kind) == ("1009", "reset")
    assert reset.data == {"why": "the id is too old, or of another start of the controller"}
    server.happen("[PortAdded(1, ONE)]")
    assert stream.read()[0].id == "1010"


def test_an_id_that_fell_out_of_what_is_kept_resets() -> None:
    with following(SIZE=5) as server:
        server.happen("[PortAdded(1, ONE)] * 10")
        assert [each.kind for each in Stream.open(server.connect(), "1003").read()] == ["reset"]
        kept = Stream.open(server.connect(), "1004").read(5)
        assert [each.id for each in kept] == ["1005", "1006", "1007", "1008", "1009"]


def test_a_quiet_stream_says_that_it_is_there() -> None:
    with following(HEARTBEAT_SECONDS=0.2) as server:
        stream = Stream.open(server.connect())
        began = time.monotonic()
        stream.beat()
        stream.beat()
        assert time.monotonic() - began > 0.2
        server.happen("[PortAdded(1, ONE)]")
        assert stream.read()[0].id == "1000"


def test_who_reads_nothing_is_dropped_and_delays_nobody() -> None:
    with following(STALL_SECONDS=1, SIZE=20_000) as server:
        deaf, stream = Stream.open(server.connect()), Stream.open(server.connect())
        for _ in range(10):
            server.happen("[WireChanged(GOOD.wires[0], None)] * 5000")
            assert stream.read(5000)[-1].kind == "wire"
        server.get("/healthz")
        time.sleep(1.5)
        with pytest.raises((EOFError, ConnectionError)):
            deaf.read(100_000)


def test_who_falls_behind_is_reset() -> None:
    with following(SIZE=100) as server:
        stream = Stream.open(server.connect())
        stream.begin()
        server.happen("[PortAdded(1, ONE)] * 101")
        (reset,) = stream.read()
        assert (reset.kind, reset.id, reset.data["why"]) == ("reset", "1100", "more happened than this client took")
        server.happen("[PortAdded(1, ONE)]")
        assert stream.read()[0].id == "1101"


def test_there_is_room_for_so_many_and_for_others_besides() -> None:
    with following(STREAMS=2, HEARTBEAT_SECONDS=0.2) as server, ExitStack() as stack:
        streams = [Stream.open(server.connect()) for _ in range(3)]
        for each in streams:
            stack.callback(each.connection.close)
        assert [each.head[9:12] for each in streams] == [b"200", b"200", b"503"]
        assert server.get("/healthz") == {"status": "ok"}
        streams[0].connection.close()
        end = time.monotonic() + 5
        while (again := Stream.open(server.connect())).head[9:12] != b"200":
            again.connection.close()
            assert time.monotonic() < end


def test_head_tells_what_it_is_and_keeps_no_room() -> None:
    with following(STREAMS=1) as server:
        for _ in range(3):
            with server.connect() as connection:
                connection.sendall(b"HEAD /api/v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = connection.recv(4096)
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert b"text/event-stream" in answer
        assert Stream.open(server.connect()).head[9:12] == b"200"


def test_streams_end_with_the_controller(server: Following) -> None:
    stream = Stream.open(server.connect())
    stream.begin()
    server.happen("close")
    with pytest.raises(EOFError):
        stream.read()


def test_what_weighs_much_is_kept_less_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "WEIGHT", 1000)
    kept = Feed()
    kept.put([SwitchEntered(SwitchView(1, (PORT,) * 400))] * 10, 0)
    assert [each.number for each in kept.after(8) or ()] == [9, 10]
    assert kept.after(7) is None
    kept.put([SwitchEntered(SwitchView(1, (PORT,) * 4000))], 0)
    assert [each.number for each in kept.after(10) or ()] == [11]
    kept.put([ADDED] * 999, 0)
    assert kept.after(10) is None
    assert len(kept.after(11) or ()) == feed.BATCH


def test_readers_are_counted_by_what_they_are() -> None:
    kept, some, others = Feed(), Readers(1), Readers(1)
    with kept.reader(some), kept.reader(others) as bell:
        kept.put([ADDED], 0)
        assert bell.wait(0)
        with pytest.raises(FullError), kept.reader(some):
            pass
    with kept.reader(some):
        pass
