"""What the models refuse, said in plain words: what is wrong, and what would be right."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from netctl.policy import guest, link, model, route
from netctl.policy.document import child
from netctl.policy.model import Policy
from netctl.policy.name import shown
from netctl.policy.ports import Path

_NOUNS: dict[type[BaseModel], str] = {
    model.Policy: "a policy",
    model.Host: "a host",
    model.Bridge: "a bridge",
    model.Port: "a port",
    guest.Guest: "a guest",
    guest.TapNic: "a tap NIC",
    guest.VethNic: "a veth NIC",
    guest.MacvtapNic: "a macvtap NIC",
    link.BridgePort: "a port of a Linux bridge",
    route.Route: "a route",
    model.Uplink: "an uplink",
    model.Queue: "a queue",
    model.Rates: "a rate",
    model.Match: "a match",
    model.Class: "an entry of classify",
    model.End: "an end of a wire",
    model.Wire: "a wire",
    model.TapCopy: "a copy",
}
_SHAPES: dict[type[BaseModel], str] = {
    model.Wire: "two ports, [A, B], or a mapping with `ends`",
    model.End: "a port, or a mapping with `port`",
    model.Port: "a name, or a mapping with `name`",
    model.Rates: "a rate such as 100mbit, or {a_to_b: 10mbit, b_to_a: 100mbit}",
}


@dataclass(frozen=True)
class Wrong:
    path: Path
    message: str
    key: bool
    """Whether it is the key at `path` that is wrong, not its value."""
    remove: Path
    """What has to go before the rest can be looked at."""


@dataclass
class _Spot:
    """The place in the document, and in the models, that an error is about."""

    path: list[str | int]
    value: Any
    annotation: Any
    owner: type[BaseModel] | None
    """The model that the last field belongs to."""
    owner_path: Path
    name: str
    listed: bool = False
    """Whether it is an entry of the list called `name`."""
    key: bool = False

    @property
    def said(self) -> str:
        return f"an entry of {shown(self.name)}" if self.listed else shown(self.name)


def explain(error: ValidationError, document: Any) -> list[Wrong]:
    """Every error of `document`, once for each place."""
    found: dict[tuple[Path, bool], Wrong] = {}
    for each in error.errors(include_url=False):
        spot = _locate(each["loc"], document)
        wrong = _wrong(each, spot)
        found.setdefault((wrong.path, wrong.key), wrong)
    return list(found.values())


def _locate(loc: tuple[str | int, ...], document: Any) -> _Spot:
    spot = _Spot([], document, Policy, None, (), "the policy")
    for element in loc:
        annotation = _bare(spot.annotation)
        if element == "[key]":
            spot.key = True
            break
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            spot.owner, spot.owner_path, spot.name = annotation, tuple(spot.path), str(element)
            spot.listed = False
            known = annotation.model_fields.get(str(element))
            spot.annotation = _whole(known) if known else None
            if isinstance(spot.value, dict):
                _enter(spot, element)
        elif get_origin(annotation) is dict:
            spot.annotation, spot.name, spot.listed = get_args(annotation)[1], str(element), False
            _enter(spot, element)
        elif get_origin(annotation) is tuple and isinstance(element, int):
            spot.annotation, spot.listed = get_args(annotation)[0], True
            _enter(spot, element)
        else:
            member = next((each for tag, each in _members(annotation) if tag == element), None)
            spot.annotation = member or spot.annotation
    return spot


def _enter(spot: _Spot, element: str | int) -> None:
    inside = child(spot.value, element)
    if inside is not None or isinstance(spot.value, list) or (isinstance(spot.value, dict) and element in spot.value):
        spot.path.append(element)
    spot.value = inside


def _whole(known: FieldInfo) -> Any:
    return Annotated[known.annotation, known] if known.metadata or known.discriminator else known.annotation


def _bare(annotation: Any) -> Any:
    """Without what is said about it, and without «or None»."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            members = [each for each in get_args(annotation) if each is not type(None)]
            if len(members) != 1:
                return Union[tuple(members)]  # noqa: UP007
            annotation = members[0]
        else:
            return annotation


def _members(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models of a union that is told apart by a tag."""
    for member in get_args(annotation) if get_origin(annotation) is Union else ():
        bare = _bare(member)
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            for field in ("device", "kind"):
                if field in bare.model_fields:
                    yield get_args(bare.model_fields[field].annotation)[0], bare


def _wrong(error: Mapping[str, Any], spot: _Spot) -> Wrong:
    path = tuple(spot.path)
    kind: str = error["type"]
    if kind == "missing":
        assert spot.owner is not None
        field = spot.owner.model_fields[spot.name]
        return Wrong(
            spot.owner_path,
            f"{noun(spot.owner)} needs {spot.name!r}: {_lower(field.description or '')}",
            True,
            spot.owner_path,
        )
    if kind == "extra_forbidden":
        assert spot.owner is not None
        return Wrong(path, _unknown(spot), True, path)
    return Wrong(path, _message(kind, error, spot), spot.key, path)


def _unknown(spot: _Spot) -> str:
    assert spot.owner is not None
    known = list(spot.owner.model_fields)
    said = f"unknown key {shown(spot.name)} in {noun(spot.owner)}"
    near = get_close_matches(spot.name[:64], known, n=1)
    return f"{said}; did you mean {near[0]!r}?" if near else f"{said}; it takes {', '.join(known)}"


def _message(kind: str, error: Mapping[str, Any], spot: _Spot) -> str:
    value = error.get("input")
    context: Mapping[str, Any] = error.get("ctx", {})
    name = spot.name
    if kind == "value_error":
        return str(context["error"])
    if kind == "union_tag_not_found":
        tags = [tag for tag, _ in _members(_bare(spot.annotation))]
        field = str(context["discriminator"]).strip("'")
        if not isinstance(value, dict):
            return f"{spot.said} is a mapping with {field!r}, not {_what(value)}"
        return f"{spot.said} needs {field!r}: one of {', '.join(tags)}"
    if kind == "union_tag_invalid":
        tags = [tag for tag, _ in _members(_bare(spot.annotation))]
        field = str(context["discriminator"]).strip("'")
        given = value.get(field) if isinstance(value, dict) else value
        return _choice(field, given, tags)
    if value is None:
        return f"{spot.said} has no value; {_expected(spot)}"
    if kind == "literal_error":
        return _choice(spot.said if spot.listed else name, value, list(_literals(spot.annotation)))
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"{name} is {_range(spot.annotation)}, not {value}"
    if kind in ("too_short", "too_long") and spot.owner is model.Wire:
        return f"a wire has two ends; this one has {len(value)}"
    if kind == "string_too_short":
        return f"{spot.said} is empty; {_expected(spot)}"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"{spot.said} is text; put {_what(value)} in quotes if that is what it is"
    if kind == "bool_type" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off", "true", "false"):
        right = "true" if value.lower() in ("yes", "on", "true") else "false"
        return f"{spot.said} is true or false, without quotes; write {right}"
    if kind == "int_type" and isinstance(value, str) and value.strip().isdigit():
        return f"{spot.said} is a number: write {value.strip()[:40]} without quotes"
    return f"{_expected(spot)}, not {_what(value)}"


def noun(owner: type[BaseModel]) -> str:
    if owner in _NOUNS:
        return _NOUNS[owner]
    kind = owner.model_fields.get("kind")
    return f"a {get_args(kind.annotation)[0]} link" if kind else owner.__name__


def _expected(spot: _Spot) -> str:
    """What stands at the spot when it is right, as a sentence without its end."""
    annotation = _bare(spot.annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        shape = _SHAPES.get(annotation, "a mapping" + (", {} for the defaults" if _all_default(annotation) else ""))
        return f"{noun(annotation)} is {shape}"
    origin = get_origin(annotation)
    if origin is dict:
        return f"{spot.said} is a mapping of names, {{}} for none"
    if origin is tuple and spot.owner is model.Wire and spot.name == "ends":
        return "'ends' is two ports, [A, B]"
    if origin is tuple:
        return f"{spot.said} is a list, [] for none"
    if origin is Literal:
        return f"{spot.said} is {_one_of([str(each) for each in get_args(annotation)])}"
    if list(_members(annotation)):
        return f"{spot.said} is a mapping"
    plain = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}
    return f"{spot.said} is {plain.get(annotation, 'something else')}"


def _all_default(owner: type[BaseModel]) -> bool:
    return not any(field.is_required() for field in owner.model_fields.values())


def _literals(annotation: Any) -> Iterator[str]:
    for each in get_args(_bare(annotation)):
        yield str(each)


def _choice(name: str, value: Any, allowed: list[str]) -> str:
    said = f"{name} is {_one_of(allowed)}, not {_what(value)}"
    near = get_close_matches(value.lower()[:64], allowed, n=1) if isinstance(value, str) else []
    return f"{said}; did you mean {near[0]!r}?" if near and len(allowed) > 1 else said


def _one_of(allowed: list[str]) -> str:
    return allowed[0] if len(allowed) == 1 else f"{', '.join(allowed[:-1])} or {allowed[-1]}"


def _range(annotation: Any) -> str:
    bounds: dict[str, Any] = {}
    for each in _metadata(annotation):
        for bound in ("ge", "le"):
            if getattr(each, bound, None) is not None:
                bounds[bound] = getattr(each, bound)
    return f"{bounds.get('ge', 0)} to {bounds['le']}" if "le" in bounds else f"at least {bounds.get('ge', 0)}"


def _metadata(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        for each in metadata:
            yield from each.metadata if isinstance(each, FieldInfo) else (each,)
        yield from _metadata(inner)
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _metadata(member)


def _what(value: Any) -> str:
    """What somebody wrote, short."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return shown(value)
    return str(value)[:40]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".") if text[1:2].islower() else text.rstrip(".")
