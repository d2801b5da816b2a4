"""What happens to names in directories, on the real file system."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netctl.kernel.watch import Watch


@pytest.fixture
def watch() -> Iterator[Watch]:
    with closing(Watch()) as watch:
        yield watch


def test_names_that_come_go_and_are_written(watch: Watch, tmp_path: Path) -> None:
    watch.follow({tmp_path: None})
    assert watch.read() == {}
    (tmp_path / "a").write_text("x")
    assert watch.read() == {tmp_path: frozenset({"a"})}
    (tmp_path / "a").write_text("y")
    assert watch.read() == {tmp_path: frozenset({"a"})}
    (tmp_path / "a").rename(tmp_path / "b")
    assert watch.read() == {tmp_path: frozenset({"a", "b"})}
    (tmp_path / "b").read_text()
    assert watch.read() == {}
    (tmp_path / "b").unlink()
    assert watch.read() == {tmp_path: frozenset({"b"})}


def test_only_the_names_that_are_followed(watch: Watch, tmp_path: Path) -> None:
    watch.follow({tmp_path: frozenset({"policy.yaml"})})
    (tmp_path / "other").write_text("x")
    assert watch.read() == {}
    (tmp_path / "policy.yaml").write_text("x")
    assert watch.read() == {tmp_path: frozenset({"policy.yaml"})}


def test_a_directory_that_comes_later_goes_and_comes_again(watch: Watch, tmp_path: Path) -> None:
    deep = tmp_path / "run" / "netns"
    watch.follow({deep: None})
    (tmp_path / "noise").touch()
    assert watch.read() == {}
    deep.mkdir(parents=True)
    (deep / "early").touch()
    assert watch.read() == {deep: None}
    (deep / "late").touch()
    assert watch.read() == {deep: frozenset({"late"})}
    shutil.rmtree(deep)
    assert watch.read() == {deep: None}
    deep.mkdir()
    assert watch.read() == {deep: None}
    shutil.rmtree(deep.parent)
    assert watch.read() == {deep: None}
    deep.mkdir(parents=True)
    assert watch.read() == {deep: None}
    (deep / "again").touch()
    assert watch.read() == {deep: frozenset({"again"})}


def test_what_is_there_is_another_directory(watch: Watch, tmp_path: Path) -> None:
    """As when a symbolic link is turned, or a directory above is renamed: nothing tells of it, a look does."""
    for name in ("one", "two"):
        (tmp_path / name / "flows").mkdir(parents=True)
    (tmp_path / "now").symlink_to("one")
    flows = tmp_path / "now" / "flows"
    watch.follow({flows: None})
    assert watch.refresh() == frozenset()
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "now")
    assert watch.refresh() == {flows}
    (tmp_path / "one" / "flows" / "a").touch()
    assert watch.read() == {}
    (tmp_path / "two" / "flows" / "a").touch()
    assert watch.read() == {flows: frozenset({"a"})}


def test_one_directory_by_two_names_and_one_no_longer_followed(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").symlink_to("here")
    here, there = tmp_path / "here", tmp_path / "there"
    watch.follow({here: None, there: None})
    (here / "a").touch()
    assert watch.read() == {here: frozenset({"a"}), there: frozenset({"a"})}
    watch.follow({there: None})
    (here / "b").touch()
    assert watch.read() == {there: frozenset({"b"})}
    watch.follow({})
    (here / "c").touch()
    assert watch.read() == {}


def test_more_than_the_kernel_keeps(watch: Watch, tmp_path: Path) -> None:
    kept = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if kept > 100_000:
        pytest.skip(f"this kernel keeps {kept} events")
    watch.follow({tmp_path: None})
    for number in range(kept // 3 + 100):
        (tmp_path / str(number)).touch()
        (tmp_path / str(number)).unlink()
    assert watch.read() == {tmp_path: None}
