"""From files to a policy, with everything that is wrong with it at once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from netctl.policy import refuse, rules
from netctl.policy.document import Document, Mark, Marks, child, place, read, unpack
from netctl.policy.explain import explain
from netctl.policy.merge import merge
from netctl.policy.model import Policy
from netctl.policy.ports import Path as Way
from netctl.policy.ports import Ports
from netctl.policy.position import Position, Problem
from netctl.policy.salvage import take_out
from netctl.policy.stage import Stage

_ROUNDS = 8
"""How often what is wrong is taken out before what is left is no longer looked at."""


@dataclass(frozen=True)
class Loaded:
    """What became of a policy's files. `policy` is None exactly when there are `problems`."""

    policy: Policy | None
    problems: tuple[Problem, ...]
    """All of them, in the order of their places."""
    digest: str
    """SHA-256 of the files' names and content, hex."""
    files: tuple[str, ...]
    source: str
    """What was asked for: a file or a directory."""
    _mark: Mark = 0

    def position(self, path: Way, key: bool = False) -> Position:
        """Where the value at `path` was said: a mapping or a sequence at its key, a scalar at itself, or also
        at its key with `key`.

        What is not literally there is where the nearest thing around it is, so that the path of a long form
        finds the short one.
        """
        at = unpack(place(*_follow(self._mark, path, key)))
        file = self.files[at.file] if at.file < len(self.files) else self.source
        return Position(file, max(at.line, 1), max(at.col, 1))

    def where(self, path: Way) -> str:
        """`position` as «file:line:col»."""
        return str(self.position(path))


def load(path: Path | str) -> Loaded:
    """The policy in a file, or in all *.yaml of a directory together. Never raises for what is there."""
    source = _printable(path)
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
            texts.append((_printable(file), _content(file)))
        except (OSError, ValueError) as error:
            problems.append(Problem(_printable(file), 1, 1, _reason(error)))
    return _load(texts, source, problems)


def loads(text: str | bytes, name: str = "policy.yaml") -> Loaded:
    """The policy in `text`, as if it stood in a file called `name`."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return _load([(name, data)], name, [])


def files_of(path: Path) -> list[Path]:
    """The files that a policy at `path` is made of, in the order in which they are read. Raises OSError."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix == ".yaml" and not each.name.startswith("."))


def _printable(path: Path | str) -> str:
    """A path as text that any stream takes on one line, though file names are any bytes."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(path))


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


def _load(texts: list[tuple[str, bytes]], source: str, problems: list[Problem]) -> Loaded:
    files = tuple(name for name, _ in texts)
    complete = not problems
    digest = hashlib.sha256()
    documents: list[Document] = []
    for number, (name, data) in enumerate(texts):
        digest.update(name.rpartition("/")[2].encode("utf-8", "surrogateescape") + b"\0%d\0" % len(data) + data)
        document = read(data, number)
        documents.append(document)
        problems += _placed(files, document.problems)
    whole = merge([document for document in documents if not document.broken], files)
    if whole is None:
        return Loaded(None, tuple(sorted(set(problems))), digest.hexdigest(), files, source)
    problems += _placed(files, whole.problems)
    at = Loaded(None, (), digest.hexdigest(), files, source, whole.mark)
    complete = complete and not any(document.broken for document in documents)
    policy = _validate(at, whole.value, problems, complete)
    told = {(each.file, each.line, each.col) for each in problems}
    for document in documents:
        empty = [(at, f"{what} has no value; give it one, or leave it out") for at, what in document.empty]
        problems += [each for each in _placed(files, empty) if (each.file, each.line, each.col) not in told]
    found = tuple(sorted(set(problems)))
    return Loaded(None if found else policy, found, at.digest, files, source, whole.mark)


def _placed(files: tuple[str, ...], problems: list[tuple[int, str]]) -> list[Problem]:
    return [
        Problem(files[at.file], at.line, at.col, message)
        for at, message in ((unpack(packed), message) for packed, message in problems)
    ]


def _validate(at: Loaded, value: Any, problems: list[Problem], complete: bool) -> Policy | None:
    """The policy; what is wrong goes to `problems`.

    What the models refuse is taken out of `value`, so that the rules can look at the rest.
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
            if not take_out(value, at._mark, [each.remove for each in wrong], lost):
                return None
        else:
            break
    else:
        return None
    ports = Ports(policy)
    stage = Stage(at.where, lost, complete)
    for finding in (*rules.check(policy, ports, stage), *refuse.check(policy, ports)):
        problems.append(_problem(at, finding.path, finding.message, finding.key))
    return policy


def _problem(at: Loaded, path: Way, message: str, key: bool) -> Problem:
    where = at.position(path, key)
    return Problem(where.file, where.line, where.col, message)


def _follow(mark: Mark, path: Way, key: bool) -> tuple[Mark, bool]:
    """The mark at `path`. An element that is not there is passed over: a short form leaves it out."""
    exact = True
    for element in path:
        if not isinstance(mark, Marks):
            return mark, False
        inside: Mark | None = child(mark.entries, element)
        exact = inside is not None
        if inside is not None:
            mark = inside
    return mark, key and exact
