"""`netctl wire`: its sub-commands, each loaded only when it is called."""

from __future__ import annotations

import click


class Wire(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        from netctl.cli.wire import command as tests

        return ["add", "rm", *tests.list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in ("add", "rm"):
            from netctl.cli import wire_patch

            return wire_patch.add if cmd_name == "add" else wire_patch.rm
        from netctl.cli.wire import command as tests

        return tests.get_command(ctx, cmd_name)


@click.group("wire", cls=Wire)
def command() -> None:
    """Patch and unpatch, and prove what the wires carry."""
