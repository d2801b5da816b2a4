"""The process that plays a tap's guest: `python -m netctl.probe.guest --tap NAME --mac MAC`.

It holds the tap open, so that the wire has carrier, and answers for its addresses as a guest would. A prober
that connects to its control socket is the guest's NIC: each message that it sends leaves by the tap, each
frame that the tap gets comes back as a message. The first message is the NIC's description, as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from netctl import rundir
from netctl.probe.answer import Station

TUNSETIFF = 0x400454CA
TUNGETIFF = 0x800454D2
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
IFF_PERSIST = 0x0800
SIOCGIFMTU = 0x8921
PR_SET_PDEATHSIG = 1

LARGEST = 65_549
"""Octets that one read of a tap can give: the largest IPv4 packet behind an Ethernet header."""

RETRY = 0.1
"""Seconds between two looks for a tap that is not there."""


def pid_name(tap: str) -> str:
    """The name of a guest's pid file, for `netctl.rundir`."""
    return f"guest-{tap}"


def control_path(tap: str) -> Path:
    """The control socket of the guest on `tap`."""
    return rundir.run_dir() / f"guest-{tap}.sock"


def open_tap(name: str) -> int:
    """A non-blocking descriptor of the persistent tap `name`, which must be there already: nothing is made.

    Raises OSError: ENODEV while there is none, EBUSY while another process holds it.
    """
    socket.if_nametoindex(name)
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        state = fcntl.ioctl(descriptor, TUNGETIFF, bytes(40))
        if not struct.unpack("16xH22x", state)[0] & IFF_PERSIST:
            raise OSError(errno.ENODEV, "it went while it was being opened", name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def device_mtu(name: str) -> int:
    """Octets. Raises OSError where there is no such device."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFMTU, struct.pack("16s24x", name.encode()))
    return int(struct.unpack("16xi20x", answer)[0])


class Guest:
    """A guest on one tap, and the probers that look over its shoulder."""

    def __init__(self, tap: str, mac: str, addresses: Sequence[str]) -> None:
        """Raises ValueError for a bad MAC or address, FileExistsError where the guest is played already."""
        self.tap = tap
        self.mac = mac
        self.station = Station(bytes.fromhex(mac.replace(":", "")), addresses)
        self.selector = selectors.DefaultSelector()
        self.descriptor: int | None = None
        self.probers: set[socket.socket] = set()
        self.waits_for = ""
        self.listener = listen(control_path(tap))
        self.selector.register(self.listener, selectors.EVENT_READ, self.welcome)

    def run(self) -> None:
        """Play until a signal ends the process."""
        while True:
            if self.descriptor is None:
                self.open()
            for key, _ in self.selector.select(RETRY if self.descriptor is None else None):
                key.data(key.fileobj)

    def open(self) -> None:
        try:
            self.descriptor = open_tap(self.tap)
        except OSError as error:
            why = {errno.EBUSY: "another process holds it", errno.ENODEV: "it is not there"}.get(
                error.errno or errno.ENODEV, error.strerror
            )
            if why != self.waits_for:
                say(f"waiting for tap {self.tap}: {why}")
                self.waits_for = str(why)
            return
        if self.waits_for:
            say(f"tap {self.tap} is here")
            self.waits_for = ""
        self.selector.register(self.descriptor, selectors.EVENT_READ, self.read)

    def read(self, descriptor: int) -> None:
        """Take what the tap has. A tap that was deleted fails the read: it is looked for again."""
        try:
            frame = os.read(descriptor, LARGEST)
        except BlockingIOError:
            return
        except OSError:
            self.selector.unregister(descriptor)
            os.close(descriptor)
            self.descriptor = None
            return
        for prober in list(self.probers):
            self.tell(prober, frame)
        answer = self.station.answer(frame)
        if answer is not None:
            self.write(answer)

    def write(self, frame: bytes) -> None:
        """Send by the tap; a frame for a tap that is gone, down or full is lost, as on any NIC."""
        if self.descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self.descriptor, frame)

    def welcome(self, listener: socket.socket) -> None:
        prober = listener.accept()[0]
        prober.setblocking(False)
        self.probers.add(prober)
        self.selector.register(prober, selectors.EVENT_READ, self.inject)
        try:
            mtu = device_mtu(self.tap)
        except OSError:
            mtu = 0
        hello = {"tap": self.tap, "mac": self.mac, "mtu": mtu, "open": self.descriptor is not None}
        self.tell(prober, json.dumps(hello).encode())

    def inject(self, prober: socket.socket) -> None:
        try:
            frame = prober.recv(LARGEST)
        except BlockingIOError:
            return
        except OSError:
            frame = b""
        if frame:
            self.write(frame)
        else:
            self.part(prober)

    def tell(self, prober: socket.socket, message: bytes) -> None:
        """A prober that does not keep up misses frames."""
        try:
            prober.send(message)
        except BlockingIOError:
            pass
        except OSError:
            self.part(prober)

    def part(self, prober: socket.socket) -> None:
        self.probers.discard(prober)
        self.selector.unregister(prober)
        prober.close()


def listen(control: Path) -> socket.socket:
    """The listening control socket, in place of one that a dead guest left behind.

    Raises FileExistsError where a guest listens there already.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        try:
            other.connect(str(control))
        except OSError:
            control.unlink(missing_ok=True)
        else:
            raise FileExistsError(errno.EEXIST, "a guest is played there already", str(control))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(control))
    control.chmod(0o600)
    listener.listen()
    listener.setblocking(False)
    return listener


def die_with(parent: int) -> None:
    """Have the kernel end this process when `parent` ends (the thread that started it, to be exact)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)


def say(message: str) -> None:
    print(f"netctl guest: {message}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="netctl.probe.guest", description="Play the guest of a tap.")
    parser.add_argument("--tap", required=True, help="the tap's name; it is made by others, and waited for")
    parser.add_argument("--mac", required=True, help="the guest's own MAC")
    parser.add_argument("--address", action="append", default=[], help="ADDRESS[/LENGTH] to answer for")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="the pid to end with")
    options = parser.parse_args(arguments)

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(options.parent)
    try:
        guest = Guest(options.tap, options.mac, options.address)
        rundir.write_pid(pid_name(options.tap))
    except (OSError, ValueError, rundir.Running) as error:
        say(str(error))
        raise SystemExit(1) from None
    try:
        guest.run()
    finally:
        control_path(options.tap).unlink(missing_ok=True)
        rundir.remove_pid(pid_name(options.tap))


if __name__ == "__main__":
    main()
