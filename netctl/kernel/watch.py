"""What happens to the names in directories (inotify(7)): made, removed, renamed, written and closed."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
IN_DELETE_SELF, IN_MOVE_SELF, IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
IN_ONLYDIR = 0x0100_0000
NAMES = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
LOST = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED

_EVENT = Struct("=iIII")
_RECEIVE = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)

Names = frozenset[str] | None
"""Of files in a directory; None for all of them."""


@dataclass(frozen=True)
class _Place:
    """Where a directory is watched: itself, or, while it is not there, the nearest one above it that is."""

    watch: int
    """The kernel's number: one for each inode."""
    awaits: str = ""
    """The name that has to appear there first; empty where it is the directory itself."""


class Watch:
    """Becomes readable when something happens to names in the directories that it follows.

    A directory need not be there: its coming counts as a change of any of its names, and so does its going. What
    happens to it unseen, because a directory above it was renamed or something was mounted there, `refresh` finds.
    Raises OSError where the system has no inotify instance left.
    """

    def __init__(self) -> None:
        self._inotify = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._names: dict[Path, Names] = {}
        self._places: dict[Path, _Place | None] = {}

    def fileno(self) -> int:
        return self._inotify

    def close(self) -> None:
        os.close(self._inotify)

    def follow(self, directories: Mapping[Path, Names]) -> frozenset[Path]:
        """Follow these directories, absolute ones, and no others; of each the names that are said. Those that
        `refresh` would name."""
        for gone in self._names.keys() - directories.keys():
            self._drop(self._places.pop(gone))
        self._names = dict(directories)
        return self.refresh()

    def refresh(self) -> frozenset[Path]:
        """The directories that came, went or are others since the last time; from now on those are watched."""
        return frozenset(path for path in self._names if self._settle(path))

    def read(self) -> dict[Path, Names]:
        """What happened since the last time, by directory; does not wait."""
        some: dict[Path, set[str]] = {}
        every: set[Path] = set()
        for watch, mask, name in self._events():
            if mask & IN_Q_OVERFLOW:
                every |= self._names.keys()
            for path in [path for path, place in self._places.items() if place and place.watch == watch]:
                place, names = self._places[path], self._names[path]
                if place is None or place.awaits or mask & LOST:
                    if self._settle(path):
                        every.add(path)
                elif names is None or name in names:
                    some.setdefault(path, set()).add(name)
        happened: dict[Path, Names] = {path: frozenset(names) for path, names in some.items()}
        return happened | dict.fromkeys(every)

    def _events(self) -> Iterator[tuple[int, int, str]]:
        with suppress(BlockingIOError):
            while True:
                data = os.read(self._inotify, _RECEIVE)
                offset = 0
                while offset < len(data):
                    watch, mask, _, length = _EVENT.unpack_from(data, offset)
                    offset += _EVENT.size
                    yield watch, mask, os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
                    offset += length

    def _settle(self, path: Path) -> bool:
        """Watch a directory where it is or will be. Whether it came, went, or is another one than before."""
        before = self._places.get(path)
        now: _Place | None = None
        where, awaits = path, ""
        with suppress(OSError):
            while now is None:
                watch = self._add(where)
                if watch < 0:
                    where, awaits = where.parent, where.name
                elif awaits and (where / awaits).is_dir():
                    where, awaits = path, ""
                else:
                    now = _Place(watch, awaits)
        self._places[path] = now
        if now == before:
            return False
        self._drop(before)
        return any(place is not None and not place.awaits for place in (before, now))

    def _add(self, directory: Path) -> int:
        """-1 where there is no such directory. Raises OSError where it cannot be watched."""
        try:
            watch: int = _libc.inotify_add_watch(
                self._inotify, os.fsencode(directory), NAMES | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR
            )
            return _checked(watch)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR} and directory.parent != directory:
                return -1
            raise

    def _drop(self, place: _Place | None) -> None:
        """Watch there no longer, unless something else is watched there."""
        if place is not None and all(each is None or each.watch != place.watch for each in self._places.values()):
            _libc.inotify_rm_watch(self._inotify, place.watch)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
