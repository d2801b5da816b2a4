"""Dead ports of Open vSwitch's userspace datapath on this machine, by ovs-vswitchd's control socket (ovs-appctl(8)).

When the device under a port is deleted and made again under the same name, the port keeps its socket to the dead
one: its link is up, and nothing passes, for ever. A port that is taken out of the datapath underneath is attached
afresh, with the OpenFlow number that it had, at the next netlink event about any device. The kernel datapath has no
such ports.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from netctl.ovsdb.appctl import ask, pid

TIMEOUT = 1.0
"""Seconds to wait for ovs-vswitchd."""

DATAPATH = "netdev@ovs-netdev"
"""The one datapath of an ovs-vswitchd that runs in userspace."""

_PORT = re.compile(r"^\s+port \d+: (\S+)")


def ports() -> list[str]:
    """The devices that the userspace datapath holds; none when there is no Open vSwitch here, or no such datapath."""
    with suppress(OSError, ValueError):
        if _is_here(pid()):
            answer = ask("dpctl/show", DATAPATH, timeout=TIMEOUT)
            return [match[1] for line in answer.splitlines() if (match := _PORT.match(line))]
    return []


def forget(device: str) -> bool:
    """Take a device that is not there any more out of the datapath, before it is made again.

    True if the datapath held it. Never raises: where no Open vSwitch runs there is nothing to do.
    """
    return bool(forget_all([device]))


def forget_all(devices: Collection[str]) -> list[str]:
    """`forget` for several; those that the datapath held."""
    held = set(devices).intersection(ports()) if devices else set()
    return [device for device in sorted(held) if _delete(device)]


def forget_dead(devices: Mapping[str, int]) -> list[str]:
    """Take out of the datapath those of `devices` (name to index) whose port holds the socket of an earlier device.

    They are attached again at the next netlink event. Devices that the datapath does not hold are left out.
    """
    held = [name for name in ports() if name in devices] if devices else []
    if not held:
        return []
    with suppress(OSError, ValueError):
        alive = _packet_sockets()
        return [name for name in held if devices[name] not in alive and _delete(name)]
    return []


def _delete(device: str) -> bool:
    with suppress(OSError, ValueError):
        ask("dpctl/del-if", DATAPATH, device, timeout=TIMEOUT)
        return True
    return False


def _is_here(process: int) -> bool:
    """Whether a process is an ovs-vswitchd in this thread's network namespace, so that its devices are those here.

    One in a container with process numbers of its own is not known to be.
    """
    name = Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return name == "ovs-vswitchd" and os.path.samefile(f"/proc/{process}/ns/net", "/proc/thread-self/ns/net")


def _packet_sockets() -> set[int]:
    """The indexes of the devices on which ovs-vswitchd has a packet socket (packet(7), /proc/net/packet).

    Raises OSError when this process may not see what sockets it has.
    """
    mine: set[str] = set()
    folder = f"/proc/{pid()}/fd"
    for descriptor in os.listdir(folder):
        with suppress(OSError):
            target = os.readlink(f"{folder}/{descriptor}")
            if target.startswith("socket:["):
                mine.add(target[8:-1])
    if not mine:
        raise PermissionError(f"{folder} shows no socket")
    found: set[int] = set()
    for line in Path("/proc/thread-self/net/packet").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[8] in mine:
            found.add(int(fields[4]))
    return found
