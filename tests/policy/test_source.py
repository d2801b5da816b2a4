"""Where a policy comes from, and when it is another one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netctl.policy.source import FileSource, find

RIGHT = "version: 1\nhosts: {hv1: {bridges: {ovbr0: {}}}}\nwires: [[ovbr0/a, ovbr0/b]]\n"


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETCTL_POLICY", raising=False)
    assert find(None, None) == Path("/etc/netctl/flows")
    (tmp_path / "flows").mkdir()
    assert find(None, None) == Path("flows")
    assert find(None, "of-config") == Path("of-config")
    monkeypatch.setenv("NETCTL_POLICY", "of-environment")
    assert find(None, "of-config") == Path("of-environment")
    assert find("explicit", "of-config") == Path("explicit")


def test_a_file_that_changes(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    source = FileSource(file)
    assert source.changed()
    assert source.read().policy is None
    assert not source.changed()
    file.write_text(RIGHT)
    assert source.changed()
    assert source.read().policy is not None
    assert not source.changed()
    other = tmp_path / "new"
    other.write_text(RIGHT)
    other.replace(file)
    assert source.changed()
    source.read()
    file.unlink()
    assert source.changed()
    assert "no such file" in str(source.read().problems[0])


def test_a_directory_that_changes(tmp_path: Path) -> None:
    source = FileSource(tmp_path)
    source.read()
    (tmp_path / "notes.txt").write_text("x")
    assert not source.changed()
    (tmp_path / "a.yaml").write_text(RIGHT)
    assert source.changed()
    assert source.read().policy is not None
    os.utime(tmp_path / "a.yaml", ns=(0, 0))
    assert source.changed()
    source.read()
    (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
    assert source.changed()
    source.read()
    (tmp_path / "b.yaml").unlink()
    (tmp_path / "c.yaml").symlink_to("nowhere")
    assert source.changed()
    assert [str(problem) for problem in source.read().problems] == [
        f"{tmp_path}/c.yaml:1:1: no such file or directory; give the path of a policy, or set NETCTL_POLICY to it"
    ]
