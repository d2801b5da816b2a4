"""A wire on the kernel's datapath: everywhere else the tests have Open vSwitch's userspace one."""

from __future__ import annotations

import select

import pytest

from netctl.probe.ends import NamespaceEnd
from tests.e2e.frames import MARK, frame
from tests.lab.host import POLICY, Host

POLICY_TEXT = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: system}
    guests:
      ns1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      ns2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
      ns3: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.3/24]}}}
wires:
  - [ns1-eth0, ns2-eth0]
"""

LLDP = bytes.fromhex("0180c200000e02aaaaaaaa0188cc") + b"\x02\x07\x04\x02\xaa\xaa\xaa\xaa\x01" + MARK
TCP = """
ip netns exec ns2 timeout 20 python3 -c '
import socket
with socket.create_server(("10.99.1.2", 5000)) as server:
    print(server.accept()[0].recv(64).decode(), end="")
' >/run/heard &
until ip netns exec ns2 ss -Hltn | grep -q :5000; do sleep 0.1; done
echo hello | ip netns exec ns1 bash -c 'cat >/dev/tcp/10.99.1.2/5000'
wait
cat /run/heard
"""


@pytest.mark.usefixtures("ovs")
def test_a_wire_on_the_kernel_datapath(host: Host) -> None:
    host.apply(POLICY_TEXT)
    assert "system@ovs-system" in host.sh("ovs-appctl dpctl/dump-dps")
    assert host.ping("ns1", "10.99.1.2")
    assert not host.ping("ns1", "10.99.1.3", within=0)
    assert host.sh(TCP) == "hello\n", "checksums are left to the sender's NIC, which a wire must not break"

    frames = [frame(), frame("81000064"), frame("88a80064", "81000065"), LLDP.ljust(60, b"\0")]
    with (
        NamespaceEnd("ns1", "ns1", "eth0") as sender,
        NamespaceEnd("ns2", "ns2", "eth0") as receiver,
        NamespaceEnd("ns3", "ns3", "eth0") as stranger,
    ):
        assert [sender.send(each) for each in frames] == [""] * len(frames)
        assert came(receiver, len(frames)) == frames
        assert came(stranger, 0) == []

    host.sh("ovs-ofctl del-flows ovbr0")
    assert not host.ping("ns1", "10.99.1.2", within=0)
    host.netctl("apply", str(POLICY))
    assert host.ping("ns1", "10.99.1.2")
    host.down()


def came(end: NamespaceEnd, wanted: int) -> list[bytes]:
    """The test's own frames at `end`: `wanted` are waited for, more are not."""
    frames: list[bytes] = []
    while select.select([end], [], [], 5 if len(frames) < wanted else 0.2)[0]:
        frame = end.receive()
        if frame is not None and MARK in frame:
            frames.append(frame)
    return frames
