"""`netctl up`: controller and agent for this one machine, in the foreground."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from netctl.cli import children
from netctl.cli.children import Daemon
from netctl.cli.down import take_down
from netctl.cli.inputs import need_root, netctl, policy_path, read_host, read_policy, say_and_exit
from netctl.cli.remote import Unreachable, get
from netctl.controller.planning import Panel
from netctl.rundir import Locked, Running, alive, read_json, remove_pid, run_dir, write_pid

PATIENCE = 30.0
"""Seconds after which `--once` gives up; without it, netctl says what it waits for and goes on waiting."""
LOOK_SECONDS = 0.05
PREDECESSOR_SECONDS = 2.0


class Interrupted(Exception):
    """SIGINT or SIGTERM came."""


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


@click.command("up")
@click.argument("path", required=False)
@click.option("--host", help="Which of the policy's hosts this machine is.")
@click.option(
    "--play-guests", is_flag=True, help="Hold every tap open and answer ARP and ping as its guest would."
)
@click.option("--check", is_flag=True, help="Show what crosses each wire.")
@click.option("--once", is_flag=True, help="Take everything down again and exit: 0 if all went well, 1 if not.")
@click.option("--openflow-port", default=6653, show_default=True, help="Where the controller listens for bridges.")
@click.option("--rest-port", default=8080, show_default=True, help="Where its REST API answers.")
def command(
    path: str | None,
    host: str | None,
    play_guests: bool,
    check: bool,
    once: bool,
    openflow_port: int,
    rest_port: int,
) -> None:
    """Controller and agent for this one machine, in the foreground.

    Ctrl-C ends them; the wires stay until `netctl down`.

    \b
    netctl up flows/lab.yaml --play-guests --check
    """
    panel = read_policy(path)
    name = read_host(panel, host)
    need_root("netctl up")
    policy = policy_path(path).resolve()
    sign_in()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    console = Console(highlight=False)
    logs = run_dir()
    daemons = [
        children.controller(policy, logs / "controller.log", openflow_port, rest_port),
        children.agent(policy, logs / "agent.log", name),
    ]
    up = Up(console, panel, name, daemons, f"http://127.0.0.1:{rest_port}", logs)
    good = False
    try:
        with ExitStack() as stack:
            for daemon in daemons:
                daemon.log.write_bytes(b"")
                stack.callback(daemon.stop)
                daemon.start()
            good = up.run(stack, play_guests, check, once)
    except Interrupted:
        console.print(f"Ended. The wires stay; `{netctl()} down` removes them." if not once else "Interrupted.")
    finally:
        remove_pid("up")
    if once:
        good = take_down(console) and good
        sys.exit(0 if good else 1)


def sign_in() -> None:
    """Become the one `netctl up` of this machine; one that is about to end is given a moment to."""
    deadline = time.monotonic() + PREDECESSOR_SECONDS
    while True:
        try:
            write_pid("up")
            return
        except Running as error:
            if time.monotonic() > deadline:
                say_and_exit(f"netctl up runs already, as process {error.pid}; `{netctl()} down` ends it", 1)
        except Locked as error:
            say_and_exit(str(error), 1)
        time.sleep(LOOK_SECONDS)


class Up:
    """One run of `netctl up`."""

    def __init__(
        self, console: Console, panel: Panel, host: str, daemons: list[Daemon], url: str, logs: Path
    ) -> None:
        self.console = console
        self.panel = panel
        self.host = host
        self.daemons = daemons
        self.url = url
        self.logs = logs
        self.since = time.monotonic()

    def run(self, stack: ExitStack, play_guests: bool, check: bool, once: bool) -> bool:
        if not self._settled(once):
            return False
        guests = self._play(stack) if play_guests else []
        self.console.print(f"Up in {time.monotonic() - self.since:.1f} s: {self._summary()}")
        good = self._check() if check else True
        self.console.print(
            f"REST API: {self.url}/api/v1/status  (all of it: {self.url}/openapi.json)", soft_wrap=True
        )
        if once:
            return good
        self.console.print(
            f"Logs: {self.logs}/controller.log, {self.logs}/agent.log. Ctrl-C ends this; "
            f"the wires stay until `{netctl()} down`.",
            soft_wrap=True,
        )
        self._stay(guests)
        return good

    def _settled(self, once: bool) -> bool:
        """Until controller and agent both say that everything is as the policy wants it."""
        deadline = time.monotonic() + PATIENCE
        said: set[str] = set()
        with self.console.status("starting controller and agent"):
            while True:
                waits = self._waits_for()
                if not waits:
                    return True
                if time.monotonic() - self.since > 3:
                    for text in waits:
                        if text not in said:
                            said.add(text)
                            self.console.print(f"waiting: {text}")
                if once and time.monotonic() > deadline:
                    self._explain()
                    return False
                if self._fatal():
                    return False
                time.sleep(LOOK_SECONDS)

    def _waits_for(self) -> list[str]:
        """What is not yet as it should be, in words; empty when all is."""
        waits: list[str] = []
        try:
            status = get(self.url, "/api/v1/status")
            if not status["converged"]:
                waits += status["why"] or ["the controller is at work"]
        except Unreachable:
            waits.append("the controller is starting")
        pid = alive(f"agent-{self.host}")
        report = read_json(f"agent-{self.host}")
        if pid is None or report is None or report["pid"] != pid:
            waits.append("the agent is starting")
        elif not report["converged"]:
            waits += [str(each) for each in report["problems"]] or ["the agent is at work"]
        return waits

    def _fatal(self) -> bool:
        """A daemon that ended at once will do so again: say why and give up."""
        for daemon in self.daemons:
            status = daemon.ended()
            if status is not None:
                self.console.print(f"the {daemon.name} ended with status {status}:\n{daemon.tail()}")
                return True
        return False

    def _explain(self) -> None:
        self.console.print(f"not up after {PATIENCE:.0f} s:")
        for text in self._waits_for():
            self.console.print(f"  {text}")

    def _play(self, stack: ExitStack) -> list[subprocess.Popen[bytes]]:
        from netctl.probe import play

        assert self.panel.loaded.policy is not None
        guests = [play.start(role) for role in play.roles(self.panel.loaded.policy, self.host)]
        stack.callback(play.clear)
        stack.callback(play.stop, guests)
        return guests

    def _summary(self) -> str:
        policy = self.panel.loaded.policy
        assert policy is not None
        entry = policy.hosts[self.host]
        return f"{len(entry.guests)} guests, {len(policy.wires)} wires, {len(entry.bridges)} bridges"

    def _check(self) -> bool:
        from netctl.cli.wire import show, witness
        from netctl.probe.wires import check_wires

        assert self.panel.loaded.policy is not None
        checked = check_wires(self.panel.loaded.policy, self.host, patience=5.0, witness=witness(self.panel))
        show(self.console, checked)
        return all(each.good for each in checked)

    def _stay(self, guests: list[subprocess.Popen[bytes]]) -> None:
        while True:
            time.sleep(0.5)
            for daemon in self.daemons:
                status = daemon.ended()
                if daemon.keep():
                    self.console.print(f"the {daemon.name} had ended with status {status}; started again")
            for guest in guests:
                guest.poll()
