"""Errors as JSON problem details (RFC 9457)."""

from __future__ import annotations

import difflib
import heapq
import json
import operator
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from werkzeug.wrappers import Response

from netctl.api.models import Mistake, ProblemDetails

CONTENT_TYPE = "application/problem+json"


class ProblemError(Exception):
    """Ends a request with an error that says what would be right."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        suggestions: Iterable[str] = (),
        why: Iterable[str] = (),
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.suggestions = list(suggestions)
        self.why = list(why)
        self.errors = list(errors)
        """Each with its JSON Pointer."""
        self.headers = dict(headers or {})

    def response(self, path: str) -> Response:
        details = ProblemDetails(
            title=self.status.phrase,
            status=self.status,
            detail=self.detail,
            instance=path,
            suggestions=self.suggestions,
            why=self.why,
            errors=[Mistake(pointer=pointer, detail=detail) for pointer, detail in self.errors],
        )
        body = json.dumps(details.model_dump(mode="json", exclude_defaults=True))
        return Response(body, self.status, {**self.headers, "Cache-Control": "no-store"}, content_type=CONTENT_TYPE)


def unknown(kind: str, name: str, known: Iterable[str]) -> ProblemError:
    """404 for a name that nothing has, with the names it may be a slip of."""
    close = close_names(name, known)
    hint = f"; did you mean «{close[0]}»?" if close else ""
    return ProblemError(HTTPStatus.NOT_FOUND, f"there is no {kind} «{shortened(name)}»{hint}", suggestions=close)


def shortened(text: str) -> str:
    """Short enough to be said again, and text that UTF-8 has: JSON can name half of a surrogate pair."""
    return (text if len(text) <= 100 else text[:99] + "…").encode("utf-8", "replace").decode("utf-8")


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """At most three of `known`, best first. Only names of about its length are weighed, to be quick."""
    near = (other for other in known if abs(len(other) - len(name)) <= 2)
    nearest = heapq.nlargest(100, near, key=lambda other: sum(map(operator.eq, name, other)))
    return difflib.get_close_matches(name, nearest, n=3)
