"""The OpenAPI 3.1 description, made of the table of routes and the models."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from netctl import __version__
from netctl.api import stream
from netctl.api.body import JSON
from netctl.api.happening import KINDS
from netctl.api.models import Answer, Document, ProblemDetails, Reset
from netctl.api.problem import CONTENT_TYPE
from netctl.api.route import Parameter, Route
from netctl.api.routes import ROUTES
from netctl.policy.schema import schema as policy_schema

PREFIX = "Policy"
"""Before the names of the policy language's own schemas."""


@cache
def description() -> Document:
    adapters = [(route.name, "serialization", route.adapter) for route in ROUTES]
    events: list[tuple[str, str, TypeAdapter[Any]]] = [
        (f"event {kind}", "serialization", TypeAdapter(model)) for kind, model in _DATA.items()
    ]
    schemas, shared = TypeAdapter.json_schemas(
        [*adapters, *events, ("problem", "serialization", TypeAdapter(ProblemDetails))],  # type: ignore[list-item]
        ref_template="#/components/schemas/{model}",
    )
    problem = schemas[("problem", "serialization")]
    paths: Document = {}
    for route in ROUTES:
        answer = schemas[(route.name, "serialization")]
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, answer, problem)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "netctl",
            "version": __version__,
            "description": "A programmable patch panel for hypervisors, as its controller sees it. Reading is open, "
            "HEAD works wherever GET does; changing needs the token. Errors are problem details (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": {**_unnamed(shared["$defs"]), **_unnamed(_language()), **_BODIES},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "What is in the controller's token file, /var/lib/netctl/token unless it was told "
                    "another place (RFC 6750).",
                }
            },
        },
    }


def _language() -> Document:
    """The policy language's own schemas, as far as wires need them, under names of their own."""
    definitions = policy_schema()["$defs"]
    wanted, found = ["Wire"], {}
    while wanted:
        name = wanted.pop()
        if PREFIX + name not in found:
            found[PREFIX + name] = _renamed(definitions[name], wanted)
    return found


def _unnamed(value: Any) -> Any:
    """Without the default of a wire's name, which no wire may have: left out, the name is made of the ends."""
    if isinstance(value, list):
        return [_unnamed(each) for each in value]
    if isinstance(value, dict):
        return {key: _unnamed(inside) for key, inside in value.items() if (key, inside) != ("default", "")}
    return value


def _renamed(value: Any, seen: list[str]) -> Any:
    if isinstance(value, list):
        return [_renamed(each, seen) for each in value]
    if not isinstance(value, dict):
        return value
    renamed = {}
    for key, inside in value.items():
        if key == "$ref" and isinstance(inside, str):
            name = inside.rpartition("/")[2]
            seen.append(name)
            renamed[key] = f"#/components/schemas/{PREFIX}{name}"
        else:
            renamed[key] = _renamed(inside, seen)
    return renamed


_WIRES: Document = {"type": "array", "items": {"$ref": f"#/components/schemas/{PREFIX}Wire"}}
_BODIES: Document = {
    "Change": {
        "type": "object",
        "description": "Wires that are to be there, and names of those that are to go; all of it or nothing.",
        "properties": {
            "put": {**_WIRES, "description": "A wire of the same name is replaced."},
            "remove": {"type": "array", "items": {"type": "string"}},
        },
        "additionalProperties": False,
        "minProperties": 1,
    },
    "SceneBody": {
        "type": "object",
        "description": "A set of wires; the name may be left out, the path has it.",
        "properties": {"wires": _WIRES, "name": {"type": "string"}},
        "additionalProperties": False,
        "required": ["wires"],
    },
}


_DATA: dict[str, type[Answer]] = {**KINDS, "reset": Reset}
_EVENTS = "Server-sent events (text/event-stream); the data of each is JSON: " + ", ".join(
    f"of `{kind}` a {model.__name__}" for kind, model in _DATA.items()
)


def _operation(route: Route, answer: Document, problem: Document) -> Document:
    schema = {"type": "array", "items": answer} if route.many else answer
    if route.media == stream.CONTENT_TYPE:
        schema = {"type": "string", "description": _EVENTS}
    good: Document = {} if route.upgrades else {"content": {route.media: {"schema": schema}}}
    responses: Document = {
        str(status.value): {**good, "description": meaning} for status, meaning in route.good.items()
    }
    if route.tagged:
        responses["200"]["headers"] = {
            "ETag": {
                "description": "Changes with the answer.",
                "schema": {"type": "string"},
                "required": True,
            }
        }
        responses["304"] = {"description": "If-None-Match has the ETag of this very answer."}
    for status in sorted(_failures(route)):
        responses[str(status.value)] = {
            "description": status.phrase,
            "content": {CONTENT_TYPE: {"schema": problem}},
        }
    if HTTPStatus.UNAUTHORIZED in _failures(route):
        challenge = {"description": "Bearer (RFC 6750).", "schema": {"type": "string"}, "required": True}
        responses["401"]["headers"] = {"WWW-Authenticate": challenge}
    operation: Document = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": ["topology" if route.path.startswith("/v1.0/") else "netctl"],
        "responses": responses,
    }
    parameters = [
        *(_parameter(name, "path", parameter) for name, parameter in route.parameters.items()),
        *(_parameter(name, "query", parameter) for name, parameter in route.query.items()),
        *(_parameter(name, "header", Parameter(meaning)) for name, meaning in route.headers.items()),
    ]
    if parameters:
        operation["parameters"] = parameters
    if route.writes:
        operation["security"] = [{"token": []}]
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body.required,
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{route.body.schema}"}}},
        }
    return operation


def _failures(route: Route) -> set[HTTPStatus]:
    statuses = {*route.failures, HTTPStatus.INTERNAL_SERVER_ERROR}
    if not route.any_query:
        statuses.add(HTTPStatus.BAD_REQUEST)
    if route.writes:
        statuses |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE}
    if route.body is not None:
        statuses |= {
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        }
    return statuses


def _parameter(name: str, place: str, parameter: Parameter) -> Document:
    schema: dict[str, Any] = {"type": "string"}
    if parameter.values:
        schema["enum"] = list(parameter.values)
    if parameter.pattern:
        schema["pattern"] = f"^{parameter.pattern}$"
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": parameter.description,
        "schema": schema,
    }
