"""Asking a running controller over its REST API."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

DEFAULT_URL = "http://127.0.0.1:8080"
PATIENCE = 5.0
"""Seconds that an answer may take."""

_OPENER = build_opener(ProxyHandler({}))


class Unreachable(Exception):
    """No controller answers at that address; the message says how to start one."""


def get(url: str, path: str) -> Any:
    """The JSON at `path`. Raises Unreachable."""
    try:
        with _OPENER.open(url.rstrip("/") + path, timeout=PATIENCE) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise Unreachable(f"{url}{path} answers {error.code}: {_detail(error)}") from error
    except (URLError, OSError, ValueError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        reason = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise Unreachable(
            f"no controller answers at {url} ({reason}); start one with `netctl up` or `ryu-manager netctl.app`, "
            "or name another address with --url"
        ) from error


def _detail(error: HTTPError) -> str:
    """What problem details (RFC 9457) say, or that they are none."""
    try:
        return str(json.load(error)["detail"])
    except (ValueError, OSError, HTTPException, TypeError, KeyError):
        return f"{error.reason}. Is that a netctl controller?"
