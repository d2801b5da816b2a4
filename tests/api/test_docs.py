"""docs/rest.md says what is true: each of its examples is asked and compared."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import Client

from netctl.api.feed import Feed
from netctl.api.routes import ROUTES
from netctl.api.wsgi import application
from netctl.controller.happenings import PortChanged, SwitchLeft, WireChanged
from netctl.policy import Wire
from tests.api.board import Board, Shelf
from tests.api.world import GOOD, TROUBLED
from tests.e2e.box import ROOT

PAGE = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```console\n\$ (.*)\n((?:.*\n)+?)```$", PAGE, re.MULTILINE)
EXAMPLES = [each for each in SHOWN if not each[0].endswith("/api/v1/events")]
BASE = "http://127.0.0.1:8080"

TOKEN = "correct-horse-battery-staple"
NIGHT = Wire.model_validate({"name": "core", "ends": ["hv1/ovbr0/vm3-eth1", "hv1/ovbr0/vm4-eth1"]})

JQ: dict[str, Callable[[Any], Any]] = {
    "": lambda answer: answer,
    ".why": lambda answer: answer["why"],
    ".errors": lambda answer: answer["errors"],
    ".detail": lambda answer: answer["detail"],
    "del(.switches[0].ports[1:], .hosts[1:])": lambda answer: {
        **answer,
        "switches": [
            {**switch, "ports": switch["ports"][: None if number else 1]}
            for number, switch in enumerate(answer["switches"])
        ],
        "hosts": answer["hosts"][:1],
    },
    "[.paths[][].operationId]": lambda answer: [
        operation["operationId"] for path in answer["paths"].values() for operation in path.values()
    ],
}


def words(command: str) -> tuple[str, str, dict[str, str], str]:
    """The method, the path, the headers and the body that a curl command sends."""
    method, headers, body = "GET", {}, ""
    rest = iter(shlex.split(command.partition(" | jq")[0].replace("$auth", f"Authorization: Bearer {TOKEN}"))[1:])
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(rest)
        elif word not in ("-s", "-sN"):
            return method, word.removeprefix(BASE), headers, body
    raise AssertionError(f"no URL in {command}")


def happened() -> Feed:
    feed = Feed(1_790_000_000_000_000)
    two = GOOD.switches[0].ports[1]
    down = replace(GOOD.wires[0], state="down", why="no carrier at vm2-eth1")
    feed.put([SwitchLeft(GOOD.switches[1])], 1_790_000_000.0)
    feed.put([PortChanged(GOOD.switches[0].dpid, two), WireChanged(down, "up")], 1_790_000_000.0)
    return feed


def ask(command: str) -> list[Any]:
    """What the command of an example prints, of the good and of the troubled network."""
    method, path, headers, body = words(command)
    program = next(iter(shlex.split(command.partition(" | jq")[2].replace("-c", ""))), "")
    answers = []
    for snapshot in (GOOD, TROUBLED):
        seconds = iter((0.0, 61.5))
        feed = Feed(1_790_000_000_000_001)
        shelf = Shelf()
        shelf.save("night", [NIGHT])
        app = application(
            lambda: snapshot,  # noqa: B023
            engine="os-ken 4.2.2",
            patchboard=Board(),
            scenes=shelf,
            token=lambda: TOKEN,
            feed=feed,
            clock=lambda: next(seconds),  # noqa: B023
        )
        answer = Client(app).open(path, method=method, headers=headers, data=body)
        answers.append(JQ[program](json.loads(answer.data)))
    return answers


@pytest.mark.parametrize(("command", "printed"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_example(command: str, printed: str) -> None:
    assert json.loads(printed) in ask(command)


def test_the_stream() -> None:
    ((command, printed),) = [each for each in SHOWN if each[0].endswith("/api/v1/events")]
    _, path, headers, _ = words(command)
    feed = happened()
    answer = Client(application(lambda: GOOD, engine="", feed=feed)).get(path, headers=headers)
    feed.close()
    assert answer.data.decode() == printed


def test_every_path_has_an_example() -> None:
    asked = {(method, path.partition("?")[0]) for method, path, _, _ in (words(command) for command, _ in SHOWN)}
    for route in (each for each in ROUTES if not each.upgrades):
        pattern = re.sub(r"\{\w+\}", "[^/]+", route.path.removesuffix("/{dpid}")) + "(/[0-9a-f]{16})?"
        assert any(method == route.method and re.fullmatch(pattern, path) for method, path in asked), route.name
