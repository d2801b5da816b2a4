"""A policy file becomes a working wire on real Open vSwitch, on both engines."""

from __future__ import annotations

import time

import pytest

from tests.e2e.box import Box
from tests.e2e.lab import TWO_NAMESPACES, Lab


@pytest.fixture
def lab(box: Box, engine_python: str) -> Lab:
    box.start_ovs()
    lab = Lab(box, engine_python)
    lab.write(TWO_NAMESPACES)
    return lab


def test_from_policy_to_ping(lab: Lab) -> None:
    lab.controller()
    lab.agent()
    lab.converged()
    assert lab.ping("ns1", "10.99.1.2", within=1)
    assert len(lab.flows()) == 3
    assert [wire["state"] for wire in lab.read("/api/v1/wires")] == ["up"]
    switches = lab.read("/v1.0/topology/switches")
    assert {port["name"] for port in switches[0]["ports"]} == {"ns1-eth0", "ns2-eth0"}
    hosts = lab.read("/v1.0/topology/hosts")
    assert sorted(host["ipv4"] for host in hosts) == [["10.99.1.1"], ["10.99.1.2"]]


def test_a_controller_that_goes_and_comes_back_changes_no_flow(lab: Lab) -> None:
    controller = lab.controller()
    lab.agent()
    lab.converged()
    before = lab.flows()
    watch = lab.box.popen(
        "exec ovs-ofctl monitor ovbr0 watch:\\!initial > /run/flow-events 2>&1", cwd="/run"
    )
    lab.box.wait_for(lambda: lab.box.path("/run/flow-events").exists(), 5)
    controller.kill()
    controller.wait()
    assert lab.flows() == before
    assert lab.ping("ns1", "10.99.1.2")
    lab.controller()
    lab.box.wait_for(lambda: lab.status()["converged"], 20)
    time.sleep(1.5)
    assert lab.status()["flow_changes"] == 0
    events = lab.box.path("/run/flow-events").read_text()
    assert "event=" not in events, events
    assert lab.flows() == before
    lab.box.run("ovs-ofctl add-flow ovbr0 priority=7,actions=drop")
    lab.box.wait_for(
        lambda: "event=ADDED" in lab.box.path("/run/flow-events").read_text(), 5, "the monitor to see a flow"
    )
    watch.kill()


def test_a_saved_wire_is_a_wire_within_a_second(lab: Lab) -> None:
    lab.controller()
    lab.agent()
    lab.converged()
    more = TWO_NAMESPACES.replace(
        "wires:\n",
        "      ns3: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.2.1/24]}}}\n"
        "      ns4: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.2.2/24]}}}\n"
        "wires:\n  - [ns3-eth0, ns4-eth0]\n",
    )
    untouched = lab.flows()
    start = time.monotonic()
    lab.write(more)
    assert lab.ping("ns3", "10.99.2.2", within=5)
    seconds = time.monotonic() - start
    print(f"saved to first ping: {seconds:.2f} s")
    assert set(untouched) <= set(lab.flows())
    lab.write(TWO_NAMESPACES)
    lab.box.wait_for(lambda: lab.flows() == untouched, 5, "the wire to go")
    lab.box.wait_for(lambda: "ns3" not in lab.box.run("ip netns list").stdout, 5, "the namespaces to go")


def test_a_bad_policy_is_refused_by_both_and_the_old_one_stays(lab: Lab) -> None:
    lab.controller()
    lab.agent()
    lab.converged()
    before = lab.flows()
    lab.write(TWO_NAMESPACES.replace("[ns1-eth0, ns2-eth0]", "[ns1-eth0, ns9-eth0]\n  - [x, y]"))
    lab.box.wait_for(lambda: lab.status()["policy"]["refused"], 5, "the controller to refuse")
    lab.box.wait_for(lambda: lab.agent_status()["refused"], 5, "the agent to refuse")
    refused = lab.status()["policy"]["refused"]
    assert len(refused) == 3
    assert refused[0]["at"] == "/run/policy.yaml:11:16"
    assert "policy refused" in lab.log()
    assert ":11:16:" in lab.log("agent")
    assert lab.flows() == before
    assert lab.ping("ns1", "10.99.1.2")
    lab.write(TWO_NAMESPACES)
    lab.converged()
    assert not lab.status()["policy"]["refused"]


def test_what_is_deleted_comes_back(lab: Lab) -> None:
    lab.controller()
    lab.agent()
    lab.converged()
    assert lab.ping("ns1", "10.99.1.2", within=1)
    before = lab.flows()
    lab.box.run("ip link del ns1-eth0")
    assert lab.ping("ns1", "10.99.1.2", within=3)
    lab.box.wait_for(lambda: lab.flows() == before, 5, "the flows as they were")
    lab.box.run("ovs-ofctl del-flows ovbr0")
    lab.box.wait_for(lambda: lab.flows() == before, 15, "the flows to come back")
    lab.box.run("ovs-vsctl del-port ns2-eth0")
    assert lab.ping("ns1", "10.99.1.2", within=5)
    lab.box.run("ovs-vsctl del-br ovbr0")
    lab.converged()
    assert lab.ping("ns1", "10.99.1.2", within=5)


def test_open_vswitch_that_comes_later(box: Box, engine_python: str) -> None:
    lab = Lab(box, engine_python)
    lab.write(TWO_NAMESPACES)
    lab.controller()
    lab.agent()
    box.wait_for(lambda: "ovs-ctl start" in str(lab.status()["hosts"]), 10, "the controller to say what is missing")
    assert "ovs-ctl start" in lab.log()
    box.start_ovs()
    lab.converged()
    assert lab.ping("ns1", "10.99.1.2", within=1)


def test_open_vswitch_that_restarts(lab: Lab) -> None:
    lab.controller()
    lab.agent()
    lab.converged()
    before = lab.flows()
    lab.box.stop_vswitchd()
    lab.box.start_vswitchd()
    lab.box.wait_for(lambda: lab.flows() == before, 15, "the flows to come back")
    assert lab.ping("ns1", "10.99.1.2", within=5)
