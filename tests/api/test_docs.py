"""docs/rest.md says what is true: each of its examples is asked and compared."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from netctl.api.routes import ROUTES
from netctl.api.wsgi import application
from tests.api.world import GOOD, TROUBLED
from tests.e2e.box import ROOT

PAGE = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```console\n\$ (.*)\n((?:.*\n)+?)```$", PAGE, re.MULTILINE)
BASE = "http://127.0.0.1:8080"

JQ: dict[str, Callable[[Any], Any]] = {
    "": lambda answer: answer,
    ".why": lambda answer: answer["why"],
    "[.paths[].get.operationId]": lambda answer: [path["get"]["operationId"] for path in answer["paths"].values()],
}


def ask(command: str) -> list[Any]:
    """What the command of an example prints, of the good and of the troubled network."""
    curl, _, jq = command.partition(" | jq")
    words = shlex.split(curl)
    method = "POST" if "POST" in words else "GET"
    program = next(iter(shlex.split(jq.replace("-c", ""))), "")
    answers = []
    for snapshot in (GOOD, TROUBLED):
        seconds = iter((0.0, 61.5))
        client = Client(application(lambda: snapshot, engine="os-ken 4.2.2", clock=lambda: next(seconds)))  # noqa: B023
        answer = client.open(words[-1].removeprefix(BASE), method=method)
        answers.append(JQ[program](json.loads(answer.data)))
    return answers


@pytest.mark.parametrize(("command", "printed"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_example(command: str, printed: str) -> None:
    assert json.loads(printed) in ask(command)


def test_every_path_has_an_example() -> None:
    asked = {re.sub(r"\?.*", "", word) for command, _ in EXAMPLES for word in shlex.split(command)}
    paths = {word.removeprefix(BASE) for word in asked if word.startswith(BASE)}
    for route in ROUTES:
        pattern = re.sub(r"\{\w+\}", "[^/]+", route.path.removesuffix("/{dpid}")) + "(/[0-9a-f]{16})?"
        assert any(re.fullmatch(pattern, path) for path in paths), route.path
