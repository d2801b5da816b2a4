"""`netctl apply`: make it so, verify it, put it back when it fails."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from netctl.cli.inputs import need_root, read_host, read_policy, say_and_exit
from netctl.cli.machine import Failed, Machine, Plans, open_machine
from netctl.cli.remote import DEFAULT_URL, Unreachable, get
from netctl.controller.planning import Panel
from netctl.kernel.errors import KernelError
from netctl.openflow.local import SwitchError

CONTROLLER_PATIENCE = 30.0
"""Seconds that a running controller is given to do its part."""


@click.command("apply")
@click.argument("path", required=False)
@click.option("--host", help="Which of the policy's hosts this machine is.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="Where a controller's REST API answers.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(path: str | None, host: str | None, url: str, as_json: bool) -> None:
    """Make this machine what the policy says, and verify it.

    The devices are made here. Open vSwitch's part is done by the controller where one runs with this policy, and
    from here where none runs. When a step fails, everything is put back as it was.

    \b
    netctl apply flows/lab.yaml
    """
    panel = read_policy(path)
    name = read_host(panel, host)
    need_root("netctl apply")

    def say(text: str) -> None:
        if not as_json:
            click.echo(text)

    try:
        with open_machine(panel, name) as machine:
            controller = running_controller(panel, url)
            plans = machine.plans()
            collisions = plans.collisions()
            if collisions:
                raise Failed("nothing was changed:\n" + "\n".join(collisions))
            done = apply(machine, panel, plans, url if controller else None, say)
    except (Failed, SwitchError, KernelError) as error:
        if as_json:
            click.echo(json.dumps({"ok": False, "error": str(error)}))
        say_and_exit(str(error), 1)
    if as_json:
        click.echo(json.dumps({"ok": True, "done": done.as_json()}, indent=2))
    else:
        click.echo(f"{name} is as the policy says." if done else f"Nothing to do: {name} was so already.")


def apply(machine: Machine, panel: Panel, plans: Plans, controller: str | None, say: Any) -> Plans:
    """Carry out `plans`, verify, put everything back on failure. `controller` is the URL of a running one."""
    for text in plans.lines():
        say(text)
    before = machine.before()
    try:
        machine.apply_devices(plans)
        if controller is not None:
            wait_for_controller(panel, controller)
        else:
            machine.apply_switches(say)
        verify(machine)
    except (Failed, SwitchError, KernelError) as error:
        left = machine.put_back(before)
        what = "could not be put back: " + "; ".join(left) if left else "everything was put back as it was"
        raise Failed(f"{error}\n{what}") from error
    return plans


def verify(machine: Machine) -> None:
    """The second plan is empty. Raises Failed with what is left of it."""
    for attempt in range(20):
        rest = machine.plans()
        unkept = [] if rest else machine.unkept_rates()
        if not rest and not unkept:
            return
        time.sleep(0.1 if attempt else 0)
    raise Failed("after the change this is still to be done:\n" + "\n".join([*rest.lines(), *unkept]))


def running_controller(panel: Panel, url: str) -> bool:
    """Whether a controller answers at `url`; one that runs another policy raises Failed."""
    try:
        policy = get(url, "/api/v1/status")["policy"]
    except Unreachable:
        return False
    deadline = time.monotonic() + 2
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


