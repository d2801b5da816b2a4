"""What a test needs of the machine that runs it."""

from __future__ import annotations

import os
import shutil

import pytest

CI = os.environ.get("CI", "").lower() in {"true", "1"}
"""Where CI=true everything is installed: a missing package fails the test that needs it."""


def missing(what: str) -> None:
    """Skip the running test for want of `what`; on CI fail it."""
    if CI:
        pytest.fail(f"{what}; with CI=true nothing may be missing (scripts/test installs it)", pytrace=False)
    pytest.skip(what)


def need(*programs: str) -> None:
    """Go on only where every one of `programs` is installed; «root» stands for being the superuser."""
    for program in programs:
        if program == "root":
            if os.geteuid() != 0:
                missing("needs root, to make network namespaces")
        elif shutil.which(program) is None:
            missing(f"needs the program {program}, which is not installed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("e2e"):
        need("root", "unshare", "nsenter", "ip", "ethtool", "ovs-vswitchd")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("LINT") == "failed":
        terminalreporter.write_line("ruff or mypy found something: it is said above the tests", red=True)
