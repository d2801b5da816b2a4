"""Files in which other programs read what netctl does: whole or not there, and netctl's by their first line."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from netctl.desired.routing import DROP_INS, DropIn, Routing, Waiting, signed
from netctl.kernel.errors import FileTaken, Refused
from netctl.plan import Found, Key


def look(wanted: Collection[Key], host: str | None) -> list[Found[Routing]]:
    """Those of netctl's, and what stands under a path that is wanted. Where the folder of the program is not there,
    neither is the program, and the file need not be."""
    found: list[Found[Routing]] = []
    for path in sorted({*DROP_INS, *(key[1] for key in wanted if key[0] == "dropin")}):
        text = _read(path)
        if text is not None and signed(text, host):
            found.append(Found(DropIn(path, text)))
        elif text is not None:
            found.append(Found(Waiting(("dropin", path)), ours=False, stays=str(FileTaken(path))))
        elif not Path(path).parent.parent.is_dir():
            found.append(Found(Waiting(("dropin", path)), ours=False, stays=""))
    return found


def make(file: DropIn, host: str | None) -> None:
    """Write it, whole. Raises FileTaken, Refused."""
    there = _read(file.path)
    if there is not None and not signed(there, host):
        raise FileTaken(file.path)
    path = Path(file.path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o755, exist_ok=True)
        try:
            draft.write_text(file.text, encoding="utf-8")
            draft.chmod(0o644)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(f"writing {path}", error) from error


alter = make


def remove(file: DropIn, host: str | None) -> None:
    """And the folder that it is in, if nothing else is. One that is gone is no error. Raises FileTaken, Refused."""
    there = _read(file.path)
    if there is None:
        return
    if not signed(there, host):
        raise FileTaken(file.path)
    path = Path(file.path)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(f"removing {path}", error) from error
    with suppress(OSError):
        path.parent.rmdir()


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
