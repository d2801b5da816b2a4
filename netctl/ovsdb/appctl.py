"""Questions to the ovs-vswitchd of this machine, by its control socket (ovs-appctl(8), ovs-vswitchd(8))."""

from __future__ import annotations

import json
import socket
from contextlib import suppress

from netctl.vswitch import run_dir

TIMEOUT = 2.0
"""Seconds to wait for an answer."""


def ask(method: str, *arguments: str, timeout: float = TIMEOUT) -> str:
    """What ovs-vswitchd answers. Raises OSError when it does not, ValueError (with its own words) when it refuses."""
    pid = int((run_dir() / "ovs-vswitchd.pid").read_text(encoding="ascii"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.settimeout(timeout)
        control.connect(str(run_dir() / f"ovs-vswitchd.{pid}.ctl"))
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


def trace(bridge: str, port: int, frame: bytes) -> str:
    """What the bridge would do with a frame that comes in by a port, as «ovs-appctl ofproto/trace» prints it.

    Nothing is sent and nothing counted. Raises OSError, ValueError.
    """
    return ask("ofproto/trace", bridge, f"in_port={port}", frame.hex())
