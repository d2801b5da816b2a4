"""Asking a running controller over its REST API."""

from __future__ import annotations

import json
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
        raise Unreachable(f"{url}{path} answers {error.code} {error.reason}: is that a netctl controller?") from error
    except (URLError, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise Unreachable(
            f"no controller answers at {url} ({reason}); start one with `netctl up` or `ryu-manager netctl.app`"
        ) from error
