"""`netctl agent`: keep this host's devices as the policy says."""

from __future__ import annotations

import logging
import socket
import sys

import click

DIFFERS, BAD_INPUT = 1, 2


@click.command("agent")
@click.option("--host", metavar="NAME", help="Which host of the policy this is, if not the one with its hostname.")
@click.option("--policy", metavar="PATH", help="The policy: a file, or a directory of *.yaml.")
@click.option("--once", is_flag=True, help="Make it so, verify, and end: exit 0 if the host is as wanted, 1 if not.")
@click.option(
    "--listen", metavar="ADDRESS:PORT", help="Answer /status and /metrics there, too: on the loopback, unencrypted."
)
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(host: str | None, policy: str | None, once: bool, listen: str | None, verbose: bool) -> None:
    """Make the namespaces, veths and taps of this host's guests, and keep them so.

    What somebody deletes or changes is put right within a second; a change of the policy's files is applied, a
    wrong one refused and the one before kept. Ends on SIGTERM or Ctrl-C and leaves the devices as they are;
    `netctl down` removes them. Its status is what `netctl show host --status` shows.

    \b
    netctl agent
    netctl agent --host hv1 --policy /etc/netctl/flows
    netctl agent --once
    """
    sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]
    from netctl.agent.daemon import Daemon
    from netctl.agent.server import BadAddress, loopback
    from netctl.desired.host import NoSuchHost, choose_host
    from netctl.kernel import NotPermitted, lacks
    from netctl.policy.source import FileSource, find
    from netctl.rundir import Running

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
    )
    try:
        address = loopback(listen) if listen is not None else None
    except BadAddress as error:
        raise click.BadParameter(str(error), param_hint="--listen") from None
    if address is not None and once:
        raise click.BadParameter("with --once there is nobody to answer", param_hint="--listen")
    lacking = lacks()
    if lacking:
        click.echo(str(NotPermitted(lacking)), err=True)
        sys.exit(BAD_INPUT)
    source = FileSource(find(policy, None), follow_patch=False)
    loaded = source.read()
    if loaded.policy is not None:
        try:
            choose_host(loaded.policy, host, socket.gethostname())
        except NoSuchHost as error:
            click.echo(str(error), err=True)
            sys.exit(BAD_INPUT)
    elif once:
        for problem in loaded.problems:
            click.echo(str(problem), err=True)
        sys.exit(BAD_INPUT)
    try:
        daemon = Daemon(source, host, socket.gethostname(), address)
    except OSError as error:
        click.echo(f"cannot listen at {listen}: {error.strerror or error}", err=True)
        sys.exit(BAD_INPUT)
    try:
        if once:
            sys.exit(0 if daemon.once() else DIFFERS)
        daemon.run()
    except Running as error:
        click.echo(f"{error}; end it first, or use it: `netctl show host`", err=True)
        sys.exit(DIFFERS)
