"""The local client against real Open vSwitch."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from netctl.desired.flow import COOKIE, NORMAL, Flow, Match, Output
from netctl.openflow.local import LocalSwitch, SwitchError, management
from netctl.plan import Found, Plan, Wanted, delta
from tests.e2e.box import Box

pytestmark = pytest.mark.e2e

WIRE = [
    Flow("br0", 100, Match(in_port=1), (Output(2),), COOKIE | 7),
    Flow("br0", 100, Match(in_port=2), (Output(1),), COOKIE | 7),
    Flow("br0", 1, Match(vlan=4095)),
    Flow("br0", 0, Match(), (Output(NORMAL),)),
]


def want(flows: list[Flow], found: list[Found[Flow]]) -> Plan[Flow]:
    return delta([Wanted(flow, "the test") for flow in flows], found)


@pytest.fixture(scope="module")
def ovs(module_box: Box) -> Box:
    module_box.start_ovs()
    return module_box


@pytest.fixture
def bridge(ovs: Box) -> Iterator[Path]:
    """The management socket of a bridge with two ports that speaks OpenFlow 1.3 only."""
    ovs.run(
        "ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure protocols=OpenFlow13"
        " other-config:datapath-id=00000000000000ab"
    )
    for number in (1, 2):
        ovs.run(
            f"ip link add v{number} type veth peer name w{number}; ip link set v{number} up;"
            f" ovs-vsctl add-port br0 v{number} -- set interface v{number} ofport_request={number}"
        )
    yield ovs.path("/run/openvswitch/br0.mgmt")
    ovs.run("ovs-vsctl del-br br0; ip link del v1; ip link del v2")


def dump(ovs: Box) -> str:
    return ovs.run("ovs-ofctl -O OpenFlow13 --no-stats dump-flows br0").stdout


def test_what_it_tells(bridge: Path, ovs: Box) -> None:
    ovs.run("ip link set w1 up")
    with LocalSwitch(bridge) as switch:
        assert switch.dpid == 0xAB
        ports = {port.name: port for port in switch.ports()}
    assert set(ports) == {"br0", "v1", "v2"}
    assert (ports["v1"].number, ports["v1"].up) == (1, True)
    assert (ports["v2"].number, ports["v2"].up) == (2, False)


def test_the_second_plan_is_empty(bridge: Path) -> None:
    with LocalSwitch(bridge) as switch:
        first = want(WIRE, switch.flows())
        assert len(first.steps) == 4
        changed = switch.change(first)
        assert (changed.ok, changed.count, changed.atomic) == (True, 4, True)
        assert not want(WIRE, switch.flows())
        last = want([], switch.flows(ours_only=True))
        assert switch.change(last).ok
        assert switch.flows() == []


def test_what_others_made_stays(bridge: Path, ovs: Box) -> None:
    ovs.run("ovs-ofctl -O OpenFlow13 add-flow br0 cookie=5,priority=9,ip,nw_proto=6,actions=drop")
    before = dump(ovs)
    with LocalSwitch(bridge) as switch:
        assert switch.change(want(WIRE, switch.flows())).ok
        assert [found.ours for found in switch.flows()].count(False) == 1
        assert all(found.ours for found in switch.flows(ours_only=True))
        assert switch.change(want([], switch.flows())).ok
    assert dump(ovs) == before


def test_a_removal_spares_what_somebody_put_in_the_place_meanwhile(bridge: Path, ovs: Box) -> None:
    with LocalSwitch(bridge) as switch:
        switch.change(want(WIRE[:1], []))
        plan = want([], switch.flows())
        ovs.run("ovs-ofctl -O OpenFlow13 add-flow br0 cookie=5,priority=100,in_port=1,actions=drop")
        assert switch.change(plan).ok
        (left,) = switch.flows()
    assert left.item.cookie == 5


def test_a_change_keeps_the_counters(bridge: Path, ovs: Box) -> None:
    with LocalSwitch(bridge) as switch:
        switch.change(want(WIRE, []))
        ovs.run(
            "ovs-ofctl -O OpenFlow13 packet-out br0 in_port=1,packet=ffffffffffff02000000000108004500,actions=table"
        )
        seen = "n_packets=1,"
        ovs.wait_for(lambda: seen in ovs.run("ovs-ofctl -O OpenFlow13 dump-flows br0 in_port=1").stdout, 5)
        other = Flow("br0", 100, Match(in_port=1), (Output(1),), COOKIE | 7)
        plan = want([other, *WIRE[1:]], switch.flows())
        assert [step.verb for step in plan.steps] == ["change"]
        assert switch.change(plan).ok
    after = ovs.run("ovs-ofctl -O OpenFlow13 dump-flows br0 in_port=1").stdout
    assert seen in after
    assert "actions=output:1" in after or "actions=IN_PORT" in after


@pytest.mark.parametrize(
    "flow",
    [
        "priority=100,in_port=1,hard_timeout=900,actions=output:2",
        "priority=100,in_port=1,actions=set_queue:3,output:2",
        "priority=100,in_port=1,actions=write_actions(output:2)",
        "priority=100,in_port=1,ip,nw_src=10.0.0.0/8,actions=output:2",
        "priority=100,reg1=5,dl_vlan=7,dl_vlan_pcp=3,actions=goto_table:2",
        "table=3,priority=100,in_port=1,actions=output:2",
    ],
)
def test_a_flow_with_our_cookie_that_netctl_would_not_write_is_put_right(bridge: Path, ovs: Box, flow: str) -> None:
    ovs.run(f"ovs-ofctl -O OpenFlow13 add-flow br0 'cookie={COOKIE | 7:#x},{flow}'")
    with LocalSwitch(bridge) as switch:
        plan = want(WIRE, switch.flows())
        assert plan
        assert switch.change(plan).ok
        assert not want(WIRE, switch.flows())
        assert {found.item for found in switch.flows()} == set(WIRE)


def test_one_bad_step_and_nothing_happens(bridge: Path, ovs: Box) -> None:
    bad = Flow("br0", 100, Match(in_port=3), (Output(0xFFFF_FF01),))
    with LocalSwitch(bridge) as switch:
        switch.change(want(WIRE[:1], []))
        before = dump(ovs)
        changed = switch.change(want([bad, *WIRE[1:]], switch.flows()))
        assert not changed.ok
        assert [str(each) for each in changed.errors] == [
            "add flow/br0/table=0,priority=100,in_port=3: bad action: bad output port"
        ]
        assert changed.count == 0
        assert dump(ovs) == before
        assert switch.change(want(WIRE, switch.flows())).ok


def test_thousands_of_flows_and_thousands_of_refusals(bridge: Path) -> None:
    """More statistics than fit one message, and more errors than the switch keeps for one who does not listen."""
    good = [Flow("br0", 100, Match(in_port=1 + number), (Output(1),)) for number in range(5000)]
    bad = [Flow("br0", 99, Match(in_port=1 + number), (Output(0xFFFF_FF01),)) for number in range(5000)]
    with LocalSwitch(bridge) as switch:
        assert switch.change(want(good, [])).count == 5000
        assert {found.item for found in switch.flows()} == set(good)
        assert len(switch.change(want(bad, [])).errors) == 5000
        assert len(switch.flows()) == 5000


def test_no_such_bridge(bridge: Path) -> None:
    with pytest.raises(SwitchError, match="has no bridge nobr"), LocalSwitch(bridge.with_name("nobr.mgmt")):
        pass


def test_a_bridge_without_openflow_1_3(bridge: Path, ovs: Box) -> None:
    ovs.run("ovs-vsctl set bridge br0 protocols=OpenFlow10")
    with pytest.raises(SwitchError, match="protocols OpenFlow13"), LocalSwitch(bridge):
        pass


def test_a_switch_that_is_stopped_is_not_waited_for(bridge: Path, ovs: Box) -> None:
    pid = ovs.path("/run/openvswitch/ovs-vswitchd.pid").read_text().strip()
    with LocalSwitch(bridge, timeout=0.3) as switch:
        ovs.run(["kill", "-STOP", pid])
        try:
            with pytest.raises(SwitchError, match=r"did not answer within 0\.3 s"):
                switch.flows()
        finally:
            ovs.run(["kill", "-CONT", pid])


def test_open_vswitch_that_goes_away_and_is_not_there(box: Box) -> None:
    path = box.path("/run/openvswitch/br0.mgmt")
    with pytest.raises(SwitchError, match=r"Open vSwitch is not running.*start it with"), LocalSwitch(path):
        pass
    box.start_ovs()
    box.run("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev protocols=OpenFlow13")
    with LocalSwitch(path) as switch:
        pid = int(box.path("/run/openvswitch/ovs-vswitchd.pid").read_text())
        box.run(["kill", f"-{signal.SIGKILL.value}", str(pid)])
        with pytest.raises(SwitchError, match="closed the connection"):
            switch.flows()
    box.wait_for(lambda: not box.path(f"/proc/{pid}").exists(), 10, "ovs-vswitchd to be gone")
    with pytest.raises(SwitchError, match="Open vSwitch is not running"), LocalSwitch(path):
        pass


def test_where_the_socket_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVS_RUNDIR", raising=False)
    assert os.fspath(management("br0")) == "/var/run/openvswitch/br0.mgmt"
    monkeypatch.setenv("OVS_RUNDIR", "/elsewhere")
    assert os.fspath(management("br0")) == "/elsewhere/br0.mgmt"
