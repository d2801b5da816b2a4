"""Wires come back by themselves when ovs-vswitchd comes back with empty tables."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from netctl.agent.wires import ALONE, DOWN
from tests.e2e.box import Box, Process
from tests.e2e.lab import Lab
from tests.e2e.stream import Stream

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, ports: [p1, p2, p3, p4]}
wires:
  - [p1, p2]
"""
NORMAL = POLICY.replace("netdev,", "netdev, unpatched: normal,")
BOTH = POLICY + "  - [p3, p4]\n"


@pytest.fixture
def lab(box: Box) -> Lab:
    """A wire from p1 to p2, made by nobody who is still there. What is plugged into them is called tp1, tp2."""
    box.start_ovs()
    for name in ("p1", "p2", "p3", "p4"):
        box.run(f"ip link add {name} type veth peer name t{name}; ip link set {name} up; ip link set t{name} up")
    lab = Lab(box)
    lab.apply(POLICY)
    return lab


def wires(lab: Lab) -> Any:
    return lab.agent_status()["wires"]


def watching(lab: Lab) -> Process:
    """An agent that has looked at the bridge and packed what it needs."""
    agent = lab.agent()
    lab.box.wait_for(lambda: lab.agent_status()["converged"], 10)
    settled(lab, agent)
    return agent


def settled(lab: Lab, agent: Process) -> None:
    """Until nothing has been done for longer than the agent waits before it packs."""

    def busy() -> bool:
        inner = agent.inner()
        return bool(Path(f"/proc/{inner}/task/{inner}/children").read_text())

    lab.box.wait_for(busy, 10, "the packing", 0.001)
    lab.box.wait_for(lambda: not busy(), 10, "the end of it", 0.001)


def started(lab: Lab, stream: Stream) -> float:
    """Seconds from the start of ovs-vswitchd to the first frame across the wire."""
    start = time.monotonic()
    lab.box.start_vswitchd()
    return stream.after(start)


def test_without_a_controller(lab: Lab) -> None:
    stream = Stream(lab.box, "tp1", "tp2")
    agent = watching(lab)
    stream.after(time.monotonic())
    flows = lab.flows()
    for count in (1, 2):
        lab.box.kill_vswitchd()
        lab.box.wait_for(stream.silent, 5)
        assert started(lab, stream) < 1
        assert lab.flows() == flows
        lab.box.wait_for(lambda: wires(lab)["restores"] == count, 5)  # noqa: B023
    status = wires(lab)
    assert abs(status["restored"] - time.time()) < 60
    assert 0 < status["restore_ms"] < 1000
    assert status["problems"] == []
    agent.terminate()
    assert agent.wait(5) == 0
    assert lab.flows() == flows
    log = lab.log("agent")
    assert log.count("had none of netctl's flows: 3 put in within") == 2
    assert "Traceback" not in log


def test_with_a_controller_whoever_is_sooner(lab: Lab) -> None:
    lab.controller()
    lab.box.wait_for(lambda: lab.status()["converged"], 20)
    watching(lab)
    stream = Stream(lab.box, "tp1", "tp2")
    stream.after(time.monotonic())
    flows = lab.flows()
    for _ in range(3):
        lab.box.kill_vswitchd()
        lab.box.wait_for(stream.silent, 5)
        assert started(lab, stream) < 1
        lab.box.wait_for(lambda: lab.status()["converged"], 10)
        assert lab.flows() == flows
    assert lab.log().count("Traceback") == 0


def test_started_again_by_its_monitor(lab: Lab) -> None:
    stream = Stream(lab.box, "tp1", "tp2")
    watching(lab)
    lab.box.stop_vswitchd()
    lab.box.run("ovs-vswitchd --monitor --pidfile --detach --no-chdir --log-file -vconsole:off")
    stream.after(time.monotonic())
    start = time.monotonic()
    lab.box.kill_vswitchd("SEGV")
    assert stream.after(start) < 1
    lab.box.wait_for(lambda: wires(lab)["restores"] == 2, 5)


def test_all_of_open_vswitch_starts_after_the_agent(lab: Lab) -> None:
    stream = Stream(lab.box, "tp1", "tp2")
    lab.box.stop_ovs()
    lab.agent()
    lab.box.wait_for(lambda: lab.agent_status()["converged"], 10)
    time.sleep(0.3)
    start = time.monotonic()
    lab.box.start_ovs()
    assert stream.after(start) < 1.5
    assert wires(lab)["problems"] == []


@pytest.mark.parametrize("vswitchd_first", [True, False])
def test_the_agent_starts_again_meanwhile(lab: Lab, vswitchd_first: bool) -> None:
    stream = Stream(lab.box, "tp1", "tp2")
    agent = watching(lab)
    lab.box.kill_vswitchd()
    agent.kill()
    agent.wait()
    if vswitchd_first:
        lab.box.start_vswitchd()
        lab.agent()
        stream.after(time.monotonic())
    else:
        before = lab.agent_status()["pid"]
        lab.agent()
        lab.box.wait_for(lambda: lab.agent_status()["pid"] != before, 10)
        assert started(lab, stream) < 1
    lab.box.wait_for(lambda: wires(lab)["restores"] == 1, 5)


def test_by_ovs_ctl(lab: Lab) -> None:
    stream = Stream(lab.box, "tp1", "tp2")
    watching(lab)
    flows = lab.flows()
    lab.box.run("ovs-ofctl add-flow ovbr0 cookie=5,priority=7,in_port=p3,actions=drop")
    lab.box.run("/usr/share/openvswitch/scripts/ovs-ctl restart --system-id=random", timeout=60)
    stream.after(time.monotonic(), 1)
    assert [flow for flow in lab.flows() if "cookie=0x5," not in flow] == flows
    assert len(lab.flows()) == len(flows) + 1
    assert "flow-restore-wait" not in lab.box.run("ovs-vsctl get Open_vSwitch . other_config").stdout


def test_while_flows_are_being_restored_by_somebody_else(lab: Lab) -> None:
    """As long as flow-restore-wait is set the switch forwards nothing; it is not the agent's to clear."""
    stream = Stream(lab.box, "tp1", "tp2")
    watching(lab)
    flows = lab.flows()
    lab.box.run("ovs-vsctl set Open_vSwitch . other_config:flow-restore-wait=true")
    lab.box.kill_vswitchd()
    lab.box.start_vswitchd()
    lab.box.wait_for(lambda: lab.flows() == flows, 2)
    assert "flow-restore-wait" in lab.box.run("ovs-vsctl get Open_vSwitch . other_config").stdout
    start = time.monotonic()
    lab.box.run("ovs-vsctl remove Open_vSwitch . other_config flow-restore-wait")
    assert stream.after(start) < 1
    assert lab.flows() == flows


def test_ports_without_a_wire_stay_apart(lab: Lab) -> None:
    lab.apply(NORMAL)
    stream = Stream(lab.box, "tp1", "tp2")
    apart = Stream(lab.box, "tp3", "tp2")
    among = Stream(lab.box, "tp3", "tp4")
    watching(lab)
    flows = lab.flows()
    assert any("NORMAL" in flow for flow in flows)
    lab.box.kill_vswitchd()
    assert started(lab, stream) < 1
    among.after(time.monotonic())
    assert apart.arrivals() == []
    assert lab.flows() == flows


def test_what_others_made_is_left_alone(lab: Lab) -> None:
    """A bridge that the policy names and somebody else made, and a flow that stands where a wire's should."""
    lab.box.run(
        "ip link add p5 type veth peer name tp5; ip link add p6 type veth peer name tp6;"
        "ovs-vsctl add-br theirs -- set bridge theirs datapath_type=netdev fail_mode=secure"
        " -- add-port theirs p5 -- add-port theirs p6"
    )
    extra = POLICY.replace("\nwires:", "\n      theirs: {datapath: netdev, ports: [p5, p6]}\nwires:") + "  - [p5, p6]\n"
    agent = watching(lab)
    lab.write(extra)
    settled(lab, agent)
    pid = lab.agent_status()["pid"]
    lab.box.run(f"kill -STOP {pid}")
    lab.box.kill_vswitchd()
    lab.box.start_vswitchd()
    lab.box.run("ovs-ofctl add-flow ovbr0 cookie=5,priority=100,in_port=p1,actions=drop")
    lab.box.run(f"kill -CONT {pid}")
    lab.box.wait_for(lambda: wires(lab)["restores"] == 1, 5)
    assert lab.flows("theirs") == []
    assert any("cookie=0x5" in flow and flow.endswith("in_port=1 actions=drop") for flow in lab.flows())
    assert "netctl did not make it" in wires(lab)["problems"][0]
    assert len(lab.flows()) == 3


def test_a_port_that_comes_later_is_wired_when_it_comes(lab: Lab) -> None:
    watching(lab)
    stream = Stream(lab.box, "tp1", "tp2")
    stream.after(time.monotonic())
    lab.box.kill_vswitchd()
    lab.box.run("ip link set p2 down; ip link set p2 name x")
    lab.box.start_vswitchd()
    lab.box.wait_for(lambda: wires(lab)["restores"] == 1, 5)
    assert len(lab.flows()) == 1
    start = time.monotonic()
    lab.box.run("ip link set x name p2; ip link set p2 up")
    stream.after(start)


def test_the_policy_is_followed_while_there_is_no_controller(lab: Lab) -> None:
    agent = watching(lab)
    stream = Stream(lab.box, "tp3", "tp4")
    lab.box.wait_for(lambda: wires(lab)["alone"] == ["ovbr0"], ALONE + 6)
    start = time.monotonic()
    lab.write(BOTH)
    assert stream.after(start) < 1
    lab.box.wait_for(lambda: wires(lab)["stood_in"] == 2, 5)
    lab.box.run("ovs-ofctl del-flows ovbr0 in_port=p3")
    lab.write(POLICY + "#\n")
    lab.box.wait_for(lambda: len(lab.flows()) == 3, 5)
    settled(lab, agent)
    lab.write(POLICY.replace("wires", "wyres"))
    lab.box.wait_for(lambda: lab.agent_status()["refused"], 5)
    stream = Stream(lab.box, "tp1", "tp2")
    lab.box.kill_vswitchd()
    assert started(lab, stream) < 1, "what was in force is at hand"


def test_a_switch_that_does_not_take_it_is_told_once_and_tried_again(lab: Lab) -> None:
    stream = Stream(lab.box, "tp1", "tp2")
    watching(lab)
    lab.box.run("ovs-vsctl set bridge ovbr0 protocols=OpenFlow10")
    lab.box.kill_vswitchd()
    lab.box.start_vswitchd()
    lab.box.wait_for(lambda: wires(lab)["problems"], 5)
    assert "does not speak OpenFlow 1.3; «ovs-vsctl add bridge ovbr0 protocols" in wires(lab)["problems"][0]
    time.sleep(1)
    lab.box.run("ovs-vsctl add bridge ovbr0 protocols OpenFlow13")
    stream.after(time.monotonic(), 5)
    lab.box.wait_for(lambda: not wires(lab)["problems"], 5)
    assert lab.log("agent").count("ERROR") == 1


def test_a_switch_that_is_stopped_for_long_costs_nothing(lab: Lab) -> None:
    stream = Stream(lab.box, "tp1", "tp2")
    agent = watching(lab)
    lab.box.stop_vswitchd()
    lab.box.wait_for(lambda: wires(lab)["problems"], DOWN + 2)
    assert "is ovs-vswitchd running?" in wires(lab)["problems"][0]
    time.sleep(2.5)
    written = lab.log("agent")

    def ticks() -> int:
        with open(f"/proc/{agent.inner()}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:15]))

    before = ticks()
    time.sleep(3)
    assert ticks() - before <= 9, "3 % of a core"
    assert lab.log("agent") == written
    assert started(lab, stream) < 1
    lab.box.wait_for(lambda: not wires(lab)["problems"], 5)


def test_netctl_up(lab: Lab) -> None:
    lab.box.popen([sys.executable, "-m", "netctl.cli", "up", lab.policy])
    lab.box.wait_for(lambda: lab.status()["converged"] and lab.agent_status()["converged"], 30)
    stream = Stream(lab.box, "tp1", "tp2")
    stream.after(time.monotonic())
    lab.box.kill_vswitchd()
    lab.box.wait_for(stream.silent, 5)
    assert started(lab, stream) < 1
    lab.netctl("down")
    assert lab.box.run("ovs-vsctl list-br").stdout == ""


def test_a_bridge_that_is_removed_is_let_go(lab: Lab) -> None:
    watching(lab)
    lab.box.run("ovs-vsctl del-br ovbr0")
    lab.box.wait_for(lambda: wires(lab)["alone"] == [], 5)
    time.sleep(DOWN + 0.5)
    assert wires(lab)["problems"] == []
    assert "ERROR" not in lab.log("agent")
