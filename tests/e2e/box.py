"""A private world for one test: network, mounts and processes of its own, gone when it closes."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
"""The source tree: where commands start, and on PYTHONPATH."""

RUN = {
    "OVS_RUNDIR": "/run/openvswitch",
    "OVS_DBDIR": "/run/openvswitch",
    "OVS_LOGDIR": "/run/openvswitch",
    "OVS_SYSCONFDIR": "/run/etc",
    "NETCTL_RUN_DIR": "/run/netctl",
    "NETCTL_TOKEN_FILE": "/run/lib/netctl/token",
    "TMPDIR": "/run/tmp",
}

KEEP = ("NETCTL_RYU_PYTHON",)
"""The one kind of NETCTL_ variable that a box lets in: the others are options of the command under test."""

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

SETUP = """
mount --make-rprivate /
mount -t tmpfs run /run
mount -t sysfs sys /sys
mkdir -p /run/netns /run/lock /run/etc/openvswitch /run/openvswitch /run/netctl /run/tmp /run/box/above /run/box/work
mount -t overlay etc -o lowerdir=/etc,upperdir=/run/box/above,workdir=/run/box/work /etc
ip link set lo up
trap '' CHLD
echo ready
exec cat
"""
"""What the box's first process does. With SIGCHLD ignored the kernel reaps every orphan for it, and it ends,
and with it the whole box, when the test that holds its standard input does."""

CLONE_NEWNET = 0x40000000


class Process(subprocess.Popen[str]):
    """A command inside a box. Signals go to the command, not to the nsenter that waits for it."""

    def inner(self) -> int | None:
        """The command's own pid, as seen from outside; None once it has ended."""
        for _ in range(200):
            if self.poll() is not None:
                return None
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.005)
        return None

    def send_signal(self, sig: int) -> None:
        child = self.inner()
        if child is not None:
            os.kill(child, sig)
            if sig == signal.SIGCONT:
                self.wake()
            for _ in range(200 if sig == signal.SIGKILL else 0):
                self.wake()
                if self.poll() is not None:
                    return
                time.sleep(0.005)

    def wake(self) -> None:
        """An nsenter stops itself some time after its command was stopped, and must go on to see it end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGCONT)


class Box:
    """Use as a context manager, or call `close`."""

    def __init__(self) -> None:
        outside = os.environ.items()
        self.env = {k: v for k, v in outside if not k.startswith("NETCTL_") or k in KEEP}
        self.env |= RUN | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._holder = subprocess.Popen(
            [*UNSHARE, "bash", "-ec", SETUP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        self._processes: list[Process] = []
        assert self._holder.stdout
        if self._holder.stdout.readline() != "ready\n":
            raise RuntimeError(f"no box: {self._holder.communicate()[1].strip()}")
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text()
        self.pid = int(children.split()[0])
        """The box's first process, as seen from outside."""

    def __enter__(self) -> Box:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill everything inside and wait until it is gone."""
        if self._holder.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        while True:
            for process in self._processes:
                process.wake()
            try:
                self._holder.communicate(timeout=0.02)
                return
            except subprocess.TimeoutExpired:
                pass

    def path(self, inside: str) -> Path:
        """Where the file that is called `inside` in the box is seen from outside."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def _argv(self, argv: Sequence[str] | str, cwd: str | Path) -> list[str]:
        command = ["bash", "-ec", argv] if isinstance(argv, str) else [str(each) for each in argv]
        enter = ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", "--root"]
        return [*enter, "env", f"--chdir={cwd}", *command]

    def popen(
        self,
        argv: Sequence[str] | str,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = ROOT,
        **options: Any,
    ) -> Process:
        """Start a command inside (a string goes to bash) and do not wait: it ends with the box."""
        process = Process(self._argv(argv, cwd), env=self.env | dict(env or {}), text=True, **options)
        self._processes.append(process)
        return process

    def run(
        self,
        argv: Sequence[str] | str,
        *,
        check: bool = True,
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        cwd: str | Path = ROOT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside (a string goes to bash). `check` raises AssertionError with all that it said.

        Raises TimeoutError after `timeout` seconds, with the command killed.
        """
        process = self.popen(
            argv,
            env,
            cwd,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = process.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise TimeoutError(f"{argv!r} took over {timeout} s; it said:\n{out}{err}") from None
        done = subprocess.CompletedProcess(argv, process.returncode, out, err)
        if check and done.returncode:
            raise AssertionError(f"{argv!r} exited {done.returncode}\n{out}{err}")
        return done

    def python(
        self,
        code: str,
        *argv: str,
        check: bool = True,
        timeout: float = 60,
        input: str | None = None,
        interpreter: str = sys.executable,
    ) -> subprocess.CompletedProcess[str]:
        """Run a piece of Python inside, `argv` its arguments."""
        return self.run([interpreter, "-c", code, *argv], check=check, timeout=timeout, input=input)

    def start_ovs(self) -> None:
        """Start Open vSwitch; after `stop_ovs` with the database as it was left."""
        database = f"{RUN['OVS_DBDIR']}/conf.db"
        self.run(
            f"[ -e {database} ] || ovsdb-tool create {database} {SCHEMA}\n"
            f"ovsdb-server {database} --remote=punix:{RUN['OVS_RUNDIR']}/db.sock"
            " --pidfile --detach --no-chdir --log-file -vconsole:off\n"
            "ovs-vsctl --no-wait init",
        )
        self.start_vswitchd()

    def start_vswitchd(self) -> None:
        self.run("ovs-vswitchd --pidfile --detach --no-chdir --log-file -vconsole:off")

    def stop_vswitchd(self) -> None:
        """Stop ovs-vswitchd alone; the database goes on."""
        self._stop("ovs-vswitchd")

    def kill_vswitchd(self, signal: str = "KILL") -> None:
        """As a crash does: its pid file and its sockets stay."""
        pid = self.path(f"{RUN['OVS_RUNDIR']}/ovs-vswitchd.pid").read_text().strip()
        self.run(f"kill -{signal} {pid}; while [ -e /proc/{pid} ]; do sleep 0.005; done")

    def stop_ovs(self) -> None:
        self._stop("ovs-vswitchd")
        self._stop("ovsdb-server")

    def _stop(self, daemon: str) -> None:
        pidfile = self.path(f"{RUN['OVS_RUNDIR']}/{daemon}.pid")
        if pidfile.exists():
            self.run(["ovs-appctl", "-t", daemon, "exit"])
            self.wait_for(lambda: not pidfile.exists(), 10, f"{daemon} to stop")

    def connect(self, host: str, port: int, timeout: float = 5) -> socket.socket:
        """A TCP connection from inside the box to `host`:`port`, for use outside."""
        return self._inside(lambda: socket.create_connection((host, port), timeout))

    def _inside(self, make: Callable[[], T]) -> T:
        """What `make` returns when it runs in the box's network, in a thread: a namespace is a thread's."""
        result: list[T] = []
        failed: list[BaseException] = []

        def enter() -> None:
            try:
                with open(f"/proc/{self.pid}/ns/net", "rb") as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                result.append(make())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return result[0]

    def request(
        self,
        url: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 5,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """(status, headers, body) of an HTTP request made from inside. Raises OSError when nobody answers."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80)
        connection.sock = self.connect(connection.host, connection.port, timeout)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target or "/", body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def read(self, url: str, timeout: float = 5) -> Any:
        """The JSON at `url`. Raises OSError when nobody answers, AssertionError on a status but 200."""
        status, _, body = self.request(url, timeout=timeout)
        assert status == 200, f"{url} answers {status}: {body.decode(errors='replace')}"
        return json.loads(body)

    def wait_for(
        self, condition: Callable[[], T], timeout: float = 10, what: str = "", interval: float = 0.02
    ) -> T:
        """Wait until `condition` returns something true, and return that.

        OSError and AssertionError count as «not yet»; AssertionError is raised after `timeout` seconds.
        """
        end = time.monotonic() + timeout
        last: BaseException | None = None
        while True:
            try:
                value = condition()
                if value:
                    return value
            except (OSError, AssertionError) as error:
                last = error
            if time.monotonic() > end:
                raise AssertionError(f"waited {timeout} s for {what or condition!r}") from last
            time.sleep(interval)
