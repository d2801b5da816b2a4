"""`netctl apply`: make it so, verify it, put it back when it fails or nobody confirms it."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from netctl import rundir
from netctl.agent.undo import take_up
from netctl.cli import session, watchdog
from netctl.cli.ending import Interrupted, deaf, heed
from netctl.cli.inputs import need_root, read_host, read_policy
from netctl.cli.machine import Failed, Machine, Plans, open_machine
from netctl.cli.remote import DEFAULT_URL, Unreachable, get
from netctl.controller.planning import Panel
from netctl.kernel import journal
from netctl.kernel.errors import KernelError
from netctl.kernel.journal import Journal
from netctl.libvirt.guests import keep
from netctl.libvirt.install import installed
from netctl.openflow.local import SwitchError

CONTROLLER_PATIENCE = 30.0
"""Seconds that a running controller is given to do its part."""
POLICY_PATIENCE = 2.0
"""Seconds that a daemon is given to read a policy that was saved just now."""

FAILED = 1

Say = Callable[[str], None]


@click.command("apply")
@click.argument("path", required=False)
@click.option("--host", help="Which of the policy's hosts this machine is.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where a controller's REST API answers.")
@click.option(
    "--confirm",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Take everything back unless `netctl confirm` comes in time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(path: str | None, host: str | None, url: str, confirm: float | None, as_json: bool) -> None:
    """Make this machine what the policy says, and verify it.

    The devices are made here. Open vSwitch's part is done by the controller where one runs with this policy, and
    from here where none runs. When a step fails, everything is put back as it was; what would cut the SSH session
    that it is typed in is refused without --confirm.

    \b
    netctl apply flows/lab.yaml
    netctl apply flows/lab.yaml --confirm 60    # then, if you still can: netctl confirm
    """
    panel = read_policy(path)
    name = read_host(panel, host)
    need_root("netctl apply")
    job = Job(panel, name, url, confirm, as_json)
    if confirm is not None:
        sys.exit(watchdog.start(job.run))
    heed()
    sys.exit(job.run()[0])


class Job:
    """One call of `netctl apply`."""

    def __init__(self, panel: Panel, host: str, url: str, confirm: float | None, as_json: bool) -> None:
        self.panel = panel
        self.host = host
        self.url = url
        self.confirm = confirm
        self.as_json = as_json
        self.what = f"netctl apply {panel.loaded.source}"

    def run(self) -> tuple[int, Journal | None]:
        """The program's exit code, and the change that waits to be confirmed."""
        try:
            done, waiting = self._carry_out()
        except (Failed, SwitchError, KernelError, Interrupted, rundir.Running) as error:
            if self.as_json:
                tell(json.dumps({"ok": False, "error": str(error)}))
            tell(str(error), err=True)
            return FAILED, None
        if installed():
            with suppress(OSError):
                keep(self.panel.loaded, self.panel.loaded.source, self.host, socket.gethostname())
        if self.as_json:
            within = {"confirm_within": self.confirm} if waiting else {}
            tell(json.dumps({"ok": True, **within, "done": done.as_json()}, indent=2))
        elif waiting:
            tell(
                f"{self.host} is as the policy says. It is taken back in {self.confirm:g} s unless you confirm it: "
                "netctl confirm"
            )
        else:
            tell(f"{self.host} is as the policy says." if done else f"Nothing to do: {self.host} was so already.")
        return 0, waiting

    def _say(self, text: str) -> None:
        if not self.as_json:
            tell(text)

    def _carry_out(self) -> tuple[Plans, Journal | None]:
        take_up(lambda text: tell(text, err=True))
        with open_machine(self.panel, self.host) as machine:
            self._leave_to_agent()
            controller = self.url if running_controller(self.panel, self.url) else None
            plans = machine.plans()
            collisions = plans.collisions()
            if collisions:
                raise Failed("nothing was changed:\n" + "\n".join(collisions))
            if self.confirm is None:
                refuse_cut(plans)
            if not plans:
                apply(machine, self.panel, plans, controller, self._say)
                return plans, None
            entry = machine.journal(plans, self.what, switches=controller is None)
            journal.begin(entry)
            try:
                apply(machine, self.panel, plans, controller, self._say)
                deaf()
                if self.confirm is not None:
                    entry = replace(entry, confirm_by=journal.now() + self.confirm)
                    journal.rewrite(entry)
                    return plans, entry
            except BaseException as error:
                deaf()
                left = machine.put_back(entry)
                journal.remove()
                what = "could not be put back: " + "; ".join(left) if left else "everything was put back as it was"
                if isinstance(error, Failed | SwitchError | KernelError | Interrupted):
                    raise Failed(f"{error}\n{what}") from error
                raise
            journal.remove()
            return plans, None

    def _leave_to_agent(self) -> None:
        pid = running_agent(self.panel, self.host)
        if pid is not None and self.confirm is not None:
            raise Failed(
                f"the agent of {self.host} (process {pid}) keeps this host as the policy says, and makes it so again "
                "whatever is taken back: stop the agent first, or apply without --confirm"
            )


def apply(machine: Machine, panel: Panel, plans: Plans, controller: str | None, say: Say) -> None:
    """Carry out `plans` and verify. `controller` is the URL of a running one."""
    for text in plans.lines():
        say(text)
    machine.apply_devices(plans)
    if controller is not None:
        wait_for_controller(panel, controller)
    else:
        machine.apply_switches(say)
    verify(machine)


def verify(machine: Machine) -> None:
    """The second plan is empty. Raises Failed with what is left of it."""
    for attempt in range(20):
        rest = machine.plans()
        unkept = [] if rest else machine.unkept_rates()
        if not rest and not unkept:
            return
        time.sleep(0.1 if attempt else 0)
    raise Failed("after the change this is still to be done:\n" + "\n".join([*rest.lines(), *unkept]))


def refuse_cut(plans: Plans) -> None:
    """Raises Failed where the plans would cut the session in which this was typed."""
    told = cut_of(plans)
    if told:
        raise Failed(
            f"nothing was changed: {told}\nUse --confirm SECONDS: it is done then, and taken back unless "
            "`netctl confirm` comes in time."
        )


def cut_of(plans: Plans) -> str:
    """What of the plans would cut the session in which this was typed; "" for nothing. Raises Failed."""
    try:
        path = session.find()
    except OSError as error:
        raise Failed(f"the path of your session cannot be found: {error.strerror or error}") from error
    cut = session.cut(plans.devices, plans.rows, path) if path is not None else None
    return cut.told(path) if cut is not None and path is not None else ""


def running_agent(panel: Panel, host: str) -> int | None:
    """The process that is this host's agent; one that runs another policy raises Failed."""
    name = f"agent-{host}"
    pid = rundir.alive(name)
    if pid is None:
        return None
    deadline = time.monotonic() + POLICY_PATIENCE
    while True:
        status = rundir.read_json(name) or {}
        if not status.get("digest") or status["digest"] == panel.loaded.digest or _same(pid, status, panel):
            return pid
        if time.monotonic() > deadline:
            raise Failed(
                f"the agent of {host} (process {pid}) runs another policy, from {status['source']}: "
                "change that one (it is applied when saved), or stop the agent"
            )
        time.sleep(0.1)


def _same(pid: int, status: dict[str, Any], panel: Panel) -> bool:
    """Whether an agent's policy is in the same files: it does not look at what is patched at run time."""
    try:
        theirs = (Path(os.readlink(f"/proc/{pid}/cwd")) / status["source"]).resolve()
        return bool(theirs == Path(panel.loaded.source).resolve())
    except OSError:
        return False


def running_controller(panel: Panel, url: str) -> bool:
    """Whether a controller answers at `url`; one that runs another policy raises Failed."""
    try:
        policy = get(url, "/api/v1/status")["policy"]
    except Unreachable:
        return False
    deadline = time.monotonic() + POLICY_PATIENCE
    while policy["digest"] != panel.loaded.digest:
        if time.monotonic() > deadline:
            raise Failed(
                f"the controller at {url} runs another policy, from {policy['source']}: "
                "change that one (it is applied when saved), or stop the controller"
            )
        time.sleep(0.1)
        policy = get(url, "/api/v1/status")["policy"]
    return True


def wait_for_controller(panel: Panel, url: str) -> None:
    """Until the controller has done its part. Raises Failed with what it reports."""
    deadline = time.monotonic() + CONTROLLER_PATIENCE
    status: dict[str, Any] = {}
    while time.monotonic() < deadline:
        try:
            status = get(url, "/api/v1/status")
        except Unreachable as error:
            raise Failed(f"the controller went away: {error}") from error
        if status["converged"] and status["policy"]["digest"] == panel.loaded.digest:
            return
        time.sleep(0.1)
    raise Failed(f"the controller at {url} did not get there in {CONTROLLER_PATIENCE:.0f} s; see netctl show")


def tell(text: str, err: bool = False) -> None:
    """Print; whoever has closed the terminal or the pipe does not hear it."""
    with suppress(OSError):
        click.echo(text, err=err)
