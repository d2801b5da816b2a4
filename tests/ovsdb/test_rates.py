"""QoS and Queue rows in a real Open_vSwitch database, and what Open vSwitch makes of them."""

from __future__ import annotations

import json

import pytest

from netctl.desired import takeover
from netctl.desired.queue import SHAPES, Orphan, Queue, Shaper, shaper
from netctl.desired.row import MARK, Bridge, Port, Row
from netctl.plan import Found, Plan, Wanted
from netctl.plan.text import lines
from tests.ovsdb.conftest import HOST, Switch

BR = Bridge("br0", "netdev", None)
V1, V2 = Port("br0", "v1"), Port("br0", "v2")
TEN = shaper("br0", "v1", 10_000_000)
TWENTY = shaper("br0", "v1", 20_000_000)
THEIRS = "-- --id=@q create qos type=linux-htb other-config:max-rate=5000000"


def plan(box: Switch, *rows: Row) -> Plan[Row]:
    return takeover.plan([Wanted(row, "lab.yaml:9:5 wire w") for row in rows], box.database.observe())


def make(box: Switch, *rows: Row) -> None:
    outcome = box.database.apply(plan(box, *rows))
    assert outcome.ok, outcome.error


def rows(box: Switch, table: str) -> dict[str, dict[str, str]]:
    """`other_config` of each row by its UUID, and its `external_ids`."""
    columns = "--columns=_uuid,other_config,external_ids"
    answer = json.loads(box.run(["ovs-vsctl", "-f", "json", columns, "list", table]).stdout)
    return {row[0][1]: dict(row[1][1]) | dict(row[2][1]) for row in answer["data"]}


def seen(box: Switch) -> set[Found[Row]]:
    return {found for found in box.database.observe().rows if isinstance(found.item, Shaper | Orphan)}


def classes(box: Switch, device: str) -> str:
    return box.run(f"tc class show dev {device}").stdout


@pytest.fixture(autouse=True)
def _devices(box: Switch) -> None:
    box.veths("v1", "v2")


def test_a_rate_comes_with_its_port_in_one_transaction_and_is_in_force(box: Switch) -> None:
    make(box, BR, V1, TEN)
    assert seen(box) == {Found(TEN, True)}
    assert list(rows(box, "qos").values()) == [{"max-rate": "10000000", MARK: HOST, SHAPES: "v1"}]
    config = {"min-rate": "10000000", "max-rate": "10000000", "burst": "200000"}
    assert list(rows(box, "queue").values()) == [{**config, MARK: HOST}]
    assert not plan(box, BR, V1, TEN)
    assert "htb 1:1 parent 1:fffe prio 0 rate 10Mbit ceil 10Mbit burst 25000b" in classes(box, "v1")


def test_another_rate_is_the_same_rows_and_none_is_no_rows(box: Switch) -> None:
    make(box, BR, V1, TEN)
    before = rows(box, "qos").keys(), rows(box, "queue").keys()
    assert lines(plan(box, BR, V1, TWENTY)) == [
        "~ shaper v1: rate 10mbit -> 20mbit; queues 0 min=10mbit max=10mbit burst=200kbit -> "
        "0 min=20mbit max=20mbit burst=400kbit  (lab.yaml:9:5 wire w)"
    ]
    make(box, BR, V1, TWENTY)
    assert (rows(box, "qos").keys(), rows(box, "queue").keys()) == before
    assert "rate 20Mbit" in classes(box, "v1")
    make(box, BR, V1)
    assert (rows(box, "qos"), rows(box, "queue"), seen(box)) == ({}, {}, set())
    assert "htb" not in classes(box, "v1")


@pytest.mark.parametrize(
    "harm",
    [
        "ovs-vsctl clear port v1 qos",
        "ovs-vsctl set qos $QOS other-config:max-rate=1",
        "ovs-vsctl set qos $QOS other-config:quantum=1514",
        "ovs-vsctl set qos $QOS type=linux-noop",
        "ovs-vsctl clear qos $QOS queues",
        "ovs-vsctl set queue $QUEUE other-config:burst=none",
        "ovs-vsctl set queue $QUEUE dscp=3",
        "ovs-vsctl set qos $QOS queues:7=@new -- --id=@new create queue other-config:max-rate=9",
        "ovs-vsctl clear qos $QOS external_ids",
    ],
)
def test_what_somebody_does_to_them_is_seen_and_put_right(box: Switch, harm: str) -> None:
    make(box, BR, V1, TEN)
    (qos,), (queue,) = rows(box, "qos"), rows(box, "queue")
    box.run(harm.replace("$QOS", qos).replace("$QUEUE", queue))
    if "external_ids" in harm:
        box.until(lambda: seen(box) == {Found(TEN, False)})
        assert not plan(box, BR, V1, TEN), "as it is wanted, whoever has it"
        assert plan(box, BR, V1, TWENTY).collisions
        return
    box.until(lambda: plan(box, BR, V1, TEN).steps)
    make(box, BR, V1, TEN)
    assert seen(box) == {Found(TEN, True)}
    assert not plan(box, BR, V1, TEN)
    assert len(rows(box, "qos")) == 1
    assert all(each.get(MARK) == HOST for each in rows(box, "queue").values()) or "queues:7" in harm
    assert "rate 10Mbit" in classes(box, "v1")


def test_a_port_that_is_deleted_leaves_rows_that_go_and_gets_new_ones(box: Switch) -> None:
    make(box, BR, V1, TEN)
    box.run("ovs-vsctl del-port v1")
    box.until(lambda: "v1" not in box.database.observe().ports)
    assert [step.key[0] for step in plan(box, BR).steps] == ["queue", "qos"]
    make(box, BR, V1, TEN)
    box.until(lambda: seen(box) == {Found(TEN, True)})
    box.run("ovs-vsctl clear port v1 qos -- --all destroy qos")
    box.until(lambda: {type(found.item) for found in seen(box)} == {Orphan})
    make(box, BR)
    assert rows(box, "queue") == {}


def test_a_port_that_moves_takes_its_rate_along(box: Switch) -> None:
    other = Bridge("br1", "netdev", None)
    make(box, BR, other, V1, TEN)
    moved = shaper("br1", "v1", 10_000_000)
    make(box, BR, other, Port("br1", "v1"), moved)
    assert Found(moved, True) in seen(box)
    make(box, BR, other, Port("br1", "v1"), moved)
    assert seen(box) == {Found(moved, True)}
    assert len(rows(box, "qos")) == len(rows(box, "queue")) == 1
    assert "rate 10Mbit" in classes(box, "v1")


def test_queues_of_others_are_left_alone_and_in_the_way(box: Switch) -> None:
    make(box, BR, V1, V2)
    box.run(f"ovs-vsctl set port v1 qos=@q {THEIRS} -- --id=@free create queue other-config:max-rate=7 "
            "-- create qos type=linux-htb")
    box.until(lambda: seen(box) == {Found(Shaper("br0", "v1", 5_000_000), False)})
    assert not plan(box, BR, V1, V2)
    (collision,) = plan(box, BR, V1, V2, TEN).collisions
    assert "«ovs-vsctl clear port v1 qos» takes it away" in str(collision)
    assert not plan(box, BR, V1, V2, TEN).steps
    before = rows(box, "qos"), rows(box, "queue")
    make(box, BR, V1, V2, shaper("br0", "v2", 10_000_000))
    assert box.database.apply(box.database.ours()).ok
    assert (rows(box, "qos"), rows(box, "queue")) == before


def test_a_row_that_another_port_uses_too_stays_as_it_is_for_that(box: Switch) -> None:
    make(box, BR, V1, V2, TEN)
    (qos,) = rows(box, "qos")
    box.run(f"ovs-vsctl set port v2 qos={qos}")
    shared = Found(Shaper("br0", "v2", 10_000_000, TEN.queues), False)
    box.until(lambda: shared in seen(box))
    assert not plan(box, BR, V1, V2, TEN)
    make(box, BR, V1, V2, TWENTY)
    assert seen(box) == {Found(TWENTY, True), shared}
    make(box, BR, V1, V2)
    assert seen(box) == {shared}
    box.run("ovs-vsctl clear port v2 qos")
    box.until(lambda: shared not in seen(box))
    make(box, BR, V1, V2)
    assert (rows(box, "qos"), rows(box, "queue")) == ({}, {})


def test_what_has_no_queues_is_refused_by_name(box: Switch) -> None:
    make(box, BR)
    box.run("ovs-vsctl add-port br0 in0 -- set interface in0 type=internal -- add-bond br0 bond0 v1 v2")
    box.until(lambda: {"in0", "bond0"} <= box.database.observe().ports.keys())
    for name, kind in (("in0", "internal"), ("bond0", "bond")):
        made = plan(box, BR, shaper("br0", name, 10_000_000))
        assert not made.steps
        assert f"the rate of port {name} cannot be kept: it is of type {kind}" in str(made.collisions[0])


def test_a_port_of_another_bridge_is_not_shaped(box: Switch) -> None:
    box.run("ovs-vsctl add-br theirs -- set bridge theirs datapath_type=netdev -- add-port theirs v1")
    box.until(lambda: "v1" in box.database.observe().ports)
    make(box, BR)
    made = plan(box, BR, V1, TEN)
    assert not made.steps
    assert [each.key for each in made.collisions] == [("port", "v1")]


def test_a_queue_reads_as_it_is() -> None:
    assert str(Queue(3, 8000, None, 1, "dscp=4")) == "3 min=8kbit burst=1bit dscp=4"
    assert shaper("br0", "p", 8_000).queues == (Queue(0, 8_000, 8_000, 128_000),)
