"""Asking a running controller over its REST API, and having it change its wires."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from netctl.api.address import is_loopback
from netctl.token import TokenError, find, read

DEFAULT_URL = "http://127.0.0.1:8080"
PATIENCE = 5.0
"""Seconds that an answer may take."""
CHANGE_PATIENCE = 30.0
"""Seconds that a change may take: the controller gives its switches 10."""


class _Stay(HTTPRedirectHandler):
    """A controller sends nobody elsewhere, and the token is for it alone."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = build_opener(ProxyHandler({}), _Stay())


class Unreachable(Exception):
    """No controller answers at that address; the message says how to start one."""


class NoToken(Exception):
    """There is no token to send; the message says where one is to be had."""


@dataclass(frozen=True)
class Answer:
    """What a controller said: its answer, or the problem details (RFC 9457) of a refusal."""

    status: int
    body: Any

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


def get(url: str, path: str) -> Any:
    """The JSON at `path`. Raises Unreachable, also for an answer that is an error."""
    answer = ask(url, "GET", path)
    if not answer.good:
        raise Unreachable(f"{url}{path} answers {answer.status}: {answer.body['detail']}")
    return answer.body


def ask(
    url: str, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None, token: str = ""
) -> Answer:
    """What the controller says, good or bad. Raises Unreachable when none does."""
    question = "?" + urlencode(query) if query else ""
    data = None if body is None else json.dumps(body).encode("ascii")
    request = Request(url.rstrip("/") + path + question, data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with _OPENER.open(request, timeout=PATIENCE if method == "GET" else CHANGE_PATIENCE) as answer:
            return Answer(answer.status, json.load(answer))
    except HTTPError as error:
        return Answer(error.code, _problem(error))
    except (URLError, OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        reason = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise Unreachable(
            f"no controller answers at {url} ({reason}); start one with `netctl up` or `ryu-manager netctl.app`, "
            "or name another address with --url"
        ) from error


def is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def part(text: str) -> str:
    """One part of a path, escaped."""
    return quote(text, safe="")


def token_for(url: str) -> str:
    """What NETCTL_TOKEN says, or the token of this machine's controller. Raises NoToken.

    That one is not sent to another machine.
    """
    given = os.environ.get("NETCTL_TOKEN", "").strip()
    if given:
        if not given.isascii() or not given.isprintable():
            raise NoToken("NETCTL_TOKEN is no token: it has characters that no token has")
        return given
    if not is_loopback(urlsplit(url).hostname or ""):
        raise NoToken(f"the token of the controller at {url} is not on this machine: set NETCTL_TOKEN to it")
    try:
        return read(find())
    except TokenError as error:
        raise NoToken(f"{error}; or set NETCTL_TOKEN to the token") from None


def _problem(error: HTTPError | HTTPResponse) -> Any:
    """Problem details (RFC 9457), made up where they are none."""
    try:
        body = json.load(error)
        str(body["detail"])
    except (ValueError, OSError, HTTPException, TypeError, KeyError):
        return {"detail": f"{error.reason}. Is that a netctl controller?"}
    return body
