"""Programs that run here and have to do with the network: other managers of it, and virtual machines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from netctl.doctor.picture import Guest, Manager

_NAMES = {"NetworkManager": "NetworkManager", "systemd-network": "systemd-networkd"}
"""Managers, by the first 15 octets of their names, as the kernel keeps them."""
_MACHINES = ("qemu", "kvm")
_FILES = {
    "NetworkManager": ("NetworkManager/NetworkManager.conf", "NetworkManager/conf.d"),
    "systemd-networkd": ("systemd/networkd.conf", "systemd/networkd.conf.d"),
}
_FOLDERS = (Path("/usr/lib"), Path("/run"), Path("/etc"))
_MAC = re.compile(r'\bmac(?:"\s*:\s*"|=)([0-9a-f]{2}(?::[0-9a-f]{2}){5})', re.IGNORECASE)
_CARELESS = re.compile(r'\bcsum(?:"\s*:\s*|=)(?:off|false)\b')


def running() -> tuple[tuple[Manager, ...], tuple[Guest, ...]]:
    """The managers of this network namespace, and the NICs of the virtual machines, as QEMU's command line tells."""
    managers: dict[str, Manager] = {}
    guests: list[Guest] = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with suppress(OSError):
            comm = Path("/proc", entry, "comm").read_text(encoding="utf-8", errors="replace").strip()
            name = _NAMES.get(comm)
            if name is not None and os.path.samefile(f"/proc/{entry}/ns/net", "/proc/thread-self/ns/net"):
                managers[name] = Manager(name, _told(name))
            elif comm.startswith(_MACHINES):
                guests += read_guests(Path("/proc", entry, "cmdline").read_bytes())
    return tuple(managers[name] for name in sorted(managers)), tuple(guests)


def read_guests(command: bytes) -> Iterator[Guest]:
    """From the words of a command line, each ended by a zero."""
    for word in command.decode(errors="replace").split("\0"):
        if found := _MAC.search(word):
            yield Guest(found[1].lower(), _CARELESS.search(word) is None)


def _told(name: str) -> str:
    """What a manager's files say, those that count most last."""
    main, folder = _FILES[name]
    files = [above / main for above in _FOLDERS]
    drafts = {file.name: file for above in _FOLDERS for file in sorted((above / folder).glob("*.conf"))}
    files += [drafts[each] for each in sorted(drafts)]
    texts = []
    for file in files:
        with suppress(OSError):
            texts.append(file.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(texts)
