"""The daemons that `netctl up` runs: started with it, watched, started again, gone with it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
RESTART_SECONDS = 1.0
STOP_SECONDS = 5.0
TAIL_LINES = 8


@dataclass
class Daemon:
    """One child process and its log file."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0

    def start(self) -> None:
        parent = os.getpid()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 (started from the only thread)
            )
        self.started = time.monotonic()

    def ended(self) -> int | None:
        """The exit status, if it is not running."""
        return self.process.poll() if self.process else None

    def keep(self) -> bool:
        """Start it again when it has ended, at most once a second; True when it had ended."""
        if self.ended() is None or time.monotonic() - self.started < RESTART_SECONDS:
            return False
        self.start()
        return True

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        except OSError:
            return ""


def die_with(parent: int) -> None:
    """Let the kernel end this process when the one that started it does (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    os.setpgid(0, 0)
    if os.getppid() != parent:
        os._exit(1)


def controller(policy: Path, log: Path, openflow_port: int, rest_port: int) -> Daemon:
    command = [
        *(sys.executable, "-m", "netctl.manager", "netctl.app"),
        *("--ofp-tcp-listen-port", str(openflow_port), "--wsapi-port", str(rest_port)),
    ]
    return Daemon("controller", command, log, {"NETCTL_POLICY": str(policy)})


def agent(policy: Path, log: Path, host: str) -> Daemon:
    command = [sys.executable, "-m", "netctl.cli", "agent", "--host", host, "--policy", str(policy)]
    return Daemon("agent", command, log, {})
