from __future__ import annotations

from collections.abc import Mapping

import pytest

from netctl.desired.flow import COOKIE, Flow, Foreign, Match, Output
from netctl.desired.flows import wire_flows
from netctl.export import wires
from netctl.policy import loads

NUMBERS: Mapping[str, int] = {"a": 1, "b": 2, "m": 3}

POLICY = """
version: 1
hosts: {{hv1: {{bridges: {{br: {{ports: [a, b, m]}}}}}}}}
wires: [{}]
{}
"""


@pytest.mark.parametrize(
    ("wire", "copy", "ends"),
    [
        ("[a, b]", "", (("a", None), ("b", None))),
        ("{ends: [a, b], observe: lldp}", "", (("a", None), ("b", None))),
        ("{ends: [{port: a, vlan: 7}, b]}", "", (("a", 7), ("b", None))),
        ("{ends: [{port: a, vlan: 7}, {port: b, vlan: 7}]}", "", (("a", 7), ("b", 7))),
        ("{ends: [{port: a, vlan: 7}, {port: a, vlan: 8}], name: a--b}", "", (("a", 7), ("a", 8))),
        ("{ends: [{port: a, vlan: 7}, {port: b, vlan: 8}], observe: lldp}", "taps: [{of: a--b, to: m}]", None),
        ("[a, b]", "taps: [{of: a--b, to: m}]", None),
    ],
)
def test_what_makes_a_wire_is_seen_in_its_flows(wire: str, copy: str, ends: object) -> None:
    loaded = loads(POLICY.format(wire, copy))
    assert loaded.policy is not None, loaded.problems
    cable = loaded.wiring.cables["a--b"]
    flows = wire_flows("br", cable, COOKIE | 5, NUMBERS)
    ((found,), odd) = wires.ours("br", flows, NUMBERS)
    assert not odd
    said = tuple((ref.port, vlan) for ref, vlan in zip(cable.ends, cable.vlans, strict=True))
    assert found.ends == said
    assert ends in (None, said)
    assert found.observe is ("observe" in wire)
    assert found.copies == (("m",) if copy else ())


def test_half_a_wire_is_none() -> None:
    loaded = loads(POLICY.format("[a, b]", ""))
    first, second = wire_flows("br", loaded.wiring.cables["a--b"], COOKIE | 5, NUMBERS)
    for flows in ([first], [first, second._replace(actions=(Output(3),))], [first, second._replace(priority=7)]):
        found, odd = wires.ours("br", flows, NUMBERS)
        assert not found
        assert odd == flows


def flow(into: int, *actions: Output | Foreign, **more: object) -> Flow:
    return Flow("br", 32768, Match(in_port=into), actions, 0, **more)  # type: ignore[arg-type]


def test_two_flows_that_mirror_each_other_are_a_wire_of_somebody_elses() -> None:
    pair = [flow(1, Output(2), Foreign("flags=4")), flow(2, Output(1))]
    assert [each.ends for each in wires.others("br", pair, NUMBERS)] == [(("a", None), ("b", None))]


@pytest.mark.parametrize(
    "flows",
    [
        [flow(1, Output(2))],
        [flow(1, Output(2)), flow(2, Output(3))],
        [flow(1, Output(2)), flow(2, Output(1), Output(3))],
        [flow(1, Output(2)), flow(2, Output(1), Foreign("idle_timeout=9"))],
        [flow(1, Output(2)), flow(2, Output(1), extra="ip_proto=6")],
        [flow(1, Output(2)), flow(2, Output(1), table=1)],
        [flow(1, Output(9)), flow(9, Output(1))],
        [flow(1, Output(1))],
    ],
)
def test_anything_else_is_none(flows: list[Flow]) -> None:
    assert not list(wires.others("br", flows, NUMBERS))
