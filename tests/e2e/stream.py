"""A frame every millisecond from one device of a box to another, and when which of them came through."""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from typing import NamedTuple

from tests.e2e.box import Box

TYPE = 0x88B5
"""The EtherType for local experiments (IEEE 802)."""

PLAY = """
import signal, socket, struct, sys, time

def end(device):
    each = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    each.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
    each.bind((device, TYPE))
    each.setblocking(False)
    return each

def hear():
    while True:
        try:
            data = other.recv(2048)
        except OSError:
            return
        if mark in data[:60]:
            start = data.index(mark) + len(mark)
            print(time.monotonic(), struct.unpack_from("!Q", data, start)[0], flush=True)

ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))

TYPE = int(sys.argv[3])
vlan = int(sys.argv[4])
mark = f"{sys.argv[1]:>15} to {sys.argv[2]:>15}".encode()
one, other = end(sys.argv[1]), end(sys.argv[2])
tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
head = bytes.fromhex("02aaaaaaaa0202aaaaaaaa01") + tag + struct.pack("!H", TYPE) + mark
number, due = 0, time.monotonic()
while not ended:
    number += 1
    try:
        one.send(head + struct.pack("!Q", number) + bytes(46))
    except OSError:
        pass
    now = time.monotonic()
    due = max(due + 0.001, now - 0.02)
    time.sleep(max(0.0002, due - now))
    hear()
for _ in range(50):
    time.sleep(0.01)
    hear()
print("sent", number, flush=True)
"""
"""After a pause it catches up, on a few frames and never all at once: a switch's own sockets take a few hundred."""


DEEPEN = """
import ctypes, os, socket

PIDFD_GETFD, SO_RCVBUFFORCE = 438, 33
pid = int(open("/run/openvswitch/ovs-vswitchd.pid").read())
switch = os.pidfd_open(pid)
packet = {line.split()[8] for line in open(f"/proc/{pid}/net/packet").readlines()[1:]}
for name in os.listdir(f"/proc/{pid}/fd"):
    if os.readlink(f"/proc/{pid}/fd/{name}").removeprefix("socket:[").removesuffix("]") in packet:
        with socket.socket(fileno=ctypes.CDLL(None).syscall(PIDFD_GETFD, switch, int(name), 0)) as port:
            port.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
            print(name)
"""


def deepen(box: Box) -> None:
    """Let the ports that Open vSwitch has now queue frames for several seconds.

    By themselves they take a few hundred, and what is lost when a busy machine holds ovs-vswitchd up for longer tells
    nothing of its flows.
    """
    assert box.python(DEEPEN).stdout


class Crossed(NamedTuple):
    """What became of a stream."""

    sent: int
    lost: tuple[int, ...]
    """The frames that did not arrive, by their numbers."""
    again: tuple[int, ...]
    """Those that arrived more than once, or after a later one."""
    longest: float
    """Seconds between two that arrived, at the most."""

    @property
    def whole(self) -> bool:
        return not self.lost and not self.again


class Stream:
    """From device `sender` to device `receiver`, tagged if `vlan` is given. It ends with the box."""

    def __init__(self, box: Box, sender: str, receiver: str, vlan: int = 0) -> None:
        self.box = box
        self._log = f"/run/stream-{sender}-{receiver}"
        with open(box.path(self._log), "w") as log:
            argv = [sys.executable, "-c", PLAY, sender, receiver, str(TYPE), str(vlan)]
            self._process = box.popen(argv, stdout=log)

    def arrivals(self) -> list[tuple[float, int]]:
        """When (time.monotonic()) which frame arrived, counted from 1."""
        lines = self.box.path(self._log).read_text().splitlines()[:-1]
        return [(float(moment), int(number)) for moment, number in map(str.split, lines)]

    def end(self) -> Crossed:
        """Send no more, and wait until what is under way is there."""
        self._process.terminate()
        self._process.wait(10)
        *lines, last = self.box.path(self._log).read_text().splitlines()
        sent = int(last.removeprefix("sent "))
        numbers = [int(line.split()[1]) for line in lines]
        moments = [float(line.split()[0]) for line in lines]
        longest = max((after - before for before, after in pairwise(moments)), default=0.0)
        late = {after for before, after in pairwise(numbers) if after <= before}
        return Crossed(sent, tuple(sorted(set(range(1, sent + 1)) - set(numbers))), tuple(sorted(late)), longest)

    def after(self, moment: float, timeout: float = 10.0) -> float:
        """Seconds from `moment` to the first frame that arrived behind it, which is waited for."""

        def first() -> float | None:
            return next((time for time, _ in self.arrivals() if time > moment), None)

        return self.box.wait_for(first, timeout, "a frame to cross the wire", 0.005) - moment

    def silent(self, seconds: float = 0.05) -> bool:
        """Whether nothing arrives for so long."""
        start = time.monotonic()
        time.sleep(seconds)
        return all(moment < start for moment, _ in self.arrivals())
