"""Plans for a real Open_vSwitch database, and what `ovs-vsctl` sees of them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from netctl.desired.dpid import dpid
from netctl.desired.row import MARK, Bridge, Port
from netctl.ovsdb.database import Database
from netctl.ovsdb.remote import BadRemote
from netctl.plan import Found
from netctl.plan.text import lines
from tests.ovsdb.conftest import HOST, Switch

TARGET = "tcp:127.0.0.1:6653"
BR = Bridge("br0", "netdev", TARGET)


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
