"""A frame every millisecond from one device of a box to another, and when which of them came through."""

from __future__ import annotations

import sys
import time

from tests.e2e.box import Box

TYPE = 0x88B5
"""The EtherType for local experiments (IEEE 802)."""

PLAY = """
import socket, struct, sys, time

def end(device):
    each = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    each.bind((device, TYPE))
    each.setblocking(False)
    return each

TYPE = int(sys.argv[3])
vlan = int(sys.argv[4])
mark = f"{sys.argv[1]:>15}".encode()
one, other = end(sys.argv[1]), end(sys.argv[2])
tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
head = bytes.fromhex("02aaaaaaaa0202aaaaaaaa01") + tag + struct.pack("!H", TYPE) + mark
number = 0
while True:
    number += 1
    try:
        one.send(head + struct.pack("!Q", number) + bytes(46))
    except OSError:
        pass
    time.sleep(0.001)
    while True:
        try:
            data = other.recv(2048)
        except OSError:
            break
        if mark in data[:40]:
            start = data.index(mark) + len(mark)
            print(time.monotonic(), struct.unpack_from("!Q", data, start)[0], flush=True)
"""


class Stream:
    """From device `sender` to device `receiver`, tagged if `vlan` is given. It ends with the box."""

    def __init__(self, box: Box, sender: str, receiver: str, vlan: int = 0) -> None:
        self.box = box
        self._log = f"/run/stream-{sender}-{receiver}"
        with open(box.path(self._log), "w") as log:
            box.popen([sys.executable, "-c", PLAY, sender, receiver, str(TYPE), str(vlan)], stdout=log)

    def arrivals(self) -> list[tuple[float, int]]:
        """When (time.monotonic()) which frame arrived, counted from 1."""
        lines = self.box.path(self._log).read_text().splitlines()[:-1]
        return [(float(moment), int(number)) for moment, number in map(str.split, lines)]

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
