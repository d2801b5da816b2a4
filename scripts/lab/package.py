"""Debian's kernel package, unpacked into a folder of this user's: no kernel is installed, no hook of one is run."""

from __future__ import annotations

import fcntl
import lzma
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from missing import Missing

META = "linux-image-amd64"
BUSYBOX = "busybox-static"
LISTS = Path("/var/lib/apt/lists")
LAYOUT = "1"
"""Changes with what `unpack` writes."""

SETUP_SECTORS = 0x1F1
PAYLOAD = 0x248
XZ = b"\xfd7zXZ\0"


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel: `vmlinux`, `busybox` and `lib/modules/RELEASE` in `folder`. As a context it is kept
    from being cleared away by a lab that needs a newer one."""

    folder: Path
    lock: IO[str]

    @property
    def vmlinux(self) -> Path:
        return self.folder / "vmlinux"

    @property
    def busybox(self) -> Path:
        return self.folder / "busybox"

    @property
    def modules(self) -> Path:
        return next((self.folder / "lib" / "modules").iterdir())

    def __enter__(self) -> Kernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.close()


def kernel(cache: Path) -> Kernel:
    """The kernel that `apt-cache depends linux-image-amd64` names now, downloaded if it is not in `cache` yet."""
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock"):
        folder = cache / current(cache)
        if not folder.exists():
            unpack(folder)
        held = (folder / "lock").open()
        fcntl.flock(held, fcntl.LOCK_SH)
        clear(cache, folder)
        return Kernel(folder, held)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def current(cache: Path) -> str:
    """The folder's name: the kernel's package with its version. apt is asked only when its lists have changed."""
    known = cache / "current"
    lists = str(LISTS.stat().st_mtime_ns) if LISTS.exists() else ""
    if known.exists():
        seen, _, name = known.read_text().partition(" ")
        if seen == lists and (cache / name).exists():
            return name
    name = f"{named()}-{LAYOUT}"
    known.write_text(f"{lists} {name}")
    return name


def named() -> str:
    """Such as linux-image-6.1.0-56-amd64_6.1.192-2."""
    if not shutil.which("apt-cache"):
        raise Missing(f"gets its kernel with apt, from a Debian archive, and there is no apt-cache here ({META})")
    for line in said("apt-cache", "depends", META).splitlines():
        word, _, package = line.strip().partition(" ")
        if word == "Depends:" and package.startswith("linux-image-"):
            for field in said("apt-cache", "--no-all-versions", "show", package).splitlines():
                if field.startswith("Version: "):
                    return f"{package}_{field.removeprefix('Version: ')}"
    raise Missing(f"apt knows no package {META}: apt-get update, with a Debian archive for amd64 in its sources")


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
    if done.returncode and "No packages found" not in done.stderr:
        raise Missing(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


def unpack(folder: Path) -> None:
    """Fill `folder`; it is there only when it is complete."""
    package = folder.name.partition("_")[0]
    new = folder.parent / "new"
    shutil.rmtree(new, ignore_errors=True)
    deb = new / "deb"
    deb.mkdir(parents=True)
    print(f"kernel-lab: downloading {package} into {folder.parent}, once ...", file=sys.stderr)
    for each in (package, BUSYBOX):
        download(each, deb)
        (archive,) = deb.glob("*.deb")
        step("dpkg-deb", "--extract", str(archive), str(deb / each))
        archive.unlink()
    release = package.removeprefix("linux-image-")
    (new / "lib").mkdir()
    (deb / package / "lib" / "modules").rename(new / "lib" / "modules")
    step("depmod", "--basedir", str(new), release)
    (new / "vmlinux").write_bytes(uncompressed((deb / package / "boot" / f"vmlinuz-{release}").read_bytes()))
    (binary,) = (each for each in (deb / BUSYBOX).glob("**/bin/busybox"))
    binary.rename(new / "busybox")
    shutil.rmtree(deb)
    (new / "lock").touch()
    new.rename(folder)


def download(package: str, into: Path) -> None:
    # Told whose the files are, apt does not complain that its own user cannot write there.
    user = ("-o", "APT::Sandbox::User=root") if os.geteuid() == 0 else ()
    done = subprocess.run(
        ["apt-get", *user, "-q", "download", package], cwd=into, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Missing(
            f"the package {package} could not be downloaded; `apt-get update` may help. apt-get says:\n"
            f"{done.stderr.strip()}"
        )


def step(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(command)} failed: {done.stdout.strip()}")


def uncompressed(image: bytes) -> bytes:
    """The ELF file in a bzImage (Linux x86 boot protocol 2.08, payload_offset and payload_length): QEMU starts it
    at its PVH entry, which saves the seconds that the kernel would take to decompress itself."""
    offset, length = struct.unpack_from("<II", image, PAYLOAD)
    start = (image[SETUP_SECTORS] + 1) * 512 + offset
    payload = image[start : start + length]
    if not payload.startswith(XZ):
        raise Missing(f"the kernel is not compressed by xz, as Debian 12's is, but begins with {payload[:6]!r}")
    return lzma.LZMADecompressor().decompress(payload)


def clear(cache: Path, folder: Path) -> None:
    """Remove the kernels before this one, but those that a lab runs on."""
    for each in cache.iterdir():
        if each == folder or not (each / "lock").exists():
            continue
        with (each / "lock").open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(each)
