"""The hook in libvirt's folder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path("/etc/libvirt/hooks")
HOOK = Path("qemu.d", "netctl")
FIRST_LINES = "#!/bin/sh\n# Made by netctl: it prepares the devices of guests (netctl libvirt hook --help).\n"


class NotInstalled(Exception):
    """The message says why, and what to do."""


def installed() -> bool:
    """Whether libvirt calls netctl on this machine."""
    return (FOLDER / HOOK).exists()


def install(command: Sequence[str], folder: Path = FOLDER) -> Path:
    """Write qemu.d/netctl, which calls `command` with libvirt's own arguments behind. Raises NotInstalled."""
    path = folder / HOOK
    try:
        if path.exists() and not path.read_text(errors="replace").startswith(FIRST_LINES):
            raise NotInstalled(f"{path} is there and netctl did not make it; remove it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".netctl.{os.getpid()}")
        draft.write_text(f'{FIRST_LINES}exec {shlex.join(command)} -- "$@"\n')
        draft.chmod(0o755)
        draft.replace(path)
    except OSError as error:
        raise NotInstalled(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def uninstall(folder: Path = FOLDER) -> Path | None:
    """Remove it where it is netctl's; None where there is none. Raises NotInstalled."""
    path = folder / HOOK
    try:
        if not path.exists() or not path.read_text(errors="replace").startswith(FIRST_LINES):
            return None
        path.unlink()
    except OSError as error:
        raise NotInstalled(f"{path} cannot be removed: {error.strerror or error}") from error
    return path
