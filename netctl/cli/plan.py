"""`netctl plan`: what would change here and why; nothing is touched."""

from __future__ import annotations

import json
import sys

import click

from netctl.cli.apply import cut_of
from netctl.cli.inputs import need_root, read_host, read_policy, say_and_exit
from netctl.cli.machine import Failed, open_machine
from netctl.kernel import journal
from netctl.kernel.errors import KernelError
from netctl.kernel.journal import Journal, UnderWay
from netctl.openflow.local import SwitchError


@click.command("plan")
@click.argument("path", required=False)
@click.option("--host", help="Which of the policy's hosts this machine is.")
@click.option("--exit-code", is_flag=True, help="Exit 1 if anything would change.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(path: str | None, host: str | None, exit_code: bool, as_json: bool) -> None:
    """What would change on this machine, and why; nothing is touched.

    One line a step: + is made, ~ is changed in place, ! is removed and made again, - is removed, and x is
    something that netctl did not make and will not touch.

    \b
    netctl plan flows/lab.yaml
    netctl plan flows/lab.yaml --exit-code --json | jq .empty
    """
    panel = read_policy(path)
    name = read_host(panel, host)
    need_root("netctl plan")
    try:
        pending = journal.read()
        with open_machine(panel, name) as machine:
            plans = machine.plans()
        cut = cut_of(plans)
    except (Failed, SwitchError, KernelError) as error:
        say_and_exit(str(error), 1)
    if pending is not None:
        click.echo(f"Before this: {note(pending)}", err=True)
    if as_json:
        click.echo(json.dumps({**plans.as_json(), "cuts_session": cut}, indent=2))
    elif plans:
        click.echo("\n".join(plans.lines()))
    else:
        click.echo(f"Nothing to do: {name} is as the policy says.")
    if cut and not as_json:
        click.echo(f"As it is typed here, {cut}\nso `netctl apply` does it only with --confirm SECONDS.")
    if exit_code and plans:
        sys.exit(1)


def note(pending: Journal) -> str:
    """What there is to know of a change that is not finished."""
    if pending.alive:
        return str(UnderWay(pending))
    return f"`{pending.what}` was broken off; the next `netctl apply` or `netctl agent` first takes back what it did"
