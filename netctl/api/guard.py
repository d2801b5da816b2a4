"""Who may change anything: whoever sends the token (RFC 6750)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from http import HTTPStatus

from werkzeug.wrappers import Request

from netctl.api.problem import ProblemError
from netctl.token import TokenError

_HOW = "send «Authorization: Bearer TOKEN»; the controller's token file has the token"


def authorise(request: Request, token: Callable[[], str] | None) -> None:
    """Raises ProblemError unless the request carries what `token()` gives; 503 where that is nothing."""
    if token is None:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "this controller has no token: it is only read")
    try:
        right = token()
    except TokenError as error:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, f"nothing can be changed: {error}") from None
    scheme, _, given = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise _unauthorised(f"this needs the token: {_HOW}", "")
    if not hmac.compare_digest(given.strip().encode("utf-8", "replace"), right.encode("utf-8")):
        raise _unauthorised(f"this is not the token: {_HOW}", ', error="invalid_token"')


def _unauthorised(detail: str, error: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": f'Bearer realm="netctl"{error}'}
    )
