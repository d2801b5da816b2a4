"""`netctl export`: the running host as a policy."""

from __future__ import annotations

from collections.abc import Iterator

import click

from netctl import __version__
from netctl.cli.host_look import knowledge, look
from netctl.cli.inputs import need_root, say_and_exit
from netctl.cli.machine import Failed, Plans, open_machine
from netctl.controller.planning import Panel
from netctl.desired.device import Device
from netctl.desired.link import Nic
from netctl.desired.routing import device_of
from netctl.export import Draft, Path, Scope, Written, draft, write
from netctl.kernel.errors import KernelError
from netctl.openflow.local import SwitchError
from netctl.plan import Key, Step
from netctl.policy import Loaded, loads

ROUNDS = 50
"""How often what does not hold is taken out, before what is left is told of."""

NAME = "export.yaml"


@click.command("export")
@click.option("--host", help="What the host is called in the policy; as netctl's marks say when left out.")
@click.option("--all", "everything", is_flag=True, help="What others made as well, as far as the language can say it.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, writable=True), help="Write there.")
def command(host: str | None, everything: bool, output: str | None) -> None:
    """Write this host as a policy.

    What netctl made is written so that the plan of the policy is empty. With --all what others made comes too: where
    it is as the policy says it serves, and netctl never changes it; a NIC gets netctl's mark when it is applied, and
    an Open vSwitch bridge is taken over as it runs. What the language cannot say is in comments at the end, each with
    the reason. Nothing of the host is changed, and nothing is written before it was held against the host.

    \b
    netctl export >hv1.yaml && netctl plan hv1.yaml
    netctl export --all -o hv1.yaml
    """
    need_root("netctl export")
    try:
        written, name, left = export(host, everything)
    except (Failed, SwitchError, KernelError) as error:
        say_and_exit(str(error), 1)
    if output is None:
        click.echo(written.text, nl=False)
    else:
        try:
            with open(output, "w", encoding="utf-8") as file:
                file.write(written.text)
        except OSError as error:
            say_and_exit(f"{output} cannot be written: {error.strerror}", 1)
        click.echo(f"{output}: the host {name}", err=True)
    if left:
        click.echo("Its plan would be:", err=True)
        click.echo("\n".join(left), err=True)


def export(host: str | None, everything: bool) -> tuple[Written, str, list[str]]:
    """The policy, what the host is called in it, and the lines of its plan.

    Raises Failed, SwitchError, KernelError.
    """
    survey, switching, name = look(host)
    for bridge, why in switching.silent.items():
        if switching.bridges[bridge].ours:
            raise Failed(f"bridge {bridge}, which is netctl's, cannot be looked at: {why}")
    without: dict[Path, str] = {}
    knows = knowledge(name)
    for _ in range(ROUNDS):
        made = draft(Scope(survey, switching, name, everything, knows.names, knows.guests, without))
        written = write(made, _head(name, everything))
        loaded = loads(written.text, NAME)
        if loaded.policy is None:
            wrong = _refused(loaded, written)
        else:
            with open_machine(Panel(loaded), name) as machine:
                plans = machine.plans()
            wrong = _unlike(plans, made)
        news = {path: why for path, why in wrong.items() if path not in without}
        if not news:
            break
        without |= news
    if loaded.policy is None:
        raise Failed("what was found cannot be said: " + "; ".join(map(str, loaded.problems)))
    return written, name, plans.lines()


def _head(host: str, everything: bool) -> list[str]:
    whose = "all that netctl has words for" if everything else "what netctl made"
    return [f"The host {host} as netctl {__version__} found it, {whose}."]


def _refused(loaded: Loaded, written: Written) -> dict[Path, str]:
    """The parts that `netctl check` would refuse, each with why."""
    wrong: dict[Path, str] = {}
    for problem in loaded.problems:
        path = written.at(problem.line)
        if path is not None:
            wrong.setdefault(path, problem.message)
    return wrong


def _unlike(plans: Plans, made: Draft) -> dict[Path, str]:
    """The parts that are not as they would be wanted, each with what differs; others' alone where there are some, for
    what is netctl's may be right without them."""
    wrong: dict[Path, str] = {}
    steps = [step for step in plans.devices.steps if step.verb != "remove" and not _is_mark(step)]
    told = [(step.key, "; ".join(map(str, step.changes)) or step.why) for step in steps]
    told += [(collision.key, str(collision)) for collision in plans.devices.collisions]
    told += [(collision.key, str(collision)) for collision in plans.rows.collisions]
    for key, why in told:
        for path in _parts(key, made):
            wrong.setdefault(path, why)
    theirs = {path: why for path, why in wrong.items() if path in made.others}
    return theirs or wrong


def _is_mark(step: Step[Device]) -> bool:
    """Whether a step does no more than to put netctl's mark on a NIC."""
    return isinstance(step.item, Nic) and {change.fact for change in step.changes} == {"kept"}


def _parts(key: Key, made: Draft) -> Iterator[Path]:
    """The parts that say what is called so."""
    match key[0]:
        case "netns":
            yield ("guests", key[1])
        case "bridge":
            yield ("bridges", key[1])
        case "rule" | "dropin":
            yield from (("uplinks", dev) for dev in made.uplinks)
        case "sysctl":
            yield from [("sysctls", key[1])] if key[-1] in made.sysctls else (("uplinks", dev) for dev in made.uplinks)
        case kind:
            name = device_of(key) if kind in ("address", "route") else key[-1]
            place = (key[1] if len(key) == 3 else "", name)
            if place in made.made:
                yield made.made[place]
            elif name in made.uplinks:
                yield ("uplinks", name)
