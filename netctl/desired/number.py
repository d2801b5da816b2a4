"""The OpenFlow numbers of ports: each keeps the one that it has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netctl.desired.row import Observed, Port, Row
from netctl.plan import Wanted

HIGHEST = 65279
"""The highest number that can be asked for (`ofport_request`, ovs-vswitchd.conf.db(5))."""

Place = tuple[str, str]
"""A bridge and the name of a port on it."""


def numbered(wanted: Iterable[Wanted[Row]], observed: Observed) -> list[Wanted[Row]]:
    """`wanted` with a number for every port that is not somebody else's.

    A port keeps the number that the switch gave it, whatever was asked for: to insist on another would take that
    away from whoever has it. Without one it keeps what was asked for, unless somebody got that meanwhile. A port
    that is new has the number that its bridge remembers, or else the lowest that is free there, in the order of
    `wanted`. Where there is none left the switch finds one of its own.
    """
    wishes = list(wanted)
    found = {(f.item.bridge, f.item.name): f for f in observed.rows if isinstance(f.item, Port)}
    ours = [
        place
        for place in ((wish.item.bridge, wish.item.name) for wish in wishes if isinstance(wish.item, Port))
        if place not in found or found[place].ours
    ]
    taken = _taken(observed)
    given: dict[Place, int] = {}

    def give(place: Place, number: int | None) -> None:
        if number is not None and taken.setdefault(place[0], {}).setdefault(number, place[1]) == place[1]:
            given[place] = number

    for place in ours:
        if place in found:
            item = found[place].item
            assert isinstance(item, Port)
            give(place, observed.ports[place[1]].ofport or item.number)
    for place in ours:
        state = observed.bridges.get(place[0])
        if place not in given and state is not None:
            give(place, state.numbers.get(place[1]))
    lowest: dict[str, int] = {}
    for place in ours:
        if place not in given:
            bridge = place[0]
            numbers = range(lowest.get(bridge, 1), HIGHEST + 1)
            there = taken.get(bridge, {})
            lowest[bridge] = next((number for number in numbers if number not in there), HIGHEST + 1)
            give(place, lowest[bridge] if lowest[bridge] <= HIGHEST else None)
    return [
        Wanted(replace(wish.item, number=given.get((wish.item.bridge, wish.item.name))), wish.why)
        if isinstance(wish.item, Port)
        else wish
        for wish in wishes
    ]


def _taken(observed: Observed) -> dict[str, dict[int, str]]:
    """By bridge: who has a number, or asked for one that nobody has, others before netctl's."""
    taken = {bridge: dict.fromkeys(state.held, "") for bridge, state in observed.bridges.items()}
    for name, state in observed.ports.items():
        if state.ofport is not None:
            taken.setdefault(state.bridge, {})[state.ofport] = name
    waiting = [
        (f.ours, f.item)
        for f in observed.rows
        if isinstance(f.item, Port) and observed.ports[f.item.name].ofport is None
    ]
    for _, item in sorted(waiting, key=lambda each: each[0]):
        if item.number is not None:
            taken.setdefault(item.bridge, {}).setdefault(item.number, item.name)
    return taken
