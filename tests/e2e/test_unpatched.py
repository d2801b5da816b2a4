"""What a port without a wire gets, and that it never meets a wire."""

from __future__ import annotations

import sys
import time

import pytest

from tests.e2e.box import Box
from tests.e2e.lab import Lab

GUESTS = 4

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, unpatched: UNPATCHED}
    guests:
      n1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      n2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
      n3: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.3/24]}}}
      n4: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.4/24]}}}
wires: WIRES
"""


@pytest.fixture
def lab(box: Box) -> Lab:
    box.start_ovs()
    return Lab(box)


def apply(lab: Lab, unpatched: str, wires: str) -> None:
    lab.apply(POLICY.replace("UNPATCHED", unpatched).replace("WIRES", wires))


def reaches(lab: Lab, one: int, other: int) -> bool:
    """With the neighbour tables emptied, so that ARP has to cross as well."""
    for each in (one, other):
        lab.box.run(f"ip -n n{each} neigh flush all")
    return lab.ping(f"n{one}", f"10.99.1.{other}")


def captured(lab: Lab, guest: int, during: str) -> str:
    """What arrives in a guest while a command runs."""
    watch = lab.box.popen(
        f"exec ip netns exec n{guest} tcpdump -lnei eth0 -Q in > /run/capture{guest} 2>/run/capture.err"
    )
    lab.box.wait_for(lambda: "listening" in lab.box.path("/run/capture.err").read_text(), 5)
    lab.box.run(during, check=False)
    time.sleep(0.3)
    watch.terminate()
    watch.wait()
    return lab.box.path(f"/run/capture{guest}").read_text()


def test_drop(lab: Lab) -> None:
    apply(lab, "drop", "[[n1-eth0, n2-eth0]]")
    assert reaches(lab, 1, 2)
    assert not reaches(lab, 3, 4)
    assert not reaches(lab, 1, 3)


def test_normal_is_a_switch_among_the_ports_without_a_wire(lab: Lab) -> None:
    apply(lab, "normal", "[[n1-eth0, n2-eth0]]")
    assert reaches(lab, 3, 4)
    assert reaches(lab, 1, 2)
    assert not reaches(lab, 1, 3)
    assert not reaches(lab, 3, 1)
    broadcast = "ip netns exec n3 ping -c2 -W1 10.99.1.77"
    assert "10.99.1.77" in captured(lab, 4, broadcast)
    assert "10.99.1.77" not in captured(lab, 1, broadcast)


def test_a_port_that_is_wired_takes_nothing_of_what_the_switch_had_learned(lab: Lab) -> None:
    apply(lab, "normal", "[]")
    assert reaches(lab, 3, 1)
    mac = lab.box.run("ip netns exec n1 cat /sys/class/net/eth0/address").stdout.strip()
    assert mac in lab.box.run("ovs-appctl fdb/show ovbr0").stdout
    apply(lab, "normal", "[[n1-eth0, n2-eth0]]")
    assert mac not in lab.box.run("ovs-appctl fdb/show ovbr0").stdout
    known = f"ip -n n3 neigh replace 10.99.1.1 lladdr {mac} dev eth0 nud permanent"
    seen = captured(lab, 1, f"{known}; ip netns exec n3 ping -c3 -i0.2 -W1 10.99.1.1")
    assert "10.99.1.3" not in seen
    apply(lab, "normal", "[]")
    assert reaches(lab, 3, 1)


def test_a_frame_that_comes_tagged_with_the_vlan_of_the_wired_ports_goes_nowhere(lab: Lab) -> None:
    apply(lab, "normal", "[[n1-eth0, n2-eth0]]")
    send = (
        "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0)); "
        "s.send(b'\\xff' * 6 + bytes.fromhex('02000000000381000fff0806') + b'\\0' * 46)"
    )
    frame = f"for i in 1 2 3; do ip netns exec n3 {sys.executable} -c \"{send}\"; done"
    assert "02:00:00:00:00:03" not in captured(lab, 1, frame)
    assert "02:00:00:00:00:03" not in captured(lab, 2, frame)


def test_between_drop_and_normal_the_bridge_is_not_made_again(lab: Lab) -> None:
    apply(lab, "normal", "[[n1-eth0, n2-eth0]]")
    uuid = lab.box.run("ovs-vsctl get bridge ovbr0 _uuid").stdout
    apply(lab, "drop", "[[n1-eth0, n2-eth0]]")
    assert lab.box.run("ovs-vsctl get bridge ovbr0 _uuid").stdout == uuid
    assert not reaches(lab, 3, 4)
    assert reaches(lab, 1, 2)
    assert lab.box.run("ovs-vsctl get port n1-eth0 tag").stdout.strip() == "[]"
