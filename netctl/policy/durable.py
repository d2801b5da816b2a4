"""Files that are written whole or not at all, also when the machine dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class NotWritten(OSError):
    """A file that could not be written; its text says which and why, on one line."""

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def write(file: Path, data: bytes) -> os.stat_result:
    """Put `data` in the place of what `file` holds, whose mode and owner stay; what a link leads to is replaced.

    What is there then. Raises NotWritten, and nothing changed then.
    """
    with _told(file):
        target = Path(os.path.realpath(file))
        new = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            status = _fill(new, target, data)
            new.replace(target)
        except BaseException:
            with suppress(OSError):
                new.unlink()
            raise
        _settle(target.parent)
        return status


def remove(file: Path) -> None:
    """Take a file away. Raises NotWritten."""
    with _told(file):
        file.unlink()
        _settle(file.parent)


def _fill(new: Path, old: Path, data: bytes) -> os.stat_result:
    with suppress(FileNotFoundError):
        new.unlink()
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with suppress(FileNotFoundError):
            before = old.stat()
            with suppress(PermissionError):
                os.fchown(number, before.st_uid, before.st_gid)
            os.fchmod(number, before.st_mode & 0o7777)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(number, rest) :]
        os.fsync(number)
        return os.fstat(number)
    finally:
        os.close(number)


def _settle(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Errors that name the file that was meant."""
    try:
        yield
    except OSError as error:
        raise NotWritten(error.errno, f"it cannot be written: {error.strerror or error}", str(file)) from error
