"""Scenes: sets of wires, each kept under a name beside the policy and no part of it."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from netctl.policy import durable
from netctl.policy.load import fragment
from netctl.policy.model import Wire
from netctl.policy.name import is_plain_name, plain_name, printable, shown, suggest
from netctl.policy.patch import line
from netctl.policy.position import Problem

FOLDER = "scenes"

_ABOUT = """\
# A scene: wires to be put in together. netctl wrote this file; it may be edited.
version: 1
"""


class BadScene(ValueError):
    """A scene that cannot be used, or a name that none can have."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()):
        super().__init__(message)
        self.problems = tuple(problems)
        """All that is wrong with its file, each with its place."""


class NoScene(FileNotFoundError):
    """There is no scene of that name; the text says which it may have been."""

    def __str__(self) -> str:
        return str(self.strerror)


@dataclass(frozen=True)
class Entry:
    """A scene that is there."""

    name: str
    saved: float
    """When it was written last, in seconds since the epoch."""
    wires: int | None
    """How many; None when the file is wrong."""


class Scenes:
    """The scenes of the policy at `path`: the files of the folder `scenes` in its directory, or beside its file."""

    def __init__(self, path: Path | str):
        path = Path(path)
        self.folder = (path if path.is_dir() else path.parent) / FOLDER

    def list(self) -> tuple[str, ...]:
        """The names of all, in order. Raises OSError when the folder cannot be read."""
        try:
            files = [each for each in self.folder.iterdir() if each.suffix == ".yaml" and each.is_file()]
        except FileNotFoundError:
            return ()
        return tuple(sorted(each.stem for each in files if is_plain_name(each.stem)))

    def entries(self) -> tuple[Entry, ...]:
        """All of them, in the order of their names. Raises OSError when the folder cannot be read."""
        entries = []
        for name in self.list():
            try:
                saved = self._file(name).stat().st_mtime
                wires = len(self.load(name))
            except FileNotFoundError:
                continue
            except (BadScene, OSError):
                wires = None
            entries.append(Entry(name, saved, wires))
        return tuple(entries)

    def load(self, name: str) -> tuple[Wire, ...]:
        """The wires of a scene, their ends as its file says them.

        Raises NoScene, BadScene with all that is wrong, each with its place, or OSError.
        """
        file = self._file(name)
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            raise self._none(name) from None
        wires, problems = fragment(data, printable(file))
        if problems:
            raise BadScene("; ".join(map(str, problems[:3])), problems)
        return wires

    def save(self, name: str, wires: Iterable[Wire]) -> Path:
        """Keep wires under a name, in place of what was kept so; the file that it is. Raises BadScene, NotWritten."""
        file = self._file(name)
        lines = [f"  - {line(wire)}\n" for wire in wires]
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise durable.NotWritten(
                error.errno, f"it cannot be made: {error.strerror or error}", str(self.folder)
            ) from error
        durable.write(file, "".join((_ABOUT, "wires:\n" if lines else "wires: []\n", *lines)).encode())
        return file

    def remove(self, name: str) -> None:
        """Forget a scene. Raises NoScene, BadScene, NotWritten."""
        file = self._file(name)
        try:
            durable.remove(file)
        except durable.NotWritten as error:
            if error.errno == errno.ENOENT:
                raise self._none(name) from None
            raise

    def _file(self, name: str) -> Path:
        try:
            return self.folder / f"{plain_name(name)}.yaml"
        except ValueError as error:
            raise BadScene(str(error)) from None

    def _none(self, name: str) -> NoScene:
        known = self.list()
        near = suggest(name, known) or (f"; there are: {', '.join(known[:20])}" if known else "")
        return NoScene(errno.ENOENT, f"no scene is called {shown(name)}{near}")
