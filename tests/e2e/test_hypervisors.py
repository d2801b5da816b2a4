"""One controller, two hypervisors: the other's Open vSwitch is reached over TCP, its agent runs over there."""

from __future__ import annotations

import sys

from tests.e2e.box import SCHEMA, Box
from tests.e2e.lab import Lab

POLICY = """
version: 1
hosts:
  hv1:
    bridges: {ovbr0: {datapath: netdev}}
    guests:
      a1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      a2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
  hv2:
    ovsdb: tcp:10.90.0.2:6640
    bridges: {ovbr0: {datapath: netdev}}
    guests:
      b1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      b2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
wires:
  - [a1-eth0, a2-eth0]
  - [b1-eth0, b2-eth0]
"""

OTHER = {
    "OVS_RUNDIR": "/run/hv2",
    "OVS_DBDIR": "/run/hv2",
    "OVS_LOGDIR": "/run/hv2",
    "NETCTL_RUN_DIR": "/run/hv2",
}

HYPERVISOR = f"""
ip netns add hv2
ip link add to-hv2 type veth peer name uplink netns hv2
ip addr add 10.90.0.1/24 dev to-hv2; ip link set to-hv2 up
ip -n hv2 addr add 10.90.0.2/24 dev uplink; ip -n hv2 link set uplink up; ip -n hv2 link set lo up
mkdir /run/hv2
ovsdb-tool create /run/hv2/conf.db {SCHEMA}
ip netns exec hv2 ovsdb-server /run/hv2/conf.db --remote=punix:/run/hv2/db.sock --remote=ptcp:6640:10.90.0.2 \\
  --pidfile --detach --no-chdir --log-file -vconsole:off
ovs-vsctl --no-wait init
ip netns exec hv2 ovs-vswitchd --pidfile --detach --no-chdir --log-file -vconsole:off
"""


def test_one_controller_serves_two_hypervisors(box: Box) -> None:
    box.start_ovs()
    box.run(HYPERVISOR, env=OTHER)
    lab = Lab(box)
    lab.write(POLICY)
    lab.controller(None, "--ofp-listen-host", "0.0.0.0")
    agent = [sys.executable, "-m", "netctl.cli", "agent", "--policy", lab.policy, "--host"]
    box.popen([*agent, "hv1"])
    box.popen(["nsenter", "--net=/run/netns/hv2", *agent, "hv2"], env=OTHER)
    box.wait_for(lambda: lab.status()["converged"], 20, "both to converge")
    assert lab.ping("a1", "10.99.1.2", within=1)
    assert lab.ping("b1", "10.99.1.2", within=1)
    targets = box.run(["ovs-vsctl", "--bare", "--columns=target", "list", "Controller"]).stdout.split()
    assert targets == ["tcp:127.0.0.1:6653"]
    targets = box.run("ovs-vsctl --bare --columns=target list Controller", env=OTHER).stdout.split()
    assert targets == ["tcp:10.90.0.1:6653"], "where the other hypervisor reaches the controller"
    assert len({bridge["dpid"] for bridge in lab.read("/api/v1/bridges")}) == 2
    box.run("kill $(cat /run/hv2/ovsdb-server.pid)", env=OTHER)
    box.wait_for(lambda: not lab.status()["converged"], 20, "the loss of a database to show")
    assert lab.ping("a1", "10.99.1.2"), "one hypervisor's trouble is not another's"
