"""The bearer token (RFC 6750) that lets somebody change what the controller does: made once, kept in a file that
only its owner reads."""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

DEFAULT = Path("/var/lib/netctl/token")
BYTES = 32
"""Of randomness in a token."""
_MOST = 4096
"""Octets that a token's file may have."""
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]{16,}=*")


class TokenError(Exception):
    """There is no token to use; the message says why, and what to do."""


def find(configured: str | None = None) -> Path:
    """Where the token is: what NETCTL_TOKEN_FILE says, or `configured`, or DEFAULT."""
    return Path(os.environ.get("NETCTL_TOKEN_FILE") or configured or DEFAULT)


def read(path: Path) -> str:
    """The token in `path`. Raises TokenError, also for a file that others than its owner may read."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise TokenError(_unreadable(path, error)) from None
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise TokenError(f"{path} is not a file, so it cannot be the token's; name another one")
        if status.st_mode & 0o077:
            raise TokenError(
                f"{path} may be read by others (mode {stat.S_IMODE(status.st_mode):04o}), so its token may be known: "
                f"remove it, and the controller makes a new one; or, if nobody saw it, chmod 600 {path}"
            )
        if status.st_uid not in (0, os.geteuid()):
            raise TokenError(f"{path} belongs to user {status.st_uid}, who could change it: remove it, or chown it")
        content = os.read(number, _MOST).strip()
    finally:
        os.close(number)
    if not content:
        raise TokenError(f"{path} is empty: remove it, and the controller makes a new one")
    if not _TOKEN.fullmatch(content):
        raise TokenError(
            f"{path} has no token in it: 16 or more letters, digits and - . _ ~ + / on one line; "
            "remove it, and the controller makes a new one"
        )
    return content.decode("ascii")


def ensure(path: Path) -> str:
    """The token in `path`, which is made if it is not there, whole or not at all, by whoever is first.

    Raises TokenError.
    """
    if not os.path.lexists(path):
        try:
            _make(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise TokenError(
                f"no token can be made in {path.parent}: {reason or error}. Make that a directory which the "
                "controller may write to, or name another file with --netctl-token-file or NETCTL_TOKEN_FILE"
            ) from None
    return read(path)


def _make(path: Path) -> None:
    """Written under another name and linked when it is complete: nobody sees a part of it."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(number, "wb") as file:
            os.fchmod(number, 0o600)
            file.write(secrets.token_urlsafe(BYTES).encode("ascii") + b"\n")
            file.flush()
            os.fsync(number)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)


def _unreadable(path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no token in {path}: the controller makes it at its start"
    if isinstance(error, PermissionError):
        return f"{path} may only be read by the user whose it is: run this as that user (sudo)"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"{path} cannot be read: {reason or error}; name another file with NETCTL_TOKEN_FILE"
