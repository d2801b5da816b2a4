"""What the service manager hears, on real datagram sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netctl.agent.supervisor import LINE, Supervisor


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A service manager: what it gives as NOTIFY_SOCKET, and where it listens."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@netctl-{os.getpid()}-{id(request)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name if name.startswith("/") else f"\0{name[1:]}")
        listener.setblocking(False)
        yield name, listener


def test_ready_status_and_stopping(heard: tuple[str, socket.socket]) -> None:
    name, listener = heard
    supervisor = Supervisor({"NOTIFY_SOCKET": name})
    supervisor.ready()
    supervisor.status("all is\nwell")
    supervisor.status("all is\nwell")
    supervisor.status("x" * 1000)
    supervisor.stopping()
    said = [listener.recv(4096) for _ in range(4)]
    assert said == [b"READY=1", b"STATUS=all is well", b"STATUS=" + b"x" * LINE, b"STOPPING=1"]
    assert supervisor.due is None
    supervisor.alive(1.0)
    with pytest.raises(BlockingIOError):
        listener.recv(4096)


def test_alive_twice_in_the_time_that_the_watchdog_gives(heard: tuple[str, socket.socket]) -> None:
    name, listener = heard
    supervisor = Supervisor({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())})
    now = 100.0
    for _ in range(3):
        supervisor.alive(now)
        supervisor.alive(now + 1)
        assert listener.recv(4096) == b"WATCHDOG=1"
        assert supervisor.due == now + 5
        now = supervisor.due
    with pytest.raises(BlockingIOError):
        listener.recv(4096)


@pytest.mark.parametrize("usec", ["", "0", "-1", "soon"])
def test_no_watchdog(usec: str) -> None:
    assert Supervisor({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": usec}).due is None
    assert Supervisor({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}).due is None
    assert Supervisor({"WATCHDOG_USEC": "9"}).due is None


@pytest.mark.parametrize("where", ["", "/nobody/here", "@netctl-nobody", "vsock:2:1234"])
def test_nobody_listens(where: str) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": where})
    supervisor.ready()
    supervisor.status("all is well")
    supervisor.stopping()


def test_one_that_does_not_read_does_not_hold_the_agent_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        supervisor = Supervisor({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for number in range(2000):
            supervisor.status(str(number))
