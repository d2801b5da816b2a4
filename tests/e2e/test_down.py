"""`netctl down` on a host that is full of what others made."""

from __future__ import annotations

import time

from tests.e2e.box import Box
from tests.e2e.lab import Lab

FOREIGN = 10_000
SECONDS = 20.0
"""What it may take at the most, where other tests run beside this one."""

POLICY = """
version: 1
hosts:
  hv1:
    guests:
      ns1: {namespace: true, nics: {eth0: {device: veth, addresses: [10.99.1.1/24]}}}
      ns2: {namespace: true, nics: {eth0: {device: veth, addresses: [10.99.1.2/24]}}}
      vm1: {nics: {eth1: {device: tap}, eth2: {device: tap}}}
"""


def test_ten_thousand_devices_of_others_stay_untouched(box: Box) -> None:
    lab = Lab(box)
    lines = [f"link add x{number} type ifb" for number in range(FOREIGN)]
    lines += ["link set x1 alias netctl", "link set x2 alias not-netctl:hv1 group 7", "netns add theirs"]
    box.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", timeout=120)
    before = links(box)
    assert len(before) >= FOREIGN
    lab.write(POLICY)
    lab.agent()
    box.wait_for(lambda: lab.agent_status()["converged"], 30, "the agent's devices")
    assert len(links(box)) == len(before) + 4
    start = time.monotonic()
    done = lab.netctl("down")
    took = time.monotonic() - start
    assert "Removed: 1 processes" in done.stdout
    assert links(box) == before
    assert box.run("ls /run/netns").stdout.split() == ["theirs"]
    assert took < SECONDS, f"it took {took:.1f} s"


def links(box: Box) -> set[str]:
    """All devices as `ip` shows them: whatever is changed about one shows."""
    return set(box.run("ip -d -o link show").stdout.splitlines())
