"""Daemons that come and go under a connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netctl.desired.row import Bridge, Port
from netctl.ovsdb.database import Database
from netctl.ovsdb.remote import default_remote
from tests.ovsdb.conftest import HOST, Switch

BR = Bridge("br0", "netdev", "tcp:127.0.0.1:6653")


@pytest.fixture
def bare() -> Iterator[Switch]:
    """A box in which nothing runs; the database is where it will be."""
    box = Switch()
    with box:
        box.watch()
        yield box
        box.database.close()


@pytest.mark.e2e
def test_open_vswitch_that_starts_later_is_found_within_a_second(bare: Switch) -> None:
    bare.database.wait(0.5)
    assert not bare.database.connected
    assert "Open vSwitch is not running" in bare.database.error
    assert "systemctl start openvswitch-switch" in bare.database.error
    assert bare.database.apply(bare.plan(BR), timeout=0.3).error == bare.database.error

    bare.start_ovs()

    assert bare.until(lambda: bare.database.connected) < 1
    assert bare.database.error == ""
    assert bare.make(BR).ok


@pytest.mark.e2e
def test_a_server_without_the_database_is_told_from_none(bare: Switch) -> None:
    bare.run(
        """echo '{"name":"Other","tables":{}}' > /run/schema; ovsdb-tool create /run/other.db /run/schema
        ovsdb-server /run/other.db --remote=punix:/run/openvswitch/db.sock --detach --no-chdir --pidfile"""
    )
    bare.until(lambda: "has no database Open_vSwitch" in bare.database.error)
    bare._stop("ovsdb-server")
    bare.until(lambda: "is not running" in bare.database.error)
    bare.start_ovs()
    assert bare.until(lambda: bare.database.connected) < 1.5


def test_the_database_server_restarts(box: Switch) -> None:
    box.veths("v1", "v2")
    assert box.make(BR, Port("br0", "v1")).ok

    box._stop("ovsdb-server")
    box.until(lambda: not box.database.connected)
    assert set(box.database.observe().ports) == {"v1"}, "what was seen last stays"
    box.run(
        "ovsdb-server /run/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock"
        " --pidfile --detach --no-chdir --log-file -vconsole:off"
    )

    assert box.until(lambda: box.database.connected) < 1
    assert not box.plan(BR, Port("br0", "v1"))
    assert box.make(BR, Port("br0", "v1"), Port("br0", "v2")).ok
    assert box.run(["ovs-vsctl", "list-ports", "br0"]).stdout.split() == ["v1", "v2"]


def test_a_switch_that_does_not_act_is_said_soon_and_acts_when_it_is_back(box: Switch) -> None:
    box.veths("v1")
    box.stop_vswitchd()
    start = time.monotonic()

    outcome = box.make(BR, Port("br0", "v1"))

    assert time.monotonic() - start < 2.5
    assert not outcome.ok
    assert outcome.changed == 2
    assert "the change is in the database, but ovs-vswitchd is not running" in outcome.error
    assert "systemctl start openvswitch-switch" in outcome.error
    assert box.run(["ovs-vsctl", "list-ports", "br0"]).stdout == "v1\n"
    assert not box.plan(BR, Port("br0", "v1"))

    box.start_vswitchd()
    assert box.until(lambda: box.database.observe().ports["v1"].ofport) < 2
    assert box.until(lambda: not box.database.warning) < 2


def test_a_switch_that_stops_is_noticed_though_nothing_changes(box: Switch) -> None:
    box.make(BR)
    assert box.database.warning == ""
    box.stop_vswitchd()
    box.until(lambda: "ovs-vswitchd is not running" in box.database.warning)
    box.start_vswitchd()
    assert box.until(lambda: not box.database.warning) < 2


def test_a_switch_that_hangs_is_bounded_and_said(box: Switch) -> None:
    box.make(BR)
    pid = box.path("/run/openvswitch/ovs-vswitchd.pid").read_text().strip()
    box.run(["kill", "-STOP", pid])
    start = time.monotonic()
    outcome = box.database.apply(box.plan(BR, Port("br0", "v1")), timeout=1)
    assert 0.9 < time.monotonic() - start < 1.5
    assert not outcome.ok
    assert "ovs-vswitchd did not act in time" in outcome.error
    box.until(lambda: "does not do what its database says" in box.database.warning)
    box.run(["kill", "-CONT", pid])
    assert box.until(lambda: not box.database.warning) < 1


def test_asking_for_the_switch_never_keeps_it_from_starting(box: Switch) -> None:
    """Not even when the process that asks is stopped between its question and the answer."""
    box.make(BR)
    box.stop_vswitchd()
    box.until(lambda: box.database.warning)
    while box.database._asked is None:
        box.database._ask_at = 0.0
        box.database._run()
    box.start_vswitchd()
    box.run(
        [
            "ovs-vsctl",
            "--timeout=3",
            "add-port",
            "br0",
            "in0",
            "--",
            "set",
            "interface",
            "in0",
            "type=internal",
        ]
    )


ELSEWHERE = """
import sys, time
if sys.argv[1] == "green":
    import eventlet
    eventlet.monkey_patch()
import threading
from netctl.desired.row import ORDER, Bridge, Port
from netctl.ovsdb.database import Database
from netctl.plan import Wanted, delta

database = Database(sys.argv[2], "hv1")
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.01)
if sys.argv[1] == "green":
    eventlet.spawn(tick)
end = time.monotonic() + 5
while not database.connected and time.monotonic() < end:
    database.wait(1)
assert database.connected, database.error
rows = [Bridge("br0", "netdev", None)] + [Port("br0", f"p{n}") for n in range(200)]
plan = delta([Wanted(row, "test") for row in rows], database.observe().rows, ORDER)
outcome = database.apply(plan)
assert outcome.ok and outcome.changed == 201, outcome
assert not delta([Wanted(row, "test") for row in rows], database.observe().rows, ORDER)
while database.wait(0.3):
    pass
threading.Timer(0.3, database.wake).start()
start = time.monotonic()
assert database.wait(5)
assert 0.2 < time.monotonic() - start < 1, "woken"
assert not database.wait(0.2), "once"
if sys.argv[1] == "green":
    gaps = [b - a for a, b in zip(ticks, ticks[1:])]
    assert len(ticks) > 30, len(ticks)
    assert max(gaps) < 0.5, max(gaps)
database.close()
print("good")
"""


@pytest.mark.parametrize("where", ["unix:/run/openvswitch/db.sock", "tcp:127.0.0.1:6640"])
@pytest.mark.parametrize("threads", ["plain", "green"])
def test_it_works_in_any_process_and_over_a_network(box: Switch, threads: str, where: str) -> None:
    """In one that eventlet has patched, other greenthreads go on all the time."""
    box.run("ovs-appctl -t ovsdb-server ovsdb-server/add-remote ptcp:6640:127.0.0.1")
    assert box.python(ELSEWHERE, threads, where).stdout == "good\n"


def test_why_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def error(name: str) -> str:
        database = Database(f"unix:{tmp_path / name}", HOST)
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            database.wait(0.1)
        database.close()
        return database.error

    assert "there is no" in error("absent")
    (tmp_path / "file").touch()
    assert "is not a socket" in error("file")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale"))
    assert "nobody answers at" in error("stale")
    assert "Not a directory" in error("file/db.sock")
    database = Database("tcp:127.0.0.1:1", HOST)
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        database.wait(0.1)
    assert "set-manager ptcp:1" in database.error


def test_the_default_is_where_open_vswitch_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVS_RUNDIR", raising=False)
    assert default_remote() == "unix:/var/run/openvswitch/db.sock"
    monkeypatch.setenv("OVS_RUNDIR", "/tmp/ovs")
    assert default_remote() == "unix:/tmp/ovs/db.sock"
