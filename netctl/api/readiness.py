"""Why the controller has not brought about all that the policy asks."""

from __future__ import annotations

from netctl.controller.snapshot import BridgeView, HostView, Snapshot

LINES = 20


def reasons(snapshot: Snapshot) -> list[str]:
    """A line for each thing that keeps `snapshot.converged` from being true, at most `LINES`."""
    lines = [
        f"{problem.at}: {problem.message}" if problem.at else problem.message for problem in snapshot.policy.refused
    ]
    if not snapshot.policy.digest:
        lines.insert(0, f"no policy is in force (looked for it in {snapshot.policy.source or 'no place yet'})")
    lines += [line for host in snapshot.hosts for line in _host(host)]
    lines += [line for bridge in snapshot.bridges for line in _bridge(bridge)]
    lines += [
        f"wire {wire.name} waits: {wire.why or 'not installed yet'}"
        for wire in snapshot.wires
        if wire.state == "waiting"
    ]
    if len(lines) <= LINES:
        return lines
    return [*lines[: LINES - 1], f"and {len(lines) - LINES + 1} more"]


def _host(host: HostView) -> list[str]:
    if not host.connected and not host.problems:
        return [f"host {host.name}: no connection to its Open vSwitch database ({host.ovsdb or 'the local one'})"]
    return [f"host {host.name}: {problem.message}" for problem in host.problems]


def _bridge(bridge: BridgeView) -> list[str]:
    name = f"bridge {bridge.host}/{bridge.name}"
    lines = [f"{name}: {problem.message}" for problem in bridge.problems]
    if bridge.pending:
        more = f" and {len(bridge.pending) - 1} more" if len(bridge.pending) > 1 else ""
        lines.append(f"{name}: still to be done: {bridge.pending[0]}{more}")
    if not bridge.connected:
        lines.append(f"{name}: its OpenFlow session is not up")
    return lines
