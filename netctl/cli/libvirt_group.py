"""`netctl libvirt`: guests of libvirt's. The hook has 0.3 s, so everything is imported by what needs it."""

from __future__ import annotations

import os
import socket
import sys

import click

BAD_INPUT, FAILED = 2, 1
SYSTEM = "/etc/netctl/flows"
"""The policy that the hook reads: libvirt's own folder, in which it runs, has none."""
HEEDED = ("PYTHONPATH", "NETCTL_RUN_DIR", "OVS_RUNDIR")
"""Variables that netctl heeds and libvirt does not pass on: the hook gets them as they are when it is installed."""


@click.group("libvirt")
def command() -> None:
    """Hand prepared devices over to libvirt."""


@command.command("xml")
@click.argument("guest", metavar="VM")
@click.argument("path", required=False)
@click.option("--host", help="Which of the policy's hosts this machine is.")
@click.option(
    "--queues",
    type=click.IntRange(2, 256),
    default=2,
    show_default=True,
    help="How many queues a tap with multi_queue gets.",
)
def xml(guest: str, path: str | None, host: str | None, queues: int) -> None:
    """Print the <interface> elements for a guest of the policy, to be put under <devices> of its domain.

    \b
    netctl libvirt xml vm1
    virsh edit vm1
    """
    from netctl.cli.inputs import read_host, read_policy, say_and_exit
    from netctl.libvirt.interface import NoInterface, interfaces

    panel = read_policy(path)
    try:
        for element in interfaces(panel.loaded, read_host(panel, host), guest, queues):
            click.echo(element)
    except NoInterface as error:
        say_and_exit(str(error), BAD_INPUT)


@command.command("hook")
@click.option("--policy", metavar="PATH", help="The policy: a file, or a directory of *.yaml.")
@click.option("--host", metavar="NAME", help="Which of the policy's hosts this machine is.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def hook(policy: str | None, host: str | None, arguments: tuple[str, ...]) -> None:
    """What libvirt calls: NAME OPERATION SUB-OPERATION EXTRA, with the domain's XML on standard input.

    At `prepare begin` it makes the guest's devices, as the policy says or, for a guest that the policy does not
    name, the domain's own metadata; exit code 1 ends the start of the guest. At `release end` it removes those of
    the metadata. It does nothing, and exits 0, at everything else.

    \b
    netctl libvirt hook vm1 prepare begin - < vm1.xml
    """
    from netctl.libvirt.hook import run

    sys.exit(run(arguments, policy or os.environ.get("NETCTL_POLICY") or SYSTEM, host))


@command.command("install-hook")
@click.option("--policy", metavar="PATH", help="The policy that the hook reads: /etc/netctl/flows when left out.")
@click.option("--host", metavar="NAME", help="Which of the policy's hosts this machine is.")
@click.option("--folder", metavar="DIR", default="/etc/libvirt/hooks", show_default=True, help="Where hooks are.")
@click.option("--remove", is_flag=True, help="Take the hook away again.")
def install_hook(policy: str | None, host: str | None, folder: str, remove: bool) -> None:
    """Have libvirt call netctl: write qemu.d/netctl into its folder of hooks.

    libvirtd looks there when it starts: restart it after the first hook of all is installed.

    \b
    netctl libvirt install-hook
    netctl libvirt install-hook --policy /etc/netctl/flows --host hv1
    """
    from pathlib import Path

    from netctl.cli.inputs import say_and_exit
    from netctl.libvirt.guests import BadPolicy, guests
    from netctl.libvirt.install import NotInstalled, install, uninstall

    heeded = [f"{name}={os.environ[name]}" for name in HEEDED if name in os.environ]
    words = [*(["env", *heeded] if heeded else []), sys.executable, "-m", "netctl.cli", "libvirt", "hook"]
    words += ["--policy", str(Path(policy).absolute())] if policy is not None else []
    words += ["--host", host] if host is not None else []
    try:
        if remove:
            path = uninstall(Path(folder))
            click.echo(f"{path} is removed." if path else "There was none of netctl's.")
            return
        path = install(words, Path(folder))
    except NotInstalled as error:
        say_and_exit(str(error), FAILED)
    read = policy or SYSTEM
    if os.path.exists(read):
        try:
            guests(read, host, socket.gethostname())
        except (BadPolicy, OSError) as error:
            click.echo(f"The policy is to be put right before it is of use: {error}", err=True)
    click.echo(f"{path} is installed. Restart libvirtd if it had no hook before: it looks for hooks when it starts.")
