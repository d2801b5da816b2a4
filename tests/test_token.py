"""The token's file: made once, whole, for its owner alone."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from netctl import token
from netctl.token import TokenError, ensure, find, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lib" / "netctl" / "token"


def test_it_is_made_once_and_stays(path: Path) -> None:
    first = ensure(path)
    assert len(first) == 43
    assert first == ensure(path) == read(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["token"]


def test_two_are_never_the_same(path: Path) -> None:
    assert ensure(path) != ensure(path.with_name("other"))


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_whatever_the_mask_it_is_the_owner_s(path: Path, mask: int) -> None:
    path.parent.mkdir(parents=True)
    before = os.umask(mask)
    try:
        ensure(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_never_readable_by_others_nor_partly_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes, contents = [], []

    def look(*_: object) -> None:
        for each in path.parent.iterdir():
            modes.append(stat.S_IMODE(each.stat().st_mode))
            contents.append((each.name, each.read_bytes()))

    for name in ("fchmod", "fsync", "link"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real: (look(), real(*args), look())[1])
    before = os.umask(0)
    try:
        ensure(path)
    finally:
        os.umask(before)
    assert set(modes) == {0o600}
    assert all(len(content) == 44 for name, content in contents if name == "token")
    assert len(contents) >= 6


def test_all_who_start_at_once_have_the_same(path: Path) -> None:
    start, found = threading.Barrier(8), []

    def one() -> None:
        start.wait()
        found.append(ensure(path))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [each.name for each in path.parent.iterdir()] == ["token"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_one_that_others_may_read_is_refused(path: Path, mode: int) -> None:
    ensure(path)
    path.chmod(mode)
    with pytest.raises(TokenError, match=rf"may be read by others \(mode 0{mode:o}\).*remove it"):
        ensure(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty: remove it"),
        (b" \n", "is empty: remove it"),
        (b"short\n", "has no token in it"),
        (b"two words that are long enough\n", "has no token in it"),
        (b"\xff" * 40, "has no token in it"),
    ],
)
def test_what_is_no_token(path: Path, content: bytes, says: str) -> None:
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(TokenError, match=says):
        ensure(path)


def test_what_an_administrator_wrote_counts(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    path.write_text("  correct-horse-battery-staple \r\n")
    assert ensure(path) == "correct-horse-battery-staple"


def test_no_file_is_no_token(path: Path) -> None:
    with pytest.raises(TokenError, match="the controller makes it at its start"):
        read(path)
    assert not path.exists()


def test_a_directory_is_no_token(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(TokenError, match="is not a file"):
        ensure(path)


def test_a_pipe_does_not_hold_anybody_up(path: Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path, 0o600)
    with pytest.raises(TokenError, match="is not a file"):
        ensure(path)


def test_a_link_to_nowhere_is_not_followed(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to("nowhere")
    with pytest.raises(TokenError, match="there is no token"):
        ensure(path)
    assert not path.with_name("nowhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_one_that_belongs_to_somebody_else_is_refused(path: Path) -> None:
    ensure(path)
    os.chown(path, 4242, 0)
    with pytest.raises(TokenError, match="belongs to user 4242"):
        read(path)


def test_where_nothing_can_be_made_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TokenError, match=r"no token can be made in .*--netctl-token-file or NETCTL_TOKEN_FILE"):
        ensure(tmp_path / "file" / "token")
    with pytest.raises(TokenError, match="no token can be made"):
        ensure(Path("/proc/netctl/token"))


def test_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETCTL_TOKEN_FILE", raising=False)
    assert find() == find("") == token.DEFAULT
    assert find("/a/b") == Path("/a/b")
    monkeypatch.setenv("NETCTL_TOKEN_FILE", "/c")
    assert find("/a/b") == Path("/c")
