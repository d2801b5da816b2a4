"""What is wired to what, and how it changes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netctl.policy import BadChange, Cable, Loaded, PortRef, Wire, Wiring, loads

LAB = """\
version: 1
hosts:
  hv1:
    bridges: {br0: {ports: [a, b, c, mon]}, br1: {ports: [d]}}
wires:
  - [a, b]
  - {name: t1, ends: [{port: c, vlan: 1}, br0/x], carrier: ignore}
taps:
  - {of: a--b, to: mon}
"""


def ref(port: str, bridge: str = "br0") -> PortRef:
    return PortRef("hv1", bridge, port)


def wire(name: str, *ends: Any, **more: Any) -> Wire:
    return Wire.model_validate({"name": name, "ends": list(ends), **more})


@pytest.fixture
def wiring() -> Wiring:
    return loads(LAB, "lab.yaml").wiring


def refused(wiring: Wiring, put: list[Wire], remove: tuple[str, ...] = ()) -> tuple[str, ...]:
    before = state(wiring)
    with pytest.raises(BadChange) as caught:
        wiring.change(put, remove)
    assert state(wiring) == before
    return caught.value.problems


def state(wiring: Wiring) -> Any:
    ports = {ref: (wiring.at(ref), set(wiring.vlans(ref)), wiring.wired(ref)) for ref, _ in wiring.ports.all()}
    return dict(wiring.cables), ports, dict(wiring.ports.implied)


def test_a_policy_has_its_wires_with_their_ends_found(wiring: Wiring) -> None:
    assert dict(wiring.cables) == {
        "a--b": Cable("a--b", (ref("a"), ref("b")), "lab.yaml:6:5", monitors=(ref("mon"),)),
        "t1": Cable("t1", (ref("c"), ref("x")), "lab.yaml:7:5", (1, None), follow=False),
    }
    assert wiring.at(ref("a")) == (wiring.cables["a--b"],)
    assert wiring.at(ref("d", "br1")) == ()
    assert set(wiring.vlans(ref("c"))) == {1}
    assert [wiring.wired(each) for each in (ref("a"), ref("mon"), ref("d", "br1"))] == [True, True, False]


def test_a_wire_is_given_back_with_its_ends_in_full(wiring: Wiring) -> None:
    said = wire("t1", {"port": "hv1/br0/c", "vlan": 1}, "hv1/br0/x", carrier="ignore")
    assert wiring.wire("t1") == said
    assert dict(wiring.wires) == {"a--b": wire("a--b", "hv1/br0/a", "hv1/br0/b"), "t1": said}
    with pytest.raises(KeyError):
        wiring.wire("none")


def test_put_in_replaced_and_taken_out(wiring: Wiring) -> None:
    before = dict(wiring.cables)
    changed = wiring.change([wire("new", {"port": "c", "vlan": 2}, "br0/y"), wire("t1", "br0/x", "br0/z")], ["a--b"])
    new = Cable("new", (ref("c"), ref("y")), "patched.yaml", (2, None))
    moved = Cable("t1", (ref("x"), ref("z")), "patched.yaml")
    assert changed.added == (new, moved)
    assert set(changed.removed) == {before["a--b"], before["t1"]}
    assert dict(wiring.cables) == {"new": new, "t1": moved}
    assert set(wiring.ports.implied) == {ref("x"), ref("y"), ref("z")}
    assert not wiring.at(ref("a"))


def test_what_is_so_already_stays_untouched(wiring: Wiring) -> None:
    changed = wiring.change([wire("t1", {"port": "hv1/c", "vlan": 1}, "hv1/br0/x", carrier="ignore")])
    assert (changed.added, changed.removed) == ((), ())
    assert wiring.cables["t1"].said == "lab.yaml:7:5"
    assert wiring.change([wire("t1", {"port": "c", "vlan": 1}, "br0/x")]).added[0].follow


@pytest.mark.parametrize(
    ("said", "there"),
    [
        (wire("a--b", "a", "b"), True),
        (wire("a--b", "hv1/a", "br0/b", carrier="follow"), True),
        (wire("a--b", "b", "a"), False),
        (wire("a--b", "a", "c"), False),
        (wire("a--b", {"port": "a", "vlan": 1}, "b"), False),
        (wire("a--b", "a", "b", carrier="ignore"), False),
        (wire("a--b", "a", "b", observe="lldp"), False),
        (wire("a--b", "a", "b", rate="1mbit"), False),
        (wire("a--b", "a", "b", rate="1%"), False),
        (wire("a--b", "a", "x"), False),
        (wire("other", "a", "b"), False),
        (wire("t1", {"port": "c", "vlan": 1}, "br0/x", carrier="ignore"), True),
        (wire("t1", {"port": "c", "vlan": 1}, "x", carrier="ignore"), False),
    ],
)
def test_what_is_there_is_told_however_its_ends_are_said(wiring: Wiring, said: Wire, there: bool) -> None:
    """A name alone means a declared port, and never one that only wires name."""
    assert wiring.has(said) is there


def test_two_wires_swap_their_ports(wiring: Wiring) -> None:
    wiring.change([wire("a--b", "c", "br0/x"), wire("t1", "a", "b")])
    assert wiring.at(ref("c")) == (wiring.cables["a--b"],)
    assert wiring.cables["a--b"].monitors == (ref("mon"),)


def test_a_wire_that_is_put_back_is_copied_again(wiring: Wiring) -> None:
    wiring.change([], ["a--b"])
    assert wiring.change([wire("a--b", "a", "b")]).added[0].monitors == (ref("mon"),)


def test_a_port_that_only_wires_name_goes_with_the_last(wiring: Wiring) -> None:
    wiring.change([wire("one", {"port": "br0/n", "vlan": 1}, "br0/m")])
    wiring.change([wire("two", {"port": "br0/n", "vlan": 2}, "br0/o")], ["one"])
    assert set(wiring.ports.implied) == {ref("x"), ref("n"), ref("o")}
    wiring.change([], ["two"])
    assert set(wiring.ports.implied) == {ref("x")}
    assert wiring.change([wire("three", {"port": "d", "vlan": 1}, "br1/n")]).added


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (wire("w", "a", "d"), "wire w: hv1/br0/a is on a wire already: a--b at lab.yaml:6:6; a port ends one wire, or"),
        (wire("w", "c", "br0/y"), "wire w: hv1/br0/c is on a wire already: t1 at lab.yaml:7:23; a port ends one wire"),
        (wire("w", {"port": "c", "vlan": 1}, "br0/y"), "wire w: hv1/br0/c, VLAN 1, is on a wire already: t1 at lab."),
        (wire("w", "br0/y", "hv1/y"), "wire w: host hv1 has no port 'y'"),
        (wire("w", "br0/y", "hv1/br0/y"), "wire w: both ends of this wire are hv1/br0/y: a wire joins two ports"),
        (wire("w", "br0/y", "mom"), "wire w: no port is called 'mom'; did you mean 'mon'?"),
        (wire("w", "br0/y", "br2/z"), "wire w: no bridge is called 'br2'; did you mean 'br1'?"),
        (wire("w", "br0/y", "d"), "wire w: not supported yet: wires across bridges (the ends are hv1/br0/y and hv1/"),
        (wire("w", "br0/y", "br0/z", rate="1%"), "wire w: not supported yet: a rate in percent"),
        (wire("w", "br0/y", "mon"), "wire w: hv1/br0/mon gets a copy of a wire, at lab.yaml:9:20: a wire needs a"),
        (wire("w", "br0/y", "br0/d"), "wire w: 'd' is a port of br1, at lab.yaml:4:59: write hv1/br1/d"),
        (wire("w", "br0/y", "br0/br1"), "wire w: 'br1' is a bridge; it cannot be the port that a wire ends in"),
        (wire("a--b", "d", "br1/e"), "wire a--b: not supported yet: taps across bridges (the wire ends in hv1/br1/d,"),
    ],
)
def test_what_cannot_be_is_said_as_for_a_file_and_nothing_is_touched(wiring: Wiring, new: Wire, problem: str) -> None:
    assert refused(wiring, [wire("good", "br0/g", "br0/h"), new])[0].startswith(problem)


def test_all_or_nothing_and_everything_at_once(wiring: Wiring) -> None:
    problems = refused(wiring, [wire("one", "a", "br0/y"), wire("two", "br0/y", "b")], ("a--c",))
    assert problems == (
        "no wire is called 'a--c'; did you mean 'a--b'?",
        "wire one: hv1/br0/a is on a wire already: a--b at lab.yaml:6:6; a port ends one wire, or one for each VLAN",
        "wire two: hv1/br0/y is on a wire already: one at patched.yaml; a port ends one wire, or one for each VLAN",
        "wire two: hv1/br0/b is on a wire already: a--b at lab.yaml:6:9; a port ends one wire, or one for each VLAN",
    )
    assert refused(wiring, [wire("w", "br0/y", "br0/z"), wire("w", "br0/v", "br0/w")]) == (
        "wire w: a wire called 'w' is there already, at patched.yaml: give one another `name`",
    )


def test_only_what_is_missing(wiring: Wiring) -> None:
    for put, missing in (([], True), ([wire("w", "a", "d")], False)):
        with pytest.raises(BadChange) as caught:
            wiring.change(put, ["nobody"])
        assert caught.value.missing is missing


SPECS = st.sampled_from(
    ["a", "b", "c", "d", "mon", "br0/x", "br0/y", "br1/x", "hv1/br0/a", "hv1/b", "br0/br1", "br0/d", "nobody", "br1/z"]
)
ENDS = st.tuples(SPECS, st.sampled_from([None, None, 1, 2])).map(
    lambda end: end[0] if end[1] is None else {"port": end[0], "vlan": end[1]}
)
WIRES = st.builds(
    lambda name, one, other, more: wire(name, one, other, **more),
    st.sampled_from(["w1", "w2", "w3", "w4", "a--b"]),
    ENDS,
    ENDS,
    st.sampled_from([{}, {}, {"carrier": "ignore"}]),
)
CHANGES = st.lists(
    st.tuples(
        st.lists(WIRES, max_size=3, unique_by=lambda each: each.name),
        st.lists(st.sampled_from(["w1", "w2", "w3", "a--b"]), max_size=2, unique=True),
    ),
    max_size=6,
)


def policy_of(wires: dict[str, Wire]) -> Loaded:
    """The policy that would say these wires."""
    head = {"version": 1, "unwire": ["a--b"], "taps": [{"of": "a--b", "to": "mon"}]}
    bridges = {"br0": {"ports": ["a", "b", "c", "mon"]}, "br1": {"ports": ["d"]}}
    said = [each.model_dump(exclude_none=True, exclude_defaults=True) for each in wires.values()]
    return loads(json.dumps({**head, "hosts": {"hv1": {"bridges": bridges}}, "wires": said}))


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(CHANGES)
def test_a_change_is_right_exactly_when_the_policy_that_says_it_is(changes: list[Any]) -> None:
    wires = {"a--b": wire("a--b", "a", "b")}
    wiring = policy_of(wires).wiring
    for put, remove in changes:
        before = state(wiring)
        then = {name: each for name, each in wires.items() if name not in remove} | {each.name: each for each in put}
        loaded = policy_of(then)
        try:
            changed = wiring.change(put, remove)
        except BadChange:
            assert loaded.problems or not set(remove) <= wires.keys()
            assert state(wiring) == before
            continue
        assert not loaded.problems
        wires = then
        assert set(wiring.ports.implied) == set(loaded.wiring.ports.implied)
        assert wiring.cables.keys() == loaded.wiring.cables.keys()
        for name, cable in loaded.wiring.cables.items():
            assert wiring.cables[name].like(cable)
        after = state(wiring)
        wiring.undo(changed)
        assert state(wiring)[:2] == before[:2]
        assert set(state(wiring)[2]) == set(before[2])
        wiring.change(put, remove)
        assert state(wiring)[0] == after[0]


def many(count: int) -> Wiring:
    wires = "".join(
        f"  - {{name: w{n}, ends: [{{port: br0/p{n // 4000}, vlan: {n % 4000 + 1}}}, "
        f"{{port: br0/q{n // 4000}, vlan: {n % 4000 + 1}}}]}}\n"
        for n in range(count)
    )
    return loads(f"version: 1\nhosts: {{hv1: {{bridges: {{br0: {{}}}}}}}}\nwires:\n{wires}").wiring


def test_the_time_of_one_change_does_not_grow_with_the_wires() -> None:
    wiring = many(20_000)
    times = []
    for number in range(50):
        start = time.perf_counter()
        wiring.change([wire(f"n{number}", f"br0/n{number}", {"port": "br0/m", "vlan": number + 1})], [f"w{number}"])
        times.append(time.perf_counter() - start)
    assert sorted(times)[len(times) // 2] < 0.001


def test_a_port_to_another_switch_cannot_be_patched_at_run_time() -> None:
    loaded = loads(
        "version: 1\nhosts:\n  hv1:\n    bridges:\n      br0: {ports: [a, {name: up, role: fabric}]}\n", "lab.yaml"
    )
    with pytest.raises(BadChange) as refused:
        loaded.wiring.change([Wire.model_validate(["a", "up"])])
    assert str(refused.value) == (
        "wire a--up: hv1/br0/up leads to another switch, by `role: fabric` at lab.yaml:5:41: "
        "name another port here, or take the role out there"
    )
    assert not loaded.wiring.cables
