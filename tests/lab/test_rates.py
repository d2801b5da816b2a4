"""The rate of a wire on the kernel's datapath, on a slow processor, whose timers are late."""

from __future__ import annotations

import json
import sys

import pytest

from tests.e2e.box import ROOT
from tests.e2e.zeros import RECEIVE, SEND
from tests.lab.host import POLICY, Host

RATE = 2
"""Mbit/s: with 10 it may be the emulated processor that limits."""
EXAMPLE = (ROOT / "flows/examples/07-rate-limit.yaml").read_text()
POLICY_HERE = EXAMPLE.replace("netdev", "system").replace("10mbit", f"{RATE}mbit")

SECONDS = 4


def speed(host: Host) -> tuple[float, float]:
    """Mbit/s of a stream of zeros from ns1 to ns2: what TCP delivers, and the frames that bring it."""
    (POLICY.parent / "receive.py").write_text(RECEIVE)
    (POLICY.parent / "send.py").write_text(SEND)
    said = host.sh(
        "cd /run\n"
        f"ip netns exec ns2 {sys.executable} -S receive.py 5000 {SECONDS} >heard &\n"
        "receiver=$!\n"
        "until ip netns exec ns2 ss -Hltn | grep -q :5000; do sleep 0.1; done\n"
        f"ip netns exec ns1 timeout 60 {sys.executable} -S send.py 10.7.0.2 5000 &\n"
        "wait $receiver; kill %2 2>/dev/null; tail -1 heard"
    )
    stream, frames = json.loads(said)
    print(stream, frames)
    return stream, frames


@pytest.mark.usefixtures("ovs")
def test_tcp_gets_its_rate_on_the_kernel_datapath(host: Host) -> None:
    host.apply(POLICY_HERE)
    assert "system@ovs-system" in host.sh("ovs-appctl dpctl/dump-dps")
    stream, frames = speed(host)
    assert stream > 0.8 * RATE
    assert frames < 1.05 * RATE
    host.down()
    assert host.sh("ovs-vsctl list qos; ovs-vsctl list queue") == ""
