"""The table of neighbours: who comes, changes and goes, and that nobody can fill it for others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netctl.topology import lldp
from netctl.topology.neighbours import PER_PLACE, Appeared, Changed, Gone, Neighbours, Place
from tests.topology import frames
from tests.topology.frames import frame

HERE, THERE = Place(0xAB, 1, 7), Place(0xAB, 2, 7)


def named(name: str, ttl: int = 120, chassis: int = 1) -> bytes:
    return frame(lldp.tlv(5, name.encode()), ttl=ttl, chassis=(4, chassis.to_bytes(6, "big")))


def names(table: Neighbours) -> list[str | None]:
    return [each.announced.system_name for each in table]


def test_appears_stays_changes_and_ages() -> None:
    table = Neighbours()
    (appeared,) = table.hear(HERE, named("a"), 10, 10)
    assert isinstance(appeared, Appeared)
    assert appeared.neighbour.place == HERE
    assert table.hear(HERE, named("a"), 40, 40) == []
    (there,) = table
    assert (there.since, there.changed, there.until) == (10, 10, 160)
    (changed,) = table.hear(HERE, named("b"), 70, 70)
    assert isinstance(changed, Changed)
    assert (changed.before.announced.system_name, changed.neighbour.announced.system_name) == ("a", "b")
    (there,) = table
    assert (there.since, there.changed, there.until) == (10, 70, 190)
    assert table.age(189.9) == []
    (gone,) = table.age(190)
    assert isinstance(gone, Gone)
    assert (gone.why, gone.neighbour.announced.system_name) == ("aged", "b")
    assert len(table) == 0
    assert list(table) == []
    assert isinstance(table.hear(HERE, named("b"), 200, 200)[0], Appeared)


def test_the_same_said_in_other_octets_is_no_change() -> None:
    """A frame with other padding or another order of TLVs is another frame and says the same."""
    table = Neighbours()
    table.hear(HERE, named("a"), 0, 0)
    assert table.hear(HERE, named("a") + b"\0", 60, 60) == []
    assert table.hear(HERE, named("a"), 90, 90) == []
    (there,) = table
    assert (there.changed, there.until) == (0, 210)
    assert len(table) == 1


def test_a_shutdown_removes_at_once() -> None:
    table = Neighbours()
    table.hear(HERE, named("a"), 0, 0)
    table.hear(THERE, named("a"), 0, 0)
    (gone,) = table.hear(HERE, named("", ttl=0), 1, 1)
    assert isinstance(gone, Gone)
    assert (gone.why, gone.neighbour.place) == ("shutdown", HERE)
    assert [each.place for each in table] == [THERE]
    assert table.hear(HERE, named("", ttl=0), 1, 1) == []


def test_a_port_or_a_switch_that_goes_takes_its_neighbours_along() -> None:
    table = Neighbours()
    other = Place(0xCD, 1)
    for place in (HERE, THERE, other):
        table.hear(place, named("a"), 0, 0)
        table.hear(place, b"junk", 0, 0)
    assert [change.neighbour.place for change in table.forget(0xAB, 1) if isinstance(change, Gone)] == [HERE]
    assert table.counts[0xAB, 1].malformed == 1
    assert [change.neighbour.place for change in table.forget(0xAB) if isinstance(change, Gone)] == [THERE]
    assert set(table.counts) == {(0xCD, 1)}
    assert [each.place for each in table] == [other]
    assert table.age(1000) == [Gone(*table_of(other), "aged")]


def table_of(place: Place) -> list[object]:
    table = Neighbours()
    table.hear(place, named("a"), 0, 0)
    return list(table)


def test_a_wire_that_goes_takes_its_neighbours_along() -> None:
    table = Neighbours()
    for place in (HERE, Place(0xAB, 1, 8), Place(0xAB, 3)):
        table.hear(place, named("a"), 0, 0)
    assert [change.neighbour.place.cookie for change in table.keep(lambda place: place.cookie != 7)] == [7]
    assert [each.place.cookie for each in table] == [8, 0]


def test_tagged_frames_are_another_agent() -> None:
    table = Neighbours()
    table.hear(HERE, named("a"), 0, 0)
    table.hear(HERE, frames.tagged(named("b"), "81000064"), 0, 0)
    assert [(each.announced.tags, each.announced.system_name) for each in table] == [((), "a"), ((100,), "b")]


def test_malformed_frames_are_counted_by_port() -> None:
    table = Neighbours()
    table.hear(HERE, named("a"), 0, 0)
    for _ in range(3):
        assert table.hear(HERE, b"junk", 0, 0) == []
    table.hear(THERE, named("a")[:-40], 0, 0)
    assert (table.counts[0xAB, 1].frames, table.counts[0xAB, 1].malformed) == (4, 3)
    assert table.counts[0xAB, 1].why == "not LLDP: EtherType 0xnone"
    assert table.counts[0xAB, 2].malformed == 1


@pytest.mark.parametrize("ttl", [65535, 1])
def test_a_flood_of_names_puts_nobody_out(ttl: int) -> None:
    table = Neighbours(total=PER_PLACE + 2)
    table.hear(HERE, named("honest"), 0, 0)
    table.hear(THERE, named("honest"), 0, 0)
    for number in range(1000):
        table.hear(HERE, named("flood", ttl, 100 + number), number / 100, number / 100)
    assert names(table).count("honest") == 2
    assert len(table) == PER_PLACE + 1
    assert table.counts[0xAB, 1].refused == (1000 - PER_PLACE + 1 if ttl > 1 else table.counts[0xAB, 1].refused)
    assert table.counts[0xAB, 1].refused > 900
    table.hear(THERE, named("second", chassis=2), 10, 10)
    assert "second" in names(table)


def test_a_full_table_takes_nobody_new_until_somebody_goes() -> None:
    table = Neighbours(total=2)
    for number in range(3):
        table.hear(Place(1, number), named("a"), number, number)
    assert len(table) == 2
    assert table.counts[1, 2].refused == 1
    table.age(120)
    assert isinstance(table.hear(Place(1, 2), named("a"), 120, 120)[0], Appeared)


steps = st.lists(
    st.tuples(
        st.sampled_from([HERE, THERE, Place(1, 1)]),
        st.one_of(
            st.builds(named, st.sampled_from("abc"), st.sampled_from([0, 5, 30]), st.integers(1, 12)),
            st.binary(max_size=30),
        ),
        st.integers(0, 10),
    ),
    max_size=60,
)


@given(steps)
def test_the_changes_tell_what_is_in_the_table(script: list[tuple[Place, bytes, int]]) -> None:
    table, now, there = Neighbours(per_place=3, total=7), 0.0, set()
    for place, data, wait in script:
        now += wait
        for change in [*table.age(now), *table.hear(place, data, now, now)]:
            key = (change.neighbour.place, change.neighbour.msap)
            if isinstance(change, Appeared):
                assert key not in there
                there.add(key)
            else:
                assert key in there
                there -= {key} if isinstance(change, Gone) else set()
        assert there == {(each.place, each.msap) for each in table}
        assert len(table) == len(there) <= 7
        assert all(each.until > now for each in table)
