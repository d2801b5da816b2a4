"""From files to a policy, with everything that is wrong with it at once."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from netctl.policy import refuse, rules
from netctl.policy.brief import Brief
from netctl.policy.document import Document, Mark, Marks, child, inside, place, read, unpack
from netctl.policy.explain import explain
from netctl.policy.merge import merge
from netctl.policy.model import Policy, Wire
from netctl.policy.name import printable, shown
from netctl.policy.patch import NOTHING, Patch, following, patch_file, patch_of
from netctl.policy.ports import Path as Way
from netctl.policy.position import Position, Problem
from netctl.policy.rules import wires
from netctl.policy.said import Listed, Named, wire_of
from netctl.policy.salvage import take_out
from netctl.policy.stage import Stage
from netctl.policy.wiring import Wiring

_ROUNDS = 8
"""How often what is wrong is taken out before what is left is no longer looked at."""


@dataclass(frozen=True)
class Loaded:
    """What became of a policy's files. `policy` is None exactly when there are `problems`."""

    policy: Policy | None
    """Its `wires` are those in force when it was loaded, each made anew whenever it is asked for: there may be very
    many. What is wired now, with the ends found, is `wiring`."""
    problems: tuple[Problem, ...]
    """All of them, in the order of their places."""
    digest: str
    """SHA-256 of the files' names and of the SHA-256 of each one's content, hex."""
    files: tuple[str, ...]
    source: str
    """What was asked for: a file or a directory."""
    contents: tuple[bytes, ...] = field(default=(), compare=False, repr=False)
    """The SHA-256 of each file's content."""
    patch: Patch = field(default=NOTHING, compare=False, repr=False)
    """What was patched at run time, as it was when it was loaded; empty when there are problems."""
    _mark: Mark = field(default=0, compare=False, repr=False)
    _wiring: Wiring | None = field(default=None, compare=False, repr=False)
    _base: tuple[Wire | Brief, ...] = field(default=(), compare=False, repr=False)

    @property
    def wiring(self) -> Wiring:
        """What is wired to what; only of a policy that is right. It is changed in place at run time."""
        assert self._wiring is not None, "a policy with problems has no wiring"
        return self._wiring

    @cached_property
    def base(self) -> Mapping[str, Wire]:
        """The wires as they would be without the patch, by name, their ends in full."""
        wiring = self._wiring
        return Named({wire.name: wire for wire in self._base}, wiring.full if wiring else None)

    def patched(self, patch: Patch, put: Iterable[Wire], remove: Iterable[str]) -> Patch:
        """The patch that follows on `patch` when some wires are put in, their ends in full, and others taken out."""
        return following(patch, self.base, self.wiring.copied, put, remove)

    def position(self, path: Way, key: bool = False) -> Position:
        """Where the value at `path` was said: a mapping or a sequence at its key, a scalar at itself, or also
        at its key with `key`.

        What is not literally there is where the nearest thing around it is, so that the path of a long form
        finds the short one. Within a wire only its ends and their ports are told apart.
        """
        return self._position(place(*_follow(self._mark, path, key)))

    def where(self, path: Way | str) -> str:
        """`position` as «file:line:col»; what is in words already stays so."""
        return path if isinstance(path, str) else str(self.position(path))

    def _position(self, packed: int) -> Position:
        at = unpack(packed)
        file = self.files[at.file] if at.file < len(self.files) else self.source
        return Position(file, max(at.line, 1), max(at.col, 1))


def load(path: Path | str) -> Loaded:
    """The policy in a file, or in all *.yaml of a directory together. Never raises for what is there."""
    source = printable(path)
    try:
        files = files_of(Path(path))
    except (OSError, ValueError) as error:
        return _nothing(source, _reason(error))
    if not files:
        return _nothing(
            source,
            "no *.yaml in this directory; a policy is one file or several, each starting with `version: 1`",
        )
    texts: list[tuple[str, bytes]] = []
    problems: list[Problem] = []
    for file in files:
        try:
            texts.append((printable(file), _content(file)))
        except (OSError, ValueError) as error:
            problems.append(Problem(printable(file), 1, 1, _reason(error)))
    return _load(texts, source, problems, printable(patch_file(Path(path))))


def loads(text: str | bytes, name: str = "policy.yaml") -> Loaded:
    """The policy in `text`, as if it stood in a file called `name`."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return _load([(name, data)], name, [], "")


def fragment(data: bytes, name: str) -> tuple[tuple[Wire, ...], tuple[Problem, ...]]:
    """Wires on their own, from a file called `name` that says the version, `wires` and nothing else; and what is
    wrong with it. Whether there are such ports is not looked at."""
    with _no_garbage():
        found = _fragment(data, name, True)
    return _fragment(data, name, False) if found[1] else found


def files_of(path: Path) -> list[Path]:
    """The files that a policy at `path` is made of, in the order in which they are read. Raises OSError."""
    if not path.is_dir():
        patch = patch_file(path)
        return [path, patch] if os.path.lexists(patch) else [path]
    return sorted(each for each in path.iterdir() if each.suffix == ".yaml" and not each.name.startswith("."))


def _content(file: Path) -> bytes:
    if file.exists() and not file.is_file():
        raise ValueError("this is a directory" if file.is_dir() else "this is not a file")
    return file.read_bytes()


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file or directory; give the path of a policy, or set NETCTL_POLICY to it"
    if isinstance(error, PermissionError):
        return "it cannot be read: permission denied"
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror or error}"
    if str(error).startswith("this is "):
        return f"{error}; a policy is YAML, in files"
    return "this cannot be the name of a file"


def _nothing(source: str, message: str) -> Loaded:
    return Loaded(None, (Problem(source, 1, 1, message),), hashlib.sha256().hexdigest(), (), source)


def _load(texts: list[tuple[str, bytes]], source: str, problems: list[Problem], patch: str) -> Loaded:
    """`patch` is the name of the file with what was patched at run time.

    What is right is soon read; only for the sake of what is wrong everything is looked at closely.
    """
    with _no_garbage():
        loaded = _read(texts, source, list(problems), patch, True)
    return _read(texts, source, problems, patch, False) if loaded.problems else loaded


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Without the collector of reference cycles, which takes longer than the reading and finds nothing in it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def digest_of(files: Iterable[str], contents: Iterable[bytes]) -> str:
    """`Loaded.digest`, from the names of the files and the SHA-256 of each one's content, in any order."""
    digest = hashlib.sha256()
    for name, content in sorted(zip(files, contents, strict=True)):
        digest.update(name.rpartition("/")[2].encode("utf-8", "surrogateescape") + b"\0" + content)
    return digest.hexdigest()


def _read(
    texts: list[tuple[str, bytes]], source: str, problems: list[Problem], patch: str, briefly: bool
) -> Loaded:
    files = tuple(name for name, _ in texts)
    complete = not problems
    contents = tuple(hashlib.sha256(data).digest() for _, data in texts)
    digest = digest_of(files, contents)
    documents: list[Document] = []
    for number, (_, data) in enumerate(texts):
        document = read(data, number, briefly)
        documents.append(document)
        problems += _placed(files, document.problems)
    whole = merge([document for document in documents if not document.broken], files)
    if whole is None:
        return Loaded(None, tuple(sorted(set(problems))), digest, files, source, contents)
    problems += _placed(files, whole.problems)
    at = Loaded(None, (), digest, files, source, contents, NOTHING, whole.mark)
    complete = complete and not any(document.broken for document in documents)
    good = _validate(at, whole.value, problems, complete, files.index(patch) if patch in files else None, briefly)
    told = {(each.file, each.line, each.col) for each in problems}
    for document in documents:
        empty = [(at, f"{what} has no value; give it one, or leave it out") for at, what in document.empty]
        problems += [each for each in _placed(files, empty) if (each.file, each.line, each.col) not in told]
    found = tuple(sorted(set(problems)))
    if found or good is None:
        return Loaded(None, found, digest, files, source, contents, NOTHING, whole.mark)
    return good


def _fragment(data: bytes, name: str, briefly: bool) -> tuple[tuple[Wire, ...], tuple[Problem, ...]]:
    document = read(data, 0, briefly)
    problems = _placed((name,), [*document.problems, *document.empty])
    if document.broken:
        return (), tuple(problems)
    at = Loaded(None, (), "", (name,), name, _mark=document.mark)
    try:
        policy = Policy.model_validate(document.value)
    except ValidationError as error:
        told = {(each.line, each.col) for each in problems}
        wrong = [_problem(at, each.path, each.message, each.key) for each in explain(error, document.value)]
        problems += [each for each in wrong if (each.line, each.col) not in told]
        return (), tuple(sorted(set(problems)))
    for key in document.value:
        if key not in ("version", "wires"):
            problems.append(_problem(at, (key,), f"{key} has no meaning here: this file has a version and wires", True))
    first: dict[str, int] = {}
    for number, wire in enumerate(policy.wires):
        before = first.setdefault(wire.name, number)
        if before != number:
            where = at.where(("wires", before))
            problems.append(
                _problem(at, ("wires", number), f"a wire called {shown(wire.name)} is there already, at {where}", False)
            )
    return tuple(map(wire_of, policy.wires)), tuple(sorted(set(problems)))


def _placed(files: tuple[str, ...], problems: list[tuple[int, str]]) -> list[Problem]:
    return [
        Problem(files[at.file], at.line, at.col, message)
        for at, message in ((unpack(packed), message) for packed, message in problems)
    ]


def _validate(
    at: Loaded, value: Any, problems: list[Problem], complete: bool, patch: int | None, briefly: bool
) -> Loaded | None:
    """The policy as it is if there are no problems; what is wrong goes to `problems`.

    What the models refuse is taken out of `value`, so that the rules can look at the rest. `patch` is the number
    of the file with what was patched at run time.
    """
    first = True
    lost: set[str] = set()
    for _ in range(_ROUNDS):
        try:
            policy = Policy.model_validate(value)
        except ValidationError as error:
            wrong = explain(error, value)
            if first:
                problems += [_problem(at, each.path, each.message, each.key) for each in wrong]
                first = False
            if briefly or not take_out(value, at._mark, [each.remove for each in wrong], lost):
                return None
        else:
            break
    else:
        return None
    stage = Stage(at.where, lost, complete)
    wiring = Wiring(policy, at.where)
    homes = _Homes(at._mark, policy, patch)
    places = [str(at._position(place)) for place in homes.places]
    for finding in (
        *rules.check(policy, stage),
        *wires.check(policy, wiring, homes.dropped, places, stage),
        *refuse.check(policy),
    ):
        problems.append(_problem(at, finding.path, finding.message, finding.key))
    return Loaded(
        policy.model_copy(update={"wires": Listed(homes.in_force(policy))}),
        (),
        at.digest,
        at.files,
        at.source,
        at.contents,
        patch_of(map(wiring.full, homes.of_patch(policy)), homes.unwired),
        at._mark,
        wiring,
        tuple(homes.of_base(policy)),
    )


class _Homes:
    """Which file each wire is of, and which of them are not to be because another file says so."""

    def __init__(self, mark: Mark, policy: Policy, patch: int | None):
        self._patch = patch
        self.places = [place(each) for each in _list(mark, "wires")]
        files = [unpack(each).file for each in self.places]
        unwired: dict[str, set[int]] = {}
        for name, each in zip(policy.unwire, _list(mark, "unwire"), strict=False):
            unwired.setdefault(name, set()).add(unpack(place(each)).file)
        self.unwired = frozenset(name for name, where in unwired.items() if patch in where)
        """What the patch takes out."""
        self.dropped: dict[int, bool] = {}
        """The numbers of the wires that are not to be; whether they would be without the patch."""
        if unwired:
            for number, (wire, file) in enumerate(zip(policy.wires, files, strict=False)):
                sayers: set[int | None] = {*unwired.get(wire.name, ())} - {file}
                if sayers:
                    self.dropped[number] = sayers == {patch}
        self._files = files

    def in_force(self, policy: Policy) -> tuple[Wire | Brief, ...]:
        if not self.dropped:
            return policy.wires
        return tuple(wire for number, wire in enumerate(policy.wires) if number not in self.dropped)

    def of_patch(self, policy: Policy) -> Iterator[Wire | Brief]:
        if self._patch is not None:
            for wire, file in zip(policy.wires, self._files, strict=False):
                if file == self._patch:
                    yield wire

    def of_base(self, policy: Policy) -> Iterator[Wire | Brief]:
        for number, (wire, file) in enumerate(zip(policy.wires, self._files, strict=False)):
            if file != self._patch and self.dropped.get(number, True):
                yield wire


def _list(mark: Mark, key: str) -> list[Mark]:
    """The marks of a list at the top of a policy."""
    marks = child(mark.entries, key) if isinstance(mark, Marks) else None
    return marks.entries if isinstance(marks, Marks) and isinstance(marks.entries, list) else []


def _problem(at: Loaded, path: Way, message: str, key: bool) -> Problem:
    where = at.position(path, key)
    return Problem(where.file, where.line, where.col, message)


def _follow(mark: Mark, path: Way, key: bool) -> tuple[Mark, bool]:
    """The mark at `path`. An element that is not there is passed over: a short form leaves it out."""
    exact = True
    for depth, element in enumerate(path):
        if not isinstance(mark, Marks):
            return inside(mark, path[depth:]), False
        within: Mark | None = child(mark.entries, element)
        exact = within is not None
        if within is not None:
            mark = within
    return mark, key and exact
