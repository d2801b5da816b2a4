"""Bridges that run already: taken over, and given back, under a stream of 1 000 frames a second."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest

from tests.e2e.box import Box
from tests.e2e.lab import TWO_NAMESPACES, Lab
from tests.e2e.stream import Stream

ADOPT = TWO_NAMESPACES.replace("{datapath: netdev}", "{datapath: netdev, adopt: true}").replace(
    "- [ns1-eth0, ns2-eth0]", "- {ends: [ns1-eth0, ns2-eth0], observe: lldp}"
)
LEFT = "version: 1\nhosts:\n  hv1:\n    ovsdb: unix:/run/openvswitch/db.sock\n"

BY_HAND = """
for t in t1 t2 t3; do ip link add $t up type veth peer name ${t}p; ip link set ${t}p up; done
ovs-vsctl add-br ovbr0 -- set bridge ovbr0 datapath_type=netdev fail_mode=%s external_ids:theirs=1
ovs-vsctl add-port ovbr0 t1
ovs-vsctl add-port ovbr0 t2
ovs-vsctl add-port ovbr0 t3 -- set interface t3 ofport_request=4
ofctl="ovs-ofctl -O OpenFlow13"
$ofctl add-meter ovbr0 meter=3,kbps,band=type=drop,rate=1000000
$ofctl add-group ovbr0 group_id=5,type=all,bucket=output:2
$ofctl add-flow ovbr0 cookie=5,priority=7,in_port=1,actions=meter:3,group:5
$ofctl add-flow ovbr0 cookie=6,priority=7,in_port=2,actions=output:1
$ofctl add-flow ovbr0 table=3,priority=9,ip,nw_dst=192.0.2.0/24,actions=set_field:02:00:00:00:00:09-\\>eth_dst,output:4
"""


@pytest.fixture(params=["secure", "standalone"])
def lab(box: Box, request: pytest.FixtureRequest) -> Lab:
    box.start_ovs()
    box.run(BY_HAND % request.param)
    lab = Lab(box)
    lab.write(ADOPT)
    return lab


def everything(lab: Lab) -> list[str]:
    """What is in the bridge and in its rows, byte for byte: flows, groups, meters, settings, ports, numbers."""
    dumps = lab.box.run(
        "for what in flows groups meters; do ovs-ofctl -O OpenFlow13 --no-stats dump-$what ovbr0; done"
        " | grep -v ' reply ' || true"
    ).stdout
    rows = lab.box.run(
        "ovs-vsctl --columns=fail_mode,datapath_id,protocols,other_config,external_ids,controller list bridge ovbr0;"
        "ovs-vsctl --columns=name,ofport,ofport_request,external_ids list interface; ovs-vsctl list-ports ovbr0"
    ).stdout
    return [*dumps.splitlines(), *sorted(rows.splitlines())]


def theirs(lab: Lab) -> list[str]:
    return [line for line in lab.flows() if "cookie=0x6e63746c" not in line]


STARVED = 0.2
"""Seconds without a frame after which the switch itself was not running: the sockets of its ports hold as much."""


def unharmed(stream: Stream, what: str) -> None:
    """Every frame so far arrived, and frames still do."""
    stream.after(stream.arrivals()[-1][0])
    arrivals = stream.arrivals()
    numbers = [number for _, number in arrivals]
    lost = sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
    gap = max(later - earlier for (earlier, _), (later, _) in pairwise(arrivals))
    print(f"{what}: {len(numbers)} frames, {len(lost)} lost, {gap * 1000:.1f} ms the longest silence")
    assert gap > STARVED or not lost, f"{what}: lost {len(lost)} of {len(numbers)} frames, from {lost[:5]}"


def ages(lab: Lab) -> dict[str, float]:
    """How old others' flows are, in seconds: one that was away and is back is young."""
    dump = lab.box.run("ovs-ofctl -O OpenFlow13 dump-flows ovbr0").stdout
    found = re.findall(r"cookie=(0x[56]), duration=([0-9.]+)s", dump)
    return {cookie: float(age) for cookie, age in found}


def assert_old(lab: Lab, before: dict[str, float], start: float) -> None:
    """Others' flows were there all the time since `start`, when they were as old as `before` says."""
    passed = time.monotonic() - start
    now = ages(lab)
    assert len(now) == 2
    for cookie, age in before.items():
        assert now[cookie] >= age + passed - 0.1


def streaming(lab: Lab) -> Stream:
    stream = Stream(lab.box, "t1p", "t2p")
    lab.box.wait_for(lambda: len(stream.arrivals()) > 100, 10, "the stream to run")
    return stream


def test_the_controller_takes_a_bridge_over_and_gives_it_back(lab: Lab) -> None:
    was, foreign = everything(lab), theirs(lab)
    stream = streaming(lab)
    before, start = ages(lab), time.monotonic()
    controller = lab.controller()
    lab.agent()
    lab.converged()
    assert lab.ping("ns1", "10.99.1.2", within=2)
    assert theirs(lab) == foreign
    assert lab.read("/api/v1/bridges")[0]["flows"] == 6
    controller.kill()
    controller.wait()
    assert lab.ping("ns1", "10.99.1.2")
    lab.controller()
    lab.converged()
    unharmed(stream, "taken over")

    lab.write(LEFT)
    lab.box.wait_for(lambda: everything(lab) == was, 10, "the bridge as it was")
    unharmed(stream, "given back")
    assert_old(lab, before, start)
    assert not lab.status()["hosts"][0]["problems"]


def test_apply_takes_a_bridge_over_and_down_gives_it_back(lab: Lab) -> None:
    was, foreign = everything(lab), theirs(lab)
    stream = streaming(lab)
    before, start = ages(lab), time.monotonic()
    plan = lab.netctl("plan", lab.policy).stdout
    assert "~ bridge ovbr0: adopted no -> yes; controller - -> tcp:127.0.0.1:6653" in plan
    assert everything(lab) == was
    lab.apply(ADOPT)
    assert lab.ping("ns1", "10.99.1.2", within=2)
    assert theirs(lab) == foreign
    unharmed(stream, "taken over")

    assert "taken over" not in lab.netctl("down", "-v").stderr
    assert everything(lab) == was
    unharmed(stream, "given back")
    assert_old(lab, before, start)


def test_apply_gives_back_what_the_policy_no_longer_has(lab: Lab) -> None:
    was = everything(lab)
    stream = streaming(lab)
    lab.apply(ADOPT)
    lab.apply(LEFT + "    bridges: {other: {datapath: netdev}}\n")
    lab.box.run("ovs-vsctl del-br other")
    assert everything(lab) == was
    unharmed(stream, "taken over and given back")


def test_nothing_that_the_bridge_floods_reaches_a_wire(lab: Lab) -> None:
    """As on a bridge of netctl's with `unpatched: normal`."""
    lab.apply(ADOPT)
    lab.box.run("ovs-ofctl add-flow ovbr0 priority=1,in_port=t3,actions=NORMAL")
    traced = lab.box.run(
        "ovs-appctl ofproto/trace ovbr0 in_port=t3,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff"
    ).stdout
    shown = dict(re.findall(r"port (\d+): (\S+)", lab.box.run("ovs-appctl dpctl/show netdev@ovs-netdev").stdout))
    actions = traced.rpartition("Datapath actions:")[2].strip().split(",")
    assert {shown[number] for number in actions} == {"ovbr0", "t1", "t2"}, traced


def test_a_bridge_that_has_a_controller_is_left_to_it(lab: Lab) -> None:
    lab.box.run("ovs-vsctl set-controller ovbr0 tcp:127.0.0.1:7777")
    was = everything(lab)
    done = lab.netctl("apply", lab.policy, check=False)
    assert done.returncode == 1
    assert "bridge ovbr0 has a controller already, tcp:127.0.0.1:7777" in done.stderr
    assert everything(lab) == was


OURS = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, ports: [t1, t2]}
wires:
  - [t1, t2]
"""


def test_a_bridge_of_ours_without_a_controller_gets_one_without_a_gap(box: Box) -> None:
    box.start_ovs()
    box.run("for t in t1 t2; do ip link add $t up type veth peer name ${t}p; ip link set ${t}p up; done")
    lab = Lab(box)
    lab.apply(OURS)
    box.run(
        "ovs-vsctl del-controller ovbr0; ovs-ofctl -O OpenFlow13 add-meter ovbr0 meter=3,kbps,band=type=drop,rate=9;"
        "ovs-ofctl -O OpenFlow13 add-flow ovbr0 cookie=5,table=9,in_port=9,actions=meter:3,output:1"
    )
    lab.apply(OURS)
    before = lab.flows()
    assert len(before) == 4
    stream = streaming(lab)
    age, start = ages(lab)["0x5"], time.monotonic()
    lab.controller()
    box.wait_for(lambda: lab.status()["converged"], 20, "the controller to take the bridge")
    assert lab.status()["flow_changes"] == 0
    assert lab.flows() == before
    assert box.run(["ovs-vsctl", "get-controller", "ovbr0"]).stdout == "tcp:127.0.0.1:6653\n"
    unharmed(stream, "the first controller")
    passed = time.monotonic() - start
    assert ages(lab)["0x5"] >= age + passed - 0.1
