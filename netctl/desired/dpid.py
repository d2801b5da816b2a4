"""The datapath ID of a bridge (OpenFlow 1.3.5, 7.3.1), by which the controller knows it."""

from __future__ import annotations

from hashlib import sha256


def dpid(host: str, bridge: str) -> int:
    """The datapath ID of `bridge` on `host`: always the same, however its ports come and go, and never 0.

    48 bits, as Open vSwitch's own are, so that it survives programs that read JSON numbers as floating point.
    """
    return int.from_bytes(sha256(f"{host}/{bridge}".encode()).digest()[:6], "big") or 1
