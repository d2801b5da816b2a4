"""Sets of wires under a name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netctl.policy import Wire, load
from netctl.policy.durable import NotWritten
from netctl.policy.scene import BadScene, NoScene, Scenes

WIRES = (
    Wire.model_validate({"name": "one", "ends": ["hv1/br0/a", {"port": "hv1/br0/b", "vlan": 7}], "carrier": "ignore"}),
    Wire.model_validate({"name": "two:#", "ends": ["hv1/br0/c", "hv1/br0/d"]}),
)


def test_saved_and_loaded_again(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    assert scenes.list() == ()
    assert scenes.save("night", WIRES) == tmp_path / "scenes" / "night.yaml"
    scenes.save("empty", [])
    assert scenes.load("night") == WIRES
    assert scenes.load("empty") == ()
    scenes.save("night", WIRES[:1])
    assert scenes.load("night") == WIRES[:1]
    assert scenes.list() == ("empty", "night")
    assert {each.name for each in (tmp_path / "scenes").iterdir()} == {"empty.yaml", "night.yaml"}


def test_what_there_is(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.save("night", WIRES)
    scenes.save("bad", WIRES)
    (tmp_path / "scenes" / "bad.yaml").write_text("version: 1\nwires: [[a]]\n")
    (tmp_path / "scenes" / ".hidden.yaml").write_text("")
    (tmp_path / "scenes" / "notes.txt").write_text("")
    os.utime(tmp_path / "scenes" / "night.yaml", (1_000_000, 1_234_567))
    bad, night = scenes.entries()
    assert (bad.name, bad.wires) == ("bad", None)
    assert (night.name, night.saved, night.wires) == ("night", 1_234_567.0, 2)


def test_they_are_no_part_of_the_policy(tmp_path: Path) -> None:
    (tmp_path / "lab.yaml").write_text("version: 1\n")
    Scenes(tmp_path).save("night", WIRES)
    assert load(tmp_path).files == (str(tmp_path / "lab.yaml"),)
    assert Scenes(tmp_path / "lab.yaml").list() == ("night",)


def test_forgotten(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.save("night", WIRES)
    scenes.remove("night")
    assert scenes.list() == ()
    with pytest.raises(NoScene, match=r"^no scene is called 'night'$"):
        scenes.remove("night")


def test_one_that_is_not_there(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path)
    scenes.save("night", WIRES)
    with pytest.raises(NoScene, match=r"^no scene is called 'nigth'; did you mean 'night'\?$"):
        scenes.load("nigth")
    with pytest.raises(NoScene, match=r"^no scene is called 'x'; there are: night$"):
        scenes.remove("x")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "-x", "a\0", "a\n", "ü", "x" * 64])
def test_names_that_no_scene_can_have(tmp_path: Path, name: str) -> None:
    scenes = Scenes(tmp_path / "policy")
    for use in (scenes.load, scenes.remove, lambda name: scenes.save(name, WIRES)):
        with pytest.raises(BadScene, match="cannot be a name here"):
            use(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("version: 1\nwires:\n  - [a]\n  - [a, {port: b, vlan: 0}]\n", ["3:5: ", "4:25: vlan is 1 to 4094, not 0"]),
        ("version: 1\nwires: [[a, b], [a, b]]\n", ["2:17: a wire called 'a--b' is there already, at x.yaml:2:9"]),
        ("version: 1\nhosts: {}\nunwire: [a]\nwires: []\n", ["2:1: hosts has no meaning here", "3:1: unwire has"]),
        ("wires: []\n", ["1:1: "]),
        ("version: 1\nwires: [\n", ["3:1: this is not YAML"]),
        ("", ["1:1: the file is empty"]),
        ("- a\n", ["1:1: "]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, problems: list[str]) -> None:
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "x.yaml").write_text(text)
    with pytest.raises(BadScene) as caught:
        Scenes(tmp_path).load("x")
    told = [str(each).replace(f"{tmp_path}/scenes/", "") for each in caught.value.problems]
    assert len(told) == len(problems)
    for each, start in zip(told, problems, strict=True):
        assert each.startswith(f"x.yaml:{start}")
    assert f"{tmp_path}/scenes/x.yaml:" in str(caught.value)


def test_where_it_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "scenes").write_text("in the way")
    with pytest.raises(NotWritten, match="scenes: it cannot be made: File exists"):
        Scenes(tmp_path).save("night", WIRES)
