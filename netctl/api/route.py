"""What a route is: one method of one path, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from netctl.api.body import JSON, Body
from netctl.api.problem import ProblemError
from netctl.api.stream import Streams
from netctl.controller.patching import Patchboard
from netctl.controller.scenes import Scenes
from netctl.controller.snapshot import Snapshot


@dataclass(frozen=True)
class Call:
    """A request that has found its route."""

    observe: Callable[[], Snapshot]
    engine: str
    uptime: float
    """Seconds."""
    path: Mapping[str, str]
    """The path's `{…}`, by name."""
    query: Mapping[str, str]
    body: Any = None
    """What the route's body read; None when nothing was sent."""
    patchboard: Patchboard | None = None
    kept: Scenes | None = None
    streams: Streams | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def snapshot(self) -> Snapshot:
        """The last published one; only who asks for it makes the controller publish."""
        return self.observe()

    @property
    def board(self) -> Patchboard:
        if self.patchboard is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "this controller takes no changes of its wires")
        return self.patchboard

    @property
    def scenes(self) -> Scenes:
        if self.kept is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "this controller has nowhere to keep scenes")
        return self.kept

    @property
    def events(self) -> Streams:
        if self.streams is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "this controller tells nobody what happens")
        return self.streams

    def flag(self, name: str, default: bool = False) -> bool:
        """A query parameter that is true or false."""
        text = self.query.get(name)
        if text in (None, "true", "false"):
            return default if text is None else text == "true"
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"«{name}» is true or false")


@dataclass(frozen=True)
class Parameter:
    description: str
    pattern: str | None = None
    """A regular expression without anchors; a path that does not match it is not this route's."""
    values: tuple[str, ...] = ()
    """What a query parameter may be; empty for any text."""


@dataclass(frozen=True)
class Reply:
    """An answer whose status is not 200."""

    status: HTTPStatus
    value: Any


@dataclass(frozen=True, eq=False)
class Route:
    path: str
    """As OpenAPI writes it: `/wires/{name}`."""
    name: str
    summary: str
    answer: Any
    """The type of the body of a good answer, or of each of its items."""
    respond: Callable[[Call], Any]
    """Returns the answer, or anything with its attributes, or a Reply of it; raises ProblemError."""
    method: str = "GET"
    body: Body | None = None
    """What is sent with the request; without one, what is sent is not looked at."""
    many: bool = False
    """Whether `respond` returns, and the body is, a list of them."""
    ready: bool = False
    """Whether what `respond` returns, or each item of it, is JSON already."""
    brief: bool = False
    """Whether what is as it is by default is left out of the answer."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """Of the path."""
    query: Mapping[str, Parameter] = field(default_factory=dict)
    any_query: bool = False
    """Whether a query parameter that nobody knows is ignored, as Ryu does, or refused."""
    tagged: bool = True
    """Whether the answer has an entity tag, a digest of it, to ask again with If-None-Match."""
    media: str = JSON
    """What the answer is; of anything but JSON `respond` returns the octets, piece by piece."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """That the request may have, each with what it means."""
    upgrades: bool = False
    """Whether the connection goes on as a WebSocket."""
    made_of: Callable[[Snapshot], object] | None = None
    """What the answer is made of, besides the path: it is made anew only when this is another."""
    good: Mapping[HTTPStatus, str] = field(default_factory=lambda: {HTTPStatus.OK: "The answer."})
    """The statuses of good answers, each with what it means."""
    failures: tuple[HTTPStatus, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether it changes anything, which needs the token."""
        return self.method != "GET"

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.answer)

    def render(self, call: Call) -> tuple[HTTPStatus, str]:
        """The status, and the body as JSON, spaced as Ryu's. Item by item: with 10 000 models alive at once the
        garbage collector would halt the controller for long."""
        answer = self.respond(call)
        status = HTTPStatus.OK
        if isinstance(answer, Reply):
            status, answer = answer.status, answer.value
        return status, f"[{', '.join(map(self._json, answer))}]" if self.many else self._json(answer)

    def _json(self, value: Any) -> str:
        if self.ready:
            return str(value)
        valid = self.adapter.validate_python(value)
        return json.dumps(self.adapter.dump_python(valid, mode="json", exclude_defaults=self.brief))
