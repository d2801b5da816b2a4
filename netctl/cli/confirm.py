"""`netctl confirm`: keep what `netctl apply --confirm` did, or take it back at once."""

from __future__ import annotations

import json
import sys
import time

import click

from netctl import rundir
from netctl.agent.undo import take_up
from netctl.cli import watchdog
from netctl.cli.inputs import need_root
from netctl.kernel import journal
from netctl.kernel.errors import KernelError
from netctl.kernel.host import Host

FAILED = 1
END = 5.0
"""Seconds that the process which waited is given to end."""


@click.command("confirm")
@click.option("--cancel", is_flag=True, help="Take the change back now.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(cancel: bool, as_json: bool) -> None:
    """Keep what `netctl apply --confirm SECONDS` did.

    Exit code 0 when it stays (with --cancel: when it is taken back), 1 when nothing waits, also because it was taken
    back already.

    \b
    netctl confirm
    netctl confirm --cancel
    """
    need_root("netctl confirm")
    try:
        good, what, said = take_back() if cancel else keep()
    except KernelError as error:
        good, what, said = False, "", str(error)
    if as_json:
        click.echo(json.dumps({"ok": good, "change": what, "message": said}))
    else:
        click.echo(said, err=not good)
    sys.exit(0 if good else FAILED)


def keep() -> tuple[bool, str, str]:
    """(whether a change stays, which, what to say). Raises KernelError."""
    found = journal.read()
    if found is None:
        return False, "", nothing()
    with Host(found.host):
        found = journal.read()
        left = found.seconds_left if found is not None else 0.0
        if found is not None and left:
            journal.remove()
    if found is None:
        return False, "", nothing()
    if left:
        rundir.stop(watchdog.NAME, END)
        return True, found.what, f"Confirmed, {left:.0f} s before the end: what `{found.what}` did stays."
    return False, *_take_up()


def take_back() -> tuple[bool, str, str]:
    """As `keep`, for a change that is taken back at once."""
    if journal.read() is None:
        return False, "", nothing()
    return True, *_take_up()


def _take_up() -> tuple[str, str]:
    said: list[str] = []
    found = take_up(said.append, force=True)
    if found is None:
        return "", nothing()
    rundir.stop(watchdog.NAME, END)
    return found.what, "\n".join(said)


def nothing() -> str:
    last = rundir.read_json(watchdog.RECORD)
    if not isinstance(last, dict):
        return "Nothing waits to be confirmed."
    ago = time.time() - last["at"]
    left = "".join(f"\ncould not be put back: {text}" for text in last["left"])
    return f"Nothing waits to be confirmed: `{last['what']}` {last['why']} and was taken back {ago:.0f} s ago.{left}"
