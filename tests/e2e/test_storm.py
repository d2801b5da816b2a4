"""A hundred thousand frames a second that a flow sends to the controller leave it as it was."""

from __future__ import annotations

import os
import re
import statistics
import time
from pathlib import Path

import pytest

from tests.e2e.box import Box
from tests.e2e.storm import Storm, settled
from tests.e2e.stream import deepen
from tests.e2e.test_hitless import FLOWS, POLICY, WIRES, Bench, bench
from tests.topology import frames

OBSERVED = POLICY.replace("[p1, p2]", "{name: core, ends: [p1, p2], observe: lldp}")
FRAME = frames.frame(*frames.BASIC)
SECONDS = 3.0
WITHIN = 5.0
"""Percent of a core that a storm may take more of the controller's than silence does."""
ANSWERED = 0.1
"""Seconds that a patch takes meanwhile, at the median."""
STORM, STEADY = 100_000, 20_000
"""Frames a second: more than the datapath may keep up with, and what it does on a busy machine."""


@pytest.fixture
def lab(box: Box) -> Bench:
    """IPv6 is off, so that no frame crosses the wire but those of the tests."""
    box.run("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")
    lab = bench(box)
    lab.becomes(OBSERVED, FLOWS + 4)
    deepen(box)
    return lab


def cpu(lab: Bench) -> float:
    """Percent of a core that the controller takes."""

    def used() -> float:
        fields = Path(f"/proc/{lab.running.inner()}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, start = used(), time.monotonic()
    time.sleep(SECONDS)
    return 100 * (used() - before) / (time.monotonic() - start)


def packets(lab: Bench, flow: str) -> int:
    """How many frames some flows have taken."""
    text = lab.box.run(["ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "ovbr0", flow]).stdout
    return sum(map(int, re.findall(r"n_packets=(\d+)", text)))


def patched(lab: Bench) -> float:
    """Seconds until a patch is answered, the median."""
    took = []
    for method, body in (("PUT", ["p5", "p6"]), ("DELETE", None)) * 8:
        start = time.monotonic()
        status, answer = lab.ask(method, f"{WIRES}/other", body)
        took.append(time.monotonic() - start)
        assert (status in (200, 201), answer["result"]) == (True, "done")
    return statistics.median(took)


def storm(lab: Bench, device: str, flow: str) -> None:
    before, silent = packets(lab, flow), cpu(lab)
    storm = Storm(lab.box, device, FRAME, STORM)
    loud, answered = cpu(lab), patched(lab)
    sent = storm.end()
    taken = packets(lab, flow) - before
    print(
        f"{sent.rate:.0f} frames/s sent, {taken / sent.seconds:.0f} taken by the flow; the controller's CPU "
        f"{silent:.1f} % before, {loud:.1f} % meanwhile; a patch {1000 * answered:.1f} ms"
    )
    assert taken > 0.2 * STORM * SECONDS
    assert loud < silent + WITHIN
    assert answered < ANSWERED
    assert "Traceback" not in lab.log()


def test_a_storm_at_a_wire_that_is_listened_to(lab: Bench) -> None:
    storm(lab, "tp1", "table=0,in_port=p1,dl_type=0x88cc")
    before = settled(lab.box, "tp2")
    steady = Storm(lab.box, "tp1", FRAME, STEADY)
    time.sleep(SECONDS)
    sent = steady.end()
    print(f"{sent.rate:.0f} frames/s, {sent.frames} in all")
    assert sent.rate > 0.5 * STEADY
    assert settled(lab.box, "tp2") - before == sent.frames, "not all crossed the wire"
    (port,) = [each for each in lab.read("/api/v1/ports") if each["name"] == "p1"]
    assert 0 < port["lldp"]["frames"] < 1000, "some are heard, and no more than the port's meter lets through"


def test_a_storm_at_a_flow_of_somebody_elses(lab: Bench) -> None:
    flow = "cookie=0x78,priority=300,in_port=p3,dl_type=0x88cc,actions=CONTROLLER"
    lab.box.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flow", "ovbr0", flow])
    storm(lab, "tp3", "cookie=0x78/-1")
