"""Wires and their copies: a port ends one wire, or one for each of its VLANs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set

from netctl.policy import refuse
from netctl.policy.finding import Finding
from netctl.policy.model import Policy, Wire
from netctl.policy.name import is_wire_name, wire_name
from netctl.policy.ports import Path, PortError, PortRef, UnknownPort
from netctl.policy.rules.queues import check_classes
from netctl.policy.stage import Stage
from netctl.policy.wiring import Draft, Wiring


def check(
    policy: Policy, wiring: Wiring, dropped: Collection[int], said: Sequence[str], stage: Stage
) -> Iterator[Finding]:
    """Puts the wires into `wiring`, but those whose numbers are `dropped`. `said` is «file:line:col» of each."""
    draft = Draft(wiring, frozenset(), stage)
    for number, wire in enumerate(policy.wires):
        if number in dropped:
            continue
        yield from draft.add(wire, number, said[number])
        if isinstance(wire, Wire):
            at: Path = ("wires", number)
            if wire.name and not is_wire_name(wire.name):
                yield from _bad_name(wire.name, at)
            if wire.rate is not None and wire.rate.a_to_b is None and wire.rate.b_to_a is None:
                yield Finding((*at, "rate"), "this says no rate: write one such as 100mbit, or a_to_b or b_to_a", True)
            yield from check_classes(policy, wire, at, stage)
    yield from _taps(policy, wiring, draft, frozenset(policy.unwire), stage)
    draft.adopt()


def _bad_name(name: str, at: Path) -> Iterator[Finding]:
    try:
        wire_name(name)
    except ValueError as error:
        yield Finding((*at, "name"), f"{error}; say one with `name`")


def _taps(
    policy: Policy, wiring: Wiring, draft: Draft, excused: Set[str], stage: Stage
) -> Iterator[Finding]:
    seen: dict[tuple[str, PortRef], Path] = {}
    found = dict(wiring.taps)
    for number, tap in enumerate(policy.taps):
        at: Path = ("taps", number)
        message = None if tap.of in excused else stage.unknown("wire", tap.of, draft.names())
        if message:
            yield Finding((*at, "of"), message)
        if number not in found:
            yield from _bad_port(tap.to, (*at, "to"), wiring, stage)
            continue
        ref = found[number]
        message = draft.imply(ref, (*at, "to")) or draft.fabric(ref)
        if message:
            yield Finding((*at, "to"), message)
        for slot in draft.users(ref).values():
            wire, where = draft.user(slot)
            yield Finding((*at, "to"), f"{ref} ends the wire {wire}, at {where}: a copy needs its own port")
            break
        first = seen.setdefault((tap.of, ref), at)
        if first != at:
            yield Finding(at, f"this copy is there already, at {stage.where(first)}: take one out")
        cable = draft.cables.get(tap.of)
        if cable is not None:
            yield from refuse.check_copy(cable.ends[0], ref, (*at, "to"))


def _bad_port(spec: str, at: Path, wiring: Wiring, stage: Stage) -> Iterator[Finding]:
    try:
        wiring.ports.resolve(spec)
    except PortError as error:
        if not (isinstance(error, UnknownPort) and stage.excused(spec)):
            yield Finding(at, stage.bad_port(error))
