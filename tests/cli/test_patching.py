"""`netctl wire add|rm` and `netctl scene` against a REST server on a real socket and a board that keeps wires."""

from __future__ import annotations

import json
import os
import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import WSGIRequestHandler, make_server

from netctl.api.wsgi import application
from netctl.cli.main import cli
from netctl.cli.remote import NoToken, token_for
from netctl.controller.patching import Outcome
from netctl.controller.snapshot import Snapshot
from netctl.token import ensure
from tests.api.board import FILE, Board, Shelf
from tests.e2e.box import ROOT

FIRST = "vm1-eth1--vm2-eth1"
NOBODY = "http://127.0.0.1:9"


class Quiet(WSGIRequestHandler):
    def log(self, *args: Any) -> None:
        pass


class Controller:
    """A board and a shelf behind a REST server, with their token in a file."""

    def __init__(self, file: Path) -> None:
        self.board, self.shelf, self.file = Board(), Shelf(), file
        ensure(file)
        app = application(
            Snapshot, engine="", patchboard=self.board, scenes=self.shelf, token=lambda: ensure(self.file)
        )
        self.server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.port}"

    def run(self, *argv: str) -> Result:
        return CliRunner().invoke(cli, argv, env={"NETCTL_URL": self.url})

    def good(self, *argv: str) -> list[str]:
        done = self.run(*argv)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def bad(self, *argv: str, code: int = 2) -> str:
        before = dict(self.board.wires()), dict(self.shelf.kept)
        done = self.run(*argv)
        assert (done.exit_code, done.stdout) == (code, ""), done.output
        assert (dict(self.board.wires()), dict(self.shelf.kept)) == before
        return done.stderr


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("NETCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETCTL_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    return tmp_path / "token"


@pytest.fixture
def controller(token_file: Path) -> Iterator[Controller]:
    controller = Controller(token_file)
    yield controller
    controller.server.shutdown()
    controller.server.server_close()


def test_a_wire_is_added_and_removed(controller: Controller) -> None:
    assert controller.good("wire", "add", "vm3-eth1", "vm4-eth1") == [
        "wire vm3-eth1--vm4-eth1: done",
        "  + wire vm3-eth1--vm4-eth1",
        f"written to {FILE}",
    ]
    assert controller.good("wire", "add", "ovbr0/vm3-eth1", "vm4-eth1") == [
        "wire vm3-eth1--vm4-eth1: it is so already, nothing to do"
    ]
    assert controller.good("wire", "rm", "vm3-eth1--vm4-eth1", FIRST) == [
        f"wires vm3-eth1--vm4-eth1, {FIRST} out: done",
        f"  - wire {FIRST}",
        "  - wire vm3-eth1--vm4-eth1",
        f"written to {FILE}",
    ]
    assert not controller.board.wires()


def test_all_that_can_be_said_of_a_wire(controller: Controller) -> None:
    controller.good("wire", "add", "vm3-eth1@100", "hv1/ovbr0/vm4-eth1", "--name", "core", "--carrier", "ignore")
    wire = controller.board.wires()["core"]
    assert [(end.port, end.vlan) for end in wire.ends] == [("hv1/ovbr0/vm3-eth1", 100), ("hv1/ovbr0/vm4-eth1", None)]
    assert wire.carrier == "ignore"


@pytest.mark.parametrize(
    ("said", "bits"),
    [
        ("10mbit", (10_000_000, 10_000_000)),
        ("1mbit/s", (1_000_000, 1_000_000)),
        ("1mbit/2mbit", (1_000_000, 2_000_000)),
        ("/2mbit", (None, 2_000_000)),
        ("3mbit/", (3_000_000, None)),
    ],
)
def test_how_fast_it_may_go(controller: Controller, said: str, bits: tuple[int | None, int | None]) -> None:
    controller.good("wire", "add", "vm3-eth1", "vm4-eth1", "--name", "core", "--rate", said)
    rate = controller.board.wires()["core"].rate
    assert rate is not None
    assert rate.bits == bits
    controller.good("scene", "save", "slow")
    told = " ".join(f"{key} {each}" for key, each in json.loads(rate.model_dump_json(exclude_none=True)).items())
    assert controller.good("scene", "show", "slow")[-1].endswith(f" (rate {told})")


def test_a_dry_run(controller: Controller) -> None:
    before = dict(controller.board.wires())
    assert controller.good("wire", "add", "vm3-eth1", "vm4-eth1", "--name", "core", "--dry-run") == [
        "wire core: this would be done; nothing was touched",
        "  + wire core",
        f"would be written to {FILE}",
    ]
    assert controller.good("wire", "rm", FIRST, "--dry-run")[1] == f"  - wire {FIRST}"
    assert controller.board.wires() == before


def test_what_is_pending_says_what_it_waits_for(controller: Controller) -> None:
    controller.board.fails = Outcome("pending", ("port hv1/ovbr0/vm3-eth1 is not there",), (), FILE)
    assert controller.good("wire", "add", "vm3-eth1", "vm4-eth1")[1:] == [
        "waits for: port hv1/ovbr0/vm3-eth1 is not there",
        f"written to {FILE}",
    ]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("wire", "add", "vm3-eth1", "vm9-eth1"), "no port is called 'vm9-eth1'; did you mean"),
        (("wire", "add", "vm1-eth1", "vm3-eth1"), "is on a wire already"),
        (("wire", "add", "vm3-eth1", "vm4-eth1", "--name", FIRST), "a wire «vm1-eth1--vm2-eth1» is there already"),
        (("wire", "add", "vm3-eth1", "vm4-eth1@4095"), "vlan is 1 to 4094, not 4095"),
        (("wire", "add", "vm3-eth1", "vm4-eth1", "--name", "a b"), "wire's name"),
        (("wire", "add", "vm3-eth1", "vm3-eth1"), "a wire joins two ports"),
        (("wire", "add", "vm3-eth1"), "Missing argument 'B'"),
        (("wire", "add", "vm3-eth1", ""), "the name of a port is missing"),
        (("wire", "add", "vm3-eth1", "vm4-eth1", "--carrier", "maybe"), "follow"),
        (("wire", "add", "vm3-eth1", "vm4-eth1", "--rate", "10"), "write 500kbit or 100mbit, not '10'"),
        (("wire", "rm"), "Missing argument 'NAME...'"),
        (("wire", "rm", "vm1-eth1--vm2-eht1"), "did you mean «vm1-eth1--vm2-eth1»?"),
        (("wire", "rm", FIRST, "other"), "there is no wire «other»"),
        (("scene", "load", "night"), "there is no scene «night»"),
        (("scene", "diff", "night"), "there is no scene «night»"),
        (("scene", "show", "night"), "there is no scene «night»"),
        (("scene", "rm", "night"), "there is no scene «night»"),
        (("scene", "save", "../x"), "nothing at"),
        (("scene", "save", ".x"), "cannot be a name here"),
        (("wire", "add", "a", "b", "--url", "nonsense"), "is not a URL"),
        (("wire", "nonsense"), "No such command"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_changed(controller: Controller, argv: tuple[str, ...], says: str) -> None:
    assert says in controller.bad(*argv)


def test_a_wire_is_replaced_only_where_that_is_meant(controller: Controller) -> None:
    controller.good("wire", "add", "vm3-eth1", "vm4-eth1", "--name", FIRST, "--replace")
    assert controller.board.wires()[FIRST].ends[0].port == "hv1/ovbr0/vm3-eth1"


def test_all_that_is_wrong_is_told(controller: Controller) -> None:
    said = controller.bad("wire", "add", "vm3-eth1@5000", "vm4-eth1@5000").splitlines()
    assert said[1:] == [f"  /put/0/ends/{end}/vlan: vlan is 1 to 4094, not 5000" for end in (0, 1)]


@pytest.mark.parametrize(
    ("outcome", "code"), [(Outcome("refused", ("no room",)), 2), (Outcome("unsaved", ("no room",)), 1)]
)
def test_what_fails_later(controller: Controller, outcome: Outcome, code: int) -> None:
    controller.board.fails = outcome
    assert "no room" in controller.bad("wire", "add", "vm3-eth1", "vm4-eth1", code=code)


def test_json_is_what_the_controller_says(controller: Controller) -> None:
    done = controller.run("wire", "add", "vm3-eth1", "vm4-eth1", "--json")
    assert (done.exit_code, json.loads(done.stdout)["result"]) == (0, "done")
    done = controller.run("wire", "rm", "nothing", "--json")
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (2, 404)
    assert "there is no wire «nothing»" in done.stderr


def test_scenes(controller: Controller) -> None:
    done = controller.run("scene", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "netctl scene save NAME" in done.stderr
    assert controller.good("scene", "save", "day") == ["scene day: 1 wire kept"]
    controller.good("wire", "rm", FIRST)
    controller.good("wire", "add", "vm3-eth1@100", "vm4-eth1", "--name", "core", "--carrier", "ignore")
    assert controller.good("scene", "save", "night") == ["scene night: 1 wire kept"]
    assert controller.good("scene", "save", "night") == ["scene night: 1 wire kept, in place of what it was"]
    assert controller.good("scene", "list") == ["day", "night"]
    assert controller.good("scene", "show", "night") == [
        "core  hv1/ovbr0/vm3-eth1@100 -- hv1/ovbr0/vm4-eth1 (carrier ignore)"
    ]
    assert controller.good("scene", "diff", "day") == [
        "- core  hv1/ovbr0/vm3-eth1@100 -- hv1/ovbr0/vm4-eth1 (carrier ignore)",
        f"+ {FIRST}  hv1/ovbr0/vm1-eth1 -- hv1/ovbr0/vm2-eth1",
    ]
    assert controller.good("scene", "load", "day", "--dry-run")[0] == (
        "scene day: this would be done; nothing was touched"
    )
    assert controller.good("scene", "load", "day") == [
        "scene day: done",
        "  - wire core",
        f"  + wire {FIRST}",
        f"written to {FILE}",
    ]
    assert controller.good("scene", "diff", "day", "--exit-code") == ["the wires are those of the scene day"]
    assert controller.run("scene", "diff", "night", "--exit-code").exit_code == 1
    assert controller.good("scene", "rm", "night") == ["scene night: forgotten; the wires stay as they are"]
    assert controller.good("scene", "list") == ["day"]


def test_a_scene_that_has_a_wire_otherwise(controller: Controller) -> None:
    controller.good("scene", "save", "day")
    controller.good("wire", "add", "vm1-eth1", "vm3-eth1", "--name", FIRST, "--replace")
    assert controller.good("scene", "diff", "day") == [
        f"~ {FIRST}  hv1/ovbr0/vm1-eth1 -- hv1/ovbr0/vm3-eth1 -> hv1/ovbr0/vm1-eth1 -- hv1/ovbr0/vm2-eth1"
    ]


def test_every_scene_command_has_json(controller: Controller) -> None:
    for argv in (("save", "day"), ("list",), ("show", "day"), ("diff", "day"), ("load", "day"), ("rm", "day")):
        json.loads("\n".join(controller.good("scene", *argv, "--json")))


@pytest.mark.parametrize(
    "argv", [("wire", "add", "a", "b"), ("wire", "rm", "a"), ("scene", "list"), ("scene", "save", "a")]
)
@pytest.mark.parametrize("known", [True, False], ids=["token", "no-token"])
def test_where_no_controller_answers_it_says_what_to_do(token_file: Path, argv: tuple[str, ...], known: bool) -> None:
    if known:
        ensure(token_file)
    done = CliRunner().invoke(cli, [*argv, "--url", NOBODY])
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"no controller answers at {NOBODY} (Connection refused); start one with `netctl up`" in done.stderr


def test_the_token_may_be_said(controller: Controller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETCTL_TOKEN", ensure(controller.file))
    monkeypatch.setenv("NETCTL_TOKEN_FILE", str(tmp_path / "nothing"))
    controller.good("wire", "rm", FIRST)


@pytest.mark.parametrize("given", ["wrong", "ümlaut", "two\nlines"])
def test_a_wrong_token(controller: Controller, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("NETCTL_TOKEN", given)
    assert "token" in controller.bad("wire", "rm", FIRST)


def test_without_a_token_it_says_where_one_is(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCTL_TOKEN_FILE", "/nowhere/token")
    assert "there is no token in /nowhere/token" in controller.bad("wire", "rm", FIRST)
    assert controller.good("scene", "list", "--json") == ["[]"]


def test_a_token_file_that_others_read_is_not_trusted_by_either_side(controller: Controller) -> None:
    controller.file.chmod(0o644)
    assert "may be read by others (mode 0644)" in controller.bad("wire", "rm", FIRST)


def test_the_token_of_this_machine_goes_to_no_other(token_file: Path) -> None:
    token = ensure(token_file)
    assert token_for("http://127.0.0.1:8080") == token_for("http://[::1]:8080") == token
    for url in ("http://192.0.2.1:8080", "http://127.0.0.1.example:8080", "http://127.0.0.1@192.0.2.1:8080"):
        with pytest.raises(NoToken, match=r"is not on this machine: set NETCTL_TOKEN"):
            token_for(url)


def test_the_token_does_not_follow_a_redirection(controller: Controller, token_file: Path) -> None:
    asked: list[str | None] = []

    def elsewhere(environ: Any, start: Any) -> list[bytes]:
        asked.append(environ.get("HTTP_AUTHORIZATION"))
        start("307 Temporary Redirect", [("Location", controller.url + environ["PATH_INFO"]), ("Content-Length", "0")])
        return [b""]

    server = make_server("127.0.0.1", 0, elsewhere, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        done = CliRunner().invoke(cli, ["wire", "rm", FIRST, "--url", f"http://127.0.0.1:{server.port}"])
    finally:
        server.shutdown()
        server.server_close()
    assert done.exit_code == 1
    assert len(asked) == 1
    assert not controller.board.changes


def test_help_lists_all_of_it() -> None:
    said = CliRunner().invoke(cli, ["wire", "--help"]).stdout
    assert [word for word in ("add", "rm", "check") if f"  {word}" not in said] == []
    assert "scene" in CliRunner().invoke(cli, ["--help"]).stdout


PAGE = (ROOT / "docs" / "wires.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", re.findall(r"^netctl (?:wire|scene) .*$", PAGE, re.MULTILINE))
def test_what_the_page_shows_can_be_typed(line: str) -> None:
    _, group, name, *rest = shlex.split(line)
    above = cli.get_command(click.Context(cli), group)
    assert isinstance(above, click.Group)
    command = above.get_command(click.Context(above), name)
    assert command is not None
    command.make_context(name, rest)
