"""Flows -> the wires that they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from netctl.desired.flow import COOKIE, IN_PORT, MAX_PORT, Flow, Foreign, Match, Output
from netctl.desired.flows import WIRE_PRIORITY, crossing
from netctl.desired.observe import observing

End = tuple[str, int | None]
"""A port, and the VLAN of it that is wired; None for all of it."""


@dataclass(frozen=True)
class Found:
    """A wire that a switch has."""

    bridge: str
    ends: tuple[End, End]
    cookie: int | None
    """None where somebody else wrote the flows."""
    copies: tuple[str, ...] = ()
    observe: bool = False


def ours(bridge: str, flows: Iterable[Flow], numbers: Mapping[str, int]) -> tuple[list[Found], list[Flow]]:
    """The wires that netctl's flows on a bridge are, and those of their flows that are none."""
    names = {number: name for name, number in numbers.items()}
    by_cookie: dict[int, list[Flow]] = {}
    for flow in flows:
        if flow.cookie != COOKIE:
            by_cookie.setdefault(flow.cookie, []).append(flow)
    found: list[Found] = []
    odd: list[Flow] = []
    for cookie, group in by_cookie.items():
        pair = [flow for flow in group if flow.table == 0 and flow.priority == WIRE_PRIORITY]
        wire = _wire(bridge, pair[0], pair[1], names) if len(pair) == 2 else None
        if wire is None:
            odd += group
        else:
            heard = all(each in group for flow in pair for each in observing(flow))
            found.append(Found(bridge, wire.ends, cookie, wire.copies, heard))
    return found, odd


def others(bridge: str, flows: Iterable[Flow], numbers: Mapping[str, int]) -> Iterator[Found]:
    """The wires that somebody else's flows are: two, each of which sends all of one port to the other."""
    names = {number: name for name, number in numbers.items()}
    plain = {
        flow.match.in_port: out
        for flow in flows
        if flow.table == 0
        and not flow.extra
        and flow.match == Match(in_port=flow.match.in_port)
        and (out := _only_output(flow)) is not None
    }
    for one, other in combinations(sorted(each for each in plain if each is not None), 2):
        if plain[one] == other and plain[other] == one and one in names and other in names and other < MAX_PORT:
            yield Found(bridge, ((names[one], None), (names[other], None)), None)


def _only_output(flow: Flow) -> int | None:
    """The port to which a flow sends every frame, and does nothing else; its flags, which count, do not count."""
    done = [each for each in flow.actions if not (isinstance(each, Foreign) and each.text.startswith("flags="))]
    return done[0].port if len(done) == 1 and isinstance(done[0], Output) else None


def _wire(bridge: str, one: Flow, other: Flow, names: Mapping[int, str]) -> Found | None:
    """The wire that has these two flows, made again to see whether it has them."""
    first, second = one.match.in_port, other.match.in_port
    if first is None or second is None:
        return None
    copies = tuple(one.outputs())[1:]
    here, there = one.match.vlan, other.match.vlan
    there_again = crossing(here, there, IN_PORT if first == second else second, copies)
    back_again = crossing(there, here, IN_PORT if first == second else first, copies)
    if (there_again, back_again) != (one.actions, other.actions):
        return None
    if any(number not in names for number in (first, second, *copies)):
        return None
    monitors = tuple(names[number] for number in copies)
    return Found(bridge, ((names[first], here), (names[second], there)), None, monitors)
