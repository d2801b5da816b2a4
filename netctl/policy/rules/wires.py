"""Wires and their copies: a port ends one wire, or one for each of its VLANs."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.policy.finding import Finding
from netctl.policy.model import Policy, Wire
from netctl.policy.name import shown, wire_name
from netctl.policy.ports import Path, PortError, PortRef, Ports, UnknownPort
from netctl.policy.rules.queues import check_classes
from netctl.policy.stage import Stage


def check(policy: Policy, ports: Ports, stage: Stage) -> Iterator[Finding]:
    names: dict[str, Path] = {}
    used: dict[PortRef, dict[int | None, tuple[str, Path]]] = {}
    for number, wire in enumerate(policy.wires):
        at: Path = ("wires", number)
        yield from _name(wire, at, names, stage)
        found: list[tuple[PortRef, int | None]] = []
        for end, each in enumerate(wire.ends):
            where = (*at, "ends", end)
            try:
                ref = ports.resolve(each.port)
            except PortError as error:
                if not (isinstance(error, UnknownPort) and _excused(each.port, stage)):
                    yield Finding((*where, "port"), stage.bad_port(error))
                continue
            if found and _clash(found[0], (ref, each.vlan)):
                yield Finding((*where, "port"), f"both ends of this wire are {ref}: a wire joins two ports")
                continue
            found.append((ref, each.vlan))
            yield from _once(used.setdefault(ref, {}), ref, each.vlan, wire.name, where, stage)
        if wire.rate is not None and wire.rate.a_to_b is None and wire.rate.b_to_a is None:
            yield Finding((*at, "rate"), "this says no rate: write one such as 100mbit, or a_to_b or b_to_a", True)
        yield from check_classes(policy, wire, at, stage)
    yield from _taps(policy, ports, names, used, stage)
    yield from _implied(policy, ports, stage)


def _name(wire: Wire, at: Path, names: dict[str, Path], stage: Stage) -> Iterator[Finding]:
    first = names.setdefault(wire.name, at)
    if first != at:
        yield Finding(
            (*at, "name"),
            f"a wire called {shown(wire.name)} is there already, at {stage.where(first)}: give one another `name`",
        )
    if wire.name:
        try:
            wire_name(wire.name)
        except ValueError as error:
            yield Finding((*at, "name"), f"{error}; say one with `name`")


def _once(
    used: dict[int | None, tuple[str, Path]],
    ref: PortRef,
    vlan: int | None,
    wire: str,
    at: Path,
    stage: Stage,
) -> Iterator[Finding]:
    other = used.get(vlan) or used.get(None) or (next(iter(used.values())) if vlan is None and used else None)
    if other is None:
        used[vlan] = (wire, at)
        return
    what = str(ref) if vlan is None else f"{ref}, VLAN {vlan},"
    yield Finding(
        (*at, "port"),
        f"{what} is on a wire already: {other[0]} at {stage.where(other[1])}; "
        "a port ends one wire, or one for each VLAN",
    )


def _clash(one: tuple[PortRef, int | None], other: tuple[PortRef, int | None]) -> bool:
    return one[0] == other[0] and (one[1] is None or other[1] is None or one[1] == other[1])


def _excused(spec: str, stage: Stage) -> bool:
    """Whether what is unknown may be so because of something already told."""
    return not stage.complete or any(part in stage.lost for part in spec.split("/"))


def _taps(
    policy: Policy,
    ports: Ports,
    names: dict[str, Path],
    used: dict[PortRef, dict[int | None, tuple[str, Path]]],
    stage: Stage,
) -> Iterator[Finding]:
    seen: dict[tuple[str, PortRef], Path] = {}
    for number, tap in enumerate(policy.taps):
        at: Path = ("taps", number)
        message = stage.unknown("wire", tap.of, names)
        if message:
            yield Finding((*at, "of"), message)
        try:
            ref = ports.resolve(tap.to)
        except PortError as error:
            if not (isinstance(error, UnknownPort) and _excused(tap.to, stage)):
                yield Finding((*at, "to"), stage.bad_port(error))
            continue
        if ref in used:
            wire, where = next(iter(used[ref].values()))
            yield Finding(
                (*at, "to"), f"{ref} ends the wire {wire}, at {stage.where(where)}: a copy needs its own port"
            )
        first = seen.setdefault((tap.of, ref), at)
        if first != at:
            yield Finding(at, f"this copy is there already, at {stage.where(first)}: take one out")


def _implied(policy: Policy, ports: Ports, stage: Stage) -> Iterator[Finding]:
    """A port that only a wire names must not be something else on its host."""
    owners = {(ref.host, ref.port): (ref, declared.path) for ref, declared in ports.declared.items()}
    for ref, path in ports.implied.items():
        if ref.port in policy.hosts[ref.host].bridges:
            yield Finding(path, f"{shown(ref.port)} is a bridge; it cannot be the port that a wire ends in")
            continue
        owner, where = owners.setdefault((ref.host, ref.port), (ref, path))
        if owner != ref:
            yield Finding(
                path, f"{shown(ref.port)} is a port of {owner.bridge}, at {stage.where(where)}: write {owner}"
            )
