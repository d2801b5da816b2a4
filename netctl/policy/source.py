"""Where a policy comes from: files, today. Nothing else knows."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from netctl.policy import durable
from netctl.policy.load import Loaded, digest_of, files_of, load
from netctl.policy.name import printable
from netctl.policy.patch import Patch, patch_file

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
    """A policy in a file, or in the *.yaml of a directory, with what was patched at run time in a file of its own."""

    def __init__(self, path: Path | str, follow_patch: bool = True):
        """Without `follow_patch` a change of the patch alone is no change: for who has nothing to do with wires."""
        self.path = Path(path)
        self._follow_patch = follow_patch
        self._read: Signature | None = None
        self._contents: dict[str, bytes] = {}
        """The SHA-256 of what each file held at the last `read`."""
        self._wrong = "it was not read yet"

    @property
    def patch_file(self) -> Path:
        """Where `save` writes."""
        return patch_file(self.path)

    def read(self) -> Loaded:
        """The policy as it is now. Never raises for what is there."""
        self._read = self.signature()
        loaded = load(self.path)
        self._contents = dict(zip(loaded.files, loaded.contents, strict=False))
        self._wrong = str(loaded.problems[0]) if loaded.problems else ""
        return loaded

    def changed(self) -> bool:
        """Whether the files are others than at the last `read` or `save`. Cheap enough to ask ten times a second."""
        return self._read is None or self._watched(self.signature()) != self._watched(self._read)

    def signature(self) -> Signature:
        """Another one for other content of the files, the patch's too."""
        try:
            files = files_of(self.path)
        except (OSError, ValueError):
            return ()
        return tuple(sorted(each for file in files if (each := _signature(file)) is not None))

    def save(self, patch: Patch) -> str:
        """Write what was patched at run time, or remove its file when there is nothing to say. The digest that the
        policy has then.

        Raises NotWritten, which is an OSError, also when somebody else wrote the file since the last `read`, and
        while the files are no good policy: nothing changed then.
        """
        file = self.patch_file
        if self._wrong:
            first = f"the policy's files are to be put right first: {self._wrong}"
            raise durable.NotWritten(errno.EINVAL, first, str(file))
        before = next((each for each in self._read or () if each[0] == file.name), None)
        if _signature(file) != before:
            raise durable.NotWritten(errno.ESTALE, "somebody else changed it just now: try again", str(file))
        name = printable(file)
        after = None
        if patch:
            data = patch.text().encode()
            after = _as_signature(file.name, durable.write(file, data))
            self._contents[name] = hashlib.sha256(data).digest()
        elif before is not None:
            durable.remove(file)
            self._contents.pop(name, None)
        rest = [each for each in self._read or () if each[0] != file.name]
        self._read = tuple(sorted([*rest, after] if after else rest))
        return digest_of(self._contents, self._contents.values())

    def _watched(self, signature: Signature) -> Signature:
        name = self.patch_file.name
        return signature if self._follow_patch else tuple(each for each in signature if each[0] != name)


def _signature(file: Path) -> tuple[str, int, int, int] | None:
    try:
        return _as_signature(file.name, file.stat())
    except (OSError, ValueError):
        return None


def _as_signature(name: str, status: os.stat_result) -> tuple[str, int, int, int]:
    return name, status.st_mtime_ns, status.st_size, status.st_ino
