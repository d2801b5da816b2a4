"""`netctl`: finds the sub-command and loads only its file, so that no command waits for what it does not use."""

from __future__ import annotations

import importlib
import sys

import click

from netctl import __version__

COMMANDS = {
    "check": "netctl.cli.check",
    "plan": "netctl.cli.plan",
    "apply": "netctl.cli.apply",
    "confirm": "netctl.cli.confirm",
    "show": "netctl.cli.show",
    "doctor": "netctl.cli.doctor",
    "export": "netctl.cli.export",
    "up": "netctl.cli.up",
    "down": "netctl.cli.down",
    "wire": "netctl.cli.wire_group",
    "probe": "netctl.cli.probe_group",
    "scene": "netctl.cli.scene",
    "libvirt": "netctl.cli.libvirt_group",
    "agent": "netctl.cli.agent",
    "controller": "netctl.cli.controller",
}
"""Each module has a click command called `command`."""


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "NETCTL"},
)
@click.version_option(__version__, prog_name="netctl")
def cli() -> None:
    """A programmable patch panel for hypervisors.

    A policy says which port is wired to which and what the host needs under it; netctl makes it so and keeps it so.
    Exit codes: 0 good, 1 differs or failed, 2 bad input or usage.
    """


def main() -> None:
    try:
        cli()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
