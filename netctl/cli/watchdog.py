"""A change that is taken back unless it is confirmed: by a process that outlives the terminal it was begun at."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from netctl import rundir
from netctl.agent.undo import roll_back
from netctl.cli.ending import heed
from netctl.kernel import journal
from netctl.kernel.errors import KernelError
from netctl.kernel.host import Host
from netctl.kernel.journal import Journal
from netctl.ovsdb.datapath import forget_all

NAME = "confirm"
"""Of its pid file."""
RECORD = "taken-back"
"""In the run directory: {"what", "why", "at", "left"} of the last change that it took back."""
LOOK = 1.0
"""Seconds between two looks at the clock: the machine may have slept."""
AGAIN = 0.2

LOST = (
    "the process that was to take the change back is gone: the next `netctl apply`, `netctl agent` or "
    "`netctl confirm --cancel` takes it back"
)

Run = Callable[[], tuple[int, Journal | None]]


def start(run: Run) -> int:
    """Call `run` in a process of a session of its own, which does not end with the terminal or the SSH session, and
    takes the change back when its time is over. What `run` says is the program's exit code.

    Who ends this process by Ctrl-C ends the other, as long as it is at it; then the change is taken back.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        _stay(run, said)
    os.close(said)
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: _pass_on(child))
    answer = os.read(heard, 1)
    if not answer:
        with suppress(OSError):
            print(LOST, file=sys.stderr, flush=True)
        return 1
    return answer[0]


def _pass_on(child: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGTERM)


def _stay(run: Run, said: int) -> NoReturn:
    """What the other process does."""
    code = 1
    try:
        os.setsid()
        for sign in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(sign, signal.SIG_IGN)
        heed(signal.SIGTERM)
        rundir.write_pid(NAME)
        try:
            rundir.remove(RECORD)
            code, waiting = run()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _let_go(said, code)
            if waiting is not None:
                _wait(waiting)
        finally:
            rundir.remove_pid(NAME)
    except rundir.Running as error:
        with suppress(OSError):
            print(
                f"another `netctl apply --confirm` (process {error.pid}) is not finished: "
                "`netctl confirm` keeps what it did, `netctl confirm --cancel` takes it back",
                file=sys.stderr,
                flush=True,
            )
        _let_go(said, code)
    except rundir.Locked as error:
        with suppress(OSError):
            print(error, file=sys.stderr, flush=True)
        _let_go(said, code)
    except OSError as error:
        with suppress(OSError):
            print(f"{rundir.run_dir()}: {error.strerror or error}; nothing was changed", file=sys.stderr, flush=True)
        _let_go(said, code)
    except BaseException:
        with suppress(OSError):
            sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _let_go(said: int, code: int) -> None:
    """Tell the exit code, and hold on to nothing of the terminal's."""
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    with suppress(OSError):
        os.write(said, bytes([code]))
    os.close(said)


def _wait(waiting: Journal) -> None:
    """Until the change is confirmed, or its time is over, or somebody asks for the decision now (SIGTERM)."""
    while waiting.seconds_left > 0:
        if signal.sigtimedwait({signal.SIGTERM}, min(LOOK, waiting.seconds_left)) is not None:
            break
    while True:
        try:
            _decide(waiting)
            return
        except KernelError:
            time.sleep(AGAIN)


def _decide(waiting: Journal) -> None:
    """Take the change back if nobody confirmed it. Raises KernelError while another netctl is at work."""
    with Host(waiting.host, forget_all) as kernel:
        if journal.read() != waiting:
            return
        left = roll_back(kernel, waiting)
        journal.remove()
    record(waiting, "was not confirmed in time" if waiting.seconds_left == 0 else "was not confirmed", left)


def record(change: Journal, why: str, left: list[str]) -> None:
    with suppress(OSError):
        rundir.write_json(RECORD, {"what": change.what, "why": why, "at": time.time(), "left": left})
