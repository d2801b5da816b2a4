from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from netctl.api.readiness import LINES, reasons
from netctl.controller.snapshot import BridgeView, HostView, PolicyView, Problem, Snapshot, WireView
from tests.api.world import GOOD, TROUBLED

WRONG = (Problem("wrong"),)
POLICIES = [PolicyView("p"), PolicyView("p", digest="d"), PolicyView("p", digest="d", refused=WRONG)]
HOSTS = [HostView("h", "o", connected, problems) for connected in (True, False) for problems in ((), WRONG)]
BRIDGES = [
    BridgeView("h", "b", "netdev", "drop", 1, connected, 0, pending, problems)
    for connected in (True, False)
    for pending in ((), ("step",))
    for problems in ((), WRONG)
]
WIRES = [WireView("w", GOOD.wires[0].ends, state) for state in ("up", "down", "waiting")]


def test_there_are_reasons_exactly_when_it_has_not_converged() -> None:
    seen = set()
    for policy, host, bridge, wire in product(POLICIES, HOSTS, BRIDGES, WIRES):
        snapshot = Snapshot(policy=policy, hosts=(host,), bridges=(bridge,), wires=(wire,))
        assert bool(reasons(snapshot)) is not snapshot.converged, snapshot
        seen.add(snapshot.converged)
    assert seen == {True, False}


@pytest.mark.parametrize("many", [LINES, LINES + 1, 5 * LINES])
def test_never_too_many(many: int) -> None:
    wires = tuple(replace(TROUBLED.wires[1], name=f"w{i}") for i in range(many))
    lines = reasons(replace(GOOD, wires=wires))
    assert len(lines) == LINES
    if many > LINES:
        assert lines[-1] == f"and {many - LINES + 1} more"
