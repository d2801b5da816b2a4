"""What must fit together in a policy. Each file looks at one thing; each finding says what would be right."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.policy.finding import Finding
from netctl.policy.model import Policy
from netctl.policy.rules import bridges, devices, guests, links, queues, routes, uplinks
from netctl.policy.stage import Stage


def check(policy: Policy, stage: Stage) -> Iterator[Finding]:
    """All that does not fit, wires aside."""
    for name, host in policy.hosts.items():
        path = ("hosts", name)
        yield from devices.check(host, path, stage)
        yield from bridges.check(host, path, stage)
        yield from guests.check(host, path, stage)
        yield from links.check(host, path, stage)
        yield from uplinks.check(host, path, stage)
        yield from routes.check(host, path, stage)
    yield from bridges.check_databases(policy, stage)
    yield from queues.check(policy)
