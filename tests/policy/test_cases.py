"""Every file in cases/ is a policy and, in its `#!` lines at the end, all that netctl says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netctl.policy import loads

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_says_exactly_this(case: Path) -> None:
    text = case.read_text(encoding="utf-8")
    expected = [line.removeprefix("#! ") for line in text.splitlines() if line.startswith("#! ")]
    loaded = loads(text)
    said = [str(problem).removeprefix("policy.yaml:") for problem in loaded.problems]
    assert said == expected
    assert (loaded.policy is None) == bool(expected)
    assert case.stem.startswith("right-") == (not expected)
