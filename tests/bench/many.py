"""Policies with very many wires over few ports: each end is a VLAN, the tag is rewritten on the way."""

from __future__ import annotations

VLANS = 4000
"""Wires between two ports."""


def ports(wires: int) -> list[str]:
    """The ports that so many wires need, and two more without a wire."""
    return [f"p{number}" for number in range(2 * -(-wires // VLANS) + 2)]


def policy(wires: int, bridge: str = "br0") -> str:
    lines = [
        "version: 1",
        "hosts:",
        "  hv1:",
        "    bridges:",
        f"      {bridge}: {{datapath: netdev, ports: [{', '.join(ports(wires))}]}}",
        "wires:",
    ]
    for number in range(wires):
        pair, vlan = 2 * (number // VLANS), 1 + number % VLANS
        one, other = f"{{port: p{pair}, vlan: {vlan}}}", f"{{port: p{pair + 1}, vlan: {VLANS + 1 - vlan}}}"
        lines.append(f"  - {{name: w{number}, ends: [{one}, {other}]}}")
    return "\n".join(lines) + "\n"
