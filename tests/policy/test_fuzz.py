"""Whatever a policy's files hold, the answer is a policy or problems with places, never an exception."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netctl.policy import Loaded, loads

CASES = [file.read_text() for file in sorted((Path(__file__).parent / "cases").glob("*.yaml"))]
WORDS = sorted({word for text in CASES for word in text.replace(":", " : ").replace(",", " , ").split()})
MARKS = [
    "\n",
    "\n  ",
    "\n    ",
    ": ",
    "- ",
    ", ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a ",
    "!",
    "? ",
    "|\n",
    '"',
    "'",
    "#",
    "\t",
]

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["a", "hv1/ovbr0/x", "10mbit", "10%", "52:54:00:00:00:01", "10.0.0.1/24", "tap", "veth", "lldp"])
)
KEYS = st.sampled_from(
    [
        *("version", "hosts", "queues", "wires", "taps", "hv1", "bridges", "guests", "links", "uplinks", "sysctls"),
        *("ovbr0", "datapath", "unpatched", "ports", "name", "role", "vm1", "namespace", "nics", "eth1", "device"),
        *("mac", "bridge", "mtu", "addresses", "lower", "mode", "kind", "peer", "master", "port", "link", "id"),
        *("ends", "vlan", "rate", "a_to_b", "classify", "match", "queue", "observe", "carrier", "of", "to", "max"),
        *("address", "gateway", "table", "group_fwd_mask", "owner", "min", "burst", "local", "remote", "primary"),
        *("routes", "via", "src", "metric"),
    ]
) | st.text(max_size=8)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
SLOW = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


def well_behaved(text: str | bytes) -> Loaded:
    loaded = loads(text)
    assert (loaded.policy is None) == bool(loaded.problems)
    assert list(loaded.problems) == sorted(set(loaded.problems))
    for problem in loaded.problems:
        assert problem.file == "policy.yaml"
        assert problem.line >= 1
        assert problem.col >= 1
        assert problem.message.isprintable(), problem.message
        assert len(problem.message) < 1000
        assert not problem.message.startswith("Input should"), problem.message
        str(problem).encode()
    return loaded


@SLOW
@given(st.binary(max_size=200))
@example(b"\xff\xfev\0")
def test_bytes(data: bytes) -> None:
    well_behaved(data)


@SLOW
@given(st.lists(st.sampled_from(WORDS) | st.sampled_from(MARKS) | st.text(max_size=3), max_size=60).map("".join))
@example("version: 1\nwires: *a\n")
@example("&a [*a]")
@example("? ? ? x")
@example("!<")
@example("%TAG ! x\n--- !x")
@example("a: \ud800")
def test_text(text: str) -> None:
    well_behaved(text)


@SLOW
@given(st.sampled_from(CASES), st.randoms(use_true_random=False))
def test_policies_with_a_few_things_changed(text: str, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((0, 1, 3, 20)))
        text = text[:start] + chance.choice([*MARKS, *WORDS, "", "\x00", "\u2028", "\U0010ffff"]) + text[end:]
    well_behaved(text)


@SLOW
@given(TREES)
def test_any_structure(tree: Any) -> None:
    well_behaved(json.dumps(tree))


@SLOW
@given(st.dictionaries(KEYS, TREES, max_size=3), st.lists(TREES, max_size=3), TREES)
def test_any_structure_in_the_right_place(host: Any, wires: Any, thing: Any) -> None:
    nics = {"eth0": {"device": "tap", "mac": thing, "bridge": thing}, "eth1": thing}
    guests = {"vm1": {"nics": nics, "namespace": thing}, "vm2": thing}
    host = {"bridges": {"ovbr0": {"ports": wires}, "b": thing}, "guests": guests, "links": {"l": thing}, **host}
    well_behaved(
        json.dumps(
            {
                "version": 1,
                "hosts": {"hv1": host, "hv2": thing},
                "queues": {"q": thing},
                "wires": [*wires, ["vm1-eth0", "ovbr0/x"], {"ends": [thing, thing]}],
                "taps": [thing, {"of": thing, "to": thing}],
            }
        )
    )
