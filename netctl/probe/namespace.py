"""Doing one thing in another network namespace and coming back with what it made."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NAMED = Path("/run/netns")
"""Where `ip netns` keeps the namespaces that have a name."""

CLONE_NEWNET = 0x4000_0000


def in_namespace(name: str, make: Callable[[], T]) -> T:
    """What `make` returns when it runs in the namespace `name`, on a thread of its own: a namespace is a
    thread's, and this thread's is not changed. A socket stays in the namespace where it was made.

    Raises OSError: FileNotFoundError where there is no such namespace, PermissionError for others than root.
    """
    made: list[T] = []
    failed: list[BaseException] = []

    def enter() -> None:
        try:
            descriptor = os.open(NAMED / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
                    code = ctypes.get_errno()
                    raise OSError(code, os.strerror(code), name)
            finally:
                os.close(descriptor)
            made.append(make())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=enter, name=f"netns {name}")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]


def at(namespace: str, make: Callable[[], T]) -> T:
    """What `make` returns in a namespace; "" is this one. Raises OSError."""
    return in_namespace(namespace, make) if namespace else make()
