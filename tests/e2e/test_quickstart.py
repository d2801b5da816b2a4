"""scripts/quickstart, in a machine of its own: works, works again, works after it was killed, leaves nothing."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.box import ROOT, Box, Process

BAR = 30
"""Seconds from the command to a lab that is up and checked, with the packages there already."""

KINDS = ("ARP", "ICMP", "LLDP", "STP", "LACP", "802.1Q tag", "9000 bytes", "foreign MAC")

ENV = {"NETCTL_VENV": str(Path(sys.prefix)), "COLUMNS": "100"}
"""The environment that runs the tests has all that netctl needs: nothing is installed."""


def start(box: Box, *arguments: str) -> Process:
    log = open(box.path("/run/quickstart.log"), "w")  # noqa: SIM115
    with log:
        return box.popen([ROOT / "scripts/quickstart", *arguments], env=ENV, stdout=log, stderr=log)


def said(box: Box) -> str:
    return box.path("/run/quickstart.log").read_text()


def once(box: Box) -> str:
    """What `scripts/quickstart --once` prints; it must succeed."""
    quickstart = start(box, "--once")
    code = quickstart.wait(90)
    assert code == 0, said(box)
    return said(box)


def assert_nothing_left(box: Box) -> None:
    """As the box was at first: no device, no namespace, and of processes only its own first and the asking."""
    links = re.findall(r"^\d+: ([^:@]+)", box.run("ip -o link").stdout, re.MULTILINE)
    assert links == ["lo"]
    assert box.run("ip netns list").stdout == ""
    box.wait_for(lambda: len(processes(box)) == 1, 5, f"all to have ended: {processes(box)}")


def processes(box: Box) -> list[str]:
    every = box.run(["ps", "-e", "-o", "args="]).stdout.splitlines()
    return [each for each in every if not each.startswith("ps -e")]


def test_once_shows_what_crosses_and_leaves_nothing(box: Box) -> None:
    begin = time.monotonic()
    out = once(box)
    seconds = time.monotonic() - begin
    print(f"quickstart --once: {seconds:.1f} s, the bar is {BAR} s")
    assert all(kind in out for kind in KINDS)
    assert "lost" not in out
    assert "2 of 2 wires carry everything." in out
    assert "http://127.0.0.1:8080/" in out
    assert len(out.splitlines()) < 40, "few lines"
    assert_nothing_left(box)
    assert seconds < BAR
    assert "2 of 2 wires carry everything." in once(box)
    assert_nothing_left(box)


@pytest.mark.parametrize("after", [0.1, 0.3, 1.0, 2.0, 2.5, 3.0], ids=lambda after: f"{after}s")
def test_killed_in_the_middle_and_run_again(box: Box, after: float) -> None:
    quickstart = start(box, "--once")
    time.sleep(after)
    quickstart.kill()
    quickstart.wait(5)
    assert "2 of 2 wires carry everything." in once(box)
    assert_nothing_left(box)


def test_in_the_foreground_until_it_is_told_to_end_then_down(box: Box) -> None:
    quickstart = start(box)
    box.wait_for(lambda: "2 of 2 wires carry everything." in said(box), BAR, "the lab")
    status = box.wait_for(lambda: box.read("http://127.0.0.1:8080/api/v1/status"))
    assert status["converged"]
    box.run("ip netns exec lab-ns1 ping -c 1 -W 1 10.99.1.2")
    quickstart.terminate()
    assert quickstart.wait(15) == 0, said(box)
    box.run("ip netns exec lab-ns1 ping -c 1 -W 1 10.99.1.2")
    box.run([sys.executable, "-m", "netctl.cli", "down"])
    assert box.run("ovs-vsctl list-br").stdout == ""
    assert box.run("ip netns list").stdout == ""
    links = box.run("ip -o link").stdout
    assert "lab" not in links


def test_an_open_vswitch_that_runs_already_is_left_running(box: Box) -> None:
    box.start_ovs()
    box.run("ovs-vsctl add-br theirs -- set bridge theirs datapath_type=netdev")
    assert "2 of 2 wires carry everything." in once(box)
    assert box.run("ovs-vsctl list-br").stdout == "theirs\n"


def test_others_than_root_and_other_words_are_turned_away(box: Box) -> None:
    script = ROOT / "scripts/quickstart"
    refused = box.run(["setpriv", "--reuid=65534", "--clear-groups", "bash", script], check=False)
    assert refused.returncode == 1
    assert "needs root" in refused.stderr
    wrong = box.run([script, "--twice"], check=False)
    assert (wrong.returncode, wrong.stderr) == (2, "usage: scripts/quickstart [--once]\n")
    assert "--once" in box.run([script, "--help"]).stdout
