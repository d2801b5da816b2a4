"""Whose bridges are whose: those that netctl makes, those that it takes over, those that it keeps its hands off."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from netctl.desired.number import numbered
from netctl.desired.queue import Orphan, Shaper
from netctl.desired.row import ORDER, Bridge, Observed, Port, PortState, Row
from netctl.plan import Collision, Found, Plan, Wanted, delta
from netctl.plan.delta import NOT_WANTED, changes

GIVEN_BACK = "netctl took it over and the policy no longer asks for that: it is given back as it is"

PROTOCOL = "OpenFlow13"


def plan(wanted: Iterable[Wanted[Row]], observed: Observed, leaving: Collection[str] = ()) -> Plan[Row]:
    """The plan for a database.

    A bridge that somebody else made is taken over if that is wanted and can be; else it is a collision, and nothing
    is put on it. A port that somebody else put on a bridge is used as it is, unless the bridge is netctl's and the
    port would have to be isolated. A rate is not kept where it cannot be, nor in the place of somebody else's queues. A
    bridge that was taken over and is no longer wanted is given back, one of `leaving` later: it has flows of netctl's.
    """
    rows = list(wanted)
    bridges = {f.item.name: f for f in observed.rows if isinstance(f.item, Bridge)}
    guests = {(f.item.bridge, f.item.name) for f in observed.rows if isinstance(f.item, Port) and not f.ours}
    shapers = {f.item.port: f for f in observed.rows if isinstance(f.item, Shaper)}
    collisions: list[Collision] = []
    barred: set[str] = set()
    adopted: set[str] = set()
    named: set[str] = set()
    for want in rows:
        if isinstance(want.item, Bridge):
            named.add(want.item.name)
            collision = refuse(want, bridges.get(want.item.name))
            if collision is not None:
                collisions.append(collision)
                barred.add(want.item.name)
            elif want.item.adopted:
                adopted.add(want.item.name)
    kept = []
    for want in rows:
        item = want.item
        if bridge_of(item) in barred:
            continue
        if isinstance(item, Port) and (item.bridge, item.name) in guests:
            used_as_it_is = item.tag is None or item.bridge in adopted
            if used_as_it_is:
                continue
        if isinstance(item, Shaper):
            collision = refuse_shaper(item, want.why, observed.ports.get(item.port), shapers.get(item.port))
            if collision is not None:
                collisions.append(collision)
                continue
        kept.append(want)
    for name in leaving:
        found = bridges.get(name)
        if found is not None and found.ours and name not in named:
            kept.append(Wanted(found.item, GIVEN_BACK))
            said = f"bridge {name} is given back once netctl's flows are off it"
            collisions.append(Collision(found.item.key, GIVEN_BACK, said=said))
    there = [
        Found(f.item, f.ours or (isinstance(f.item, Bridge) and f.item.name in adopted))
        for f in observed.rows
        if bridge_of(f.item) not in barred or not f.ours
    ]
    made = delta(numbered(kept, observed), there, ORDER, why_not)
    elsewhere = {collision.key[1] for collision in made.collisions if collision.key[0] == "port"}
    steps = [step for step in made.steps if not (isinstance(step.after, Shaper) and step.after.port in elsewhere)]
    return Plan(tuple(steps), (*collisions, *made.collisions))


def refuse(want: Wanted[Row], found: Found[Row] | None) -> Collision | None:
    """Why a bridge cannot be had as it is wanted, if it cannot."""
    item = want.item
    assert isinstance(item, Bridge)
    there = found.item if found is not None else None
    assert there is None or isinstance(there, Bridge)

    def said(text: str) -> Collision:
        return Collision(item.key, want.why, said=f"bridge {item.name} {text}")

    if not item.adopted:
        if found is None or there is None:
            return None
        if there.adopted:
            return said("was taken over: `adopt: true` keeps it so; to give it back, take it out of the policy")
        return None if found.ours else Collision(item.key, want.why)
    if found is None or there is None:
        return said("is not there: `adopt: true` is for a bridge that somebody else made; without it netctl makes one")
    if there.strangers:
        return said(
            f"has a controller already, {', '.join(there.strangers)}, and netctl is not it; "
            f"«ovs-vsctl del-controller {item.name}» takes that away, and all flows with it"
        )
    if there.datapath != item.datapath:
        return said(f"has datapath {there.datapath}, which stays: say `datapath: {there.datapath}`")
    if there.protocols and PROTOCOL not in there.protocols:
        return said(
            f"speaks {', '.join(there.protocols)} only; «ovs-vsctl add bridge {item.name} protocols {PROTOCOL}» "
            "lets netctl in"
        )
    return None


def refuse_shaper(want: Shaper, why: str, state: PortState | None, found: Found[Row] | None) -> Collision | None:
    """Why the rate of a port cannot be kept as it is wanted, if it cannot."""
    if state is None or state.bridge != want.bridge:
        return None
    if state.kind not in ("", "system"):
        return Collision(
            want.key,
            why,
            said=f"the rate of port {want.port} cannot be kept: it is of type {state.kind}, and frames queue at "
            "devices of the host alone; wire such a device, or take the rate out",
        )
    if found is None or found.ours or not changes(found.item, want):
        return None
    return Collision(
        want.key,
        why,
        said=f"port {want.port} has a QoS row that netctl did not make; «ovs-vsctl clear port {want.port} qos» "
        "takes it away",
    )


def adopted_bridges(observed: Observed) -> set[str]:
    """The bridges that netctl took over."""
    return {bridge_of(f.item) for f in observed.rows if f.ours and is_adopted(f.item)}


def doomed(observed: Observed) -> set[str]:
    """The bridges whose flows go, everybody's, as soon as their fail_mode is put right."""
    return {
        f.item.name
        for f in observed.rows
        if f.ours and isinstance(f.item, Bridge) and not f.item.adopted and f.item.fail_mode != "secure"
    }


def bridge_of(row: Row) -> str:
    """The bridge that a row belongs to; "" where nothing uses the row."""
    if isinstance(row, Orphan):
        return ""
    return row.name if isinstance(row, Bridge) else row.bridge


def is_adopted(row: Row) -> bool:
    return isinstance(row, Bridge) and row.adopted


def why_not(row: Row) -> str:
    return GIVEN_BACK if is_adopted(row) else NOT_WANTED
