"""The description is valid OpenAPI, and what the paths really answer is what it describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from netctl.api.openapi import description
from netctl.api.routes import ROUTES, Route
from netctl.controller.snapshot import Snapshot
from tests.api.world import EMPTY, GOOD, TROUBLED
from tests.conftest import missing

try:
    from jsonschema import Draft202012Validator, ValidationError
    from openapi_spec_validator import validate
except ImportError as error:
    missing(f"needs {error.name} (pip install netctl[test])")

Make = Callable[[Snapshot], Client]

ARGUMENTS = {"name": "vm1-eth1--vm2-eth1", "dpid": "00000000000000ab"}


def check(route: Route, status: int, content_type: str, body: Any) -> None:
    document = description()
    operation = document["paths"][route.path][route.method.lower()]
    schema = operation["responses"][str(status)]["content"][content_type]["schema"]
    whole = {**schema, "components": document["components"]}
    Draft202012Validator.check_schema(whole)
    Draft202012Validator(whole).validate(body)


def test_it_is_openapi() -> None:
    validate(description())
    assert description()["openapi"].startswith("3.1")


def test_it_is_served(client: Make) -> None:
    assert client(EMPTY).get("/openapi.json").json == description()


def test_every_route_is_described_once() -> None:
    paths = description()["paths"]
    described = [(path, method.upper()) for path, methods in paths.items() for method in methods]
    assert sorted(described) == sorted((route.path, route.method) for route in ROUTES)
    names = [method["operationId"] for methods in paths.values() for method in methods.values()]
    assert len(set(names)) == len(names)


def test_what_changes_anything_needs_the_token() -> None:
    for methods in description()["paths"].values():
        for method, operation in methods.items():
            assert (operation.get("security") == [{"token": []}]) is (method != "get")
            assert ("401" in operation["responses"]) is (method != "get")


@pytest.mark.parametrize("snapshot", [GOOD, TROUBLED, EMPTY], ids=["good", "troubled", "empty"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_answers_are_as_described(client: Make, route: Route, snapshot: Snapshot) -> None:
    answer = client(snapshot).open(route.path.format_map(ARGUMENTS), method=route.method)
    check(route, answer.status_code, answer.content_type, answer.json)
    assert route.tagged is (answer.headers.get("ETag") is not None) or answer.status_code != 200


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if not route.any_query and not route.writes], ids=lambda route: route.name
)
def test_refusals_are_as_described(client: Make, route: Route) -> None:
    answer = client(GOOD).get(route.path.format_map(ARGUMENTS) + "?nonsense=1")
    assert answer.status_code == 400
    check(route, 400, answer.content_type, answer.json)


@pytest.mark.parametrize(
    "broken", [[{"name": "x"}], [{"host": "h"}], {}, [None]], ids=["half", "other", "object", "null"]
)
def test_the_schemas_refuse_other_things(broken: Any) -> None:
    route = next(route for route in ROUTES if route.name == "bridges")
    with pytest.raises(ValidationError):
        check(route, 200, "application/json", broken)
