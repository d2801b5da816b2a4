"""The guests that netctl plays, so that a tap's wire works before there is a virtual machine on it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from netctl import rundir
from netctl.desired.mac import guest_mac
from netctl.policy import Policy, host_side
from netctl.probe.guest import pid_name

GONE = 3.0
"""Seconds that a guest has to end before it is killed."""


@dataclass(frozen=True)
class Role:
    """A guest to play: the tap it is on, its own MAC, its addresses («address/prefix length»)."""

    tap: str
    mac: str
    addresses: tuple[str, ...] = ()


def roles(policy: Policy, host: str) -> list[Role]:
    """Every tap of a guest of `host`."""
    entry = policy.hosts.get(host)
    return [
        Role(
            host_side(guest_name, nic_name, nic),
            nic.mac or guest_mac(host, guest_name, nic_name),
            tuple(map(str, nic.addresses)),
        )
        for guest_name, guest in (entry.guests.items() if entry else ())
        for nic_name, nic in guest.nics.items()
        if nic.device == "tap"
    ]


def start(role: Role) -> subprocess.Popen[bytes]:
    """Play a guest in a child process, which ends when the calling thread does, at the latest."""
    argv = [sys.executable, "-m", "netctl.probe.guest", "--tap", role.tap, "--mac", role.mac]
    argv += ["--parent", str(os.getpid())]
    for address in role.addresses:
        argv += ["--address", address]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL)


def stop(guests: Iterable[subprocess.Popen[bytes]]) -> None:
    """End guests that `start` gave, and wait until they are gone."""
    playing = list(guests)
    for guest in playing:
        guest.terminate()
    end = time.monotonic() + GONE
    for guest in playing:
        try:
            guest.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            guest.kill()
            guest.wait()


def clear() -> None:
    """End every guest that is played on this machine, whoever started it, and remove what it left."""
    folder = rundir.run_dir()
    for pidfile in folder.glob(f"{pid_name('*')}.pid"):
        rundir.stop(pidfile.stem, GONE)
    for left in folder.glob(f"{pid_name('*')}.*"):
        left.unlink(missing_ok=True)
