"""The paths that change wires: what reaches the patchboard, what comes back, and what is refused before it does."""

from __future__ import annotations

import io
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client, TestResponse

from netctl.api.routes import ROUTES
from netctl.api.wsgi import application
from netctl.controller.patching import Change, Outcome
from netctl.controller.snapshot import Snapshot
from netctl.policy import Wire, durable
from netctl.policy.scene import Scenes
from netctl.token import TokenError
from tests.api.board import FILE, Board, Shelf
from tests.api.test_openapi import check

TOKEN = "correct-horse-battery-staple"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
FIRST = "vm1-eth1--vm2-eth1"


class Panel:
    """A client of a controller with a board and a shelf, whose every answer is held against the description."""

    def __init__(self, shelf: Any = None) -> None:
        self.board = Board()
        self.shelf = shelf or Shelf()
        self.client = Client(
            application(unread, engine="", patchboard=self.board, scenes=self.shelf, token=lambda: TOKEN)
        )

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = RIGHT, **more: Any
    ) -> TestResponse:
        if body is not None:
            more |= {"data": json.dumps(body), "content_type": "application/json"}
        answer = self.client.open(path, method=method, headers=dict(headers), **more)
        described(method, path, answer)
        return answer

    def refused(self, status: int, *request: Any, **more: Any) -> dict[str, Any]:
        before = dict(self.board.wires()), list(self.shelf.kept)
        answer = self.ask(*request, **more)
        assert answer.status_code == status, answer.data
        assert (dict(self.board.wires()), list(self.shelf.kept)) == before
        body: dict[str, Any] = answer.json
        assert body["status"] == status
        return body


def unread() -> Snapshot:
    raise AssertionError("a write never asks for the snapshot")


def described(method: str, path: str, answer: TestResponse) -> None:
    at = path.partition("?")[0].split("/")
    for route in ROUTES:
        like = route.path.split("/")
        if (route.method, len(like)) != (method, len(at)):
            continue
        if all(here in (there, "{name}") for here, there in zip(like, at, strict=True)):
            check(route, answer.status_code, answer.content_type, answer.json)
            return
    raise AssertionError(f"{method} {path} is not described")


@pytest.fixture
def panel() -> Panel:
    return Panel()


# One wire


@pytest.mark.parametrize(
    "body",
    [
        ["vm3-eth1", "vm4-eth1"],
        {"ends": ["vm3-eth1", {"port": "ovbr0/vm4-eth1"}]},
        {"name": "core", "ends": ["hv1/ovbr0/vm3-eth1", "vm4-eth1"]},
    ],
)
def test_a_wire_is_put_in_however_it_is_written(panel: Panel, body: Any) -> None:
    answer = panel.ask("PUT", "/api/v1/wires/core", body)
    assert (answer.status_code, answer.json) == (
        201,
        {
            "result": "done",
            "put": ["core"],
            "removed": [],
            "steps": ["+ wire core"],
            "problems": [],
            "saved": FILE,
        },
    )
    assert [end.port for end in panel.board.wires()["core"].ends] == ["hv1/ovbr0/vm3-eth1", "hv1/ovbr0/vm4-eth1"]


def test_all_that_is_said_of_a_wire_reaches_the_board(panel: Panel) -> None:
    ends = [{"port": "vm3-eth1", "vlan": 100}, {"port": "vm4-eth1", "vlan": 200}]
    panel.ask("PUT", "/api/v1/wires/a%23b", {"ends": ends, "carrier": "ignore"})
    assert panel.board.changes == [
        Change((Wire.model_validate({"name": "a#b", "ends": ends, "carrier": "ignore"}),), (), False)
    ]


def test_again_is_unchanged_and_another_replaces(panel: Panel) -> None:
    assert panel.ask("PUT", "/api/v1/wires/core", ["vm3-eth1", "vm4-eth1"]).status_code == 201
    again = panel.ask("PUT", "/api/v1/wires/core", ["vm3-eth1", "vm4-eth1"])
    assert (again.status_code, again.json and again.json["result"]) == (200, "unchanged")
    other = panel.ask("PUT", "/api/v1/wires/core", ["vm3-eth1", "vm5-eth1"])
    assert (other.status_code, other.json and other.json["result"]) == (200, "done")


def test_a_dry_run_touches_nothing(panel: Panel) -> None:
    before = dict(panel.board.wires())
    for method, path, body in (
        ("PUT", "/api/v1/wires/core?dry_run=true", ["vm3-eth1", "vm4-eth1"]),
        ("DELETE", f"/api/v1/wires/{FIRST}?dry_run=true", None),
        ("POST", "/api/v1/wires?dry_run=true", {"remove": [FIRST]}),
    ):
        answer = panel.ask(method, path, body)
        assert (answer.status_code, answer.json and answer.json["result"]) == (200, "planned")
        assert answer.json
        assert answer.json["steps"]
    assert panel.board.wires() == before
    assert all(change.dry_run for change in panel.board.changes)


def test_a_wire_is_taken_out(panel: Panel) -> None:
    answer = panel.ask("DELETE", f"/api/v1/wires/{FIRST}")
    assert (answer.status_code, answer.json and answer.json["removed"]) == (200, [FIRST])
    assert not panel.board.wires()


def test_one_that_is_not_there_is_told_what_it_may_be(panel: Panel) -> None:
    body = panel.refused(404, "DELETE", "/api/v1/wires/vm1-eth1--vm2-eht1")
    assert body["detail"] == f"there is no wire «vm1-eth1--vm2-eht1»; did you mean «{FIRST}»?"
    assert body["suggestions"] == [FIRST]


def test_another_of_that_name_is_replaced_only_where_that_is_meant(panel: Panel) -> None:
    body = panel.refused(409, "PUT", f"/api/v1/wires/{FIRST}?replace=false", ["vm1-eth1", "vm3-eth1"])
    assert "between hv1/ovbr0/vm1-eth1 and hv1/ovbr0/vm2-eth1" in body["detail"]
    put = [{"name": FIRST, "ends": ["vm3-eth1", "vm4-eth1"]}]
    panel.refused(409, "POST", "/api/v1/wires?replace=false", {"put": put})
    same = panel.ask("PUT", f"/api/v1/wires/{FIRST}?replace=false", ["ovbr0/vm1-eth1", "vm2-eth1"])
    assert same.json
    assert same.json["result"] == "unchanged"


@pytest.mark.parametrize(
    ("outcome", "status", "detail"),
    [
        (Outcome("invalid", ("a", "b")), 422, "the policy with it would be wrong: a (and 1 more)"),
        (Outcome("refused", ("ofp",)), 409, "a switch refused it, and all is as it was: ofp"),
        (Outcome("unsaved", ("disk",)), 507, "it could not be saved, and nothing was changed: disk"),
        (Outcome("unready"), 503, "no policy is in force that could be changed"),
        (Outcome("missing", ("no such",)), 404, "there is no such wire: no such"),
    ],
)
def test_what_becomes_of_a_change_is_its_status(panel: Panel, outcome: Outcome, status: int, detail: str) -> None:
    panel.board.fails = outcome
    body = panel.refused(status, "PUT", "/api/v1/wires/core", ["vm3-eth1", "vm4-eth1"])
    assert body["detail"] == detail
    assert body.get("why", []) == list(outcome.problems)


def test_what_is_pending_says_what_it_waits_for(panel: Panel) -> None:
    panel.board.fails = Outcome("pending", ("port hv1/ovbr0/vm3-eth1 is not there",), ("+ flow",), FILE)
    answer = panel.ask("PUT", "/api/v1/wires/core", ["vm3-eth1", "vm4-eth1"])
    assert answer.status_code == 202
    assert answer.json
    assert answer.json["problems"] == ["port hv1/ovbr0/vm3-eth1 is not there"]


def test_the_policy_s_rules_judge_it(panel: Panel) -> None:
    taken = panel.refused(422, "PUT", "/api/v1/wires/core", ["vm1-eth1", "vm3-eth1"])
    assert "hv1/ovbr0/vm1-eth1 is on a wire already" in taken["why"][0]
    unknown = panel.refused(422, "PUT", "/api/v1/wires/core", ["vm3-eth1", "vm9-eth1"])
    assert "no port is called 'vm9-eth1'; did you mean" in unknown["detail"]


# What is wrong with what was sent


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (5, "#", "a wire is two ports, [A, B], or a mapping with `ends`, not 5"),
        ({}, "#", "a wire needs 'ends'"),
        (["vm3-eth1"], "#", "two ends"),
        (["vm3-eth1", 7], "#/1", "an end of a wire is a port, or a mapping with `port`, not 7"),
        ({"ends": ["vm3-eth1", 7]}, "#/ends/1", "an end of a wire is a port, or a mapping with `port`, not 7"),
        ({"ends": ["a", {"port": "b", "vlan": 4095}]}, "#/ends/1/vlan", "vlan is 1 to 4094, not 4095"),
        ({"ends": ["a", {"port": "b", "vlan": "100"}]}, "#/ends/1/vlan", "write 100 without quotes"),
        ({"ends": ["a", "b"], "carier": "follow"}, "#/carier", "did you mean 'carrier'?"),
        ({"ends": ["a", "b"], "carrier": "folow"}, "#/carrier", "did you mean 'follow'?"),
        ({"ends": ["a", "b"], "name": "other"}, "#/name", "the path names the wire «core», this «other»"),
        ({"ends": ["a", "b"], "name": 5}, "#/name", "text"),
        ({"ends": ["a", "b"], "x/~y": 1}, "#/x~1~0y", "unknown key"),
        ({"ends": ["a", "b"], "\ud800": 1}, "#", ""),
    ],
)
def test_what_is_wrong_with_a_wire_is_told_with_its_place(panel: Panel, body: Any, pointer: str, detail: str) -> None:
    errors = panel.refused(422, "PUT", "/api/v1/wires/core", body)["errors"]
    assert [each["pointer"] for each in errors] == [pointer]
    assert detail in errors[0]["detail"]
    assert not panel.board.changes


def test_all_mistakes_are_told_at_once(panel: Panel) -> None:
    body = panel.refused(422, "PUT", "/api/v1/wires/core", {"ends": [1, 2], "carrier": "x", "y": 0})
    assert {each["pointer"] for each in body["errors"]} == {"#/ends/0", "#/ends/1", "#/carrier", "#/y"}
    assert body["detail"].endswith("(and 3 more)")


@pytest.mark.parametrize("name", ["a b", "%C3%A4", "x" * 65])
def test_a_name_that_no_wire_can_have(panel: Panel, name: str) -> None:
    assert "wire's name" in panel.refused(422, "PUT", f"/api/v1/wires/{name}", ["vm3-eth1", "vm4-eth1"])["detail"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "nothing was sent"),
        (b"  ", "nothing was sent"),
        (b"{", "line 1, column 2"),
        (b"{'ends': 1}", "line 1"),
        (b'{"ends": 1, "ends": 2}', "«ends» is twice in one object"),
        (b'["a", NaN]', "NaN is no number"),
        (b'["a", "\xff"]', "octet 7 is not UTF-8"),
        (b"[" * 60_000, "nested too deep"),
        (b"9" * 5000, "digit"),
    ],
)
def test_what_is_no_json(panel: Panel, data: bytes, says: str) -> None:
    body = panel.refused(400, "PUT", "/api/v1/wires/core", data=data, content_type="application/json")
    assert "not JSON" in body["detail"]
    assert says in body["detail"]


@pytest.mark.parametrize(
    ("kind", "right"),
    [
        ("text/plain", False),
        ("", False),
        ("application/x-www-form-urlencoded", False),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
    ],
)
def test_the_content_type_is_json(panel: Panel, kind: str, right: bool) -> None:
    answer = panel.ask("PUT", "/api/v1/wires/core", data=b'["vm3-eth1", "vm4-eth1"]', content_type=kind)
    assert answer.status_code == (201 if right else 415)


def sent(body: io.IOBase, length: int | None) -> dict[str, Any]:
    """A body as it comes from a socket, which need not be what its Content-Length says."""
    said = {} if length is None else {"CONTENT_LENGTH": str(length)}
    return {"environ_overrides": {"wsgi.input": body, "CONTENT_TYPE": "application/json", **said}}


def test_a_body_that_is_too_large_is_not_read(panel: Panel) -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b" " * size

    endless = Endless()
    panel.refused(413, "PUT", "/api/v1/wires/core", **sent(endless, 10**12))
    assert endless.taken == 0
    chunked = {**sent(endless, None), "headers": {**RIGHT, "Transfer-Encoding": "chunked"}}
    panel.refused(413, "PUT", "/api/v1/wires/core", **chunked)
    assert 0 < endless.taken < 10**6


def test_a_body_that_ends_early(panel: Panel) -> None:
    body = panel.refused(400, "PUT", "/api/v1/wires/core", **sent(io.BytesIO(b'["vm3-eth1", "vm4-eth1"]'), 100))
    assert body["detail"] == "the body ends after 24 octets; Content-Length says 100"


def test_a_body_that_does_not_come(panel: Panel) -> None:
    class Slow(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise TimeoutError

    panel.refused(408, "PUT", "/api/v1/wires/core", **sent(Slow(), 100))


@pytest.mark.parametrize(
    "query", ["dry_run=yes", "dry_run=", "dry_run=true&dry_run=true", "dryrun=true", "replace=0", "x=1"]
)
def test_a_wrong_query_is_not_carried_out(panel: Panel, query: str) -> None:
    panel.refused(400, "PUT", f"/api/v1/wires/core?{query}", ["vm3-eth1", "vm4-eth1"])
    assert not panel.board.changes


# Many wires


def test_several_at_once_are_one_change(panel: Panel) -> None:
    put = [["vm1-eth1", "vm3-eth1"], {"name": "core", "ends": ["vm2-eth1", "vm4-eth1"]}]
    answer = panel.ask("POST", "/api/v1/wires", {"put": put, "remove": [FIRST]})
    assert answer.status_code == 200
    assert answer.json
    assert (answer.json["put"], answer.json["removed"]) == (["vm1-eth1--vm3-eth1", "core"], [FIRST])
    assert len(panel.board.changes) == 1
    assert list(panel.board.wires()) == ["vm1-eth1--vm3-eth1", "core"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], "#"),
        ({}, "#"),
        ({"puts": []}, "#/puts"),
        ({"put": 5}, "#/put"),
        ({"put": [["a", "b"], ["a"]]}, "#/put/1"),
        ({"put": [["a", "b"], {"ends": ["c", {"port": 5}]}]}, "#/put/1/ends/1/port"),
        ({"put": [["a" * 40, "b" * 40]]}, "#/put/0"),
        ({"put": [["a", "b"], ["x/a", "y/b"]]}, "#/put/1"),
        ({"put": [["a", "b"]], "remove": ["a--b"]}, "#/remove/0"),
        ({"remove": "a--b"}, "#/remove"),
        ({"remove": ["a", 5]}, "#/remove/1"),
        ({"remove": ["a", "a"]}, "#/remove/1"),
    ],
)
def test_what_is_wrong_with_a_change_is_told_with_its_place(panel: Panel, body: Any, pointer: str) -> None:
    assert panel.refused(422, "POST", "/api/v1/wires", body)["errors"][0]["pointer"] == pointer
    assert not panel.board.changes


# Who may


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer ümlaut"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
    ],
)
def test_without_the_token_nothing_is_changed(panel: Panel, given: dict[str, str]) -> None:
    for route in ROUTES:
        if route.writes:
            path = route.path.format(name="core")
            answer = panel.client.open(path, method=route.method, headers=given, data=b"{")
            described(route.method, path, answer)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="netctl"')
    assert not panel.board.changes


def test_a_wrong_token_is_told_apart_from_none(panel: Panel) -> None:
    wrong = panel.ask("DELETE", "/api/v1/wires/x", headers={"Authorization": "Bearer wrong"})
    assert wrong.headers["WWW-Authenticate"] == 'Bearer realm="netctl", error="invalid_token"'
    assert panel.ask("DELETE", "/api/v1/wires/x", headers={}).headers["WWW-Authenticate"] == 'Bearer realm="netctl"'


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_written_as_one_likes(panel: Panel, scheme: str) -> None:
    answer = panel.ask("DELETE", f"/api/v1/wires/{FIRST}", headers={"Authorization": f"{scheme} {TOKEN}"})
    assert answer.status_code == 200


def test_every_method_but_reading_needs_it() -> None:
    assert {route.method for route in ROUTES if not route.writes} == {"GET"}
    assert {route.name for route in ROUTES if route.writes} == {
        *("change_wires", "put_wire", "remove_wire", "save_scene", "remove_scene", "load_scene"),
    }


def test_without_a_token_to_compare_with_it_is_only_read() -> None:
    def broken() -> str:
        raise TokenError("/x/token is empty: remove it")

    board = Board()
    for token, says in ((None, "no token"), (broken, "nothing can be changed: /x/token is empty: remove it")):
        client = Client(application(Snapshot, engine="", patchboard=board, scenes=Shelf(), token=token))
        answer = client.delete(f"/api/v1/wires/{FIRST}", headers=RIGHT)
        assert (answer.status_code, says in str(answer.json)) == (503, True)
        assert client.get("/api/v1/wires").status_code == client.get("/api/v1/scenes").status_code == 200
    assert not board.changes


def test_without_a_patchboard_it_is_only_read() -> None:
    client = Client(application(Snapshot, engine="", token=lambda: TOKEN))
    assert client.delete(f"/api/v1/wires/{FIRST}", headers=RIGHT).status_code == 503
    assert client.get("/api/v1/scenes").status_code == 503


# Scenes


def test_a_scene_is_saved_and_recalled(panel: Panel) -> None:
    first = panel.ask("PUT", "/api/v1/scenes/day")
    assert (first.status_code, first.json) == (201, {"name": "day", "wires": 1, "new": True})
    panel.ask("PUT", "/api/v1/wires/core", ["vm3-eth1", "vm4-eth1"])
    panel.ask("DELETE", f"/api/v1/wires/{FIRST}")
    assert panel.ask("PUT", "/api/v1/scenes/night").status_code == 201
    assert panel.ask("PUT", "/api/v1/scenes/night").json == {"name": "night", "wires": 1, "new": False}
    assert panel.ask("GET", "/api/v1/scenes").json == [{"name": "day"}, {"name": "night"}]

    planned = panel.ask("POST", "/api/v1/scenes/day/load?dry_run=true")
    assert planned.json
    assert planned.json["result"] == "planned"
    assert "core" in panel.board.wires()
    loaded = panel.ask("POST", "/api/v1/scenes/day/load")
    assert loaded.status_code == 200
    assert loaded.json
    assert (loaded.json["put"], loaded.json["removed"]) == ([FIRST], ["core"])
    assert list(panel.board.wires()) == [FIRST]
    again = panel.ask("POST", "/api/v1/scenes/day/load")
    assert again.json
    assert again.json["result"] == "unchanged"


def test_a_scene_reads_as_a_policy_writes_it_and_can_be_sent_back(panel: Panel) -> None:
    ends = [{"port": "vm3-eth1", "vlan": 100}, "vm4-eth1"]
    panel.ask("PUT", "/api/v1/wires/core", {"ends": ends, "carrier": "ignore"})
    panel.ask("PUT", "/api/v1/scenes/day")
    scene = panel.ask("GET", "/api/v1/scenes/day").json
    assert scene
    assert scene["wires"][1] == {
        "name": "core",
        "ends": [{"port": "hv1/ovbr0/vm3-eth1", "vlan": 100}, {"port": "hv1/ovbr0/vm4-eth1"}],
        "carrier": "ignore",
    }
    assert panel.ask("PUT", "/api/v1/scenes/other", {**scene, "name": "other"}).status_code == 201
    assert panel.shelf.kept["other"] == panel.shelf.kept["day"]


def test_a_scene_s_difference(panel: Panel) -> None:
    wires = [["vm1-eth1", "vm2-eth1"], {"name": "core", "ends": ["vm3-eth1", "vm4-eth1"]}]
    panel.ask("PUT", "/api/v1/scenes/day", {"wires": wires})
    put = [{"name": "core", "ends": ["vm3-eth1", "vm5-eth1"]}, ["vm4-eth1", "vm6-eth1"]]
    panel.ask("POST", "/api/v1/wires", {"put": put})
    found = panel.ask("GET", "/api/v1/scenes/day/diff").json
    assert found
    assert (found["same"], found["add"]) == (False, [])
    assert [wire["name"] for wire in found["remove"]] == ["vm4-eth1--vm6-eth1"]
    assert [(each["now"]["ends"][1], each["then"]["ends"][1]) for each in found["change"]] == [
        ({"port": "hv1/ovbr0/vm5-eth1"}, {"port": "vm4-eth1"})
    ]
    panel.ask("POST", "/api/v1/scenes/day/load")
    assert panel.ask("GET", "/api/v1/scenes/day/diff").json == {
        **{"scene": "day", "same": True, "add": [], "remove": [], "change": []}
    }


def test_a_scene_is_forgotten_and_the_wires_stay(panel: Panel) -> None:
    panel.ask("PUT", "/api/v1/scenes/day")
    assert panel.ask("DELETE", "/api/v1/scenes/day").json == {"name": "day"}
    assert panel.ask("GET", "/api/v1/scenes").json == []
    assert FIRST in panel.board.wires()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/scenes/dya"),
        ("DELETE", "/api/v1/scenes/dya"),
        ("GET", "/api/v1/scenes/dya/diff"),
        ("POST", "/api/v1/scenes/dya/load"),
    ],
)
def test_a_scene_that_is_not_there(panel: Panel, method: str, path: str) -> None:
    panel.ask("PUT", "/api/v1/scenes/day")
    assert panel.refused(404, method, path)["suggestions"] == ["day"]


@pytest.mark.parametrize("name", ["..", ".x", "a b", "x" * 64, "a%5Cb", "%00"])
def test_a_name_that_no_scene_can_have(panel: Panel, name: str) -> None:
    assert "cannot be a name" in panel.refused(422, "PUT", f"/api/v1/scenes/{name}")["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], "#"),
        ({"name": "day"}, "#"),
        ({"wires": {}}, "#/wires"),
        ({"wires": [["a"]]}, "#/wires/0"),
        ({"wires": [["a", "b"], ["a", "b"]]}, "#/wires/1"),
        ({"wires": [], "name": "night"}, "#/name"),
        ({"wire": []}, "#/wire"),
    ],
)
def test_what_is_wrong_with_a_scene_is_told_with_its_place(panel: Panel, body: Any, pointer: str) -> None:
    assert panel.refused(422, "PUT", "/api/v1/scenes/day", body)["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("error", "method", "path", "status"),
    [
        (durable.NotWritten(28, "no room", "/x"), "PUT", "/api/v1/scenes/day", 507),
        (PermissionError(13, "Permission denied", "/x"), "GET", "/api/v1/scenes/day", 503),
        (FileNotFoundError(2, "gone"), "DELETE", "/api/v1/scenes/day", 404),
        (ValueError("day.yaml:3:1: this is not YAML"), "POST", "/api/v1/scenes/day/load", 409),
        (ValueError("day.yaml:3:1: this is not YAML"), "GET", "/api/v1/scenes/day/diff", 409),
    ],
)
def test_a_shelf_that_cannot_be_used(panel: Panel, error: Exception, method: str, path: str, status: int) -> None:
    panel.ask("PUT", "/api/v1/scenes/day")
    panel.shelf.fails = error
    detail = panel.refused(status, method, path)["detail"]
    assert status == 404 or (error.strerror if isinstance(error, OSError) else str(error)) in detail
    assert "/x" in detail or not isinstance(error, OSError) or error.filename is None


def test_scenes_in_files(tmp_path: Path) -> None:
    panel = Panel(shelf=Scenes(tmp_path))
    ends = [{"port": "vm3-eth1", "vlan": 100}, {"port": "vm4-eth1", "vlan": 200}]
    panel.ask("PUT", "/api/v1/wires/a%23b", {"ends": ends, "carrier": "ignore"})
    assert panel.ask("PUT", "/api/v1/scenes/day").json == {"name": "day", "wires": 2, "new": True}
    assert panel.ask("GET", "/api/v1/scenes").json == [{"name": "day"}]
    same = panel.ask("GET", "/api/v1/scenes/day/diff").json
    assert same
    assert same["same"]
    panel.ask("POST", "/api/v1/wires", {"remove": [FIRST, "a#b"]})
    assert panel.ask("POST", "/api/v1/scenes/day/load").status_code == 200
    assert set(panel.board.wires()) == {FIRST, "a#b"}
    (tmp_path / "scenes" / "day.yaml").write_text("version: 1\nwires:\n  - [a, 5]\n  - [b]\n")
    wrong = panel.ask("POST", "/api/v1/scenes/day/load")
    assert wrong.status_code == 409
    assert wrong.json
    assert [each.partition("day.yaml:")[2][:2] for each in wrong.json["why"]] == ["3:", "4:"]
    assert panel.ask("GET", "/api/v1/scenes/dya").status_code == 404
    assert panel.ask("DELETE", "/api/v1/scenes/day").status_code == 200
    assert panel.ask("GET", "/api/v1/scenes").json == []


def test_a_follower_is_a_follower_whether_that_is_said_or_not(panel: Panel) -> None:
    panel.ask("PUT", "/api/v1/scenes/day", {"wires": [{"ends": ["vm1-eth1", "vm2-eth1"], "carrier": "follow"}]})
    found = panel.ask("GET", "/api/v1/scenes/day/diff").json
    assert found
    assert found["same"]


# All of it


KEYS = ["ends", "name", "port", "vlan", "put", "remove", "wires", "carrier", "rate"]
NAMES = st.text(st.characters(exclude_characters="/?#", exclude_categories=("Cs",)), min_size=1)
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(
    body=BODIES,
    route=st.sampled_from([route for route in ROUTES if route.body]),
    name=st.sampled_from(["core", FIRST, "day"]) | NAMES,
)
def test_whatever_is_sent_the_answer_is_a_described_one(body: Any, route: Any, name: str) -> None:
    panel = Panel()
    sent = {"headers": RIGHT, "data": json.dumps(body), "content_type": "application/json"}
    answer = panel.client.open(route.path.replace("{name}", name), method=route.method, **sent)
    assert answer.status_code in {200, 201, 202, 404, 409, 422}
    if answer.status_code != 404 or "there is nothing" not in str(answer.json):
        check(route, answer.status_code, answer.content_type, answer.json)


class Unweighed:
    """Keeps what it is given, at once."""

    def __init__(self, count: int) -> None:
        wire = Wire.model_validate(["h/b/a", "h/b/b"])
        self.kept = {f"wire{i}": wire for i in range(count)}

    def wires(self) -> Mapping[str, Wire]:
        return self.kept

    def change(self, change: Change) -> Outcome:
        self.kept.update((wire.name, wire) for wire in change.put)
        return Outcome("done", (), ("+ flow", "+ flow"), FILE)


def test_a_change_of_one_wire_costs_the_api_little_however_many_there_are() -> None:
    client = Client(application(unread, engine="", patchboard=Unweighed(20_000), scenes=Shelf(), token=lambda: TOKEN))
    body, taken = json.dumps({"ends": [{"port": "h/b/x"}, {"port": "h/b/y"}]}), []
    for number in range(60):
        start = time.perf_counter()
        answer = client.put(f"/api/v1/wires/new{number}", headers=RIGHT, data=body, content_type="application/json")
        taken.append(time.perf_counter() - start)
        assert answer.status_code == 201
    assert statistics.median(taken) < 0.005, f"{statistics.median(taken) * 1000:.2f} ms"
