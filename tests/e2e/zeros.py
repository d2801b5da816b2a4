"""A stream of zeros over TCP from one namespace of a box to another, and how fast it came through."""

from __future__ import annotations

import json
import sys
from typing import NamedTuple

from tests.e2e.box import Box

RECEIVE = """
import json, socket, sys, time

def heard():
    with open("/proc/net/dev") as table:
        return next(int(line.split(":")[1].split()[0]) for line in table if line.strip().startswith("eth0:"))

server = socket.create_server(("", int(sys.argv[1])))
server.settimeout(20)
print("ready", flush=True)
stream, _ = server.accept()
stream.settimeout(20)
room = bytearray(1 << 18)
got = stream.recv_into(room)
start, frames, octets = time.monotonic(), heard(), 0
while time.monotonic() - start < float(sys.argv[2]):
    got = stream.recv_into(room)
    if not got:
        sys.exit("the stream ended early")
    octets += got
took = time.monotonic() - start
print(json.dumps([octets * 8e-6 / took, (heard() - frames) * 8e-6 / took]), flush=True)
"""

SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as stream:
    stream.settimeout(None)
    zeros = bytes(1 << 16)
    try:
        while True:
            stream.sendall(zeros)
    except OSError:
        pass
"""


class Speed(NamedTuple):
    """Mbit/s."""

    stream: float
    """What TCP delivered."""
    frames: float
    """What came in at the receiver's device, headers and all."""


def speed(box: Box, sender: str, receiver: str, address: str, seconds: float = 1.5, port: int = 5000) -> Speed:
    """How fast zeros pass from one namespace to the `eth0` of another, at `address`; over so many seconds."""
    there = ["ip", "netns", "exec", receiver, sys.executable, "-c", RECEIVE, str(port), str(seconds)]
    here = ["ip", "netns", "exec", sender, sys.executable, "-c", SEND, address, str(port)]
    listening = box.popen(there, stdout=-1, stderr=-1)
    assert listening.stdout is not None
    if listening.stdout.readline() != "ready\n":
        raise AssertionError(listening.communicate()[1])
    sending = box.popen(here)
    try:
        out, err = listening.communicate(timeout=seconds + 40)
        assert listening.returncode == 0, err
    finally:
        sending.kill()
        sending.wait()
    return Speed(*json.loads(out))
