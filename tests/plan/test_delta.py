"""What is wanted and what was found, and the steps between them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netctl.plan import Change, Collision, Found, Plan, Step, Wanted, delta
from netctl.plan.delta import NOT_THERE, NOT_WANTED
from tests.plan.thing import ORDER, Thing, apply, found, wanted


def test_nothing_to_do_is_false() -> None:
    assert delta([], []) == Plan()
    assert not delta(wanted(Thing("room", "a")), found(Thing("room", "a")))
    assert delta(wanted(Thing("room", "a")), [])
    assert Plan((), (Collision(("room", "a"), "x"),)), "a collision is not nothing"


def test_what_is_not_there_is_added_and_says_where_it_is_asked_for() -> None:
    room = Thing("room", "a")
    assert delta(wanted(room), []).steps == (
        Step("add", f"{NOT_THERE}; x.yaml:1:1 a", None, room),
    )


def test_what_differs_is_changed_fact_by_fact() -> None:
    before, after = Thing("room", "a", size=1), Thing("room", "a", size=2)
    (step,) = delta(wanted(after), found(before)).steps
    assert step == Step("change", "x.yaml:1:1 a", before, after, (Change("size", 1, 2),))


def test_what_cannot_change_in_place_is_made_again_with_all_that_differs() -> None:
    before, after = Thing("room", "a", "red", 1), Thing("room", "a", "blue", 2)
    (step,) = delta(wanted(after), found(before)).steps
    assert step.verb == "replace"
    assert step.changes == (Change("colour", "red", "blue"), Change("size", 1, 2))
    assert (step.before, step.after) == (before, after)


def test_a_fact_that_is_left_out_does_not_count() -> None:
    assert not delta(wanted(Thing("room", "a", size=None)), found(Thing("room", "a", size=7)))
    (step,) = delta(wanted(Thing("room", "a", size=7)), found(Thing("room", "a", size=None))).steps
    assert step.changes == (Change("size", None, 7),)


def test_what_is_ours_and_no_longer_wanted_goes() -> None:
    room = Thing("room", "a")
    assert delta([], found(room)).steps == (Step("remove", NOT_WANTED, room, None),)


def test_what_is_not_ours_is_never_touched() -> None:
    theirs = found(Thing("room", "a", "red", 1), Thing("room", "b"), ours=False)

    assert not delta([], theirs)
    assert not delta(wanted(Thing("room", "a", "red", 1)), theirs)
    plan = delta(wanted(Thing("room", "a", "blue", 1)), theirs)

    assert plan.steps == ()
    assert plan.collisions == (Collision(("room", "a"), "x.yaml:1:1 a", (Change("colour", "red", "blue"),)),)


def test_removals_come_first_and_in_reverse_and_the_rest_in_order() -> None:
    plan = delta(
        wanted(
            Thing("chair", "new"),
            Thing("room", "wider", size=2),
            Thing("chair", "repainted", "blue"),
            Thing("room", "new"),
            Thing("house", "new"),
            Thing("garden", "new"),
        ),
        found(
            Thing("house", "old"),
            Thing("garden", "old"),
            Thing("chair", "old"),
            Thing("room", "wider", size=1),
            Thing("room", "old"),
            Thing("chair", "repainted", "red"),
        ),
        ORDER,
    )
    assert [(step.verb, *step.key) for step in plan.steps] == [
        ("remove", "garden", "old"),
        ("remove", "chair", "old"),
        ("remove", "room", "old"),
        ("remove", "house", "old"),
        ("add", "house", "new"),
        ("change", "room", "wider"),
        ("add", "room", "new"),
        ("add", "chair", "new"),
        ("replace", "chair", "repainted"),
        ("add", "garden", "new"),
    ]


def test_within_a_kind_the_order_is_the_policys() -> None:
    names = ["z", "a", "m"]
    plan = delta(wanted(*(Thing("room", name) for name in names)), [], ORDER)
    assert [step.key[1] for step in plan.steps] == names


THINGS = st.builds(
    Thing,
    st.sampled_from([*ORDER, "garden"]),
    st.sampled_from("abcde"),
    st.sampled_from(["red", "blue"]),
    st.sampled_from([None, 1, 2]),
)
SETS = st.lists(THINGS, unique_by=lambda thing: thing.key, max_size=12)
WORLDS = SETS.flatmap(
    lambda things: st.lists(st.booleans(), min_size=len(things), max_size=len(things)).map(
        lambda ours: [Found(thing, mine) for thing, mine in zip(things, ours, strict=True)]
    )
)


@given(SETS, WORLDS)
def test_after_a_plan_the_world_is_as_wanted_and_the_second_plan_is_empty(
    things: list[Thing], world: list[Found[Thing]]
) -> None:
    want = [Wanted(thing, thing.name) for thing in things]
    plan = delta(want, world, ORDER)

    after = apply(plan, world)

    again = delta(want, after, ORDER)
    assert again.steps == ()
    assert again.collisions == plan.collisions
    there = {each.item.key: each for each in after}
    colliding = {collision.key for collision in plan.collisions}
    for thing in things:
        if thing.key not in colliding:
            assert thing.facts().items() <= there[thing.key].item.facts().items()
    keys = {thing.key for thing in things}
    assert {each.item.key for each in after if each.ours} <= keys, "nothing of ours is left that nobody wants"
    assert [each for each in world if not each.ours] == [each for each in after if not each.ours]


@given(SETS, WORLDS)
def test_a_plan_touches_each_thing_once_and_only_where_it_must(
    things: list[Thing], world: list[Found[Thing]]
) -> None:
    plan = delta([Wanted(thing, thing.name) for thing in things], world, ORDER)

    keys = [step.key for step in plan.steps] + [collision.key for collision in plan.collisions]
    assert len(keys) == len(set(keys))
    for step in plan.steps:
        assert bool(step.changes) == (step.verb in ("change", "replace"))
        assert all(change.before != change.after for change in step.changes)
    verbs = [step.verb for step in plan.steps]
    assert verbs == sorted(verbs, key=lambda verb: verb != "remove"), "names are free before they are needed"


def test_what_stays_makes_no_step_and_is_told_where_it_should_not() -> None:
    there = [
        Found(Thing("room", "a", size=9), ours=False, stays=""),
        Found(Thing("room", "b", size=9), stays="it is locked"),
    ]
    plan = delta(wanted(Thing("room", "a"), Thing("room", "b")), there)
    assert plan.steps == ()
    assert [(str(each), each.why) for each in plan.collisions] == [("it is locked", "x.yaml:2:1 b")]
