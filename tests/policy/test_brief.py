"""Wires read briefly are the wires that the models read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netctl.policy import Wire
from netctl.policy.brief import Brief
from netctl.policy.document import read
from netctl.policy.load import _read
from netctl.policy.said import wire_of

HOSTS = "version: 1\nhosts: {hv1: {bridges: {br0: {ports: [a, b, p]}, br1: {}}}}\n"


def entries(text: str) -> list[Any]:
    document = read(f"wires:\n{text}".encode(), 0, briefly=True)
    assert not document.problems
    found: list[Any] = document.value["wires"]
    return found


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("- [a, br0/b]", Brief("a--b", ("a", "br0/b"))),
        ("- [a, {port: br0/b, vlan: 7}]", Brief("a--b", ("a", "br0/b"), (None, 7))),
        ("- {ends: [a, b]}", Brief("a--b", ("a", "b"))),
        ('- name: "12"\n  ends:\n  - vlan: 0x10\n    port: a\n  - b', Brief("12", ("a", "b"), (16, None))),
        ("- {observe: lldp, ends: [a, b], carrier: ignore}", Brief("a--b", ("a", "b"), (None, None), "ignore", "lldp")),
    ],
)
def test_what_is_brief(text: str, wire: Brief) -> None:
    assert entries(text) == [wire]
    full: Any = read(f"wires:\n{text}".encode(), 0).value["wires"][0]
    assert wire_of(wire) == Wire.model_validate(full)


@pytest.mark.parametrize(
    "text",
    [
        "- {ends: [a, b], rate: 1mbit}",
        "- {ends: [a, b], classify: []}",
        "- {ends: [a, b], speed: 1}",
        "- {ends: [a, b], carrier: maybe}",
        "- {ends: [a, b], ends: [a, b]}",
        "- {name: 12, ends: [a, b]}",
        "- {name: x/y, ends: [a, b]}",
        "- {name: &n x, ends: [a, b]}",
        "- {name: !!str x, ends: [a, b]}",
        "- {? name : x, ? [ends] : [a, b]}",
        "- {name: x}",
        "- [a, b, c]",
        "- [a]",
        "- [a, 1]",
        "- [a, '']",
        "- [a, [b]]",
        "- [a, {port: b, vlan: 0}]",
        "- [a, {port: b, vlan: '7'}]",
        "- [a, {port: b, vlan: 7.0}]",
        "- [a, {port: b, vlan: true}]",
        "- [a, {port: b, vlan: 7, vlan: 7}]",
        "- [a, {port: b, port: b}]",
        "- [a, {vlan: 7}]",
        "- &w [a, b]",
        "- [&e a, b]",
        "- a",
        "- {ends: a}",
    ],
)
def test_everything_else_is_read_as_it_always_is(text: str) -> None:
    loose, strict = (read(f"wires:\n{text}\n- [c, d]".encode(), 0, briefly) for briefly in (True, False))
    assert (loose.value["wires"][0], loose.problems, loose.empty) == (
        strict.value["wires"][0],
        strict.problems,
        strict.empty,
    )
    assert loose.value["wires"][1] == Brief("c--d", ("c", "d"))


NAMES = st.sampled_from(["w1", "w2", "1", "x/y", "true", "''", '"12"', "~", "&n w3", "!t w", "a b", "ä"])
PORTS = st.sampled_from(["a", "b", "br0/x", "br0/y", "hv1/br0/z", "br1/q", "nobody", "12", "''", "null", "*n", "&p a"])
VLANS = st.sampled_from(["1", "2", "0", "4095", "0x10", "'7'", "1.0", "true", "~"])
KEYS = st.sampled_from(["name", "ends", "carrier", "observe", "rate", "port", "vlan", "<<", "'name'"])
ENDS = PORTS | st.builds("{{port: {}, vlan: {}}}".format, PORTS, VLANS) | st.builds("{{{}: {}}}".format, KEYS, PORTS)
PAIRS = st.lists(ENDS, min_size=1, max_size=3).map(lambda ends: f"[{', '.join(ends)}]") | st.builds(
    "[{}, {}]".format, ENDS, ENDS
)
MORE = st.sampled_from(["", "", ", carrier: ignore", ", carrier: follow", ", observe: lldp", ", rate: 1mbit", ", x: 1"])
WIRES = PAIRS | st.builds("{{name: {}, ends: {}{}}}".format, NAMES, PAIRS, MORE) | ENDS


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.lists(WIRES, max_size=4))
@example(["{name: w1, ends: [a, b]}", "{name: w2, ends: [{port: br0/x, vlan: 1}, {port: br0/x, vlan: 2}]}"])
def test_both_ways_of_reading_say_the_same(wires: list[str]) -> None:
    text = HOSTS + "wires: [" + ", ".join(wires) + "]\ntaps: []\n"
    texts = [("x.yaml", text.encode())]
    loose, strict = (_read(texts, "x.yaml", [], "", briefly) for briefly in (True, False))
    assert (loose.policy is None) == (strict.policy is None)
    if loose.policy is None or strict.policy is None:
        return
    assert list(loose.policy.wires) == list(strict.policy.wires)
    assert loose.policy.hosts == strict.policy.hosts
    assert dict(loose.wiring.cables) == dict(strict.wiring.cables)
    assert loose.wiring.ports.implied == strict.wiring.ports.implied
    for number in range(len(wires)):
        for end in (0, 1):
            for path in (("wires", number), ("wires", number, "ends", end), ("wires", number, "ends", end, "port")):
                assert loose.where(path) == strict.where(path)
