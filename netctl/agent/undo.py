"""Changes that were broken off are taken back, and those whose time to be confirmed is over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

from netctl.controller.carrier import PortChange
from netctl.controller.snapshot import SwitchPort
from netctl.desired import row
from netctl.desired.device import Device
from netctl.desired.row import Row
from netctl.desired.takeover import adopted_bridges
from netctl.kernel import journal
from netctl.kernel.host import LOCK_SECONDS, Host, Outcome
from netctl.kernel.journal import Journal, SwitchPast, UnderWay
from netctl.kernel.past import WAS, remember, return_to
from netctl.openflow.local import LocalSwitch, SwitchError, management
from netctl.ovsdb.datapath import forget_all
from netctl.plan import Plan, Wanted, delta

if TYPE_CHECKING:
    from netctl.ovsdb.database import Database

PATIENCE = 10.0
"""Seconds that Open vSwitch is given to act on a change."""
LOOKS = 30
"""Tenths of a second that its database is given to answer."""


def take_up(say: Callable[[str], object], patience: float = LOCK_SECONDS, force: bool = False) -> Journal | None:
    """Take back the change of a process that is gone, if there is one: that change. What was done is said.

    `force` takes back one as well that waits to be confirmed. Raises KernelError, UnderWay among them where the
    process is still at it.
    """
    found = journal.read()
    if found is None:
        return None
    with Host(found.host, forget_all, patience) as kernel:
        found = journal.read()
        if found is None:
            return None
        if found.alive and not (force and found.confirm_by is not None):
            raise UnderWay(found)
        if found.outlived:
            say(f"`{found.what}` was broken off before this machine was started: there is nothing to take back")
        else:
            why = "was not confirmed" if found.confirm_by is not None else "was broken off"
            say(f"`{found.what}` {why}: what it changed is taken back")
            for text in roll_back(kernel, found):
                say(f"could not be put back: {text}")
        journal.remove()
    return found


def roll_back(kernel: Host, found: Journal) -> list[str]:
    """Make all that `found` tells of as it was; what could not be, in words."""
    left: list[str] = []
    if found.switches is not None:
        from netctl.ovsdb.database import Database

        with closing(Database(found.switches.remote, found.host)) as database:
            for _ in range(LOOKS):
                database.wait(0.1)
                if database.connected:
                    left += undo_switches(database, found.switches)
                    break
            else:
                left.append(database.error)
    return left + return_to(kernel, found.past)[1]


def apply(kernel: Host, plan: Plan[Device], what: str) -> Outcome:
    """Carry out a plan with a journal, which is gone afterwards. Raises KernelError, and nothing was done then."""
    past = remember(kernel, plan)
    journal.begin(Journal(kernel.name or "", what, past))
    try:
        outcome = kernel.apply(plan)
        if outcome.failed is not None:
            kernel.restore(past.ways)
    except BaseException:
        return_to(kernel, past)
        raise
    finally:
        journal.remove()
    return outcome


def undo_switches(database: Database, past: SwitchPast) -> list[str]:
    """Make Open vSwitch's part as it was; what could not be, in words."""
    left: list[str] = []
    try:
        clear_flows(adopted_bridges(database.observe()) - past.flows.keys())
        were: list[Wanted[Row]] = [Wanted(item, WAS) for item in past.rows]
        outcome = database.apply(delta(were, database.observe().rows, row.ORDER), PATIENCE)
        if not outcome.ok:
            left.append(outcome.error)
        for bridge, found in past.flows.items():
            with LocalSwitch(management(bridge)) as switch:
                changed = switch.change(delta([Wanted(flow, WAS) for flow in found], switch.flows()))
                left += map(str, changed.errors)
                refused = switch.set_ports(changed_back(past.held[bridge], switch.ports()))
                left += [f"bridge {bridge}, port {number}: {text}" for number, text in refused.items()]
    except SwitchError as error:
        left.append(str(error))
    return left


def clear_flows(bridges: Iterable[str]) -> None:
    """Take netctl's flows and meters off bridges that are given back. Raises SwitchError."""
    for bridge in bridges:
        with LocalSwitch(management(bridge)) as switch:
            changed = switch.change(delta([], switch.flows(ours_only=True)))
            if not changed.ok:
                raise SwitchError(f"bridge {bridge}: " + "; ".join(map(str, changed.errors)))
            switch.limit(delta([], switch.limits()))


def changed_back(held: Collection[str], ports: Iterable[SwitchPort]) -> tuple[PortChange, ...]:
    """What takes down the ports that were, and raises the others."""
    differ = [port for port in ports if port.held is not (port.name in held) and not port.gone]
    return tuple((port.number, port.mac, not port.held) for port in differ)
