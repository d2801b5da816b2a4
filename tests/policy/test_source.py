"""Where a policy comes from, and when it is another one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from netctl.policy import Patch, Wire, load
from netctl.policy.durable import NotWritten
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


NEW = Wire.model_validate({"name": "new", "ends": ["hv1/ovbr0/c", "hv1/ovbr0/d"]})
PATCH = Patch({"new": NEW}, frozenset({"a--b"}))


@pytest.fixture(params=["directory", "file"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> FileSource:
    """A policy that was read."""
    for name in ("m", "z"):
        (tmp_path / f"{name}.yaml").write_text(RIGHT if name == "m" else "version: 1\n")
    source = FileSource(tmp_path if request.param == "directory" else tmp_path / "m.yaml")
    assert source.read().policy is not None
    return source


def test_what_is_patched_is_saved_and_no_news(source: FileSource) -> None:
    digest = source.save(PATCH)
    assert not source.changed()
    loaded = load(source.path)
    assert (loaded.digest, loaded.patch) == (digest, PATCH)
    assert list(loaded.wiring.cables) == ["new"]
    again = source.save(Patch({}, frozenset({"a--b"})))
    assert not source.changed()
    assert load(source.path).digest == again != digest
    assert source.read().digest == again
    assert not source.changed()


def test_nothing_to_say_is_no_file(source: FileSource) -> None:
    before = load(source.path).digest
    source.save(PATCH)
    assert source.save(Patch()) == before
    assert not source.patch_file.exists()
    assert not source.changed()
    assert source.save(Patch()) == before


def test_the_mode_stays(source: FileSource) -> None:
    source.save(PATCH)
    source.patch_file.chmod(0o640)
    assert not source.changed()
    source.save(Patch({}, frozenset({"x"})))
    assert stat.S_IMODE(source.patch_file.stat().st_mode) == 0o640


def test_a_link_stays_a_link(source: FileSource, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("version: 1\n")
    source.patch_file.symlink_to(elsewhere / "kept")
    source.read()
    source.save(PATCH)
    assert source.patch_file.is_symlink()
    assert "new" in (elsewhere / "kept").read_text()
    assert not source.changed()


def test_what_others_change_beside_a_save_is_news(source: FileSource, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(RIGHT + "# more\n")
    source.save(PATCH)
    assert source.changed()


def test_what_somebody_else_wrote_is_not_overwritten(source: FileSource) -> None:
    source.patch_file.write_text("version: 1\nunwire: [a--b]\n")
    with pytest.raises(NotWritten, match=r"patched.yaml: somebody else changed it just now: try again$"):
        source.save(PATCH)
    assert source.patch_file.read_text() == "version: 1\nunwire: [a--b]\n"
    source.read()
    source.save(PATCH)


def test_a_policy_that_is_wrong_is_put_right_first(source: FileSource, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("version: 2\n")
    source.read()
    with pytest.raises(NotWritten, match=r"the policy's files are to be put right first: .*m.yaml:1:10: "):
        source.save(PATCH)
    assert not source.patch_file.exists()


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_when_it_cannot_be_written_nothing_changed(
    source: FileSource, monkeypatch: pytest.MonkeyPatch, step: str, tmp_path: Path
) -> None:
    source.save(PATCH)
    before = source.patch_file.read_text()
    files = sorted(os.listdir(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path if step == "rename" else os, "replace" if step == "rename" else step, full)
        with pytest.raises(NotWritten, match=r"patched.yaml: it cannot be written: No space left on device$"):
            source.save(Patch({}, frozenset({"other"})))
    assert source.patch_file.read_text() == before
    assert sorted(os.listdir(tmp_path)) == files
    assert not source.changed()
    assert source.save(PATCH) == load(source.path).digest


def test_who_does_not_follow_the_patch_sees_the_rest_change(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(RIGHT)
    writer, reader = FileSource(tmp_path), FileSource(tmp_path, follow_patch=False)
    writer.read()
    reader.read()
    signature = reader.signature()
    writer.save(PATCH)
    assert not reader.changed()
    assert reader.signature() != signature
    (tmp_path / "m.yaml").write_text(RIGHT + "#\n")
    assert reader.changed()
    assert reader.read().patch == PATCH
