"""The first file system of the lab's kernel, as a cpio archive in memory."""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from pathlib import Path

NEEDED = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")
"""What mounts this machine's files and carries the output."""

FOLDER, EXECUTABLE = 0o040755, 0o100755
MOUNTS = ("dev", "proc", "sys", "modules", "lower", "rw", "new")


def archive(files: dict[str, bytes], folders: Iterable[str] = MOUNTS) -> bytes:
    """`files` and `folders`, each after the one that it is in, in cpio's «newc» format (the kernel's
    Documentation/driver-api/early-userspace/buffer-format.rst)."""
    entries = [(name, FOLDER, b"") for name in folders]
    entries += [(name, EXECUTABLE, content) for name, content in files.items()]
    entries.append(("TRAILER!!!", 0, b""))
    out = bytearray()
    for number, (name, mode, content) in enumerate(entries, 1):
        # ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)


def modules(folder: Path, needed: Iterable[str] = NEEDED) -> dict[str, bytes]:
    """The needed modules of /lib/modules/RELEASE, numbered in the order to load them."""
    below: dict[str, list[str]] = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, needs = line.partition(":")
        below[path] = needs.split()
    paths = {Path(path).name.partition(".ko")[0].replace("-", "_"): path for path in below}
    order: list[str] = []
    for name in needed:
        if name in paths:  # else it is a part of the kernel
            order += [each for each in [*reversed(below[paths[name]]), paths[name]] if each not in order]
    return {f"modules/{n:02}.ko": plain(folder / path) for n, path in enumerate(order)}


def plain(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content
