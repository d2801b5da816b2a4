"""YAML to plain values, and where each of them stands.

The YAML is 1.2's core schema (yaml.org/spec/1.2.2, 10.3): `on` and `yes` are text, 52:54:00:11:22:33 too.
Mapping keys are always text. What a policy has no use for and what only harms (tags, merge keys, the same key
twice, several documents, aliases that multiply) is a problem, not a surprise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from netctl.policy.brief import Found, brief
from netctl.policy.name import shown

MOST_BYTES = 32 * 2**20
MOST_DEPTH = 32
MOST_ALIASED = 200_000
"""Values that aliases may repeat, all together."""

_FILE = 48
_LINE = 24
_PLACE = 64
_LOW = (1 << _LINE) - 1
_ALL = (1 << _PLACE) - 1

_YAML_TAG = "tag:yaml.org,2002:"
_NO_TAGS = "the tag {} has no meaning in a policy: leave it out; text that looks like a number goes in quotes"

_MOST_DIGITS = 40
"""What is longer is no number that anybody means."""
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}


class Place(NamedTuple):
    file: int
    line: int
    col: int


class Marks:
    """Where a mapping or a sequence stands, and what is in it.

    Places are packed into integers: a large policy has a great many.
    """

    __slots__ = ("at", "entries", "key")

    def __init__(self, at: int, key: int, entries: dict[str, Mark] | list[Mark]):
        self.at = at
        self.key = key
        """Where its key stands, or 0 when it has none."""
        self.entries = entries


Mark = int | Marks
"""Of a scalar: its place, and above it (shifted by _PLACE) its key's. Of a Brief: its place, no key, and the places
of its first end, of the port of that, of its second end, and of the port of that."""


def pack(file: int, line: int, col: int) -> int:
    return file << _FILE | min(line, _LOW) << _LINE | min(col, _LOW)


def unpack(place: int) -> Place:
    return Place(place >> _FILE, place >> _LINE & _LOW, place & _LOW)


def place(mark: Mark, key: bool = False) -> int:
    """Where a person looks for a value: a mapping or a sequence at its key, a scalar at itself, or with `key`
    at its key too."""
    if isinstance(mark, int):
        return (key and mark >> _PLACE & _ALL) or mark & _ALL
    return mark.key or mark.at


def inside(mark: int, path: tuple[str | int, ...]) -> int:
    """Where the value at `path` within a scalar or a Brief is."""
    if mark >> 2 * _PLACE and path[0] == "ends" and path[1:2] in ((0,), (1,)):
        number = 2 + 2 * (path[1] == 1) + (path[2:3] == ("port",))
        return mark >> number * _PLACE & _ALL
    return mark & _ALL


def child(within: Any, element: str | int) -> Any:
    """The entry of a mapping or a list, of values or of marks; None when it has none."""
    if isinstance(within, dict):
        return within.get(element)
    if isinstance(within, list) and isinstance(element, int) and 0 <= element < len(within):
        return within[element]
    return None


@dataclass
class Document:
    value: Any = None
    mark: Mark = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Each with its packed place."""
    empty: list[tuple[int, str]] = field(default_factory=list)
    """Every value that is null: its packed place, and what to call it."""
    broken: bool = False
    """Whether there is no value to go on with."""


def read(data: bytes, file: int, briefly: bool = False) -> Document:
    """The one document in `data`. Never raises for what is in it.

    With `briefly` each wire that can be is a Brief, of which only some places are known. What is right is read so
    in less time and memory; where something is wrong nobody can say exactly.
    """
    start = pack(file, 1, 1)
    if len(data) > MOST_BYTES:
        return _broken(
            start, f"the file is larger than {MOST_BYTES // 2**20} MB: split it into several in one directory"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        col = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace").lstrip("\ufeff")) + 1
        what = "this is a binary file" if b"\0" in data[:4096] else f"byte 0x{data[error.start]:02x} is not UTF-8"
        return _broken(pack(file, line, col), f"{what}; a policy is YAML, in UTF-8")
    reader = _Reader(text, file, briefly)
    try:
        return reader.document()
    except _Stop as stop:
        reader.found.problems.append((stop.place, str(stop)))
    except yaml.reader.ReaderError as error:
        reader.found.problems.append(_unreadable(text, file, error))
    except yaml.MarkedYAMLError as error:
        reader.found.problems.append(_syntax(file, error))
    except (yaml.YAMLError, ValueError) as error:
        reader.found.problems.append((start, f"this is not YAML: {error}"))
    reader.found.broken = True
    return reader.found


class _Stop(Exception):
    """What nothing can be read after."""

    def __init__(self, place: int, message: str):
        super().__init__(message)
        self.place = place


class _Anchor(NamedTuple):
    value: Any
    mark: Mark
    size: int
    height: int


class _Reader:
    """Reads libyaml's events: its nodes take ten times the time, for tags that are not wanted anyway."""

    def __init__(self, text: str, file: int, briefly: bool):
        self.found = Document()
        self._briefly = briefly
        self._next = yaml.CSafeLoader(text).get_event
        self._file = file << _FILE
        self._scalars: dict[str, Any] = dict(_WORDS)
        self._texts: dict[str, str] = {}
        self._anchors: dict[str, _Anchor | None] = {}
        """None while the value is being read."""
        self._size = 0
        self._aliased = 0
        self._height = 0
        """The deepest level below any value finished since last set to 0."""

    def document(self) -> Document:
        self._next()
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise _Stop(pack(self._file >> _FILE, 1, 1), "the file is empty; a policy starts with `version: 1`")
        version = getattr(event, "version", None)
        if version is not None and tuple(version) != (1, 2):
            self._problem(event, "this file says it is another YAML; a policy is YAML 1.2: take the %YAML line out")
        self.found.value, self.found.mark = self._node(self._next(), 0, 0)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise _Stop(
                self._at(event),
                "a second document starts here; a policy is one document in each file: "
                "put this one in a file of its own, in the same directory",
            )
        if self.found.value is None and not self.found.problems:
            raise _Stop(pack(self._file >> _FILE, 1, 1), "the file is empty; a policy starts with `version: 1`")
        return self.found

    def _at(self, event: Any) -> int:
        mark: yaml.Mark = event.start_mark
        return self._file | min(mark.line + 1, _LOW) << _LINE | min(mark.column + 1, _LOW)

    def _problem(self, event: Any, message: str) -> None:
        self.found.problems.append((self._at(event), message))

    def _node(self, event: Any, key: int, depth: int) -> tuple[Any, Mark]:
        if type(event) is yaml.AliasEvent:
            return self._alias(event, key, depth)
        self._size += 1
        if event.tag is not None:
            self._problem(event, _NO_TAGS.format(shown(event.tag.replace(_YAML_TAG, "!!"))))
        anchor = event.anchor
        if anchor is None:
            return self._value(event, key, depth)
        before, outer = self._size, self._height
        self._anchors[anchor] = None
        self._height = depth
        value, mark = self._value(event, key, depth)
        self._anchors[anchor] = _Anchor(value, mark, self._size - before + 1, self._height - depth)
        self._height = max(outer, self._height)
        return value, mark

    def _value(self, event: Any, key: int, depth: int) -> tuple[Any, Mark]:
        start: yaml.Mark = event.start_mark
        at = self._file | min(start.line + 1, _LOW) << _LINE | min(start.column + 1, _LOW)
        if type(event) is yaml.ScalarEvent:
            return (
                self._plain(event.value) if event.implicit[0] else self._texts.setdefault(event.value, event.value)
            ), key << _PLACE | at
        depth += 1
        self._deeper(event, depth)
        if type(event) is yaml.MappingStartEvent:
            return self._mapping(at, key, depth)
        values: list[Any] = []
        marks: list[Mark] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            each, mark = self._node(event, 0, depth)
            if each is None:
                self.found.empty.append((place(mark), "an entry of this list"))
            values.append(each)
            marks.append(mark)
        return values, Marks(at, key, marks)

    def _deeper(self, event: Any, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise _Stop(self._at(event), f"this is nested more than {MOST_DEPTH} levels deep; no policy is")
        self._height = max(self._height, depth)

    def _mapping(self, at: int, own_key: int, depth: int) -> tuple[Any, Mark]:
        values: dict[str, Any] = {}
        marks: dict[str, Mark] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent:
                self._problem(event, "a key must be plain text: a name, followed by a colon")
                self._node(event, 0, depth)
                self._node(self._next(), 0, depth)
                continue
            if event.tag is not None or event.anchor is not None:
                self._problem(event, "a key must be plain text, without a tag or an anchor")
            key = self._texts.setdefault(event.value, event.value)
            key_at = self._at(event)
            plain = event.implicit[0]
            event = self._next()
            if self._briefly and depth == 1 and key == "wires" and _is_plain_list(event):
                value, mark = self._wires(event, key_at)
            else:
                value, mark = self._node(event, key_at, depth)
            if key == "<<" and plain:
                self.found.problems.append(
                    (
                        key_at,
                        "merge keys (<<) are not YAML 1.2; write the keys out, or alias a whole value",
                    )
                )
            elif key in values:
                first = unpack(place(marks[key], key=True))
                self.found.problems.append(
                    (key_at, f"{shown(key)} is here twice; the first is in line {first.line}: take one out")
                )
            else:
                values[key] = value
                marks[key] = mark
                if value is None:
                    self.found.empty.append((place(mark), shown(key)))
        return values, Marks(at, own_key, marks)

    def _wires(self, start: Any, key: int) -> tuple[Any, Mark]:
        """The list of wires, as Briefs where they can be."""
        values: list[Any] = []
        marks: list[Mark] = []
        following = self._next
        while type(event := following()) is not yaml.SequenceEndEvent:
            if type(event) in _STARTS:
                events = [event]
                open_ = 1
                while open_:
                    each = following()
                    events.append(each)
                    kind = type(each)
                    open_ += (kind in _STARTS) - (kind in _ENDS)
                found = brief(events, self._plain)
                if found is not None:
                    self._size += len(events)
                    values.append(found.brief)
                    marks.append(self._brief_mark(event, found))
                    continue
                self._next = iter(events[1:]).__next__
            value, mark = self._node(event, 0, 2)
            self._next = following
            if value is None:
                self.found.empty.append((place(mark), "an entry of this list"))
            values.append(value)
            marks.append(mark)
        return values, Marks(self._at(start), key, marks)

    def _brief_mark(self, event: Any, found: Found) -> int:
        mark, shift = self._at(event), 2 * _PLACE
        for start in found.starts:
            mark |= self._at(start) << shift
            shift += _PLACE
        return mark

    def _alias(self, event: Any, key: int, depth: int) -> tuple[Any, Mark]:
        name = event.anchor
        if name not in self._anchors:
            raise _Stop(self._at(event), f"nothing above is anchored as &{name[:60]}")
        anchor = self._anchors[name]
        if anchor is None:
            raise _Stop(self._at(event), f"*{name[:60]} would contain itself")
        self._size += anchor.size
        self._aliased += anchor.size
        if self._aliased > MOST_ALIASED:
            raise _Stop(
                self._at(event),
                f"with this alias, aliases repeat more than {MOST_ALIASED} values; write out what is meant",
            )
        self._deeper(event, depth + anchor.height)
        at = self._at(event)
        if isinstance(anchor.mark, Marks):
            return anchor.value, Marks(at, key, anchor.mark.entries)
        return anchor.value, key << _PLACE | at

    def _plain(self, text: str) -> Any:
        known = self._scalars.get(text, self)
        if known is not self:
            return known
        value: Any = text
        if len(text) > _MOST_DIGITS:
            return text
        if _INT.fullmatch(text):
            value = int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)
        elif _FLOAT.fullmatch(text):
            value = float(text)
        self._scalars[text] = value
        return value


def is_text(plain: str) -> bool:
    """Whether YAML takes an unquoted word for text."""
    return plain not in _WORDS and not _INT.fullmatch(plain) and not _FLOAT.fullmatch(plain)


_STARTS = frozenset((yaml.SequenceStartEvent, yaml.MappingStartEvent))
_ENDS = frozenset((yaml.SequenceEndEvent, yaml.MappingEndEvent))


def _is_plain_list(event: Any) -> bool:
    return type(event) is yaml.SequenceStartEvent and event.anchor is None and event.tag is None


def _broken(place: int, message: str) -> Document:
    return Document(problems=[(place, message)], broken=True)


def _unreadable(text: str, file: int, error: yaml.reader.ReaderError) -> tuple[int, str]:
    """Where libyaml's character is: it counts bytes or characters as it pleases, so look for it."""
    code = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
    where = text.find(chr(code)) if 0 <= code < 0x110000 else -1
    where = max(where, 0)
    line = text.count("\n", 0, where) + 1
    col = where - text.rfind("\n", 0, where)
    what = "this is a binary file" if code == 0 else f"the character U+{code:04X} cannot be in YAML"
    return pack(file, line, col), f"{what}; a policy is YAML, in UTF-8"


def _syntax(file: int, error: yaml.MarkedYAMLError) -> tuple[int, str]:
    mark = error.problem_mark or error.context_mark
    at = pack(file, mark.line + 1, mark.column + 1) if mark else pack(file, 1, 1)
    problem = error.problem or "something is wrong here"
    if "\\t" in problem or "cannot start any token" in problem:
        problem += " (a tab? YAML is indented by spaces; text that starts so goes in quotes)"
    context = f" {error.context}" if error.context else ""
    if error.context_mark and error.problem_mark and error.context_mark.line != error.problem_mark.line:
        context += f" that starts in line {error.context_mark.line + 1}"
    return at, f"this is not YAML: {problem}{context}"
