"""`netctl wire`: its sub-commands, each loaded only when it is called."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "add": ("netctl.cli.wire_patch", "add"),
    "rm": ("netctl.cli.wire_patch", "rm"),
    "check": ("netctl.cli.wire", "check"),
    "trace": ("netctl.cli.trace", "command"),
}
"""The module of each, and its name there."""


class Wire(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.group("wire", cls=Wire)
def command() -> None:
    """Patch and unpatch, and prove what the wires carry."""
