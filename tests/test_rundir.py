"""Pid files, locks and status files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netctl import rundir


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETCTL_RUN_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def python(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", f"from netctl import rundir; import time, signal; {code}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_pid_file_is_the_live_process_that_wrote_it(folder: Path) -> None:
    assert rundir.alive("x") is None
    rundir.write_pid("x")
    rundir.write_pid("x")
    assert rundir.alive("x") == os.getpid()
    rundir.remove_pid("x")
    assert rundir.alive("x") is None


def test_another_process_with_the_same_number_is_not_it(folder: Path) -> None:
    rundir.write_pid("x")
    pid, started = (folder / "x.pid").read_text().split()
    (folder / "x.pid").write_text(f"{pid} {int(started) - 1}\n")
    assert rundir.alive("x") is None
    assert not rundir.stop("x", 1)
    for junk in ("", "12", "a b", "-1 5", "99999999 5"):
        (folder / "x.pid").write_text(junk)
        assert rundir.alive("x") is None


def test_a_second_process_is_told_of_the_first_and_a_dead_one_is_no_obstacle() -> None:
    with python("rundir.write_pid('x'); print('ready'); time.sleep(60)") as process:
        assert rundir.alive("x") == process.pid
        with pytest.raises(rundir.Running) as error:
            rundir.write_pid("x")
        assert error.value.pid == process.pid
        rundir.remove_pid("x")
        assert rundir.alive("x") == process.pid
        process.kill()
        while rundir.alive("x"):
            time.sleep(0.01)
        rundir.write_pid("x")
        assert rundir.alive("x") == os.getpid()


def test_stop_asks_and_then_insists(folder: Path) -> None:
    with python("rundir.write_pid('x'); print('ready'); time.sleep(60)") as process:
        assert rundir.stop("x", 5)
        assert process.wait() == -15
    stubborn = "signal.signal(15, signal.SIG_IGN); rundir.write_pid('x'); print('ready'); time.sleep(60)"
    with python(stubborn) as process:
        start = time.monotonic()
        assert rundir.stop("x", 0.2)
        assert 0.2 <= time.monotonic() - start < 2
        assert process.wait() == -9
    assert not (folder / "x.pid").exists()
    assert not rundir.stop("x", 1)


def test_a_lock_is_held_by_one_and_says_by_whom() -> None:
    with python("c = rundir.locked('host', 1); c.__enter__(); print('ready'); time.sleep(60)") as process:
        start = time.monotonic()
        with pytest.raises(rundir.Locked) as error, rundir.locked("host", 0.2):
            pass
        assert 0.2 <= time.monotonic() - start < 2
        assert error.value.pid == process.pid
        assert f"process {process.pid}" in str(error.value)
        process.kill()
        with rundir.locked("host", 2):
            pass


def test_json_is_replaced_whole(folder: Path) -> None:
    assert rundir.read_json("x") is None
    rundir.write_json("x", {"a": 1})
    rundir.write_json("x", {"a": [2]})
    assert rundir.read_json("x") == {"a": [2]}
    assert os.listdir(folder) == ["x.json"]
    rundir.remove("x")
    assert os.listdir(folder) == []
