"""Very many frames a second, put in at a device of a box."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass

from tests.e2e.box import Box

PLAY = """
import ctypes, json, signal, socket, sys, time

class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]

class Message(ctypes.Structure):  # struct mmsghdr, sendmmsg(2)
    _fields_ = [
        ("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("parts", ctypes.POINTER(Iovec)),
        ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int), ("sent", ctypes.c_uint),
    ]

device, rate, frame = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
BURST = 64
device_socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
device_socket.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
device_socket.bind((device, 0))
part = Iovec(frame, len(frame))
burst = (Message * BURST)(*(Message(parts=ctypes.pointer(part), count=1) for _ in range(BURST)))
sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
print("ready", flush=True)
sent, start = 0, time.monotonic()
while not ended:
    due = rate * (time.monotonic() - start) - sent
    if due < BURST:
        time.sleep(0.0002)
    elif (done := sendmmsg(device_socket.fileno(), burst, BURST, 0)) > 0:
        sent += done
print(json.dumps([sent, time.monotonic() - start]), flush=True)
"""


@dataclass(frozen=True)
class Sent:
    """What a storm came to."""

    frames: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.frames / self.seconds


class Storm:
    """`frame` into `device`, over and over, `rate` times a second or as often as this machine can."""

    def __init__(self, box: Box, device: str, frame: bytes, rate: int) -> None:
        self._box = box
        self._log = f"/run/storm-{device}"
        with open(box.path(self._log), "w") as log:
            self._process = box.popen([sys.executable, "-c", PLAY, device, str(rate), frame.hex()], stdout=log)
        box.wait_for(lambda: "ready" in box.path(self._log).read_text(), 10, "the storm")

    def end(self) -> Sent:
        self._process.terminate()
        self._process.wait(10)
        return Sent(*json.loads(self._box.path(self._log).read_text().splitlines()[-1]))


def settled(box: Box, device: str) -> int:
    """How many frames a device has received, once there come no more."""

    def count() -> int:
        return int(box.run(f"cat /sys/class/net/{device}/statistics/rx_packets").stdout)

    last = -1
    while (now := count()) != last:
        last = now
        time.sleep(0.1)
    return now
