"""The box itself: private, usable from outside, gone when closed."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.box import Box


def test_nothing_inside_is_seen_outside_and_nothing_stays() -> None:
    before = os.listdir("/run"), os.listdir("/sys/class/net")
    with Box() as box:
        box.run("ip link add lonely0 type veth peer name lonely1; ip netns add lonely; touch /run/lonely")
        assert box.run("ls /sys/class/net").stdout.split() == ["lo", "lonely0", "lonely1"]
        sleeper = box.popen(["sleep", "600"])
        sleeper.send_signal(signal.SIGSTOP)
        inner = sleeper.inner()
        assert inner
        assert (os.listdir("/run"), os.listdir("/sys/class/net")) == before
    assert sleeper.wait(5) != 0
    assert not Path(f"/proc/{inner}").exists()


def test_commands_signals_and_timeouts(box: Box) -> None:
    assert box.run("cat; pwd", input="said\n").stdout == f"said\n{Path(__file__).parents[2]}\n"
    assert box.run(["sh", "-c", "exit 3"], check=False).returncode == 3
    with pytest.raises(AssertionError, match="exited 4"):
        box.run("echo why >&2; exit 4")
    polite = box.popen("trap 'exit 7' TERM; while :; do sleep 0.02; done")
    time.sleep(0.2)
    polite.terminate()
    assert polite.wait(5) == 7
    killed = box.popen(["sleep", "600"])
    killed.kill()
    assert killed.wait(5) == -signal.SIGKILL
    stopped = box.popen(["sleep", "600"])
    stopped.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    stopped.kill()
    assert stopped.wait(5) == -signal.SIGKILL
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        box.run(["sleep", "600"], timeout=0.2)
    assert time.monotonic() - start < 5


def test_orphans_that_end_leave_no_zombie(box: Box) -> None:
    box.run("(sleep 0.05 &) ; (sleep 0.05 &)")
    box.wait_for(lambda: "sleep" not in box.run(["ps", "-e"]).stdout, 2, "the orphans to be gone")


def test_open_vswitch_and_http(box: Box) -> None:
    box.start_ovs()
    box.run("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev")
    box.stop_ovs()
    box.start_ovs()
    assert box.run("ovs-vsctl list-br").stdout == "br0\n"
    server = box.popen(f"exec {sys.executable} -m http.server 8080 --bind 127.0.0.1", cwd="/run/openvswitch")
    status, _, body = box.wait_for(lambda: box.request("http://127.0.0.1:8080/"))
    assert status == 200
    assert b"conf.db" in body
    server.terminate()
