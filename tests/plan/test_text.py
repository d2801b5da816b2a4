"""How a plan reads, and what programs get of it."""

from __future__ import annotations

import json

import pytest

from netctl.plan import Change, Collision, Plan, Step, Value, delta
from netctl.plan.model import show
from netctl.plan.text import line, lines
from tests.plan.thing import ORDER, Thing, found, wanted


def test_a_plan_reads_line_by_line_with_collisions_last() -> None:
    plan = delta(
        wanted(
            Thing("room", "theirs", "blue"),
            Thing("room", "new"),
            Thing("chair", "a/b", size=3),
            Thing("chair", "painted", "blue", 2),
        ),
        found(Thing("chair", "a/b"), Thing("chair", "painted"), Thing("house", "old"))
        + found(Thing("room", "theirs"), ours=False),
        ORDER,
    )
    assert lines(plan) == [
        "- house old  (netctl made it and the policy no longer asks for it)",
        "+ room new  (not there; x.yaml:2:1 new)",
        "~ chair a/b: size 1 -> 3  (x.yaml:3:1 a/b)",
        "! chair painted: colour red -> blue; size 1 -> 2  (made again: x.yaml:4:1 painted)",
        "x room theirs is there already and netctl did not make it (colour red -> blue)  (x.yaml:1:1 theirs)",
    ]


def test_a_name_of_several_parts_is_joined() -> None:
    step: Step[Thing] = Step("remove", "why", Thing("flow", "br0/table=0"))
    assert line(step) == "- flow br0/table=0  (why)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ((), "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1, "1"),
        ("", "-"),
        ("br0", "br0"),
        (("a", True, None), "a,yes,-"),
    ],
)
def test_facts_as_people_read_them(value: Value, text: str) -> None:
    assert show(value) == text


def test_programs_get_the_same_as_json() -> None:
    plan = delta(
        wanted(Thing("room", "a", size=2), Thing("room", "b", "blue")),
        found(Thing("room", "a")) + found(Thing("room", "b"), ours=False),
    )
    assert json.loads(json.dumps(plan.as_json())) == {
        "steps": [
            {
                "verb": "change",
                "kind": "room",
                "name": "a",
                "why": "x.yaml:1:1 a",
                "changes": [{"fact": "size", "before": 1, "after": 2}],
            }
        ],
        "collisions": [
            {
                "kind": "room",
                "name": "b",
                "why": "x.yaml:2:1 b",
                "message": "room b is there already and netctl did not make it (colour red -> blue)",
            }
        ],
    }


def test_a_step_is_about_what_it_makes_or_removes() -> None:
    before, after = Thing("room", "a", size=1), Thing("room", "a", size=2)
    assert Step("change", "", before, after).item is after
    assert Step("remove", "", before).item is before


def test_a_change_and_a_collision_without_one() -> None:
    assert str(Change("mtu", None, 9000)) == "mtu - -> 9000"
    assert str(Collision(("tap", "t0"), "")) == "tap t0 is there already and netctl did not make it"
    assert lines(Plan((), (Collision(("tap", "t0"), "x"),)))[0].startswith("x tap t0")
