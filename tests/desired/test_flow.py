"""A flow and its parts as values."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netctl.desired.flow import (
    IN_PORT,
    LLDP,
    NEAREST_BRIDGE,
    NORMAL,
    UNTAGGED,
    Action,
    Clone,
    Flow,
    Foreign,
    GotoTable,
    Match,
    Metered,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
    ToController,
)

FLOW = Flow("br0", 100, Match(1, 5), (SetVlan(7), Output(2)), 9)

EVERY: list[tuple[Action, str]] = [
    (Output(5), "output:5"),
    (Output(NORMAL), "NORMAL"),
    (Output(IN_PORT), "IN_PORT"),
    (SetVlan(5), "set_vlan:5"),
    (PushVlan(), "push_vlan:0x8100"),
    (PopVlan(), "pop_vlan"),
    (ToController(5), "CONTROLLER:5"),
    (Metered(5), "meter:5"),
    (GotoTable(5), "goto_table:5"),
    (Foreign("5"), "5"),
    (Clone((Output(5), PopVlan())), "clone(output:5,pop_vlan)"),
]


def test_actions_of_different_kinds_are_never_equal() -> None:
    for number, (action, _) in enumerate(EVERY):
        assert [action == other for other, _ in EVERY].index(True) == number
        assert action in {action}
    assert len({action for action, _ in EVERY}) == len(EVERY)


@pytest.mark.parametrize(("action", "reads"), EVERY)
def test_how_an_action_reads(action: Action, reads: str) -> None:
    assert str(action) == reads


@pytest.mark.parametrize(
    ("match", "reads"),
    [
        (Match(), "any"),
        (Match(1), "in_port=1"),
        (Match(vlan=0), "dl_vlan=0"),
        (Match(1, UNTAGGED, LLDP, NEAREST_BRIDGE), "in_port=1,dl_vlan=0xffff,dl_type=0x88cc,dl_dst=01:80:c2:00:00:0e"),
    ],
)
def test_how_a_match_reads(match: Match, reads: str) -> None:
    assert str(match) == reads


def test_nothing_of_a_flow_can_be_changed() -> None:
    for value, name in ((FLOW, "cookie"), (FLOW.match, "vlan"), *((action, "port") for action, _ in EVERY)):
        with pytest.raises((AttributeError, TypeError)):
            setattr(value, name, 1)
    assert not hasattr(FLOW, "__dict__")
    assert pickle.loads(pickle.dumps(FLOW)) == FLOW


def test_what_a_flow_is_and_what_it_does() -> None:
    assert FLOW.key == ("flow", "br0", "table=0,priority=100,in_port=1,dl_vlan=5")
    assert FLOW.facts() == {"cookie": "0x9", "actions": ("set_vlan:7", "output:2")}
    assert Flow("br0", 1, Match()).facts()["actions"] == "drop"
    assert FLOW._replace(extra="ip_proto=06").key[-1].endswith(",dl_vlan=5,ip_proto=06")


def test_the_ports_that_a_flow_sends_by_are_ports() -> None:
    does = (Metered(1), Clone((PopVlan(), Output(4), ToController())), ToController(), Output(5), GotoTable(6))
    assert list(FLOW._replace(actions=does).outputs()) == [4, 5]


numbers = st.none() | st.integers(0, 2)
flows = st.builds(
    Flow,
    st.sampled_from(["br0", "br1"]),
    st.integers(0, 1),
    st.builds(Match, numbers, numbers, numbers, st.sampled_from([None, NEAREST_BRIDGE])),
    st.sampled_from([(), (Output(1),)]),
    st.integers(0, 1),
    st.integers(0, 1),
    st.sampled_from(["", "ip_proto=06"]),
)


@given(flows, flows)
def test_two_flows_of_a_bridge_have_the_same_identity_where_they_have_the_same_key(one: Flow, other: Flow) -> None:
    assert (one.identity == other.identity) == (one.key[2:] == other.key[2:])
    assert one.identity != other.identity or hash(one.identity) == hash(other.identity)
