"""Which OpenFlow number a port asks for."""

from __future__ import annotations

from netctl.desired.number import HIGHEST, numbered
from netctl.desired.row import BridgeState, Observed, Port, PortState
from netctl.plan import Found, Wanted


def asks(*names: str, observed: Observed | None = None, bridge: str = "br0") -> list[int | None]:
    rows = numbered([Wanted(Port(bridge, name), "test") for name in names], observed or Observed())
    return [row.item.number for row in rows if isinstance(row.item, Port)]


def there(
    ports: dict[str, tuple[int | None, int | None]],
    theirs: tuple[str, ...] = (),
    remembers: dict[str, int] | None = None,
    held: tuple[int, ...] = (),
) -> Observed:
    """A bridge with ports by name: what the switch gave, and what was asked for."""
    return Observed(
        tuple(Found(Port("br0", name, None, asked), name not in theirs) for name, (_, asked) in sorted(ports.items())),
        {"br0": BridgeState(1, numbers=remembers or {}, held=frozenset(held))},
        {name: PortState("br0", given) for name, (given, _) in ports.items()},
    )


def test_a_fresh_bridge_counts_from_one_in_the_order_of_the_policy() -> None:
    assert asks("d", "a", "c", "b") == [1, 2, 3, 4]


def test_every_bridge_counts_for_itself() -> None:
    rows = numbered([Wanted(Port("br0", "a"), ""), Wanted(Port("br1", "b"), "")], Observed())
    assert [row.item.number for row in rows if isinstance(row.item, Port)] == [1, 1]


def test_a_port_keeps_the_number_that_it_has_though_it_never_asked() -> None:
    assert asks("new", "a", "b", observed=there({"a": (7, None), "b": (1, None)})) == [2, 7, 1]


def test_a_port_without_its_device_keeps_what_it_asked_for() -> None:
    assert asks("new", "a", observed=there({"a": (None, 1)})) == [2, 1]


def test_what_the_switch_gave_instead_is_asked_for_from_then_on() -> None:
    seen = there({"a": (9, 3), "t": (3, None)}, theirs=("t",))
    assert asks("a", observed=seen) == [9]
    assert asks("a", observed=there({"a": (9, 9), "t": (3, None)}, theirs=("t",))) == [9]


def test_a_port_that_waits_while_somebody_gets_its_number_takes_another() -> None:
    assert asks("a", observed=there({"a": (None, 1), "t": (1, None)}, theirs=("t",))) == [2]


def test_numbers_of_others_are_not_asked_for_nor_what_they_wait_for() -> None:
    seen = there({"t": (1, None), "u": (None, 2)}, theirs=("t", "u"), held=(3, 4))
    assert asks("a", "b", observed=seen) == [5, 6]


def test_a_port_of_somebody_else_is_not_numbered() -> None:
    assert asks("t", "a", observed=there({"t": (1, None)}, theirs=("t",))) == [None, 2]


def test_a_port_whose_row_was_deleted_has_its_number_again() -> None:
    seen = there({"b": (2, 2)}, remembers={"a": 5, "b": 2, "c": 1})
    assert asks("new", "a", "b", "c", observed=seen) == [3, 5, 2, 1]


def test_what_is_remembered_and_taken_is_gone() -> None:
    assert asks("a", observed=there({"t": (5, None)}, theirs=("t",), remembers={"a": 5})) == [1]


def test_two_that_ask_for_the_same_get_one_each() -> None:
    assert asks("a", "b", observed=there({"a": (None, 4), "b": (None, 4)})) == [4, 1]


def test_a_port_that_moves_has_a_number_of_its_new_bridge() -> None:
    assert asks("a", observed=there({"a": (7, 7), "b": (1, 1)}), bridge="br1") == [1]


def test_the_plan_after_the_plan_is_the_same() -> None:
    first = asks("a", "b", "c")
    seen = there({name: (number, number) for name, number in zip("abc", first, strict=True)})
    assert asks("a", "b", "c", observed=seen) == first


def test_a_full_bridge_leaves_it_to_the_switch() -> None:
    seen = there({"t": (1, None)}, theirs=("t",), held=tuple(range(2, HIGHEST + 1)))
    assert asks("a", observed=seen) == [None]
