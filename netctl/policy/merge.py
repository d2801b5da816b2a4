"""Several files, one policy: what has the same heading comes together, the same name twice is an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netctl.policy.document import Document, Mark, Marks, place, unpack
from netctl.policy.name import shown

_LISTS = ("wires", "unwire", "taps")
_SECTIONS = ("bridges", "guests", "links", "uplinks", "sysctls")


def merge(documents: list[Document], files: Sequence[str]) -> Document | None:
    """One document of all; None when there is none. `files` are their names, to say where a name was first.

    A file that is no mapping is a problem, unless it is the only one: then the models say so.
    """
    if len(documents) <= 1:
        if not documents:
            return None
        only = documents[0]
        return Document(only.value, only.mark)
    whole = Document({}, Marks(0, 0, {}))
    for document in documents:
        if not isinstance(document.value, dict) or not isinstance(document.mark, Marks):
            whole.problems.append((place(document.mark), "a policy is a mapping that starts with `version: 1`"))
            continue
        if "version" not in document.value:
            whole.problems.append((place(document.mark), "'version' is missing: every file starts with `version: 1`"))
        _merge(whole, files, whole.value, whole.mark, document.value, document.mark, ())
    whole.value.setdefault("version", 1)
    return whole


def _merge(
    whole: Document,
    files: Sequence[str],
    into: dict[str, Any],
    into_marks: Mark,
    values: dict[str, Any],
    marks: Mark,
    path: tuple[str, ...],
) -> None:
    assert isinstance(into_marks, Marks)
    assert isinstance(marks, Marks)
    assert isinstance(into_marks.entries, dict)
    assert isinstance(marks.entries, dict)
    for key, value in values.items():
        mark = marks.entries[key]
        if key not in into:
            into[key], into_marks.entries[key] = _copy(value, mark, (*path, key))
            continue
        there, there_mark = into[key], into_marks.entries[key]
        if _together((*path, key)) and isinstance(value, dict) and isinstance(there, dict):
            _merge(whole, files, there, there_mark, value, mark, (*path, key))
        elif not path and key in _LISTS and isinstance(value, list) and isinstance(there, list):
            there.extend(value)
            _list(there_mark).extend(_list(mark))
        elif not path and key == "version":
            if value != there or type(value) is not type(there):
                whole.problems.append((place(mark), "the version is 1 in every file"))
        else:
            first = unpack(place(there_mark, key=True))
            before = f"{files[first.file]}:{first.line}:{first.col}"
            message = f"{shown(key)} is said twice, first at {before}: take one out"
            whole.problems.append((place(mark, key=True), message))


def _list(mark: Mark) -> list[Mark]:
    assert isinstance(mark, Marks)
    assert isinstance(mark.entries, list)
    return mark.entries


def _together(path: tuple[str, ...]) -> bool:
    """Whether the mapping at `path` holds names that may stand in several files."""
    if len(path) == 1:
        return path[0] in ("hosts", "queues")
    return path[0] == "hosts" and (len(path) == 2 or (len(path) == 3 and path[2] in _SECTIONS))


def _copy(value: Any, mark: Mark, path: tuple[str, ...]) -> tuple[Any, Mark]:
    """What others may be merged into, so that no alias to it changes with it."""
    if isinstance(mark, Marks) and isinstance(mark.entries, dict) and isinstance(value, dict) and _together(path):
        pairs = {key: _copy(each, mark.entries[key], (*path, key)) for key, each in value.items()}
        marks: dict[str, Mark] = {key: pair[1] for key, pair in pairs.items()}
        return {key: pair[0] for key, pair in pairs.items()}, Marks(mark.at, mark.key, marks)
    if isinstance(mark, Marks) and isinstance(mark.entries, list) and len(path) == 1:
        return list(value), Marks(mark.at, mark.key, list(mark.entries))
    return value, mark
