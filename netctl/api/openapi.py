"""The OpenAPI 3.1 description, made of the table of routes and the models."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from netctl import __version__
from netctl.api.models import Document, ProblemDetails
from netctl.api.problem import CONTENT_TYPE
from netctl.api.routes import ROUTES, Parameter, Route


@cache
def description() -> Document:
    adapters = [(route.name, "serialization", route.adapter) for route in ROUTES]
    schemas, shared = TypeAdapter.json_schemas(
        [*adapters, ("problem", "serialization", TypeAdapter(ProblemDetails))],  # type: ignore[list-item]
        ref_template="#/components/schemas/{model}",
    )
    problem = schemas[("problem", "serialization")]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "netctl",
            "version": __version__,
            "description": "A programmable patch panel for hypervisors, as its controller sees it. Reading "
            "only; HEAD works wherever GET does. Errors are problem details (RFC 9457).",
        },
        "paths": {
            route.path: {"get": _operation(route, schemas[(route.name, "serialization")], problem)} for route in ROUTES
        },
        "components": {"schemas": shared["$defs"]},
    }


def _operation(route: Route, answer: Document, problem: Document) -> Document:
    schema = {"type": "array", "items": answer} if route.many else answer
    good: Document = {"description": "The answer.", "content": {"application/json": {"schema": schema}}}
    responses: Document = {"200": good}
    if route.tagged:
        good["headers"] = {
            "ETag": {
                "description": "Changes with the answer.",
                "schema": {"type": "string"},
                "required": True,
            }
        }
        responses["304"] = {"description": "If-None-Match has the ETag of this very answer."}
    unknown_query = () if route.any_query else (HTTPStatus.BAD_REQUEST,)
    for status in sorted({*unknown_query, *route.failures, HTTPStatus.INTERNAL_SERVER_ERROR}):
        responses[str(status.value)] = {
            "description": status.phrase,
            "content": {CONTENT_TYPE: {"schema": problem}},
        }
    operation: Document = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": ["topology" if route.path.startswith("/v1.0/") else "netctl"],
        "responses": responses,
    }
    parameters = [
        *(_parameter(name, "path", parameter) for name, parameter in route.parameters.items()),
        *(_parameter(name, "query", parameter) for name, parameter in route.query.items()),
    ]
    return {**operation, "parameters": parameters} if parameters else operation


def _parameter(name: str, place: str, parameter: Parameter) -> Document:
    schema: dict[str, Any] = {"type": "string"}
    if parameter.pattern:
        schema["pattern"] = f"^{parameter.pattern}$"
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": parameter.description,
        "schema": schema,
    }
