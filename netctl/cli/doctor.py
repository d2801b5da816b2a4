"""`netctl doctor`: what is wrong with this host, how it shows, and what mends it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from netctl import rundir
from netctl.cli.inputs import need_root, netctl, say_and_exit
from netctl.cli.plain import plain
from netctl.desired.host import NoSuchHost, choose_host
from netctl.doctor import Finding, Picture, Wishes, examine, wishes
from netctl.doctor.cure import Ailment, plan
from netctl.kernel import journal
from netctl.kernel.errors import KernelError
from netctl.kernel.module import lacking
from netctl.kernel.picture import take
from netctl.plan import Step
from netctl.plan.text import line
from netctl.policy import Loaded, load
from netctl.policy.source import find

BAD_INPUT = 2
ROUNDS = 3
"""How often `--fix` looks again: what is mended may uncover something else."""
SECONDS = 60.0
"""How long one command may take."""


@click.command("doctor")
@click.argument("path", required=False)
@click.option("--host", help="Which of the policy's hosts this machine is.")
@click.option("--fix", is_flag=True, help="Run what mends each finding, then look again.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(path: str | None, host: str | None, fix: bool, as_json: bool) -> None:
    """Say what is wrong with this host, how it shows, and the commands that mend it.

    PATH is a policy, by which more can be judged; without one the policy counts that is found where one is looked
    for, if there is any. Nothing is changed without --fix.

    Exit code 0 when nothing is wrong (any more), 1 when something is, 2 for bad input.

    \b
    netctl doctor
    netctl doctor flows/lab.yaml --fix
    netctl doctor --json | jq -r '.findings[].mend[]'
    """
    need_root("netctl doctor")
    visit = Visit(*_wanted(path, host))
    try:
        findings = visit.look()
        mended: list[Mended] = []
        for _ in range(ROUNDS if fix else 0):
            steps = plan(each for each in findings if not any(each == old.step.item.finding for old in mended)).steps
            if not steps:
                break
            mended += [_mend(step, quiet=as_json) for step in steps]
            findings = visit.look()
    except KernelError as error:
        say_and_exit(str(error), 1)
    if as_json:
        click.echo(json.dumps(_as_json(visit, findings, mended), indent=2))
    else:
        _tell(visit, findings, bool(mended), fix)
    sys.exit(1 if findings else 0)


@dataclass
class Visit:
    """Looks at this host, with a policy or without one."""

    policy: str
    wishes: Wishes
    remote: str
    notes: list[str] = field(default_factory=list)
    """What could not be looked at."""

    def look(self) -> list[Finding]:
        """Raises KernelError."""
        return examine(self.picture(), self.wishes)

    def picture(self) -> Picture:
        """Raises KernelError."""
        self.notes.clear()
        switches = self._switches()
        ports = {each.name for one in switches if one.datapath == "netdev" for each in one.interfaces if not each.kind}
        picture = take(ports)
        return replace(
            picture,
            switches=switches,
            lacking=lacking(self.wishes.kinds),
            agents=frozenset(host for host in self._hosts(picture) if rundir.alive(f"agent-{host}") is not None),
            broken_off=self._broken_off(),
            netctl=netctl(),
        )

    def _switches(self) -> Any:
        from netctl.ovsdb.remote import BadRemote, default_remote, reachable

        remote = self.remote or default_remote()
        if not reachable(remote):
            return ()
        from netctl.ovsdb.picture import switches
        from netctl.ovsdb.select import NoAnswer

        try:
            return switches(remote)
        except (NoAnswer, BadRemote) as error:
            self.notes.append(f"Open vSwitch was not looked at: {error}")
            return ()

    def _hosts(self, picture: Picture) -> set[str]:
        marks = {link.mark for link in picture.links} | set(picture.namespaces.values())
        return marks - {""}

    def _broken_off(self) -> str:
        try:
            found = journal.read()
        except journal.Broken as error:
            self.notes.append(str(error))
            return ""
        return found.what if found is not None and not found.alive and not found.seconds_left else ""


@dataclass(frozen=True)
class Mended:
    """A step that was carried out."""

    step: Step[Ailment]
    error: str = ""
    """What the command that failed said."""


def _mend(step: Step[Ailment], quiet: bool) -> Mended:
    if not quiet:
        click.echo(plain(line(step)))
    for each in step.item.finding.mend:
        if not quiet:
            click.echo(plain(f"  {each}"))
        error = _run(each)
        if error:
            if not quiet:
                click.echo(plain(f"  failed: {error}"))
            return Mended(step, f"«{each}»: {error}")
    return Mended(step)


def _run(text: str) -> str:
    """Why a command failed; "" when it did not."""
    try:
        done = subprocess.run(
            ["sh", "-c", text], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took over {SECONDS:.0f} s"
    except OSError as error:
        return error.strerror or str(error)
    said = (done.stderr or done.stdout).strip().rpartition("\n")[2]
    return (said or f"exit code {done.returncode}") if done.returncode else ""


def _wanted(path: str | None, host: str | None) -> tuple[str, Wishes, str]:
    """Where the policy is, what it wants, and where its Open vSwitch is. One that was named and is not good ends the
    program; without one that was found by itself the host is looked at as such."""
    named = path is not None or host is not None
    where = find(path, None)
    if not named and not where.exists():
        return "", Wishes(), ""
    loaded: Loaded = load(where)
    if loaded.policy is None:
        for problem in loaded.problems:
            click.echo(str(problem), err=True)
        if named:
            sys.exit(BAD_INPUT)
        click.echo(f"The policy {where} is not right: the host is looked at without it.", err=True)
        return "", Wishes(), ""
    try:
        name = choose_host(loaded.policy, host, socket.gethostname())
    except NoSuchHost as error:
        if named:
            say_and_exit(str(error), BAD_INPUT)
        click.echo(f"{where}: {error}: the host is looked at without it.", err=True)
        return "", Wishes(), ""
    return loaded.source, wishes(loaded, name), loaded.policy.hosts[name].ovsdb or ""


def _as_json(visit: Visit, findings: Sequence[Finding], mended: Sequence[Mended]) -> dict[str, Any]:
    return {
        "healthy": not findings,
        "host": visit.wishes.host or None,
        "policy": visit.policy or None,
        "findings": [finding.as_json() for finding in findings],
        "mended": [
            {**each.step.item.finding.as_json(), "error": each.error or None} for each in mended
        ],
        "notes": visit.notes,
    }


def _tell(visit: Visit, findings: Sequence[Finding], mended: bool, fix: bool) -> None:
    for note in visit.notes:
        click.echo(note, err=True)
    for finding in findings:
        click.echo(plain(f"{finding.severity} {finding.check}: {finding.what}"))
        click.echo(plain(f"  shows: {finding.shows}"))
        for each in finding.mend:
            click.echo(plain(f"  mend:  {each}"))
        if finding.by_hand:
            click.echo(plain(f"  {'but:  ' if finding.mend else 'mend: '} {finding.by_hand}"))
        click.echo()
    if not findings:
        click.echo("Nothing is wrong any more." if mended else "Nothing is wrong.")
        return
    automatic = sum(finding.automatic for finding in findings)
    faults = sum(finding.severity == "fault" for finding in findings)
    by_itself = f"; `netctl doctor --fix` mends {automatic} of them" if automatic and not fix else ""
    click.echo(f"{_many(faults, 'fault')}, {_many(len(findings) - faults, 'trap')}{by_itself}.")


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
