"""What every command that reads a policy asks first: which policy, which host, and may I."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import click

from netctl.controller.planning import Panel
from netctl.desired.host import NoSuchHost, choose_host
from netctl.policy import load
from netctl.policy.source import find

BAD_INPUT = 2


def say_and_exit(message: str, code: int) -> None:
    click.echo(message, err=True)
    sys.exit(code)


def read_policy(path: str | None) -> Panel:
    """The policy at `path` or where one is looked for; ends the program with every error of a wrong one."""
    loaded = load(find(path, None))
    if loaded.policy is None:
        for problem in loaded.problems:
            click.echo(str(problem), err=True)
        sys.exit(BAD_INPUT)
    return Panel(loaded)


def read_host(panel: Panel, name: str | None) -> str:
    assert panel.loaded.policy is not None
    try:
        return choose_host(panel.loaded.policy, name, socket.gethostname())
    except NoSuchHost as error:
        click.echo(str(error), err=True)
        sys.exit(BAD_INPUT)


def need_root(what: str) -> None:
    """End the program unless it may change the host."""
    if os.geteuid() != 0:
        say_and_exit(
            f"{what} needs root: CAP_NET_ADMIN for devices, CAP_SYS_ADMIN for namespaces, "
            "and the sockets of Open vSwitch. Run it with sudo.",
            BAD_INPUT,
        )


def netctl() -> str:
    """How a person at this terminal calls netctl: by its name where that is found, else by its path."""
    return "netctl" if shutil.which("netctl") else str(Path(sys.executable).with_name("netctl"))


def policy_path(path: str | None) -> Path:
    return Path(find(path, None))
