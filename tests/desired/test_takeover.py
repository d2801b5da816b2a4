"""Bridges of netctl's, bridges that it takes over, bridges that it keeps its hands off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netctl.desired.row import ISOLATED, Bridge, BridgeState, Observed, Port, PortState, Row
from netctl.desired.takeover import GIVEN_BACK, plan
from netctl.plan import Found, Plan, Wanted
from netctl.plan.text import lines

TARGET = "tcp:127.0.0.1:6653"
THEIRS = Bridge("br0", "netdev", None, fail_mode="standalone", disable_in_band=False)
ADOPT = Bridge("br0", "netdev", TARGET, adopted=True)
ADOPTED = replace(THEIRS, controller=TARGET, adopted=True)
MINE = Bridge("br0", "netdev", TARGET)


def seen(*rows: Found[Row]) -> Observed:
    ports = {f.item.name: PortState(f.item.bridge) for f in rows if isinstance(f.item, Port)}
    return Observed(rows, {"br0": BridgeState(1)}, ports)


def made(observed: Observed, *rows: Row, leaving: tuple[str, ...] = ()) -> Plan[Row]:
    return plan([Wanted(row, "x.yaml:1:1") for row in rows], observed, leaving)


def test_a_bridge_is_taken_over_and_nothing_else_about_it_changes() -> None:
    got = made(seen(Found(THEIRS, False), Found(Port("br0", "t"), False)), ADOPT)
    assert not got.collisions
    assert [(step.verb, step.item) for step in got.steps] == [("change", ADOPT)]
    assert [change.fact for change in got.steps[0].changes] == ["adopted", "controller"]


def test_what_is_taken_over_is_left_alone() -> None:
    assert not made(seen(Found(ADOPTED)), ADOPT)
    assert not made(seen(Found(replace(ADOPTED, fail_mode="secure", protocols=("OpenFlow13",)))), ADOPT)


def test_another_controller_of_ours_is_mended() -> None:
    other = replace(ADOPTED, controller="tcp:127.0.0.1:7777")
    assert [change.fact for change in made(seen(Found(other)), ADOPT).steps[0].changes] == ["controller"]


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        (replace(THEIRS, strangers=("tcp:192.0.2.1:6653",)), "has a controller already, tcp:192.0.2.1:6653"),
        (replace(THEIRS, datapath="system"), "say `datapath: system`"),
        (replace(THEIRS, protocols=("OpenFlow10",)), "«ovs-vsctl add bridge br0 protocols OpenFlow13»"),
    ],
)
def test_a_bridge_that_cannot_be_taken_over_is_named_and_nothing_is_put_on_it(theirs: Bridge, why: str) -> None:
    got = made(seen(Found(theirs, False)), ADOPT, Port("br0", "a", ISOLATED))
    assert not got.steps
    assert why in str(got.collisions[0])


def test_a_bridge_that_is_not_there_is_not_made() -> None:
    got = made(Observed(), ADOPT, Port("br0", "a"))
    assert not got.steps
    assert "is not there" in str(got.collisions[0])


def test_another_controller_on_what_was_taken_over_keeps_netctl_off_it() -> None:
    got = made(seen(Found(replace(ADOPTED, controller=None, strangers=("ssl:192.0.2.1:6653",)))), ADOPT)
    assert not got.steps
    assert "ssl:192.0.2.1:6653" in str(got.collisions[0])


def test_what_was_taken_over_does_not_become_netctls_own() -> None:
    got = made(seen(Found(ADOPTED), Found(Port("br0", "a"))), MINE, Port("br0", "a"))
    assert not got.steps
    assert "was taken over" in str(got.collisions[0])


def test_a_bridge_of_somebody_else_is_a_collision() -> None:
    got = made(seen(Found(THEIRS, False)), MINE, Port("br0", "a"))
    assert not got.steps
    assert lines(got) == ["x bridge br0 is there already and netctl did not make it  (x.yaml:1:1)"]


def test_their_ports_are_used_as_they_are_on_their_bridge_and_must_be_isolated_on_ours() -> None:
    wanted = Port("br0", "t", ISOLATED)
    assert not made(seen(Found(ADOPTED), Found(Port("br0", "t"), False)), ADOPT, wanted)
    ours = made(seen(Found(MINE), Found(Port("br0", "t"), False)), MINE, wanted)
    assert [collision.key for collision in ours.collisions] == [("port", "t")]


def test_it_is_given_back_with_what_is_ours_after_our_flows() -> None:
    rows = seen(Found(ADOPTED), Found(Port("br0", "a")), Found(Port("br0", "t"), False))
    waits = made(rows, leaving=("br0",))
    assert [(step.verb, step.key) for step in waits.steps] == [("remove", ("port", "a"))]
    assert "given back once netctl's flows are off it" in str(waits.collisions[0])
    goes = made(rows)
    assert [(step.verb, step.key, step.why) for step in goes.steps][1] == ("remove", ("bridge", "br0"), GIVEN_BACK)
    assert not goes.collisions


def test_a_bridge_of_ours_waits_for_no_flows() -> None:
    assert [step.verb for step in made(seen(Found(MINE)), leaving=()).steps] == ["remove"]
