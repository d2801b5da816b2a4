"""Tests that need Debian's kernel: they run in the kernel lab, on a machine that is theirs alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.host import Host


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Outside of the lab they are not chosen: scripts/test runs them there."""
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker("kernel_lab")
    if ours and os.environ.get("NETCTL_KERNEL_LAB") != "1":
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session")
def machine() -> Host:
    return Host()


@pytest.fixture
def host(machine: Host) -> Iterator[Host]:
    """The machine, with nothing on it before and after."""
    machine.clear()
    yield machine
    machine.clear()


@pytest.fixture(scope="session")
def ovs(machine: Host) -> None:
    """Open vSwitch, running."""
    machine.start_ovs()
