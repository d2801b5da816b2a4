"""The virtual machine: started, listened to, and ended, with nothing of it on disk."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from job import Job
from missing import Missing
from package import Kernel

CONSOLE_LINES = 30

DIES_WITH = ("setpriv", "--pdeathsig", "KILL", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"')
"""Runs a command that is killed when the process with the number behind this ends, however that ends."""

KERNEL_OPTIONS = "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off init_on_alloc=0"
"""Debian's kernel clears all memory that it hands out, and 9p asks for much: without that, files open three times
as fast."""


class Ended(BaseException):
    """A signal came."""

    def __init__(self, signal: signal.Signals) -> None:
        self.signal = signal


class TimeUp(Exception):
    """CMD took too long."""


@dataclass(frozen=True)
class Machine:
    kernel: Kernel
    memory: int
    """MiB"""
    cpus: int

    def run(self, job: Job, seconds: int) -> int:
        """The exit code of `job`, which has `seconds` (0: no limit). Its output goes to this process's own."""
        names = ("log", "end", "hvc") if job.terminal else ("log", "end", "out", "err")
        ours: dict[str, socket.socket] = {}
        theirs: dict[str, socket.socket] = {}
        for name in names:
            ours[name], theirs[name] = socket.socketpair()
        with in_memory(job.initramfs) as initrd, alarm(seconds):
            numbers = {name: end.fileno() for name, end in theirs.items()}
            process = subprocess.Popen(
                self._command(initrd, numbers),
                stdin=subprocess.DEVNULL,
                stdout=numbers["log"],
                stderr=numbers["log"],
                pass_fds=[initrd, *numbers.values()],
            )
            try:
                for end in theirs.values():
                    end.close()
                heard = Heard(ours)
                with raw() if job.terminal else alarm(0):
                    heard.until_it_ends()
            except TimeUp:
                print(f"kernel-lab: the {seconds} s were up (-t SECONDS gives it more)", file=sys.stderr)
                return 124
            finally:
                process.kill()
                process.wait()
        return heard.exit_code()

    def _command(self, initrd: int, ends: dict[str, int]) -> list[str]:
        devices = {
            "end": "virtserialport,chardev=end,nr=1",
            "out": "virtserialport,chardev=out,nr=2",
            "err": "virtserialport,chardev=err,nr=3",
            "hvc": "virtconsole,chardev=hvc,nr=0",
        }
        command = [*DIES_WITH, str(os.getpid())]
        command += ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(self.cpus)]
        command += ["-m", str(self.memory), "-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-kernel", str(self.kernel.vmlinux), "-initrd", f"/proc/self/fd/{initrd}"]
        command += ["-append", KERNEL_OPTIONS]
        command += ["-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"]
        # The serial ports come first: their names inside tell which virtio device they are on.
        command += ["-device", "virtio-serial-pci", "-device", "virtio-9p-pci,fsdev=root,mount_tag=root"]
        for name, number in ends.items():
            command += ["-chardev", f"socket,id={name},fd={number}"]
            command += ["-device", devices[name]] if name in devices else ["-serial", f"chardev:{name}"]
        return command


class Heard:
    """What comes out of the machine."""

    def __init__(self, ends: dict[str, socket.socket]) -> None:
        self.ends = ends
        self.passed = {"out": 0, "err": 0, "hvc": 0}
        """Bytes, from each end whose output is passed on."""
        self.end = b""
        """«CODE OUT ERR» and a line feed: the exit code, and how many bytes there are of `out` and `err`."""
        self.log = b""

    def until_it_ends(self) -> None:
        with selectors.DefaultSelector() as selector:
            for name, end in self.ends.items():
                selector.register(end, selectors.EVENT_READ, name)
            if "hvc" in self.ends:
                selector.register(sys.stdin, selectors.EVENT_READ, "keys")
            open_ends = len(self.ends)
            while open_ends and not self._all():
                for key, _ in selector.select():
                    if key.data == "keys":
                        self.ends["hvc"].sendall(os.read(0, 65536))
                    elif not self._take(key.data):
                        selector.unregister(key.fileobj)
                        open_ends -= 1

    def _take(self, name: str) -> bool:
        """Pass on what has come from one end; False once nothing more can."""
        try:
            data = self.ends[name].recv(65536)
        except ConnectionResetError:
            return False
        if name == "end":
            self.end += data
        elif name == "log":
            self.log = b"\n".join((self.log + data).split(b"\n")[-CONSOLE_LINES:])
        else:
            self.passed[name] += len(data)
            write(2 if name == "err" else 1, data)
        return bool(data)

    def _all(self) -> bool:
        """Whether the command has ended and all that it said has come."""
        if not self.end.endswith(b"\n"):
            return False
        _, *bytes_said = map(int, self.end.split())
        return bytes_said == [self.passed["out"], self.passed["err"]][: len(bytes_said)]

    def exit_code(self) -> int:
        if not self._all():
            said = self.log.decode(errors="replace").strip()
            raise Missing(f"the machine ended before its command did. QEMU and the kernel said:\n{said}")
        return int(self.end.split()[0])


def write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


@contextmanager
def in_memory(content: bytes) -> Iterator[int]:
    """A file that is in no folder, by its number."""
    number = os.memfd_create("initramfs")
    try:
        write(number, content)
        yield number
    finally:
        os.close(number)


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """TimeUp after `seconds`; 0: never."""

    def ring(*_: object) -> None:
        raise TimeUp

    if not seconds:
        yield
        return
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@contextmanager
def raw() -> Iterator[None]:
    """Every key goes into the machine, Ctrl-C too."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
