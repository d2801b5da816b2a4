"""`netctl down`: remove all that netctl made on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click
from rich.console import Console

from netctl.agent.undo import clear_flows, take_up
from netctl.cli.inputs import need_root
from netctl.desired.device import plan_host
from netctl.desired.row import Bridge
from netctl.desired.takeover import adopted_bridges, bridge_of
from netctl.kernel import journal, sysctl
from netctl.kernel.errors import KernelError
from netctl.kernel.host import Host
from netctl.openflow.local import LocalSwitch, SwitchError, management
from netctl.ovsdb.database import Database
from netctl.ovsdb.remote import default_remote
from netctl.plan import Plan
from netctl.plan.text import line
from netctl.probe import play
from netctl.rundir import remove, run_dir, stop

STOP_SECONDS = 5.0
PATIENCE = 10.0


@click.command("down")
@click.option("-v", "--verbose", is_flag=True, help="Name everything that is removed.")
def command(verbose: bool) -> None:
    """Remove all that netctl made on this machine: its processes, bridges, ports, flows, devices and namespaces.

    What others made stays. Exit code 1 when something could not be removed.

    \b
    netctl down
    """
    need_root("netctl down")
    sys.exit(0 if take_down(Console(highlight=False), verbose) else 1)


def take_down(console: Console, verbose: bool = False) -> bool:
    """Whether nothing is left."""
    ended = stop_processes()
    give_up_change(console)
    rows, error = remove_rows(console, verbose)
    devices, kernel_error = remove_devices(console, verbose)
    for text in filter(None, (error, kernel_error)):
        console.print(text)
    if not (ended or rows or devices):
        console.print("Nothing of netctl's was here." if not (error or kernel_error) else "")
    else:
        console.print(f"Removed: {ended} processes, {rows} bridges, ports and rates, {devices} devices and namespaces.")
    return not (error or kernel_error)


def stop_processes() -> int:
    """End every netctl daemon that left a pid file, `up` first so that it starts none again."""
    folder = run_dir()
    names = sorted(path.stem for path in folder.glob("*.pid"))
    names.sort(key=lambda name: name != "up")
    ended = sum(stop(name, STOP_SECONDS) for name in names if name != str(os.getpid()))
    play.clear()
    for name in names:
        remove(name)
    for left in (*folder.glob("*.json"), *folder.glob("*.sock"), *folder.glob("*.pid.lock")):
        if left.stem != sysctl.RECORD and left.name != journal.NAME:
            left.unlink(missing_ok=True)
    return ended


def give_up_change(console: Console) -> None:
    """Take back a change that was broken off or not confirmed: NICs and the routes of others get back what they had."""
    try:
        take_up(console.print, force=True)
    except journal.Broken as error:
        console.print(str(error))
        journal.remove()
    except KernelError as error:
        console.print(str(error))


def remove_rows(console: Console, verbose: bool) -> tuple[int, str]:
    """How many rows were removed, and why not all were."""
    remote = default_remote()
    database = Database(remote, None)
    try:
        for _ in range(20):
            database.wait(0.1)
            if database.connected:
                break
        else:
            there = Path(os.environ.get("OVS_DBDIR", "/etc/openvswitch"), "conf.db").exists()
            return 0, f"bridges that netctl made may be left: {database.error}" if there else ""
        plan = database.ours()
        if verbose:
            for step in plan.steps:
                console.print(line(step))
        if not plan.steps:
            return 0, ""
        observed = database.observe()
        raise_ports(f.item.name for f in observed.rows if f.ours and isinstance(f.item, Bridge))
        adopted = adopted_bridges(observed)
        left = ""
        try:
            clear_flows(adopted)
        except SwitchError as error:
            left = f"not given back: {', '.join(sorted(adopted))}: {error}"
            plan = Plan(tuple(step for step in plan.steps if bridge_of(step.item) not in adopted))
        outcome = database.apply(plan, PATIENCE)
        return outcome.changed, "\n".join(filter(None, (left, outcome.error)))
    finally:
        database.close()


def raise_ports(bridges: Iterable[str]) -> None:
    """Leave no port down because its wire had no carrier: some are not netctl's, and stay. An Open vSwitch that does
    not run holds none of them."""
    for bridge in bridges:
        with suppress(SwitchError), LocalSwitch(management(bridge)) as switch:
            held = [port for port in switch.ports() if port.held and not port.gone]
            wired = {found.item.match.in_port for found in switch.flows(ours_only=True)} if held else set()
            switch.set_ports(tuple((port.number, port.mac, False) for port in held if port.number in wired))


def remove_devices(console: Console, verbose: bool) -> tuple[int, str]:
    """How many devices and namespaces were removed, and why not all were."""
    try:
        with Host(None) as kernel:
            plan = plan_host([], kernel.observe(), lambda _: "netctl made it")
            if verbose:
                for step in plan.steps:
                    console.print(line(step))
            outcome = kernel.apply(plan)
    except KernelError as error:
        return 0, str(error)
    if outcome.failed is not None:
        return len(outcome.done), f"{line(outcome.failed)}: {outcome.error}"
    return len(outcome.done), ""
