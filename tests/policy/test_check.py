"""`netctl check`, as a person or a program uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netctl.cli.main import cli
from netctl.policy import schema

RIGHT = "version: 1\nhosts: {hv1: {bridges: {ovbr0: {}}}}\nwires: [[ovbr0/a, ovbr0/b]]\n"


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["check", *map(str, arguments)])


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETCTL_POLICY", raising=False)


def test_a_right_policy() -> None:
    Path("lab.yaml").write_text(RIGHT)
    result = check("lab.yaml")
    assert (result.exit_code, result.output) == (0, "lab.yaml: right: 1 wire, 0 guests, 1 bridge, 1 host\n")


def test_a_wrong_one_among_several() -> None:
    Path("right.yaml").write_text(RIGHT)
    Path("wrong.yaml").write_text("version: 1\nwire: []\n")
    result = check("right.yaml", "wrong.yaml", "missing.yaml")
    assert result.exit_code == 2
    assert result.stdout == "right.yaml: right: 1 wire, 0 guests, 1 bridge, 1 host\n"
    assert result.stderr.splitlines() == [
        "wrong.yaml:2:1: unknown key 'wire' in a policy; did you mean 'wires'?",
        "missing.yaml:1:1: no such file or directory; give the path of a policy, or set NETCTL_POLICY to it",
    ]


def test_without_a_path() -> None:
    assert check().exit_code == 2
    Path("flows").mkdir()
    Path("flows/a.yaml").write_text(RIGHT)
    assert check().stdout.startswith("flows: right: 1 wire")


def test_json() -> None:
    Path("right.yaml").write_text(RIGHT)
    Path("wrong.yaml").write_text("version: 1\nwire: []\n")
    result = check("--json", "right.yaml", "wrong.yaml")
    assert result.exit_code == 2
    right, wrong = json.loads(result.stdout)
    assert right == {
        "policy": "right.yaml", "right": True, "wires": 1, "guests": 0, "bridges": 1, "hosts": 1, "problems": []
    }  # fmt: skip
    assert wrong["right"] is False
    assert wrong["problems"][0]["line"] == 2


def test_the_schema() -> None:
    result = check("--schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == schema.schema()
