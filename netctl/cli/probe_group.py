"""`netctl probe`: its sub-commands, each loaded only when it is called."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "throughput": "netctl.cli.probe_throughput",
    "symmetric": "netctl.cli.probe_symmetric",
}
"""Each module has a click command called `command`."""


class Probe(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name]).command
        assert isinstance(command, click.Command)
        return command


@click.group("probe", cls=Probe)
def command() -> None:
    """Measure what passes between two ends, and see whether a host answers as it is asked."""
