"""Fixtures of the end-to-end tests: a box for each test, and the engines that they run on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.e2e.box import Box


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("e2e")


@pytest.fixture
def box() -> Iterator[Box]:
    """A box of this test's own, without Open vSwitch until `box.start_ovs()`."""
    with Box() as box:
        yield box


@pytest.fixture(scope="module")
def module_box() -> Iterator[Box]:
    """A box that the tests of one file share."""
    with Box() as box:
        yield box


@cache
def lacks(python: str, module: str) -> str:
    """Why `python` cannot be used to run on `module`; empty when it can."""
    try:
        done = subprocess.run(
            [python, "-c", f"import {module}"], capture_output=True, text=True, timeout=60, check=False
        )
    except OSError as error:
        return f"{python}: {error.strerror}"
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


@pytest.fixture(params=["os-ken", "ryu"])
def engine_python(request: pytest.FixtureRequest) -> str:
    """The interpreter of an environment with netctl's dependencies and one of the two engines.

    The one that runs the tests has os-ken; genuine Ryu needs an environment of its own, which
    NETCTL_RYU_PYTHON names (scripts/test makes it).
    """
    if request.param == "os-ken":
        python, module = sys.executable, "os_ken"
    else:
        python, module = os.environ.get("NETCTL_RYU_PYTHON", ""), "ryu"
        if not python:
            missing("needs NETCTL_RYU_PYTHON, the python of an environment with genuine Ryu")
    why = lacks(python, module)
    if why:
        missing(f"needs {module} in {python}: {why}")
    return python
