"""What running netctl processes leave for each other to find: locks, pid files, status files.

They are in one directory, /run/netctl or what NETCTL_RUN_DIR says.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LOCK_RETRY = 0.01
"""Seconds between two tries for a lock that another process holds."""


class Locked(Exception):
    """Another process holds the lock."""

    def __init__(self, name: str, pid: int | None) -> None:
        self.name = name
        self.pid = pid
        super().__init__(
            f"another netctl (process {pid or 'unknown'}) holds {run_dir() / name}.lock; "
            "wait for it to end, then try again"
        )


class Running(Exception):
    """A live process has the pid file already."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.pid = pid
        super().__init__(f"{name} runs already, as process {pid}")


def run_dir() -> Path:
    """The directory, made if it is not there (mode 0755)."""
    path = Path(os.environ.get("NETCTL_RUN_DIR") or "/run/netctl")
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path


@contextmanager
def locked(name: str, timeout: float) -> Iterator[None]:
    """Hold the lock NAME.lock. Raises Locked when another process holds it for over `timeout` seconds."""
    with open(run_dir() / f"{name}.lock", "a+", encoding="ascii") as file:
        end = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    file.seek(0)
                    text = file.read().strip()
                    raise Locked(name, int(text) if text.isdigit() else None) from None
                time.sleep(LOCK_RETRY)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def write_json(name: str, value: Any) -> None:
    """Replace NAME.json in one go: a reader sees the old one or the new one, whole."""
    _replace(run_dir() / f"{name}.json", json.dumps(value, indent=1) + "\n")


def read_json(name: str) -> Any:
    """What is in NAME.json; None where there is none."""
    try:
        return json.loads((run_dir() / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def remove(name: str) -> None:
    """Remove NAME.json and NAME.pid."""
    for suffix in ("json", "pid"):
        (run_dir() / f"{name}.{suffix}").unlink(missing_ok=True)


def write_pid(name: str) -> None:
    """Say in NAME.pid that this process is the one. Raises Running when another live process is."""
    with locked(f"{name}.pid", timeout=5):
        pid = alive(name)
        if pid is not None and pid != os.getpid():
            raise Running(name, pid)
        _replace(_pid_file(name), f"{os.getpid()} {started(os.getpid())}\n")


def remove_pid(name: str) -> None:
    """Remove NAME.pid if it is this process's."""
    if alive(name) == os.getpid():
        _pid_file(name).unlink(missing_ok=True)


def alive(name: str) -> int | None:
    """The process that wrote NAME.pid, if it still runs. Another with its number started at another time."""
    try:
        pid, since = map(int, _pid_file(name).read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None
    return pid if started(pid) == since else None


def stop(name: str, timeout: float) -> bool:
    """End the process that wrote NAME.pid: SIGTERM, and SIGKILL if it has not ended after `timeout` seconds.

    False when there was none.
    """
    pid = alive(name)
    if pid is None:
        return False
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if alive(name) != pid:
            return False
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, sign)
            if select.select([process], [], [], timeout)[0]:
                break
    finally:
        os.close(process)
    _pid_file(name).unlink(missing_ok=True)
    return True


def _pid_file(name: str) -> Path:
    return run_dir() / f"{name}.pid"


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc_pid_stat(5), field 22); None once ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
