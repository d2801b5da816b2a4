"""The rooms of the house: who may use whom, and which of them touch the world."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import netctl

PACKAGE = Path(netctl.__file__).parent

MAY_USE: dict[str, set[str]] = {
    "policy": set(),
    "plan": set(),
    "path": set(),
    "desired": {"policy", "plan"},
    "topology": {"policy"},
    "export": {"policy", "plan", "desired"},
    "controller": {"policy", "plan", "desired", "topology"},
    "openflow": {"plan", "path", "desired", "controller", "vswitch"},
    "doctor": {"policy", "plan", "path", "desired"},
    "ovsdb": {"plan", "desired", "doctor", "vswitch"},
    "kernel": {"plan", "path", "desired", "doctor", "rundir"},
    "probe": {"policy", "path", "desired", "rundir"},
    "libvirt": {"policy", "plan", "desired", "kernel", "ovsdb", "rundir"},
    "agent": {"policy", "plan", "desired", "controller", "openflow", "kernel", "ovsdb", "libvirt", "rundir"},
    "api": {"policy", "controller", "topology", "token"},
}
"""What a room imports beside itself. app, manager and cli reach everything."""

PURE = ("policy", "plan", "path", "desired", "topology", "export", "controller")
WORLD = {"socket", "time", "subprocess", "select", "threading", "asyncio"} | {
    *("eventlet", "ovs", "pyroute2", "ryu", "os_ken"),
}


def imports(file: Path) -> set[str]:
    """The modules that a file names in its imports, in full."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("room", MAY_USE)
def test_arrows_point_down(room: str) -> None:
    files = list((PACKAGE / room).rglob("*.py"))
    assert files
    for file in files:
        used = {name.split(".")[1] for name in imports(file) if name.startswith("netctl.")}
        strangers = used - {room, "__version__"} - MAY_USE[room]
        assert not strangers, f"{file.relative_to(PACKAGE)} reaches into {', '.join(sorted(strangers))}"


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_touch_nothing(room: str) -> None:
    for file in (PACKAGE / room).rglob("*.py"):
        worldly = {name.split(".")[0] for name in imports(file)} & WORLD
        assert not worldly, f"{file.relative_to(PACKAGE)} imports {', '.join(sorted(worldly))}"


def test_one_module_names_the_engines() -> None:
    naming = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if {name.split(".")[0] for name in imports(file)} & {"ryu", "os_ken"}
    }
    assert naming <= {"openflow/engine.py"}


def test_the_agent_never_imports_eventlet() -> None:
    for room in ("agent", "kernel"):
        for file in (PACKAGE / room).rglob("*.py"):
            assert "eventlet" not in {name.split(".")[0] for name in imports(file)}
