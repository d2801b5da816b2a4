"""Questions to the ovs-vswitchd of this machine, by its control socket (ovs-appctl(8), ovs-vswitchd(8))."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass

from netctl.vswitch import run_dir

TIMEOUT = 2.0
"""Seconds to wait for an answer."""


_RULE = re.compile(r"\s*(\d+)\. (?:(.*), )?priority (\d+)(?:, cookie (0x[0-9a-f]+))?\s*")
_MISS = re.compile(r"\s*(\d+)\. No match\.?\s*")
_ACTIONS = "Datapath actions: "


@dataclass(frozen=True)
class Rule:
    """A flow that a frame meets, as ovs-vswitchd names it."""

    table: int
    match: str
    priority: int
    cookie: int


@dataclass(frozen=True)
class Told:
    """What ovs-vswitchd would do with a frame."""

    rules: tuple[Rule, ...]
    """The flows that it meets, in turn."""
    missed: tuple[int, ...]
    """The tables in which it meets none."""
    actions: str
    """What the datapath does in the end, with the datapath's own port numbers: «3», «drop»."""
    remarks: str
    """What is said behind that: that, and why, the frame takes the slow path."""
    text: str
    """All of it."""


def pid() -> int:
    """The process number of this machine's ovs-vswitchd. Raises OSError, ValueError where there is none."""
    return int((run_dir() / "ovs-vswitchd.pid").read_text(encoding="ascii"))


def ask(method: str, *arguments: str, timeout: float = TIMEOUT) -> str:
    """What ovs-vswitchd answers. Raises OSError when it does not, ValueError (with its own words) when it refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.settimeout(timeout)
        control.connect(str(run_dir() / f"ovs-vswitchd.{pid()}.ctl"))
        control.sendall(json.dumps({"id": 0, "method": method, "params": list(arguments)}).encode())
        text = b""
        while True:
            data = control.recv(65536)
            if not data:
                raise ConnectionError("ovs-vswitchd hung up")
            text += data
            with suppress(ValueError):
                answer = json.loads(text)
                break
    if answer.get("error") is not None:
        raise ValueError(str(answer["error"]).strip())
    return str(answer["result"])


def settle() -> bool:
    """Wait until the counters of OpenFlow flows have what passed the datapath until now, half a second at most.

    Whether ovs-vswitchd said so.
    """
    try:
        ask("revalidator/wait")
    except (OSError, ValueError):
        return False
    return True


def trace(bridge: str, port: int, frame: bytes) -> Told:
    """What the bridge would do with a frame that comes in by the port of that OpenFlow number (ofproto/trace).

    Nothing is sent and nothing counted. Raises OSError, ValueError.
    """
    return read_trace(ask("ofproto/trace", bridge, f"in_port={port}", frame.hex()))


def read_trace(text: str) -> Told:
    """The answer to ofproto/trace, taken apart."""
    rules = []
    missed = []
    body, _, rest = text.partition(_ACTIONS)
    for line in body.splitlines():
        if found := _RULE.fullmatch(line):
            rules.append(Rule(int(found[1]), found[2] or "any", int(found[3]), int(found[4] or "0", 16)))
        elif found := _MISS.fullmatch(line):
            missed.append(int(found[1]))
    actions, _, remarks = rest.partition("\n")
    remarks = " ".join(line.strip() for line in remarks.splitlines() if line.strip())
    return Told(tuple(rules), tuple(missed), actions.strip(), remarks, text.strip())
