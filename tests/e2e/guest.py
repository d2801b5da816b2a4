"""Guests without a hypervisor: each opens the host's tap or macvtap as QEMU does, and what runs in it has a network
namespace of its own, called like the guest, in which its NICs are."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import selectors
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from netctl.kernel.netns import entered
from tests.e2e.box import Box, Process

TUNSETIFF = 0x4004_54CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
SIOCSIFHWADDR, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8924, 0x8913, 0x8914
ARPHRD_ETHER, IFF_UP = 1, 1
LONGEST = 1 << 16


@dataclass(frozen=True)
class Nic:
    """A NIC of a guest: what the guest sees, and the tap or macvtap of the host behind it."""

    guest: str
    name: str
    mac: str
    device: str
    netns: str = ""
    """Where `device` is."""


@contextmanager
def running(box: Box, *nics: Nic) -> Iterator[Process]:
    """The guests that have these NICs run, in a process of their own, until the context ends."""
    guests = sorted({nic.guest for nic in nics})
    box.run("; ".join(f"ip netns add {guest}; ip -n {guest} link set lo up" for guest in guests))
    process = box.popen(
        [sys.executable, "-m", "tests.e2e.guest", json.dumps([asdict(nic) for nic in nics])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    try:
        if process.stdout.readline() != "running\n":
            raise AssertionError(f"the guests {', '.join(guests)} do not run: {process.stderr.read()}")
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)
        box.run("; ".join(f"ip netns del {guest}" for guest in guests))


def main(nics: Sequence[Nic]) -> None:
    """Carry frames between each NIC and the host's device behind it, until SIGTERM."""
    with selectors.DefaultSelector() as selector:
        for nic in nics:
            outside = _host_device(nic)
            inside = _guest_device(nic)
            selector.register(outside, selectors.EVENT_READ, inside)
            selector.register(inside, selectors.EVENT_READ, outside)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print("running", flush=True)
        while True:
            for key, _ in selector.select():
                _carry(key.fd, key.data, selector)


def _carry(here: int, there: int, selector: selectors.BaseSelector) -> None:
    """Everything that waits; a device that is down takes nothing, one that is gone is forgotten."""
    while True:
        try:
            frame = os.read(here, LONGEST)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in {errno.EIO, errno.EBADFD, errno.ENODEV}:
                raise
            selector.unregister(here)
            return
        with suppress(OSError):
            os.write(there, frame)


def _host_device(nic: Nic) -> int:
    """A macvtap is a character device, named in sysfs alone; a tap is asked of /dev/net/tun."""
    with entered(nic.netns):
        node = _macvtap_node(nic)
        if node is None:
            return _tap(nic.device)
        descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", b"", IFF_TAP | IFF_NO_PI))
    return descriptor


def _macvtap_node(nic: Nic) -> Path | None:
    """A node of our own for it: those in /dev are the machine's, where the same index means another device."""
    enter = ["ip", "netns", "exec", nic.netns] if nic.netns else []
    command = [*enter, "sh", "-c", 'cat /sys/class/net/"$1"/tap*/dev', "sh", nic.device]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    if not said:
        return None
    major, minor = map(int, said.split(":"))
    node = Path(f"/run/macvtap-{major}-{minor}")
    if not node.exists():
        os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(major, minor))
    return node


def _guest_device(nic: Nic) -> int:
    """The NIC that the guest sees, with its MAC and up."""
    with entered(nic.guest):
        descriptor = _tap(nic.name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            name = nic.name.encode()
            mac = bytes.fromhex(nic.mac.replace(":", ""))
            fcntl.ioctl(control, SIOCSIFHWADDR, struct.pack("16sH6s16x", name, ARPHRD_ETHER, mac))
            answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", name, 0))
            _, flags = struct.unpack("16sH22x", answer)
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | IFF_UP))
    return descriptor


def _tap(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


if __name__ == "__main__":
    main([Nic(**each) for each in json.loads(sys.argv[1])])
