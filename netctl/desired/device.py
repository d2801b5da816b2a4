"""All that a host has, and the order in which it comes to be. The kernel room makes it, this room says what it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from netctl.desired.link import Link, Place, Veth
from netctl.desired.routing import Address, Route, Routing
from netctl.plan import Found, Key, Plan, Step, Value, Wanted, delta
from netctl.plan.delta import NOT_WANTED

FIRST = ("dropin", "netns")
LAST = ("address", "sysctl", "route", "rule")
"""The kinds of what comes before the links, and of what comes after them."""


@dataclass(frozen=True)
class Namespace:
    """A named network namespace (`ip netns`), with its loopback up."""

    name: str

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return ("netns", self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"loopback_up": True}


@dataclass(frozen=True)
class Stranger:
    """What was found where a device of another kind is wanted. Nothing is ever made from it."""

    wanted: Key
    """The key that was looked for."""
    kind: str
    """What it is instead, e.g. «dummy», or «hardware»."""

    fixed: ClassVar[frozenset[str]] = frozenset({"kind"})

    @property
    def key(self) -> Key:
        return self.wanted

    def facts(self) -> Mapping[str, Value]:
        return {"kind": self.kind}


Device = Namespace | Link | Stranger | Routing


def plan_host(
    wanted: Collection[Wanted[Device]],
    found: Collection[Found[Device]],
    why_not: Callable[[Device], str] = lambda _: NOT_WANTED,
) -> Plan[Device]:
    """The plan from `found` to `wanted`: what others stand on is made before them and removed after them."""
    plan = delta(wanted, found, why_not=why_not)
    shaken = {step.key: step for step in (*_bared(plan, wanted, found), *_shaken(plan, wanted, found))}
    return Plan(ordered((*plan.steps, *shaken.values())), plan.collisions)


def _bared(
    plan: Plan[Device], wanted: Iterable[Wanted[Device]], found: Iterable[Found[Device]]
) -> Iterator[Step[Device]]:
    """Routes that are as they should be, and go when the plan takes an address from their device: IPv4 has no route by
    a device without one, and none that sends from one that is not there. They are said again."""
    bared = set()
    for step in plan.steps:
        if step.verb == "remove" and isinstance(step.item, Address):
            bared.add((step.item.netns, step.item.dev))
        elif isinstance(step.item, Link) and any(change.fact == "addresses" for change in step.changes):
            bared.add(step.item.place)
    if not bared:
        return
    there = {each.item.key: each.item for each in found if each.ours}
    calm = there.keys() - {step.key for step in plan.steps}
    for want in wanted:
        device = want.item
        if isinstance(device, Route) and (device.netns, device.dev) in bared and device.key in calm:
            why = f"goes with an address of {device.dev}; {want.why}"
            yield Step("change", why, there[device.key], device)


def _shaken(
    plan: Plan[Device], wanted: Iterable[Wanted[Device]], found: Iterable[Found[Device]]
) -> Iterator[Step[Device]]:
    """What is as it should be, and will not be when the plan takes away what it hangs on, if only to make that again:
    a VLAN goes with its device, the other end of a veth too, the port of a bridge is let go."""
    goes = [step.item for step in plan.steps if step.verb in ("remove", "replace")]
    gone = {device.place for device in goes if isinstance(device, Link)}
    if not gone:
        return
    there = {each.item.key: each.item for each in found if each.ours}
    planned = {step.key for step in plan.steps}
    calm = [want for want in wanted if want.item.key in there and want.item.key not in planned]
    moved = True
    while moved:
        moved = False
        for want in list(calm):
            held = [place for place in _hangs_on(want.item) if place in gone]
            if not held:
                continue
            calm.remove(want)
            device = want.item
            let_go = isinstance(device, Link) and held == [(device.netns, device.master)]
            if isinstance(device, Link) and not let_go:
                gone.add(device.place)
                moved = True
            why = f"{held[0][1]} is made again; {want.why}"
            yield Step("change" if let_go else "replace", why, there[device.key], device)


def _hangs_on(device: Device) -> tuple[Place, ...]:
    match device:
        case Veth():
            return (*device.needs(), (device.peer_netns, device.peer))
        case Link():
            return device.needs()
        case Address() | Route():
            return ((device.netns, device.dev),)
        case _:
            return ()


def ordered(steps: Iterable[Step[Device]]) -> tuple[Step[Device], ...]:
    """Removals first, the topmost first of all, then the rest from the bottom up: on one height what is made again
    before what is new, for it may be the other end of that."""
    removes = [step for step in steps if step.verb == "remove"]
    makes = [step for step in steps if step.verb != "remove"]
    above = Heights(step.item for step in removes)
    removes.sort(key=lambda step: above.of(step.item), reverse=True)
    below = Heights(step.item for step in makes)
    makes.sort(key=lambda step: (below.of(step.item), step.verb != "replace"))
    return (*removes, *makes)


class Heights:
    """How many devices each of some stands on."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._links = {device.place: device for device in devices if isinstance(device, Link)}
        self._known: dict[Place, int] = {}

    def of(self, device: Device) -> tuple[int, int]:
        """Sorts as it is to be made."""
        kind = device.key[0]
        if isinstance(device, Link):
            return len(FIRST), self._height(device.place)
        return (FIRST.index(kind), 0) if kind in FIRST else (len(FIRST) + 1 + LAST.index(kind), 0)

    def _height(self, place: Place) -> int:
        """A circle, which no policy has and no kernel either, ends where it is entered."""
        known = self._known.get(place)
        if known is not None:
            return known
        link = self._links.get(place)
        if link is None:
            return -1
        self._known[place] = 0
        needs = link.needs()
        if isinstance(link, Veth) and (peer := self._links.get((link.peer_netns, link.peer))) is not None:
            needs += peer.needs()
        self._known[place] = height = 1 + max(map(self._height, needs), default=-1)
        return height
