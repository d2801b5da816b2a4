"""Plans for a real Open_vSwitch database, and what `ovs-vsctl` sees of them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from netctl.desired import takeover
from netctl.desired.dpid import dpid
from netctl.desired.row import ADOPTED, CONTROLLER, MARK, NUMBERED, Bridge, Port, Row
from netctl.ovsdb.database import Database
from netctl.ovsdb.remote import BadRemote
from netctl.plan import Found, Plan, Wanted
from netctl.plan.text import lines
from tests.ovsdb.conftest import HOST, Switch

TARGET = "tcp:127.0.0.1:6653"
BR = Bridge("br0", "netdev", TARGET)


def wanted(*rows: Row) -> list[Wanted[Row]]:
    return [Wanted(row, "test") for row in rows]


def test_what_is_made_is_complete_marked_and_observed_as_it_was_asked_for(box: Switch) -> None:
    box.veths("v1", "v2")
    wanted = (BR, Port("br0", "v1"), Port("br0", "v2", 4095))

    outcome = box.make(*wanted)

    assert (outcome.ok, outcome.error, outcome.changed) == (True, "", 3)
    mark = {MARK: HOST}
    bridge = box.get(
        "Bridge", "datapath_type", "fail_mode", "protocols", "external_ids", "other_config", "datapath_id"
    )["br0"]
    assert bridge["datapath_type"] == "netdev"
    assert bridge["fail_mode"] == "secure"
    assert bridge["protocols"] == []
    assert bridge["external_ids"] == mark
    assert bridge["other_config"]["disable-in-band"] == "true"
    assert bridge["datapath_id"] == f"{dpid(HOST, 'br0'):016x}"
    ports = box.get("Port", "tag", "external_ids")
    assert ports == {
        "br0": {"tag": [], "external_ids": mark},
        "v1": {"tag": [], "external_ids": mark},
        "v2": {"tag": 4095, "external_ids": mark},
    }
    interfaces = box.get("Interface", "type", "external_ids", "ofport", "error")
    assert {name: row["type"] for name, row in interfaces.items()} == {"br0": "internal", "v1": "", "v2": ""}
    assert all(row["external_ids"] == mark and row["error"] == [] for row in interfaces.values())
    controller = box.run(
        ["ovs-vsctl", "--bare", "--columns=target,connection_mode,external_ids", "list", "controller"]
    )
    assert controller.stdout.split() == [TARGET, "out-of-band", f"{MARK}={HOST}"]

    box.until(lambda: box.database.observe().ports["v1"].mac)
    seen = box.database.observe()
    assert set(seen.rows) == {Found(row, True) for row in wanted}
    assert seen.bridges["br0"].dpid == dpid(HOST, "br0")
    assert seen.ports["v1"].ofport == interfaces["v1"]["ofport"]
    assert seen.ports["v1"].link_state is True
    index, mac = box.run("cat /sys/class/net/v1/ifindex /sys/class/net/v1/address").stdout.split()
    assert (seen.ports["v1"].ifindex, seen.ports["v1"].mac) == (int(index), mac)
    assert not box.plan(*wanted)


def test_everything_of_ours_goes_and_nothing_else(box: Switch) -> None:
    box.run("ovs-vsctl add-br theirs -- set bridge theirs datapath_type=netdev -- add-port theirs p9")
    before = box.rows()
    box.until(lambda: "theirs" in box.database.observe().bridges)
    assert box.make(BR, Port("br0", "v1"), Port("theirs", "v2")).ok
    assert box.rows() != before

    assert box.database.apply(box.database.ours()).ok

    assert box.rows() == before
    assert {str(found.item.key) for found in box.database.observe().rows} == {
        "('bridge', 'theirs')",
        "('port', 'p9')",
    }
    assert not box.database.ours()


def test_only_the_columns_that_differ_change(box: Switch) -> None:
    box.veths("v1")
    box.make(BR, Port("br0", "v1"))
    box.run(
        "ovs-vsctl set bridge br0 other_config:mine=1 external_ids:mine=2 -- set port v1 external_ids:mine=3"
    )
    box.run(
        "ovs-vsctl set bridge br0 protocols=OpenFlow10 other_config:disable-in-band=false"
        " -- set port v1 tag=7"
    )
    box.until(lambda: len(box.plan(BR, Port("br0", "v1")).steps) == 2)
    assert [change.fact for step in box.plan(BR, Port("br0", "v1")).steps for change in step.changes] == [
        "protocols",
        "disable_in_band",
        "tag",
    ]

    assert box.make(BR, Port("br0", "v1")).ok

    assert not box.plan(BR, Port("br0", "v1"))
    bridge = box.get("Bridge", "other_config", "external_ids", "protocols")["br0"]
    assert bridge["other_config"]["mine"] == "1"
    assert bridge["other_config"]["disable-in-band"] == "true"
    assert bridge["external_ids"] == {MARK: HOST, "mine": "2"}
    assert bridge["protocols"] == []
    assert box.get("Port", "tag", "external_ids")["v1"] == {
        "tag": [],
        "external_ids": {MARK: HOST, "mine": "3"},
    }


def test_a_port_moves_to_another_bridge_in_one_transaction(box: Switch) -> None:
    box.veths("v1")
    other = Bridge("br1", "netdev", TARGET)
    assert box.make(BR, other, Port("br0", "v1")).ok

    plan = box.plan(BR, other, Port("br1", "v1"))
    assert [step.verb for step in plan.steps] == ["replace"]
    assert box.database.apply(plan).ok

    assert box.run(["ovs-vsctl", "port-to-br", "v1"]).stdout == "br1\n"
    assert box.database.observe().ports["v1"].bridge == "br1"
    assert box.database.observe().ports["v1"].ofport


def test_a_bridge_goes_and_its_port_stays_on_another(box: Switch) -> None:
    box.veths("v1")
    other = Bridge("br1", "netdev", TARGET)
    assert box.make(BR, Port("br0", "v1")).ok

    assert box.make(other, Port("br1", "v1")).ok

    assert box.run("ovs-vsctl list-br; ovs-vsctl list-ports br1").stdout.split() == ["br1", "v1"]


def test_the_datapath_id_is_the_same_whatever_the_ports_and_after_the_bridge_is_made_again(
    box: Switch,
) -> None:
    box.veths("v1")
    box.make(BR)
    first = box.database.observe().bridges["br0"].dpid
    box.make(BR, Port("br0", "v1"))
    assert box.database.observe().bridges["br0"].dpid == first
    box.database.apply(box.database.ours())
    box.make(BR)
    assert box.database.observe().bridges["br0"].dpid == first == dpid(HOST, "br0")


def test_rows_of_others_are_seen_and_left_alone(box: Switch) -> None:
    box.veths("v1", "b1", "b2")
    box.run(
        "ovs-vsctl add-br theirs -- set bridge theirs datapath_type=netdev"
        " -- add-port theirs v1 tag=5 -- add-bond theirs bond0 b1 b2"
        " -- add-port theirs vx0 -- set interface vx0 type=vxlan options:remote_ip=10.0.0.1"
        " -- add-port theirs in0 -- set interface in0 type=internal"
        f" -- set port vx0 external_ids:{MARK}={HOST}"
        f" -- add-port theirs other -- set port other external_ids:{MARK}=another-host"
    )
    box.until(lambda: len(box.database.observe().ports) == 5)
    seen = box.database.observe()
    assert {(found.item.key[1], found.ours) for found in seen.rows} == {
        (name, False) for name in ("theirs", "v1", "bond0", "vx0", "in0", "other")
    }
    assert seen.ports["bond0"].ofport is None
    assert seen.ports["in0"].ofport

    assert not box.plan(Port("theirs", "v1", 5), Port("theirs", "in0"))
    plan = box.plan(Port("theirs", "v1"), Port("theirs", "other", 3), Bridge("theirs", "netdev", TARGET))
    assert not plan.steps
    assert "tag 5 -> -" in lines(plan)[0]
    assert [collision.key for collision in plan.collisions] == [
        ("port", "v1"),
        ("port", "other"),
        ("bridge", "theirs"),
    ]


def test_a_bridge_with_a_controller_of_none_keeps_the_one_that_it_has(box: Switch) -> None:
    box.make(Bridge("br0", "netdev", None))
    box.run("ovs-vsctl set-controller br0 tcp:127.0.0.1:7777")
    box.until(lambda: not box.plan(Bridge("br0", "netdev", None)) and box.plan(BR).steps)
    assert box.make(BR).ok
    assert box.run(["ovs-vsctl", "get-controller", "br0"]).stdout == f"{TARGET}\n"


def test_flows_survive_another_controller_and_ports_that_come_and_go(box: Switch) -> None:
    box.veths("v1", "v2")
    box.make(BR, Port("br0", "v1"))
    box.run("ovs-ofctl -O OpenFlow13 add-flow br0 cookie=7,in_port=v1,actions=drop")

    assert box.make(
        Bridge("br0", "netdev", "tcp:127.0.0.1:6654"), Port("br0", "v1"), Port("br0", "v2", 4095)
    ).ok
    assert box.run(["ovs-vsctl", "get-controller", "br0"]).stdout == "tcp:127.0.0.1:6654\n"
    assert box.make(BR, Port("br0", "v1", 4095)).ok

    assert "cookie=0x7" in box.run("ovs-ofctl -O OpenFlow13 dump-flows br0").stdout


def test_a_bridge_that_is_made_forwards_nothing_and_has_no_hidden_flows(box: Switch) -> None:
    box.make(BR)
    assert box.run("ovs-ofctl -O OpenFlow13 dump-flows br0 | grep -c actions || true").stdout == "0\n"
    assert "NORMAL" not in box.run("ovs-appctl bridge/dump-flows br0").stdout


def test_a_port_waits_for_its_device_with_an_error_and_starts_when_it_comes(box: Switch) -> None:
    outcome = box.make(BR, Port("br0", "late0"))

    assert outcome.ok
    port = box.database.observe().ports["late0"]
    assert port.ofport is None
    assert port.error
    assert "No such device" in port.error
    box.veths("late0")
    box.until(lambda: box.database.observe().ports["late0"].ofport, 2)
    assert box.database.observe().ports["late0"].error is None


def test_a_datapath_that_cannot_be_is_said_with_the_cure(box: Switch) -> None:
    assert box.make(BR).ok
    outcome = box.make(Bridge("br0", "nonsense", TARGET))
    assert not outcome.ok
    assert "bridge br0" in outcome.error
    assert "datapath netdev does without" in outcome.error
    assert box.make(BR).ok


def test_what_the_server_refuses_changes_nothing_and_names_the_step(box: Switch) -> None:
    outcome = box.make(BR, Port("br0", "v1", 5000))

    assert not outcome.ok
    assert "5000" in outcome.error
    assert outcome.changed == 0
    assert box.rows()["Bridge"] == 0
    assert box.make(BR).ok


def test_a_plan_that_no_longer_fits_is_refused_whole_and_names_the_step(box: Switch) -> None:
    box.run("ovs-vsctl add-br theirs -- add-bond theirs bond0 b1 b2")
    box.until(lambda: "bond0" in box.database.observe().ports)
    before = box.rows()

    taken = box.make(BR, Port("br0", "b1"))
    nowhere = box.make(BR, Port("br9", "v1"))

    assert taken.error == ("add port b1: port bond0 of bridge theirs has an interface of this name already")
    assert nowhere.error == "add port v1: there is no bridge br9"
    assert box.rows() == before


def test_a_plan_that_is_done_already_is_done(box: Switch) -> None:
    box.veths("v1")
    plan = box.plan(BR, Port("br0", "v1"))
    assert box.database.apply(plan).changed == 2
    again = box.database.apply(plan)
    assert (again.ok, again.changed) == (True, 0)


def test_ports_that_others_add_at_the_same_time_are_kept(box: Switch) -> None:
    box.veths("v1", "v2")
    box.make(BR)
    plan = box.plan(BR, Port("br0", "v1"))
    box.run("ovs-vsctl add-port br0 v2")
    assert box.database.apply(plan).ok
    assert box.run(["ovs-vsctl", "list-ports", "br0"]).stdout.split() == ["v1", "v2"]


def test_an_empty_database_is_filled(box: Switch) -> None:
    box.run("ovs-vsctl --no-wait -- --all destroy Open_vSwitch")
    assert box.make(BR).ok
    assert box.run(["ovs-vsctl", "list-br"]).stdout == "br0\n"


def test_statistics_wake_nobody(box: Switch) -> None:
    """Open vSwitch writes them every five seconds."""
    box.veths("v1")
    box.make(BR, Port("br0", "v1"))
    while box.database.wait(0.3):
        pass
    assert not box.database.wait(5.5)


def test_what_somebody_else_changes_is_heard_at_once(box: Switch) -> None:
    box.make(BR)
    while box.database.wait(0.3):
        pass
    box.run("ovs-vsctl --no-wait set bridge br0 fail_mode=standalone")
    start = time.monotonic()
    assert box.database.wait(5)
    assert time.monotonic() - start < 0.5
    assert [change.fact for change in box.plan(BR).steps[0].changes] == ["fail_mode"]


@pytest.mark.parametrize(
    "remote",
    ["ssl:127.0.0.1:6640", "punix:/run/x", "db.sock", "unix:x", "tcp:127.0.0.1", "tcp:[::1]:65536", ""],
)
def test_a_remote_of_another_form_is_refused(remote: str) -> None:
    with pytest.raises(BadRemote, match="unix:/PATH or tcp:ADDRESS:PORT"):
        Database(remote, HOST)
    if remote.startswith("ssl:"):
        with pytest.raises(BadRemote, match="ssl: is not supported yet"):
            Database(remote, HOST)


def test_what_was_made_for_any_host_goes_when_no_host_is_named(box: Switch) -> None:
    box.run("ovs-vsctl add-br theirs")
    box.make(BR, Port("br0", "v1"))
    box.run(f"ovs-vsctl add-br br2 -- set bridge br2 external_ids:{MARK}=another-host")
    anybody = Database(box.database.remote, None)
    while anybody.wait(0.3):
        pass
    assert {step.key[1] for step in anybody.ours().steps} == {"br0", "br2", "v1"}
    assert not anybody.apply(box.plan(Bridge("br3", "netdev", None))).ok
    assert anybody.apply(anybody.ours()).ok
    anybody.close()
    assert box.run(["ovs-vsctl", "list-br"]).stdout == "theirs\n"


def test_no_protocols_means_those_that_the_switch_has(box: Switch) -> None:
    one = replace(BR, protocols=("OpenFlow13",))
    box.make(one)
    assert [change.fact for change in box.plan(BR).steps[0].changes] == ["protocols"]
    assert box.make(BR).ok
    assert not box.plan(BR)
    box.run("ovs-ofctl -O OpenFlow10 dump-flows br0; ovs-ofctl -O OpenFlow13 dump-flows br0")
    assert box.make(one).ok
    assert box.run("ovs-ofctl -O OpenFlow10 dump-flows br0", check=False).returncode


def flows(box: Switch, bridge: str) -> str:
    """Everybody's, with groups and meters, without what counts and ages."""
    return box.run(
        f"for what in flows groups meters; do ovs-ofctl -O OpenFlow13 --no-stats dump-$what {bridge}; done"
        " | grep -v ' reply '"
    ).stdout


@pytest.fixture
def theirs(box: Switch) -> Switch:
    """A bridge that somebody made by hand, with ports, flows, a group and a meter."""
    box.veths("t1", "t2")
    box.run(
        "ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=standalone external_ids:theirs=1"
        " -- add-port br0 t1\n"
        "ovs-vsctl add-port br0 t2\n"
        "ovs-ofctl -O OpenFlow13 add-meter br0 meter=1,kbps,band=type=drop,rate=1000\n"
        "ovs-ofctl -O OpenFlow13 add-group br0 group_id=5,type=all,bucket=output:2\n"
        "ovs-ofctl -O OpenFlow13 add-flow br0 cookie=5,priority=7,in_port=1,actions=meter:1,group:5\n"
        "ovs-ofctl -O OpenFlow13 add-flow br0 cookie=6,priority=7,in_port=2,actions=output:1"
    )
    box.until(lambda: "t2" in box.database.observe().ports and box.database.observe().ports["t2"].ofport)
    return box


ADOPT = Bridge("br0", "netdev", TARGET, adopted=True)


def test_a_bridge_is_taken_over_and_given_back_with_every_flow_of_others(theirs: Switch) -> None:
    box = theirs
    was, before = flows(box, "br0"), box.get("Bridge", "fail_mode", "other_config", "external_ids", "controller")
    assert "meter:1" in was
    assert "NORMAL" in was
    rows = box.rows()
    box.veths("v1")

    outcome = box.database.apply(takeover.plan(wanted(ADOPT, Port("br0", "v1", 4095)), box.database.observe()))

    assert (outcome.ok, outcome.changed) == (True, 2)
    assert flows(box, "br0") == was
    bridge = box.get("Bridge", "fail_mode", "external_ids")["br0"]
    assert bridge["fail_mode"] == "standalone"
    assert bridge["external_ids"] == {"theirs": "1", MARK: HOST, ADOPTED: "true", f"{NUMBERED}v1": "3"}
    seen = box.database.observe()
    assert {f.item.name for f in seen.rows if f.ours} == {"br0", "v1"}
    assert (seen.ports["t1"].ofport, seen.ports["t2"].ofport, seen.ports["v1"].ofport) == (1, 2, 3)
    assert not takeover.plan(wanted(ADOPT, Port("br0", "v1", 4095)), seen)

    assert box.database.apply(box.database.ours()).ok

    assert flows(box, "br0") == was
    assert box.get("Bridge", "fail_mode", "other_config", "external_ids", "controller") == before
    assert box.rows() == rows


def test_where_others_look_at_a_bridge_they_may_go_on(theirs: Switch) -> None:
    box = theirs
    box.run("ovs-vsctl set-controller br0 ptcp:16634:127.0.0.1")
    was = flows(box, "br0")
    box.until(lambda: not takeover.plan(wanted(ADOPT), box.database.observe()).collisions)
    assert box.database.apply(takeover.plan(wanted(ADOPT), box.database.observe())).ok
    assert box.run(["ovs-vsctl", "get-controller", "br0"]).stdout.split() == ["ptcp:16634:127.0.0.1", TARGET]
    assert box.database.apply(box.database.ours()).ok
    assert box.run(["ovs-vsctl", "get-controller", "br0"]).stdout.split() == ["ptcp:16634:127.0.0.1"]
    assert flows(box, "br0") == was


def test_a_bridge_with_somebody_elses_controller_is_not_taken_over(theirs: Switch) -> None:
    theirs.run("ovs-vsctl set-controller br0 tcp:127.0.0.1:7777")
    theirs.until(lambda: takeover.plan(wanted(ADOPT), theirs.database.observe()).collisions)
    plan = takeover.plan(wanted(ADOPT), theirs.database.observe())
    assert not plan.steps
    assert "tcp:127.0.0.1:7777" in str(plan.collisions[0])


def test_a_bridge_of_ours_gets_its_controller_back_without_losing_a_flow(box: Switch) -> None:
    box.veths("v1")
    box.make(BR, Port("br0", "v1"))
    box.run(
        "ovs-vsctl del-controller br0; ovs-ofctl -O OpenFlow13 add-meter br0 meter=1,kbps,band=type=drop,rate=1000;"
        "ovs-ofctl -O OpenFlow13 add-flow br0 in_port=1,actions=meter:1,output:1"
    )
    was = flows(box, "br0")
    assert "in_port=1" in was
    box.until(lambda: box.plan(BR, Port("br0", "v1")).steps)
    assert box.make(BR, Port("br0", "v1")).ok
    assert box.run(["ovs-vsctl", "get-controller", "br0"]).stdout == f"{TARGET}\n"
    assert flows(box, "br0") == was
    assert box.database.apply(box.plan(replace(BR, controller="tcp:127.0.0.1:6654"), Port("br0", "v1"))).ok
    assert flows(box, "br0") == was


def test_a_primary_controller_is_replaced_by_a_primary_one(box: Switch) -> None:
    """As an earlier netctl made them: to replace it by a service controller would drop every flow."""
    box.make(BR)
    box.run("ovs-vsctl set-controller br0 tcp:127.0.0.1:7777; ovs-ofctl add-flow br0 in_port=1,actions=drop")
    was = flows(box, "br0")
    box.until(lambda: box.plan(BR).steps)
    assert box.make(BR).ok
    assert flows(box, "br0") == was
    assert box.run(["ovs-vsctl", "--bare", "--columns=target,type", "list", "controller"]).stdout.split() == [
        TARGET,
        "primary",
    ]


@pytest.mark.parametrize(
    "drift",
    ["controller_rate_limit=100", "controller_burst_limit=25", "max_backoff=60000", "connection_mode=in-band"],
)
def test_how_the_controller_is_spoken_to_is_mended(box: Switch, drift: str) -> None:
    box.make(BR)
    box.run(f"ovs-vsctl --no-wait set controller $(ovs-vsctl --bare --columns=_uuid list controller) {drift}")
    box.until(lambda: box.plan(BR).steps)
    assert drift in lines(box.plan(BR))[0]
    assert [change.fact for change in box.plan(replace(BR, controller=None)).steps[0].changes] == [
        "controller_settings"
    ]
    assert box.make(BR).ok
    assert not box.plan(BR)
    column, _, value = drift.partition("=")
    mended = box.run(["ovs-vsctl", "--bare", f"--columns={column}", "list", "controller"]).stdout.strip()
    assert mended == str(CONTROLLER[column]) != value


def numbers(box: Switch, *names: str) -> list[int | None]:
    seen = box.database.observe()
    return [seen.ports[name].ofport if name in seen.ports else None for name in names]


def numbered(box: Switch, *names: str) -> Plan[Row]:
    return takeover.plan(wanted(BR, *(Port("br0", name) for name in names)), box.database.observe())


def test_numbers_stay(box: Switch) -> None:
    names = ("vd", "va", "vc", "vb")
    box.veths(*names)
    assert box.database.apply(numbered(box, *names)).ok
    assert numbers(box, *names) == [1, 2, 3, 4]
    assert not numbered(box, *names)

    box.stop_vswitchd()
    box.start_vswitchd()
    box.until(lambda: not box.database.warning and numbers(box, *names) == [1, 2, 3, 4])

    box.run("ip link del va; ip link del vc")
    box.until(lambda: not box.database.observe().ports["va"].link_state)
    box.veths("vc", "va")
    box.until(lambda: box.database.observe().ports["va"].link_state and numbers(box, *names) == [1, 2, 3, 4])
    assert not numbered(box, *names)

    box.run("ovs-vsctl del-port va -- del-port vc")
    box.until(lambda: not {"va", "vc"} & set(box.database.observe().ports))
    again = Database(box.database.remote, HOST)
    while not again.connected or again.wait(0.2):
        again.wait(0.2)
    plan = takeover.plan(wanted(BR, *(Port("br0", name) for name in reversed(names))), again.observe())
    assert again.apply(plan).ok
    again.close()
    box.until(lambda: numbers(box, *names) == [1, 2, 3, 4])


def test_what_the_policy_drops_is_not_remembered_and_its_number_is_free(box: Switch) -> None:
    box.veths("va", "vb", "vc")
    assert box.database.apply(numbered(box, "va", "vb")).ok
    assert box.database.apply(numbered(box, "vb")).ok
    assert box.get("Bridge", "external_ids")["br0"]["external_ids"] == {MARK: HOST, f"{NUMBERED}vb": "2"}
    assert box.database.apply(numbered(box, "vc", "vb")).ok
    assert numbers(box, "vc", "vb") == [1, 2]


def test_an_upgrade_changes_no_number(box: Switch) -> None:
    box.veths("va", "vb", "vt")
    box.run("ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 vt")
    box.run(
        "for p in vb va; do ovs-vsctl add-port br0 $p -- set port $p external_ids:netctl=hv1"
        " -- set interface $p external_ids:netctl=hv1; done; ovs-vsctl set bridge br0 external_ids:netctl=hv1"
        " fail_mode=secure other_config:disable-in-band=true"
    )
    box.until(lambda: numbers(box, "vt", "vb", "va") == [1, 2, 3])
    assert box.database.apply(numbered(box, "va", "vb")).ok
    assert numbers(box, "vt", "vb", "va") == [1, 2, 3]
    assert box.get("Interface", "ofport_request") == {
        "br0": {"ofport_request": []},
        "vt": {"ofport_request": []},
        "va": {"ofport_request": 3},
        "vb": {"ofport_request": 2},
    }
    assert not numbered(box, "va", "vb")


def test_a_number_that_somebody_else_gets_meanwhile_stays_theirs(box: Switch) -> None:
    """Open vSwitch would take it away from a port that never asked for it."""
    box.veths("va", "vt")
    box.make(BR)
    plan = numbered(box, "va")
    box.run("ovs-vsctl add-port br0 vt")
    assert box.database.apply(plan).ok
    box.until(lambda: all(numbers(box, "vt", "va")))
    seen = numbers(box, "vt", "va")
    assert seen[0] == 1
    assert box.database.apply(numbered(box, "va")).ok
    assert not numbered(box, "va")
    box.run("ovs-vsctl set bridge br0 external_ids:any=1")
    assert numbers(box, "vt", "va") == seen


def test_a_number_that_is_lost_to_somebody_else_ends_in_a_port_that_works(box: Switch) -> None:
    box.veths("va", "vt")
    assert box.database.apply(numbered(box, "va")).ok
    box.run("ovs-vsctl add-port br0 vt -- set interface vt ofport_request=1 -- set interface va ofport_request=[]")
    box.until(lambda: numbers(box, "vt") == [1])
    box.until(lambda: numbers(box, "va") != [1])
    given = numbers(box, "va")
    assert box.database.apply(numbered(box, "va")).ok
    assert numbers(box, "vt", "va") == [1, *given]
    assert given != [None]
    assert not numbered(box, "va")


def test_a_switch_that_waits_for_its_flows_is_reported(box: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netctl.ovsdb.database.RESTORING", 0.5)
    box.run("ovs-vsctl --no-wait set Open_vSwitch . other_config:flow-restore-wait=true")
    box.database.wait(0.2)
    assert not box.database.observe().problems
    box.until(lambda: box.database.observe().problems, 8)
    assert "«ovs-vsctl remove Open_vSwitch . other_config flow-restore-wait»" in box.database.observe().problems[0]
    assert box.database.connected
    assert not box.database.warning
    box.run("ovs-vsctl --no-wait remove Open_vSwitch . other_config flow-restore-wait")
    box.until(lambda: not box.database.observe().problems, 2)
