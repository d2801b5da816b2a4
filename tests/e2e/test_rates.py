"""The rates of wires, measured with a stream of zeros on the userspace datapath."""

from __future__ import annotations

import sys

import pytest

from tests.e2e.box import ROOT, Box
from tests.e2e.lab import Lab
from tests.e2e.zeros import speed

EXAMPLE = (ROOT / "flows/examples/07-rate-limit.yaml").read_text()
TWENTY = EXAMPLE.replace("10mbit", "20mbit")
FREE = EXAMPLE.replace("    rate: {a_to_b: 10mbit}\n", "")
NONE = EXAMPLE.partition("wires:")[0]


@pytest.fixture
def lab(box: Box) -> Lab:
    box.start_ovs()
    return Lab(box)


def shaped(lab: Lab) -> int:
    """Rows of either kind, whoever made them."""
    return lab.box.run("ovs-vsctl --columns=_uuid list qos; ovs-vsctl --columns=_uuid list queue").stdout.count("_uuid")


def there(lab: Lab, limit: float = 10) -> float:
    """What TCP delivers in the direction that is limited; the frames that bring it never exceed the limit."""
    passed = speed(lab.box, "ns1", "ns2", "10.7.0.2")
    print(passed)
    assert passed.frames < 1.05 * limit
    return passed.stream


def back(lab: Lab) -> float:
    return speed(lab.box, "ns2", "ns1", "10.7.0.1", 0.5).stream


def test_the_example_is_slow_one_way_and_fast_the_other(lab: Lab) -> None:
    lab.apply(EXAMPLE)
    assert 8 < there(lab) < 10.5
    assert back(lab) > 100
    flows = lab.box.run("ovs-ofctl dump-flows rate0 --no-stats").stdout
    lab.write(TWENTY)
    done = lab.netctl("plan", lab.policy)
    assert "~ shaper ns2-eth0: rate 10mbit -> 20mbit" in done.stdout
    assert "wire slow, 20mbit to ns2-eth0" in done.stdout
    pinging = lab.box.popen("ip netns exec ns1 ping -q -i 0.005 -c 500 10.7.0.2", stdout=-1)
    lab.apply(TWENTY)
    assert " 0% packet loss" in pinging.communicate(timeout=20)[0]
    assert 16 < there(lab, 20) < 21
    assert lab.box.run("ovs-ofctl dump-flows rate0 --no-stats").stdout == flows
    lab.apply(FREE)
    assert shaped(lab) == 0
    assert there(lab, 1e6) > 100
    lab.apply(EXAMPLE)
    lab.netctl("down")
    assert shaped(lab) == 0


def test_a_rate_that_is_not_in_force_is_told_with_what_mends_it(lab: Lab) -> None:
    lab.apply(EXAMPLE)
    lab.box.run("tc qdisc del dev ns2-eth0 root")
    done = lab.netctl("apply", lab.policy, check=False)
    assert done.returncode == 1
    assert "the rate of port ns2-eth0 is in the database and not in force" in done.stderr
    lab.box.run(done.stderr.partition("«ovs-vsctl")[1][1:] + done.stderr.partition("«ovs-vsctl")[2].partition("»")[0])
    lab.netctl("apply", lab.policy)
    assert "rate 10Mbit" in lab.box.run("tc class show dev ns2-eth0").stdout


def test_the_daemons_keep_a_rate_when_its_device_is_made_again(lab: Lab) -> None:
    lab.write(EXAMPLE)
    lab.controller()
    lab.agent()
    lab.converged()
    assert "10mbit to ns2-eth0 (linux-htb)" in lab.netctl("show", "wires").stdout
    lab.box.run("ip link del ns2-eth0")
    lab.box.wait_for(lambda: "rate 10Mbit" in lab.box.run("tc class show dev ns2-eth0").stdout, 15)
    lab.converged()
    assert 8 < there(lab) < 10.5
    lab.write(NONE)
    lab.box.wait_for(lambda: shaped(lab) == 0)


TAP = """
version: 1
hosts:
  hv1:
    bridges:
      rate0: {datapath: netdev}
    guests:
      ns1: {namespace: true, nics: {eth0: {device: veth, bridge: rate0}}}
      vm1: {nics: {eth0: {device: tap, bridge: rate0}}}
wires:
  - {ends: [ns1-eth0, vm1-eth0], carrier: ignore, rate: {a_to_b: 10mbit}}
"""

FLOOD = """
import socket, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
frame = bytes.fromhex("020000000001" "020000000002" "88b5") + bytes(1486)
sent = 0
start = time.monotonic()
while True:
    if sent * len(frame) * 8 < 50e6 * (time.monotonic() - start):
        sent += 1
        try:
            wire.send(frame)
        except OSError:
            pass
    else:
        time.sleep(0.0005)
"""

GUEST = """
import fcntl, os, select, struct, sys, time
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), 0x1002))
print("ready", flush=True)
octets, start = 0, 0.0
while not start or time.monotonic() < start + 1.5:
    if not select.select([tap], [], [], 10)[0]:
        sys.exit("nothing came")
    frame = os.read(tap, 2048)
    if frame[12:14] == bytes.fromhex("88b5"):
        start = start or time.monotonic()
        octets += len(frame)
print(octets * 8e-6 / (time.monotonic() - start))
"""


def test_a_tap_has_its_rate_too(lab: Lab) -> None:
    lab.apply(TAP)
    guest = lab.box.popen([sys.executable, "-c", GUEST, "vm1-eth0"], stdout=-1, stderr=-1)
    assert guest.stdout is not None
    assert guest.stdout.readline() == "ready\n"
    flood = lab.box.popen(["ip", "netns", "exec", "ns1", sys.executable, "-c", FLOOD])
    try:
        out, err = guest.communicate(timeout=30)
    finally:
        flood.kill()
        flood.wait()
    assert guest.returncode == 0, err
    assert 8 < float(out) < 10.5
