"""Named network namespaces, as `ip netns` keeps them: files in /run/netns, each a mount of a namespace."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from netctl.desired.device import Namespace
from netctl.kernel.attribute import text, u32
from netctl.kernel.errors import NamespaceMissing, NameTaken, Refused
from netctl.kernel.mark import GROUP, mark, ours
from netctl.kernel.rtnl import IFF_UP, IFLA_GROUP, IFLA_IFALIAS, RTM_NEWLINK, Link, Rtnl, link_message
from netctl.plan import Value

FOLDER = Path("/run/netns")

CLONE_NEWNET = 0x4000_0000
MS_BIND, MS_REC, MS_SHARED = 4096, 16384, 1 << 20
MNT_DETACH = 2
NS_GET_NSTYPE = 0xB703

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class SeenNamespace(Namespace):
    """A namespace as it was found."""

    loopback_up: bool = True

    def facts(self) -> Mapping[str, Value]:
        return {"loopback_up": self.loopback_up}


@contextmanager
def opened(name: str) -> Iterator[int]:
    """A file descriptor of the namespace called `name`. Raises NamespaceMissing."""
    try:
        descriptor = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NamespaceMissing(name) from None
    try:
        if not _is_namespace(descriptor):
            raise NamespaceMissing(name)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """The calling thread is in the namespace behind a file descriptor meanwhile."""
    with _home():
        _check(_libc.setns(namespace, CLONE_NEWNET))
        yield


def rtnl(namespace: int) -> Rtnl:
    """A socket inside the namespace behind a file descriptor."""
    with inside(namespace):
        return Rtnl()


@contextmanager
def fresh() -> Iterator[Rtnl]:
    """A socket inside a namespace without a name, which goes with it."""
    with _home():
        _check(_libc.unshare(CLONE_NEWNET))
        room = Rtnl()
    with room:
        yield room


@contextmanager
def entered(name: str) -> Iterator[None]:
    """The calling thread is in the namespace called `name`, "" for the host's own, and back afterwards.

    Raises NamespaceMissing.
    """
    if not name:
        yield
        return
    with opened(name) as namespace, _home():
        _check(_libc.setns(namespace, CLONE_NEWNET))
        yield


def names() -> list[str]:
    """What stands in /run/netns, sorted."""
    try:
        return sorted(os.listdir(FOLDER))
    except FileNotFoundError:
        return []


def make(namespace: Namespace, host: str) -> None:
    """Make it, marked and with its loopback up before it has a name. One of ours that is there is put right.

    Raises NameTaken, Refused.
    """
    try:
        with opened(namespace.name) as descriptor, rtnl(descriptor) as room:
            loopback = room.link("lo")
            if loopback is None or not ours(loopback, host):
                raise NameTaken(namespace.name, "network namespace")
            _set_up(room, loopback, host)
            _heed(descriptor)
            return
    except NamespaceMissing:
        pass
    try:
        _share_folder()
        path = FOLDER / namespace.name
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0))
        with _home():
            _check(_libc.unshare(CLONE_NEWNET))
            with Rtnl() as room:
                loopback = room.link("lo")
                assert loopback is not None
                _set_up(room, loopback, host)
            _mount("/proc/thread-self/ns/net", path, MS_BIND)
        with opened(namespace.name) as descriptor:
            _heed(descriptor)
    except OSError as error:
        raise Refused(f"making the network namespace {namespace.name}", error) from error


def alter(namespace: Namespace, host: str) -> None:
    """Put its loopback up. Raises NamespaceMissing, Refused."""
    try:
        with opened(namespace.name) as descriptor, rtnl(descriptor) as room:
            loopback = room.link("lo")
            assert loopback is not None
            _set_up(room, loopback, host)
    except OSError as error:
        raise Refused(f"the loopback of the network namespace {namespace.name}", error) from error


def remove(name: str, host: str | None) -> None:
    """Take away its name; the kernel frees it when nothing is in it any more. One that is gone is no error.

    Raises NameTaken, Refused.
    """
    path = os.fsencode(FOLDER / name)
    try:
        with opened(name) as descriptor, rtnl(descriptor) as room:
            loopback = room.link("lo")
        if loopback is not None and not ours(loopback, host):
            raise NameTaken(name, "network namespace")
        while _libc.umount2(path, MNT_DETACH) == 0:
            pass
        os.unlink(path)
    except (NamespaceMissing, FileNotFoundError):
        pass
    except OSError as error:
        raise Refused(f"removing the network namespace {name}", error) from error


def clear(name: str) -> None:
    """Take away a name behind which there is no namespace, as one leaves who is killed while he makes it."""
    path = FOLDER / name
    try:
        with opened(name):
            return
    except NamespaceMissing:
        with suppress(OSError):
            path.unlink()
    except OSError as error:
        raise Refused(f"looking at the network namespace {name}", error) from error


def residents(wanted: Collection[str]) -> dict[str, list[int]]:
    """The processes that live in each of the namespaces called so; without those in which none does."""
    by_inode: dict[tuple[int, int], str] = {}
    for name in wanted:
        with suppress(OSError):
            status = os.stat(FOLDER / name)
            by_inode[status.st_dev, status.st_ino] = name
    found: dict[str, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                status = os.stat(f"/proc/{entry}/ns/net")
                where = by_inode.get((status.st_dev, status.st_ino))
                if where is not None:
                    found.setdefault(where, []).append(int(entry))
    return found


def _set_up(room: Rtnl, loopback: Link, host: str) -> None:
    parts = (text(IFLA_IFALIAS, mark(host)), u32(IFLA_GROUP, GROUP))
    room.ask(RTM_NEWLINK, link_message(loopback.index, *parts, flags=IFF_UP, mask=IFF_UP))


def _heed(descriptor: int) -> None:
    with Rtnl() as here:
        here.heed(descriptor)


def _is_namespace(descriptor: int) -> bool:
    try:
        return fcntl.ioctl(descriptor, NS_GET_NSTYPE) == CLONE_NEWNET
    except OSError:
        return False


def _share_folder() -> None:
    """Make /run/netns a shared mount, as `ip netns` does: what is removed there is then gone everywhere."""
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _mount("", FOLDER, MS_SHARED | MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _mount(str(FOLDER), FOLDER, MS_BIND | MS_REC)
        _mount("", FOLDER, MS_SHARED | MS_REC)


@contextmanager
def _home() -> Iterator[None]:
    """The calling thread is in the same network namespace afterwards as before."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _check(_libc.setns(home, CLONE_NEWNET))
        os.close(home)


def _mount(source: str, target: Path, flags: int) -> None:
    _check(_libc.mount(source.encode(), os.fsencode(target), b"none", ctypes.c_ulong(flags), None))


def _check(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


