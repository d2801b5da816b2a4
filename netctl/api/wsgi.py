"""The WSGI application (PEP 3333): one request in, the last published snapshot or what became of a change out."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Request, Response

from netctl.api.body import JSON
from netctl.api.feed import Feed, FullError
from netctl.api.guard import authorise
from netctl.api.problem import ProblemError, close_names, shortened
from netctl.api.route import Call, Route
from netctl.api.routes import ROUTES
from netctl.api.stream import Streams
from netctl.api.websocket import HIJACK, Conversation, Sockets, headers_of, upgrade_required
from netctl.controller.patching import Patchboard
from netctl.controller.scenes import Scenes
from netctl.controller.snapshot import Snapshot

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger(__name__)

_MISTAKE = ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "netctl made a mistake; the controller's log says which")
KEPT = 32
"""Answers that are kept to be sent again, at most."""
_WHERE = "/openapi.json describes what is here, /api/v1/status says how the controller is"


class _Matching(BaseConverter):
    def __init__(self, url_map: Map, pattern: str) -> None:
        super().__init__(url_map)
        self.regex = pattern


def _rule(route: Route) -> Rule:
    def converter(match: re.Match[str]) -> str:
        pattern = route.parameters[match[1]].pattern
        return f"<matching({json.dumps(pattern)}):{match[1]}>" if pattern else f"<{match[1]}>"

    return Rule(re.sub(r"\{(\w+)\}", converter, route.path), endpoint=route, methods=[route.method])


_MAP = Map(
    [_rule(route) for route in ROUTES],
    strict_slashes=True,
    merge_slashes=False,
    redirect_defaults=False,
    converters={"matching": _Matching},
).bind("")


def application(
    snapshot: Callable[[], Snapshot],
    *,
    engine: str,
    patchboard: Patchboard | None = None,
    scenes: Scenes | None = None,
    token: Callable[[], str] | None = None,
    feed: Feed | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> WSGIApplication:
    """The REST API over whatever `snapshot()` returns at each request that reads.

    Changes go to `patchboard`, and sets of wires to `scenes`, for whoever sends what `token()` returns (it may raise
    TokenError). `feed` has what happens, for those who follow it. `engine` is what runs the controller, for people
    («os-ken 4.2.2»); `clock` tells seconds, for the uptime, which counts from this call. What goes wrong inside is
    logged and answered with 500.
    """
    started = clock()
    streams = Streams(feed) if feed is not None else None
    sockets = Sockets(feed) if feed is not None else None
    kept = _Kept()

    def answer(request: Request) -> _Answer:
        route, path = _route(request)
        if route.writes:
            authorise(request, token)
        query = _query(request, route)
        if route.upgrades:
            return _upgraded(request, sockets)
        body = route.body.read(request, path) if route.body else None
        headers = {name: request.headers.get(name, "") for name in route.headers}
        call = Call(snapshot, engine, clock() - started, path, query, body, patchboard, scenes, streams, headers)
        if route.media != JSON:
            return _streamed(request, route, call)
        if route.made_of is None:
            status, text = route.render(call)
            response = Response(text, status, content_type=JSON)
        else:
            response = Response(kept.body(route, call), content_type=JSON)
        if route.writes:
            response.cache_control.no_store = True
        if route.tagged:
            response.cache_control.no_cache = True
            response.add_etag()
            response.make_conditional(request)
        return response

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ, populate_request=False, shallow=True)
        try:
            response: _Answer = answer(request)
        except ProblemError as problem:
            response = problem.response(request.path)
        except Exception:
            LOG.exception("%s %s failed", request.method, request.path)
            response = _MISTAKE.response(request.path)
        return response(environ, start_response)

    return respond


class _Kept:
    """Answers that are dear to make, as octets."""

    def __init__(self) -> None:
        self._bodies: dict[tuple[Route, tuple[str, ...]], tuple[object, bytes]] = {}

    def body(self, route: Route, call: Call) -> bytes:
        assert route.made_of is not None
        at, made_of = (route, tuple(call.path.values())), route.made_of(call.snapshot)
        known = self._bodies.get(at)
        if known is not None and known[0] == made_of:
            return known[1]
        if known is None and len(self._bodies) >= KEPT:
            del self._bodies[next(iter(self._bodies))]
        body = route.render(call)[1].encode()
        self._bodies[at] = made_of, body
        return body


class _Upgraded:
    """An answer that takes the connection."""

    def __init__(self, conversation: Conversation, sockets: Sockets) -> None:
        self._conversation = conversation
        self._sockets = sockets

    def __call__(self, environ: WSGIEnvironment, _: StartResponse) -> Iterable[bytes]:
        answer: Iterable[bytes] = environ[HIJACK](partial(self._sockets.serve, self._conversation))
        return answer


_Answer = Response | _Upgraded


def _upgraded(request: Request, sockets: Sockets | None) -> _Upgraded:
    if request.method != "GET":
        raise upgrade_required("by GET")
    conversation = Conversation(headers_of(request.environ), request.path)
    if sockets is None or HIJACK not in request.environ:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "this controller tells nobody what happens")
    if sockets.full:
        raise _crowded("WebSockets")
    return _Upgraded(conversation, sockets)


def _streamed(request: Request, route: Route, call: Call) -> Response:
    request.environ["eventlet.minimum_write_chunk_size"] = 1
    try:
        pieces = route.respond(call)
    except FullError:
        raise _crowded("streams") from None
    response = Response(pieces, content_type=route.media)
    response.cache_control.no_store = True
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _crowded(what: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"there are as many {what} open as there may be; close one, or come back later",
        headers={"Retry-After": "5"},
    )


def _route(request: Request) -> tuple[Route, Mapping[str, str]]:
    try:
        route, path = _MAP.match(request.path, method=request.method)
    except MethodNotAllowed as error:
        allowed = ", ".join(sorted(error.valid_methods or ()))
        raise ProblemError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{shortened(request.method)} is not possible here: this path takes {allowed}",
            headers={"Allow": allowed},
        ) from None
    except NotFound:
        close = close_names(request.path, dict.fromkeys(route.path for route in ROUTES))
        raise ProblemError(
            HTTPStatus.NOT_FOUND,
            f"there is nothing at {shortened(request.path)}; {_WHERE}",
            suggestions=close,
        ) from None
    return route, path


def _query(request: Request, route: Route) -> dict[str, str]:
    if route.any_query:
        return {}
    query: dict[str, str] = {}
    for name, values in request.args.lists():
        if name not in route.query:
            known = f"it has {', '.join(route.query)}" if route.query else "it has none"
            raise ProblemError(
                HTTPStatus.BAD_REQUEST,
                f"{route.path} has no query parameter «{shortened(name)}»; {known}",
                suggestions=close_names(name, route.query),
            )
        if len(values) > 1:
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"«{name}» is there {len(values)} times; give it once")
        query[name] = values[0]
    return query
