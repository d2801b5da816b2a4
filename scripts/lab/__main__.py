"""The command line of the kernel lab."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from job import Job
from machine import Ended, Machine
from missing import Missing
from package import Kernel, kernel

ABOUT = """\
Boots the kernel of Debian's linux-image-amd64 under QEMU, without KVM, on this machine's files (read-only; what is
written inside is gone afterwards), runs CMD in this folder as root, and exits as CMD does. Without CMD, on a
terminal: a shell.
"""
CODES = """\
exit code: CMD's own; 124 when the time was up; 125 when the lab itself failed, which it then says.
"""
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "modprobe": "kmod", "depmod": "kmod"}
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "kernel-lab",
        usage="kernel-lab [-m MB] [-c CPUS] [-t SECONDS] [CMD...]",
        description=ABOUT,
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cpus = min(2, len(os.sched_getaffinity(0)))
    parser.add_argument("-m", "--memory", metavar="MB", type=positive, default=1024, help="default: 1024")
    parser.add_argument("-c", "--cpus", metavar="CPUS", type=positive, default=cpus, help=f"default: {cpus}")
    parser.add_argument(
        "-t",
        "--timeout",
        metavar="SECONDS",
        type=positive,
        default=os.environ.get("NETCTL_LAB_TIMEOUT", "600"),
        help="how long CMD may take, boot included; default: $NETCTL_LAB_TIMEOUT, or 600; a shell has no limit",
    )
    parser.add_argument("command", metavar="CMD", nargs=argparse.REMAINDER, help="a program and its arguments")
    chosen = parser.parse_args(argv)
    if chosen.command[:1] == ["--"]:
        del chosen.command[0]
    if not chosen.command and not (sys.stdin.isatty() and sys.stdout.isatty()):
        parser.error("which CMD? Only on a terminal there is a shell instead")
    return chosen


def positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError
    return number


def found() -> Kernel:
    """Raises Missing for the first thing that is not there, with the command that gets it."""
    path = os.environ.get("PATH", os.defpath) + ":" + SBIN
    lacking = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})
    if lacking:
        raise Missing(f"needs {' and '.join(lacking)}: apt-get install --no-install-recommends {' '.join(lacking)}")
    os.environ["PATH"] = path
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return kernel(cache / "netctl" / "kernel-lab")


def main() -> int:
    chosen = arguments(sys.argv[1:])
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, ended)
    try:
        with found() as kernel:
            job = Job.here(chosen.command, kernel)
            machine = Machine(kernel, chosen.memory, chosen.cpus)
            return machine.run(job, chosen.timeout if chosen.command else 0)
    except Missing as error:
        print(f"kernel-lab: {error}", file=sys.stderr)
        return 125
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except Ended as end:
        signal.signal(end.signal, signal.SIG_DFL)
        os.kill(os.getpid(), end.signal)
        raise


def ended(number: int, _frame: object) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Ended(signal.Signals(number))


if __name__ == "__main__":
    sys.exit(main())
