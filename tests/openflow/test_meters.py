"""Meters and what uses them, on real Open vSwitch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from netctl.desired.flow import COOKIE, LLDP, UNTAGGED, Flow, GotoTable, Match, Metered, Output, ToController
from netctl.desired.meter import CONTROLLER, FIRST, Meter
from netctl.openflow.local import LocalSwitch, SwitchError
from netctl.plan import Found, Plan, Step, Wanted, delta
from tests.e2e.box import Box

pytestmark = pytest.mark.e2e

METERS = [
    Meter("br0", FIRST, 100),
    Meter("br0", FIRST + 0xFFFF, 20_000, 800, "kbps"),
    Meter("br0", CONTROLLER, 1000, 50),
]


def want(meters: list[Meter], found: list[Found[Meter]]) -> Plan[Meter]:
    return delta([Wanted(meter, "the test") for meter in meters], found)


@pytest.fixture(scope="module")
def ovs(module_box: Box) -> Box:
    module_box.start_ovs()
    return module_box


@pytest.fixture
def bridge(ovs: Box) -> Iterator[Path]:
    ovs.run("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure protocols=OpenFlow13")
    yield ovs.path("/run/openvswitch/br0.mgmt")
    ovs.run("ovs-vsctl del-br br0")


def test_the_second_plan_is_empty(bridge: Path) -> None:
    with LocalSwitch(bridge) as switch:
        assert switch.limits() == []
        switch.limit(want(METERS, switch.limits()))
        assert {found.item for found in switch.limits()} == set(METERS)
        assert not want(METERS, switch.limits())
        switch.limit(want([], switch.limits()))
        assert switch.limits() == []


def test_the_meter_of_the_controller_is_the_one_that_the_switch_calls_so(bridge: Path, ovs: Box) -> None:
    with LocalSwitch(bridge) as switch:
        switch.limit(want(METERS[2:], []))
    assert "meter:controller " in ovs.run("ovs-ofctl -O OpenFlow13 meter-stats br0").stdout


def test_a_meter_changes_under_the_flows_that_use_it(bridge: Path) -> None:
    flow = Flow("br0", 1, Match(1), (Metered(FIRST), Output(2)))
    other = Meter("br0", FIRST, 5000, 900, "kbps")
    with LocalSwitch(bridge) as switch:
        switch.limit(want(METERS[:1], []))
        assert switch.change(Plan((Step("add", "", None, flow),))).ok
        plan = want([other], switch.limits())
        assert [step.verb for step in plan.steps] == ["change"]
        switch.limit(plan)
        assert switch.limits() == [Found(other)]
        assert switch.flows() == [Found(flow)]


def test_what_netctl_would_not_write_is_put_right_and_what_others_made_stays(bridge: Path, ovs: Box) -> None:
    ovs.run(
        f"ovs-ofctl -O OpenFlow13 add-meter br0 'meter={FIRST},pktps,bands=type=drop,rate=5 type=drop,rate=9';"
        "ovs-ofctl -O OpenFlow13 add-meter br0 'meter=7,kbps,burst,stats,bands=type=drop,rate=5,burst_size=6'"
    )
    theirs = Found(Meter("br0", 7, 5, 6, "kbps"), ours=False)
    with LocalSwitch(bridge) as switch:
        assert theirs in switch.limits()
        plan = want(METERS, switch.limits())
        assert sorted(step.verb for step in plan.steps) == ["add", "add", "change"]
        switch.limit(plan)
        assert {found.item for found in switch.limits() if found.ours} == set(METERS)
        assert not want(METERS, switch.limits())
        switch.limit(want([], switch.limits()))
        assert switch.limits() == [theirs]


def test_what_the_switch_refuses_is_named(bridge: Path) -> None:
    with LocalSwitch(bridge) as switch:
        switch.limit(want(METERS[:1], []))
        with pytest.raises(SwitchError, match=rf"^add meter/br0/{FIRST}: meter mod failed: meter exists$"):
            switch.limit(want(METERS[:2], []))
        assert {found.item for found in switch.limits()} == set(METERS[:2])


def test_a_flow_without_its_meter_is_refused(bridge: Path) -> None:
    flow = Flow("br0", 1, Match(1), (Metered(FIRST), Output(2)))
    with LocalSwitch(bridge) as switch:
        (refusal,) = switch.change(Plan((Step("add", "", None, flow),))).errors
        assert "meter" in refusal.text


def test_flows_that_watch_for_lldp_come_back_as_they_were_written(bridge: Path, ovs: Box) -> None:
    watch = [
        Flow("br0", 101, Match(1, UNTAGGED, LLDP), (Output(2), GotoTable(9)), COOKIE | 1),
        Flow("br0", 101, Match(1, 100, LLDP, "01:80:c2:00:00:0e"), (Output(2), ToController(300)), COOKIE | 1),
        Flow("br0", 1, Match(1, eth_dst="01:80:c2:00:00:03"), (GotoTable(9),), COOKIE | 1),
        Flow("br0", 1, Match(), (Metered(FIRST), ToController()), COOKIE | 1, 9),
        Flow("br0", 0, Match(), (Metered(FIRST), ToController(0), GotoTable(10)), COOKIE | 1, 9),
    ]
    with LocalSwitch(bridge) as switch:
        switch.limit(want(METERS[:1], []))
        assert switch.change(Plan(tuple(Step("add", "", None, flow) for flow in watch))).ok
        assert {found.item for found in switch.flows()} == set(watch)
        listed = ovs.run("ovs-ofctl -O OpenFlow13 --no-stats dump-flows br0").stdout
        assert "in_port=1,vlan_tci=0x0000/0x1fff,dl_type=0x88cc actions=output:2,goto_table:9" in listed
        assert f"table=9, priority=1 actions=meter:{FIRST},CONTROLLER:65535" in listed
        assert switch.change(Plan(tuple(Step("remove", "", flow) for flow in watch))).ok
        assert switch.flows() == []


COPY = (Output(2), GotoTable(9))
FORMS = {
    "a meter in a later table": [
        Flow("br0", 101, Match(1, UNTAGGED, LLDP), COPY),
        Flow("br0", 1, Match(), (Metered(FIRST), ToController()), table=9),
    ],
    "the meter of the controller": [Flow("br0", 101, Match(1, UNTAGGED, LLDP), (ToController(), Output(2)))],
}

SEND = """
import pathlib, socket, sys, time
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("w1", 0))
crossed = pathlib.Path("/sys/class/net/w2/statistics/rx_packets")
sent, until = 0, time.monotonic() + 10
for frame in sys.argv[1:]:
    for _ in range(500):
        sender.send(bytes.fromhex(frame))
        sent += 1
        while sent - int(crossed.read_text()) > 64 and time.monotonic() < until:
            time.sleep(0.001)
while int(crossed.read_text()) < sent and time.monotonic() < until:
    time.sleep(0.001)
print(int(crossed.read_text()))
"""


@pytest.mark.parametrize("form", FORMS)
def test_a_meter_on_the_copy_takes_nothing_from_the_wire(bridge: Path, ovs: Box, form: str) -> None:
    """1000 LLDP frames in a row, half of them tagged, and a meter that lets ten pass at once: all cross."""
    for number in (1, 2):
        ovs.run(
            f"ip link add v{number} type veth peer name w{number};"
            f"sysctl -qw net.ipv6.conf.v{number}.disable_ipv6=1 net.ipv6.conf.w{number}.disable_ipv6=1;"
            f"ip link set v{number} up; ip link set w{number} up;"
            f"ovs-vsctl add-port br0 v{number} -- set interface v{number} ofport_request={number}"
        )
    number = CONTROLLER if form == "the meter of the controller" else FIRST
    wire = Flow("br0", 100, Match(1), (Output(2),))
    untagged = "0180c200000e02000000000188cc" + "00" * 46
    tagged = "0180c200000e0200000000018100006488cc" + "00" * 46
    try:
        with LocalSwitch(bridge) as switch:
            switch.limit(want([Meter("br0", number, 1, 10)], []))
            assert switch.change(Plan(tuple(Step("add", "", None, flow) for flow in [wire, *FORMS[form]]))).ok
        assert int(ovs.python(SEND, untagged, tagged).stdout) == 1000
        metered = ovs.run("ovs-ofctl -O OpenFlow13 meter-stats br0").stdout
        assert "packet_in_count:500 " in metered, "the copies of untagged frames, and no others, met the meter"
        dropped = int(metered.rpartition("packet_count:")[2].split()[0])
        assert 450 < dropped < 500
    finally:
        ovs.run("ovs-vsctl del-port v1 -- del-port v2; ip link del v1; ip link del v2")
