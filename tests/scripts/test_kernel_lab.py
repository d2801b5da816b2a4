"""The kernel lab as a command: what comes out of it, and that it leaves nothing behind, whatever ends it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.conftest import need

T = TypeVar("T")

LAB = Path(__file__).resolve().parents[2] / "scripts" / "kernel-lab"


@pytest.fixture(autouse=True)
def _needs() -> None:
    need("qemu-system-x86_64", "apt-get", "depmod")


def start(*argv: str | Path, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [LAB, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options  # type: ignore[call-overload]
    )


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def program(pid: int) -> str:
    """What process `pid` runs; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0]
    except OSError:
        return ""


def until(condition: Callable[[], T]) -> T:
    end = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


def test_output_exit_code_folder_and_environment(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("a file of this machine's\n")
    script = (
        "cat here; echo \"$NETCTL_KERNEL_LAB $NETCTL_X $CI $SECRET\" >&2; uname -n; nproc; ls /lib/modules/$(uname -r);"
        "echo gone >here; echo to-stdout >/dev/stdout; sleep 1000 & exit 7"
    )
    lab = start(
        *("-c", "1", "sh", "-c", script),
        cwd=tmp_path,
        env=os.environ | {"NETCTL_X": "it's", "CI": "true", "SECRET": "no"},
    )
    out, err = lab.communicate(timeout=120)
    lines = out.splitlines()
    assert lines[:3] == ["a file of this machine's", "kernel-lab", "1"]
    assert {"kernel", "modules.dep"} <= set(lines)
    assert lines[-1] == "to-stdout"
    assert err.splitlines()[-1] == "1 it's true "
    assert lab.returncode == 7
    assert (tmp_path / "here").read_text() == "a file of this machine's\n"


def test_much_output_side_by_side_comes_out_whole() -> None:
    labs = [start("-c", "1", "-m", "512", "seq", "100000") for _ in range(2)]
    for lab in labs:
        out, err = lab.communicate(timeout=120)
        assert lab.returncode == 0, err
        assert out == "".join(f"{n}\n" for n in range(1, 100001))


def test_whatever_ends_it_it_leaves_nothing_behind(tmp_path: Path) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
    labs = {start("sleep", "1000", env=os.environ | {"TMPDIR": str(tmp_path)}): number for number in signals}
    try:
        for lab, number in labs.items():
            machine = until(lambda lab=lab: [pid for pid in children(lab.pid) if "qemu" in program(pid)])[0]
            lab.send_signal(number)
            assert lab.wait(10) == -number
            until(lambda machine=machine: not program(machine))
        assert list(tmp_path.iterdir()) == []
    finally:
        for lab in labs:
            lab.kill()
            lab.communicate()


def test_the_time_limit() -> None:
    lab = start("sleep", "1000", env=os.environ | {"NETCTL_LAB_TIMEOUT": "1"})
    _, err = lab.communicate(timeout=60)
    assert lab.returncode == 124
    assert "the 1 s were up" in err


def test_without_a_command_it_says_how_it_is_used() -> None:
    lab = start(stdin=subprocess.DEVNULL)
    _, err = lab.communicate(timeout=60)
    assert lab.returncode == 2
    assert "usage: kernel-lab" in err


def test_a_machine_that_does_not_start_says_why() -> None:
    lab = start("-m", "1", "true")
    out, err = lab.communicate(timeout=60)
    assert lab.returncode == 125
    assert "ended before its command did" in err
    assert "Traceback" not in out + err


def test_what_is_missing_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    for program in ("sh", "dirname", "readlink"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
    lab = start("true", env={"PATH": str(tmp_path)})
    _, err = lab.communicate(timeout=60)
    assert lab.returncode == 125
    assert "apt-get install --no-install-recommends qemu-system-x86" in err
