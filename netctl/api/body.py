"""What is sent with a request: JSON, bounded, checked against the policy's own models."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError
from werkzeug.wrappers import Request

from netctl.api.problem import ProblemError, close_names, shortened
from netctl.controller.patching import Change
from netctl.policy import Policy, Wire
from netctl.policy.explain import explain
from netctl.policy.name import wire_name

JSON = "application/json"
ONE = 64 * 1024
"""Octets that one wire may take."""
MANY = 16 * 1024 * 1024
"""Octets that a set of wires may take: some 100 000 of them."""
LISTED = 20
"""Mistakes that are told at once."""

Path = Mapping[str, str]
Pointer = Sequence[str | int]


@dataclass(frozen=True)
class Body:
    """What a request may carry."""

    schema: str
    """Its name under the description's `components/schemas`."""
    most: int
    """Octets."""
    check: Callable[[Any, Path], Any]
    """From JSON, and the path's parameters, to what the route takes; raises ProblemError."""
    required: bool = True

    def read(self, request: Request, path: Path) -> Any:
        """None when nothing was sent and nothing has to be. Raises ProblemError."""
        data = self._data(request)
        if not data and not self.required:
            return None
        if request.mimetype != JSON:
            said = f"not {shortened(request.mimetype)}" if request.mimetype else "and says so"
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"this takes JSON, {said}: send Content-Type: {JSON}"
            )
        return self.check(_json(data), path)

    def _data(self, request: Request) -> bytes:
        chunked = request.environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
        text = request.environ.get("CONTENT_LENGTH") or "0"
        if not (text.isascii() and text.isdigit()):
            raise ProblemError(HTTPStatus.BAD_REQUEST, f"Content-Length is a number, not «{shortened(text)}»")
        length = self.most + 1 if chunked else int(text[:20])
        if length <= self.most or chunked:
            try:
                data: bytes = request.environ["wsgi.input"].read(length)
            except TimeoutError:
                raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, "the body did not come as a whole in time") from None
            except (OSError, ValueError) as error:
                raise ProblemError(HTTPStatus.BAD_REQUEST, f"the body cannot be read: {error}") from None
            if not chunked and len(data) < length:
                raise ProblemError(
                    HTTPStatus.BAD_REQUEST, f"the body ends after {len(data)} octets; Content-Length says {length}"
                )
            length = len(data)
        if length > self.most:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body is too large: this takes {self.most} octets at most",
            )
        return data


class _Twice(ValueError):
    pass


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        detail = f"octet {error.start} is not UTF-8"
    except json.JSONDecodeError as error:
        what = "nothing was sent" if not data.strip() else f"line {error.lineno}, column {error.colno}: {error.msg}"
        detail = what
    except RecursionError:
        detail = "it is nested too deep"
    except ValueError as error:
        detail = str(error)
    raise ProblemError(HTTPStatus.BAD_REQUEST, f"the body is not JSON (RFC 8259): {detail}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"«{shortened(twice)}» is twice in one object: take one out")
    return found


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def wire(value: Any, path: Path) -> Wire:
    """One wire, with or without the name that the path gives it."""
    name = path["name"]
    try:
        wire_name(name)
    except ValueError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the path: {error}") from None
    if isinstance(value, list):
        return _wires([{"ends": value, "name": name}], (), short=True)[0]
    if isinstance(value, dict) and value.setdefault("name", name) != name and isinstance(value["name"], str):
        raise _invalid(
            [(("name",), f"the path names the wire «{name}», this «{shortened(value['name'])}»: leave it out here")]
        )
    return _wires([value], ())[0]


def change(value: Any, _: Path) -> Change:
    """`{put: [...], remove: [...]}`, one of them at least, no name twice."""
    given = _mapping(value, ("put", "remove"), "a change")
    wires = _wires(given.get("put", []), ("put",))
    names = given.get("remove", [])
    wrong: list[tuple[Pointer, str]] = []
    if not isinstance(names, list):
        raise _invalid([(("remove",), "«remove» is a list of wires' names")])
    wrong += [
        (("remove", number), f"this is the name of a wire, as text, not {shortened(json.dumps(each))}")
        for number, each in enumerate(names)
        if not isinstance(each, str)
    ]
    if wrong:
        raise _invalid(wrong)
    wrong += _twice("put", [each.name for each in wires], set())
    wrong += _twice("remove", names, {each.name for each in wires})
    if wrong:
        raise _invalid(wrong)
    return Change(tuple(wires), tuple(names))


def scene(value: Any, path: Path) -> list[Wire]:
    """A scene as it is answered: `{wires: [...]}`, with or without the name that the path gives it."""
    given = _mapping(value, ("wires", "name"), "a scene")
    if "wires" not in given:
        raise _invalid([((), "a scene needs «wires»; send nothing at all to save those that are in force")])
    if given.get("name", path["name"]) != path["name"]:
        raise _invalid([(("name",), f"the path names the scene «{path['name']}»: leave the name out here")])
    wires = _wires(given["wires"], ("wires",))
    wrong = _twice("wires", [each.name for each in wires], set())
    if wrong:
        raise _invalid(wrong)
    return wires


def _mapping(value: Any, known: Sequence[str], noun: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid([((), f"{noun} is an object with {' and '.join(f'«{each}»' for each in known)}")])
    wrong: list[tuple[Pointer, str]] = []
    for key in value:
        if key not in known:
            close = close_names(key, known)
            hint = f"did you mean «{close[0]}»?" if close else f"it takes {' and '.join(known)}"
            wrong.append(((key,), f"unknown key in {noun}; {hint}"))
    if wrong:
        raise _invalid(wrong)
    if not value:
        raise _invalid([((), f"{noun} needs {' or '.join(f'«{each}»' for each in known)}")])
    return value


def _wires(values: Any, at: Pointer, short: bool = False) -> list[Wire]:
    """The wires in a list, which is at `at`; where that is empty, the body is the one wire in it, or with `short`
    its two ends."""
    if not isinstance(values, list):
        raise _invalid([(at, "this is a list of wires, [] for none")])
    document = {"version": 1, "wires": values}
    try:
        wires = list(Policy.model_validate(document).wires)
    except ValidationError as error:
        passed = 1 if at else 3 if short else 2
        raise _invalid([((*at, *each.path[passed:]), each.message) for each in explain(error, document)]) from None
    wrong: list[tuple[Pointer, str]] = []
    for number, each in enumerate(wires):
        try:
            wire_name(each.name)
        except ValueError as error:
            wrong.append(((*at, number), f"{error}; say one with «name»"))
    if wrong:
        raise _invalid(wrong)
    return wires


def _twice(at: str, names: Sequence[str], seen: set[str]) -> list[tuple[Pointer, str]]:
    wrong: list[tuple[Pointer, str]] = []
    for number, name in enumerate(names):
        if name in seen:
            wrong.append(((at, number), f"the wire «{shortened(name)}» is named twice: take one out"))
        seen.add(name)
    return wrong


def _invalid(wrong: Sequence[tuple[Pointer, str]]) -> ProblemError:
    """422 that tells each mistake with where in the body it is (RFC 6901)."""
    told = [(_pointer(at), message) for at, message in wrong[:LISTED]]
    pointer, message = told[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    where = f"{pointer[1:]}: " if len(pointer) > 1 else ""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}{message}{more}", errors=told)


def _pointer(at: Pointer) -> str:
    """As a URI fragment's text, as RFC 9457 writes it: «#/ends/0/port»."""
    return "#" + "".join("/" + shortened(str(each)).replace("~", "~0").replace("/", "~1") for each in at)
