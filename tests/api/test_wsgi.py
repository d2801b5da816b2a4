"""netctl's own paths: what they answer, and what they say to a request that is wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client, TestResponse

from netctl import __version__
from netctl.api.body import JSON
from netctl.api.routes import ROUTES
from netctl.api.wsgi import application
from netctl.controller.snapshot import Snapshot, WireView
from tests.api.world import EMPTY, GOOD, TROUBLED

Make = Callable[[Snapshot], Client]


def problem(response: TestResponse, status: int) -> dict[str, object]:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    body = json.loads(response.data)
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


def test_status_of_a_good_network() -> None:
    seconds = iter([100.0, 161.5])
    client = Client(application(lambda: GOOD, engine="os-ken 4.2.2", clock=lambda: next(seconds)))
    assert client.get("/api/v1/status").json == {
        "version": __version__,
        "engine": "os-ken 4.2.2",
        "uptime": 61.5,
        "revision": 7,
        "converged": True,
        "why": [],
        "flow_changes": 4,
        "wires": {"up": 1, "down": 0, "waiting": 0},
        "policy": {
            "source": "flows/lab.yaml",
            "files": ["flows/lab.yaml"],
            "digest": "5f" * 32,
            "since": "2026-09-21T14:13:20.250000Z",
            "refused": [],
        },
        "hosts": [{"name": "hv1", "ovsdb": "unix:/var/run/openvswitch/db.sock", "connected": True, "problems": []}],
    }


def test_status_of_a_troubled_network_says_why(client: Make) -> None:
    status = client(TROUBLED).get("/api/v1/status").json
    assert status is not None
    assert not status["converged"]
    assert status["why"] == [
        "flows/lab.yaml:3:1: «wire» is unknown; write «wires»",
        "host hv2: connection refused",
        "bridge hv2/ovbr0: still to be done: add bridge ovbr0 and 1 more",
        "bridge hv2/ovbr0: its OpenFlow session is not up",
        "wire core waits: hv2 is not connected",
    ]
    assert status["wires"] == {"up": 1, "down": 0, "waiting": 1}
    assert status["policy"]["refused"] == [{"message": "«wire» is unknown; write «wires»", "at": "flows/lab.yaml:3:1"}]
    assert [host["connected"] for host in status["hosts"]] == [True, False]


def test_lists(client: Make) -> None:
    ask = client(TROUBLED)
    assert [wire["name"] for wire in ask.get("/api/v1/wires").json or ()] == ["vm1-eth1--vm2-eth1", "core"]
    assert [host["name"] for host in ask.get("/api/v1/hosts").json or ()] == ["hv1", "hv2"]
    assert ask.get("/api/v1/policy").json == (ask.get("/api/v1/status").json or {})["policy"]
    assert ask.get("/api/v1/bridges").json == [
        {
            "host": "hv1",
            "name": "ovbr0",
            "datapath": "netdev",
            "unpatched": "drop",
            "dpid": "00000000000000ab",
            "connected": True,
            "flows": 4,
            "pending": [],
            "problems": [],
        },
        {
            "host": "hv2",
            "name": "ovbr0",
            "datapath": "system",
            "unpatched": "normal",
            "dpid": None,
            "connected": False,
            "flows": 0,
            "pending": ["add bridge ovbr0", "add port eno2"],
            "problems": [],
        },
    ]


def test_one_wire(client: Make) -> None:
    assert client(GOOD).get("/api/v1/wires/vm1-eth1--vm2-eth1").json == {
        "name": "vm1-eth1--vm2-eth1",
        "ends": [
            {"host": "hv1", "bridge": "ovbr0", "port": "vm1-eth1", "vlan": None},
            {"host": "hv1", "bridge": "ovbr0", "port": "vm2-eth1", "vlan": None},
        ],
        "state": "up",
        "why": "",
        "said": "flows/lab.yaml:12:5",
        "rates": [],
    }


@pytest.mark.parametrize("name", ["a#b", "50%", "why?", "a%2Fb", "100%25", '"', "~"])
def test_a_wire_may_have_any_name_that_the_policy_allows(client: Make, name: str) -> None:
    from urllib.parse import quote

    wire = replace(GOOD.wires[0], name=name)
    answer = client(replace(GOOD, wires=(wire,))).get(f"/api/v1/wires/{quote(name, safe='')}")
    assert (answer.json or {})["name"] == name


def test_unknown_wire_is_told_what_it_may_be(client: Make) -> None:
    body = problem(client(GOOD).get("/api/v1/wires/vm1-eth1--vm2-eht1"), 404)
    assert body["detail"] == "there is no wire «vm1-eth1--vm2-eht1»; did you mean «vm1-eth1--vm2-eth1»?"
    assert body["suggestions"] == ["vm1-eth1--vm2-eth1"]
    assert body["instance"] == "/api/v1/wires/vm1-eth1--vm2-eht1"


def test_suggestions_among_many_wires_find_the_close_one(client: Make) -> None:
    wires = tuple(WireView(f"vm{i}-eth1--vm{i}-eth2", GOOD.wires[0].ends, "up") for i in range(5000))
    body = problem(client(replace(GOOD, wires=wires)).get("/api/v1/wires/vm4321-eth1-vm4321-eth2"), 404)
    assert body["suggestions"][0] == "vm4321-eth1--vm4321-eth2"  # type: ignore[index]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["vm1-eth1", "vm2-eth1", "sniffer0", "eno2"]),
        ("?host=hv1", ["vm1-eth1", "vm2-eth1", "sniffer0"]),
        ("?bridge=ovbr0&host=hv2", ["eno2"]),
        ("?wire=core", ["eno2"]),
        ("?wire=core&host=hv1", []),
    ],
)
def test_ports_by_filter(client: Make, query: str, names: list[str]) -> None:
    ports = client(TROUBLED).get(f"/api/v1/ports{query}").json
    assert [port["name"] for port in ports or ()] == names


def test_a_filter_by_an_unknown_name_is_not_an_empty_list(client: Make) -> None:
    body = problem(client(TROUBLED).get("/api/v1/ports?bridge=ovbr1"), 404)
    assert body["detail"] == "there is no bridge «ovbr1»; did you mean «ovbr0»?"


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        (
            "/api/v1/ports?bridg=ovbr0",
            "/api/v1/ports has no query parameter «bridg»; it has host, bridge, wire",
        ),
        ("/api/v1/wires?x=1", "/api/v1/wires has no query parameter «x»; it has none"),
        ("/api/v1/wires/core?x", "/api/v1/wires/{name} has no query parameter «x»; it has none"),
        ("/api/v1/ports?host=hv1&host=hv2", "«host» is there 2 times; give it once"),
    ],
)
def test_wrong_query(client: Make, url: str, detail: str) -> None:
    assert problem(client(TROUBLED).get(url), 400)["detail"] == detail


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/api/v1/wires/", "//api/v1/wires", "/api/v1/wires/a/b", "/x"]
)
def test_nothing_there_names_what_is(client: Make, path: str) -> None:
    detail = str(problem(client(GOOD).open(path), 404)["detail"])
    assert "/openapi.json" in detail
    assert "/api/v1/status" in detail


def test_a_mistyped_path_is_told_the_right_one(client: Make) -> None:
    suggestions = problem(client(GOOD).get("/api/v1/wire"), 404)["suggestions"]
    assert suggestions[0] == "/api/v1/wires"  # type: ignore[index]


METHODS = {
    "/api/v1/wires": {"GET", "HEAD", "POST"},
    "/api/v1/wires/core": {"DELETE", "GET", "HEAD", "PUT"},
    "/api/v1/scenes/night/load": {"POST"},
    "/v1.0/topology/switches": {"GET", "HEAD"},
    "/healthz": {"GET", "HEAD"},
}


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_other_methods_are_refused(client: Make, path: str, method: str) -> None:
    answer = client(TROUBLED).open(path, method=method, data=b"{}")
    if method in METHODS[path]:
        problem(answer, 503)
    else:
        assert method in str(problem(answer, 405)["detail"])
        assert set(answer.headers["Allow"].split(", ")) == METHODS[path]


PLAIN = [route.path for route in ROUTES if "{" not in route.path and route.media == JSON and not route.upgrades]


@pytest.mark.parametrize("path", PLAIN)
def test_head_is_get_without_the_body(client: Make, path: str) -> None:
    ask = client(GOOD)
    get, head = ask.get(path), ask.head(path)
    assert get.status_code == head.status_code == 200
    assert head.data == b""
    if path != "/api/v1/status":
        assert head.headers["Content-Length"] == str(len(get.data))


def test_entity_tag_changes_with_the_answer_alone() -> None:
    published = [GOOD]
    client = Client(application(lambda: published[0], engine=""))
    first = client.get("/api/v1/wires")
    tag = {"If-None-Match": first.headers["ETag"]}

    published[0] = replace(GOOD, revision=GOOD.revision + 1, ports=())
    same = client.get("/api/v1/wires", headers=tag)
    assert (same.status_code, same.data) == (304, b"")

    published[0] = replace(GOOD, wires=())
    new = client.get("/api/v1/wires", headers=tag)
    assert (new.status_code, new.json) == (200, [])
    assert new.headers["ETag"] != first.headers["ETag"]


def test_a_wire_that_is_gone_is_not_unchanged(client: Make) -> None:
    assert client(GOOD).get("/api/v1/wires/gone", headers={"If-None-Match": "*"}).status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/status", "/healthz", "/readyz", "/v1.0/topology/switches"])
def test_what_has_no_tag(client: Make, path: str) -> None:
    assert "ETag" not in client(GOOD).get(path).headers


def test_healthz_is_good_even_when_nothing_else_is(client: Make) -> None:
    answer = client(TROUBLED).get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_readyz(client: Make) -> None:
    assert client(GOOD).get("/readyz").json == {"ready": True}
    assert "host hv2: connection refused" in problem(client(TROUBLED).get("/readyz"), 503)["why"]  # type: ignore[operator]
    empty = problem(client(EMPTY).get("/readyz"), 503)
    assert empty["why"] == ["no policy is in force (looked for it in no place yet)"]


def test_a_mistake_inside_is_logged_and_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Snapshot:
        raise RuntimeError("secret")

    with caplog.at_level(logging.ERROR):
        answer = Client(application(broken, engine="")).get("/api/v1/wires")
    problem(answer, 500)
    assert b"secret" not in answer.data
    assert b"Traceback" not in answer.data
    assert "secret" in caplog.text


PIECE = st.one_of(
    st.sampled_from([piece for route in ROUTES for piece in route.path.split("/")]),
    st.sampled_from(["00000000000000ab", "core", "..", "%2f", "%ff", "\0"]),
    st.text(max_size=30),
)


@given(
    pieces=st.lists(PIECE, max_size=6),
    query=st.text(max_size=40) | st.sampled_from(["host=", "wire=core", "%ff=%ff", "host=a&host=b"]),
    method=st.sampled_from(["GET", "HEAD", "POST", "get", ""]) | st.text(max_size=5),
    host=st.text(max_size=10),
)
def test_no_request_breaks_it(pieces: list[str], query: str, method: str, host: str) -> None:
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/".join(pieces).encode("utf-8", "replace").decode("latin-1"),
        "QUERY_STRING": query.encode("utf-8", "replace").decode("latin-1"),
        "HTTP_HOST": host,
        "SERVER_NAME": host,
        "SERVER_PORT": "x",
        "wsgi.url_scheme": "http",
    }
    statuses: list[str] = []

    def start_response(status: str, headers: object, error: object = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda data: None

    body = b"".join(application(lambda: TROUBLED, engine="")(environ, start_response))
    assert len(statuses) == 1
    assert int(statuses[0][:3]) in {200, 400, 404, 405, 503}
    if method != "HEAD":
        json.loads(body)
