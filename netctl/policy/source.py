"""Where a policy comes from: files, today. Nothing else knows."""

from __future__ import annotations

import os
from pathlib import Path

from netctl.policy.load import Loaded, files_of, load

LOCAL = Path("flows")
SYSTEM = Path("/etc/netctl/flows")

Signature = tuple[tuple[str, int, int, int], ...]
"""Of each file: its name, when it was modified (ns), its size, its inode."""


def find(explicit: str | None, config: str | None) -> Path:
    """Where the policy is: `explicit`, or what NETCTL_POLICY says, or `config`, or ./flows, or /etc/netctl/flows.

    The path need not exist; reading it says what is wrong.
    """
    for named in (explicit, os.environ.get("NETCTL_POLICY"), config):
        if named:
            return Path(named)
    return LOCAL if LOCAL.exists() else SYSTEM


class FileSource:
    """A policy in a file, or in the *.yaml of a directory."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._read: Signature | None = None

    def read(self) -> Loaded:
        """The policy as it is now. Never raises for what is there."""
        self._read = self.signature()
        return load(self.path)

    def changed(self) -> bool:
        """Whether the files are others than at the last `read`. Cheap enough to ask ten times a second."""
        return self.signature() != self._read

    def signature(self) -> Signature:
        """What `changed` compares: another one for other content of the files."""
        try:
            files = files_of(self.path)
        except (OSError, ValueError):
            return ()
        signature = []
        for file in files:
            try:
                status = file.stat()
            except (OSError, ValueError):
                continue
            signature.append((file.name, status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(signature)
