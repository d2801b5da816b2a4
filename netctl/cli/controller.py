"""`netctl controller`: the same as `ryu-manager netctl.app`."""

from __future__ import annotations

import sys

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    short_help="Run the controller; --help lists its options.",
)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(args: tuple[str, ...]) -> None:
    """Run the controller in the foreground: the same as `ryu-manager netctl.app`, with the same options."""
    from netctl.manager import main

    sys.exit(main(["netctl.app", *args]))
