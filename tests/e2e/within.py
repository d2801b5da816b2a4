"""Tests whose body runs inside a box, as a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.e2e.box import Box


def within(body: Callable[[], None]) -> Callable[[Box], None]:
    """Decorates a test without arguments: pytest gives it a box, in which another Python runs the body."""

    def test(box: Box) -> None:
        code = f"from {body.__module__} import {body.__name__} as test; test.body()"
        box.run([sys.executable, "-c", code])

    test.__name__ = body.__name__
    test.__doc__ = body.__doc__
    test.body = body  # type: ignore[attr-defined]
    return pytest.mark.e2e(test)
