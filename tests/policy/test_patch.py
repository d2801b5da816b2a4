"""What is patched at run time: over the wires of the files, in a file of its own, and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from netctl.policy import Loaded, Patch, Wire, load, loads
from netctl.policy.patch import following, patch_file, scalar

BASE = """\
version: 1
hosts: {hv1: {bridges: {br0: {ports: [a, b, c, d, mon]}}}}
wires:
  - [a, b]
  - {name: two, ends: [{port: c, vlan: 1}, d]}
taps:
  - {of: a--b, to: mon}
"""


def wire(name: str, *ends: Any, **more: Any) -> Wire:
    return Wire.model_validate({"name": name, "ends": list(ends), **more})


def full(name: str, *ends: Any, **more: Any) -> Wire:
    return wire(name, *(f"hv1/br0/{end}" for end in ends), **more)


def write(directory: Path, patched: str, base: str = BASE) -> Loaded:
    (directory / "lab.yaml").write_text(base)
    (directory / "patched.yaml").write_text(patched)
    return load(directory)


def test_wires_of_other_files_are_taken_out_and_wires_put_in(tmp_path: Path) -> None:
    loaded = write(tmp_path, "version: 1\nunwire: [two, a--b, never]\nwires:\n  - {name: two, ends: [c, br0/x]}\n")
    assert loaded.problems == ()
    assert loaded.policy is not None
    assert [(each.name, each.ends[1].port) for each in loaded.policy.wires] == [("two", "br0/x")]
    assert list(loaded.wiring.cables) == ["two"]
    assert loaded.wiring.cables["two"].said == f"{tmp_path}/patched.yaml:4:5"
    assert loaded.patch == Patch({"two": full("two", "c", "x")}, frozenset({"two", "a--b", "never"}))
    assert dict(loaded.base) == {
        "a--b": full("a--b", "a", "b"),
        "two": wire("two", {"port": "hv1/br0/c", "vlan": 1}, "hv1/br0/d"),
    }


def test_the_file_that_takes_a_wire_out_keeps_its_own() -> None:
    loaded = loads("version: 1\nhosts: {h: {bridges: {br0: {}}}}\nunwire: [a--b]\nwires: [[br0/a, br0/b]]\n")
    assert list(loaded.wiring.cables) == ["a--b"]
    assert not loaded.patch


def test_any_file_may_take_a_wire_out_and_then_it_is_not_the_files(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("version: 1\nunwire: [two]\n")
    loaded = write(tmp_path, "version: 1\nunwire: [a--b]\n")
    assert list(loaded.wiring.cables) == []
    assert list(loaded.base) == ["a--b"]
    assert loaded.patch == Patch({}, frozenset({"a--b"}))


@pytest.mark.parametrize(
    ("patched", "problem"),
    [
        ("unwire: [a--b]\nwires: [[a, d]]", "patched.yaml:3:13: hv1/br0/d is on a wire already: two at "),
        ("wires: [{name: two, ends: [br0/x, br0/y]}]", "patched.yaml:2:16: a wire called 'two' is there already, at "),
        ("unwire: two", "patched.yaml:2:9: 'unwire' is a list"),
        ("unwire: [1]", "patched.yaml:2:10: an entry of 'unwire' is "),
        ("unwire: [a/b]", "patched.yaml:2:10: 'a/b' cannot be a wire's name"),
    ],
)
def test_what_is_wrong_with_it_is_said_where_it_is(tmp_path: Path, patched: str, problem: str) -> None:
    loaded = write(tmp_path, f"version: 1\n{patched}\n")
    assert loaded.policy is None
    told = [str(each).removeprefix(f"{tmp_path}/") for each in loaded.problems]
    assert any(each.startswith(problem) for each in told), told


def test_a_tap_of_a_wire_that_is_out_copies_nothing(tmp_path: Path) -> None:
    assert write(tmp_path, "version: 1\nunwire: [a--b]\n").problems == ()
    gone = BASE.replace("  - [a, b]\n", "")
    assert [each.message for each in write(tmp_path, "version: 1\n", gone).problems] == ["no wire is called 'a--b'"]


def test_beside_a_policy_that_is_one_file(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(BASE)
    assert patch_file(file) == tmp_path / "lab.patched.yaml"
    (tmp_path / "lab.patched.yaml").write_text("version: 1\nunwire: [two]\n")
    (tmp_path / "other.patched.yaml").write_text("nonsense")
    loaded = load(file)
    assert list(loaded.wiring.cables) == ["a--b"]
    assert loaded.files == (str(file), str(tmp_path / "lab.patched.yaml"))
    assert loaded.patch.unwire == {"two"}


def test_what_follows_on_a_change(tmp_path: Path) -> None:
    base = write(tmp_path, "version: 1\n").base
    one = following(Patch(), base, (), [full("new", "x", "y")], ["two"])
    assert one == Patch({"new": full("new", "x", "y")}, frozenset({"two"}))
    two = following(one, base, (), [full("two", "c", "d"), full("new", "x", "z")], [])
    assert two == Patch({"two": full("two", "c", "d"), "new": full("new", "x", "z")}, frozenset({"two"}))
    back = following(two, base, (), [base["two"]], ["new"])
    assert not back
    assert back == Patch()


def test_a_copied_wire_that_only_the_patch_had_is_said_to_be_out() -> None:
    before = Patch({"core": full("core", "x", "y")})
    assert following(before, {}, {"core"}, [], ["core"]) == Patch({}, frozenset({"core"}))
    assert following(before, {}, {"other"}, [], ["core"]) == Patch()


def test_the_carrier_is_followed_said_or_not(tmp_path: Path) -> None:
    base = write(tmp_path, "version: 1\n").base
    ignoring = base["two"].model_copy(update={"carrier": "ignore"})
    assert following(Patch(), base, (), [base["two"].model_copy(update={"carrier": "follow"})], []) == Patch()
    assert following(Patch(), base, (), [ignoring], []) == Patch({"two": ignoring}, frozenset({"two"}))


NAMES = st.from_regex(r"\A[!-.0-~]{1,64}\Z")
PORTS = st.from_regex(r"\A[!-$&-.0-9;-~]{1,15}\Z").filter(lambda name: name not in (".", ".."))
ENDS = st.tuples(PORTS, st.none() | st.integers(1, 4094)).map(lambda end: {"port": f"hv1/br0/{end[0]}", "vlan": end[1]})


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(NAMES, st.tuples(ENDS, ENDS, st.sampled_from([None, "ignore"])), max_size=4),
    st.frozensets(NAMES, max_size=4),
)
def test_what_is_written_is_read_back(wires: dict[str, Any], unwire: frozenset[str]) -> None:
    patch = Patch(
        {name: wire(name, one, other, carrier=carrier) for name, (one, other, carrier) in wires.items()}, unwire
    )
    text = patch.text()
    assert len(text.splitlines()) == 3 + bool(unwire) + len(unwire) + bool(wires) + len(wires)
    loaded = loads(text + "hosts: {hv1: {bridges: {br0: {}}}}\n", "patched.yaml")
    clashes = ("is on a wire already", "both ends of this wire", "is a bridge")
    assume(not any(clash in each.message for each in loaded.problems for clash in clashes))
    assert loaded.problems == ()
    assert loaded.policy is not None
    assert {each.name: each for each in loaded.policy.wires} == patch.wires
    assert set(loaded.policy.unwire) == unwire


@pytest.mark.parametrize("text", ["true", "null", "1e5", "0x1f", "12", "-", "a,b", "#x", "{", "a:", ".inf", "a#b"])
def test_text_that_yaml_would_take_for_something_else(text: str) -> None:
    loaded = loads(f"version: 1\nunwire: [{scalar(text)}]")
    assert loaded.policy is not None
    assert loaded.policy.unwire == (text,)


def test_rates_and_classes_are_written_too() -> None:
    classes = [{"match": {"ip_dscp": 46}, "queue": "voice"}]
    rich = wire("r", "a", "b", rate={"a_to_b": "10mbit"}, observe="lldp", carrier="follow", classify=classes)
    line = Patch({"r": rich}).text().splitlines()[-1]
    read = loads(f"version: 1\nwires:\n{line}\n").problems
    assert line == (
        '  - {name: r, ends: [a, b], carrier: follow, observe: lldp, rate: {"a_to_b": "10mbit"}, '
        'classify: [{"match": {"ip_dscp": 46}, "queue": "voice"}]}'
    )
    assert [each.message for each in read if "not supported" in each.message] == ["not supported yet: classify"]


def test_a_person_can_read_it() -> None:
    text = Patch({"w": full("w", "a", "b")}, frozenset({"z", "y"})).text()
    assert text.startswith("# What was patched at run time")
    assert text.partition("version: 1\n")[2] == (
        "unwire:\n  - y\n  - z\nwires:\n  - {name: w, ends: [hv1/br0/a, hv1/br0/b]}\n"
    )
