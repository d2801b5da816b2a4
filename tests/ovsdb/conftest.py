"""Open vSwitch in a box, and netctl's connection to its database from outside: a socket's path is enough."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netctl.desired.row import ORDER, Row
from netctl.ovsdb.database import Database, Outcome
from netctl.plan import Plan, Wanted, delta
from tests.e2e.box import Box

HOST = "hv1"
SOCKET = "/run/openvswitch/db.sock"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "box" in getattr(item, "fixturenames", ()):
            item.add_marker("e2e")


class Switch(Box):
    """A box with Open vSwitch; `database` is connected to it."""

    database: Database

    def watch(self) -> Database:
        self.database = Database(f"unix:{self.path(SOCKET)}", HOST)
        return self.database

    def until(self, condition: Callable[[], Any], seconds: float = 10) -> float:
        """Runs the connection until `condition`, and returns how many seconds that took."""
        start = time.monotonic()
        while not condition():
            left = start + seconds - time.monotonic()
            assert left > 0, (self.database.error, self.database.warning, self.database.observe())
            self.database.wait(min(left, 0.5))
        return time.monotonic() - start

    def plan(self, *rows: Row) -> Plan[Row]:
        return delta([Wanted(row, "test") for row in rows], self.database.observe().rows, ORDER)

    def make(self, *rows: Row) -> Outcome:
        return self.database.apply(self.plan(*rows))

    def veths(self, *names: str) -> None:
        for name in names:
            self.run(f"ip link add {name} up type veth peer name {name}p; ip link set {name}p up")

    def get(self, table: str, *columns: str) -> dict[str, dict[str, Any]]:
        """What ovs-vsctl sees: by name, or for tables without names by row."""
        out = self.run(
            ["ovs-vsctl", "-f", "json", f"--columns=name,{','.join(columns)}", "list", table]
        ).stdout
        answer = json.loads(out)
        return {row[0]: dict(zip(columns, map(plain, row[1:]), strict=True)) for row in answer["data"]}

    def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        tables = ("Bridge", "Port", "Interface", "Controller")
        return {
            table: len(self.run(["ovs-vsctl", "--columns=_uuid", "list", table]).stdout.split("_uuid")) - 1
            for table in tables
        }


def plain(value: Any) -> Any:
    """RFC 7047's notation (5.1) as Python's."""
    if isinstance(value, list) and value[0] == "map":
        return dict(value[1])
    if isinstance(value, list) and value[0] == "set":
        return value[1]
    return value


@pytest.fixture
def box() -> Iterator[Switch]:
    """Open vSwitch, connected."""
    box = Switch()
    with box:
        box.start_ovs()
        box.watch()
        box.until(lambda: box.database.connected)
        yield box
        box.database.close()
