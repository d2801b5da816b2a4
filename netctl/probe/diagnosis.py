"""Where frames of a wire are lost: they are sent again, and counters before and after are put side by side."""

from __future__ import annotations

import selectors
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from netctl.path import Grown, Path, Place, Reason, Step, Traits, passes, place, reasons
from netctl.path.loss import last
from netctl.probe.crossing import Row, Trial, listen, watch
from netctl.probe.ends import End
from netctl.probe.frames import KINDS, NONCE
from netctl.probe.witness import FlowCount, Witness

COPIES = 8
"""Frames that are sent of a kind to see which counters move."""

QUIET = 0.03
"""Seconds that they have to arrive."""

LOOKS = 8
"""So often, at most, the counters of flows are read for one wire: each time takes half a second."""


@dataclass
class Case:
    """A kind that was lost in one direction."""

    row: Row
    trial: Trial
    sender: int
    grown: Grown | None = None
    answer: Place = "unknown"


def diagnose(ends: tuple[End, End], rows: Sequence[Row], witness: Witness) -> list[Row]:
    """The rows (of `check`: each kind has one for each direction, the one from the first end first), those of lost
    frames with where they were lost and what is known to hold them back there.

    Sends COPIES frames of each lost kind, once or a few times more.
    """
    path = witness.path()
    by_name = {kind.name: kind for kind in KINDS}
    cases = [
        Case(row, Trial(by_name[row.kind], ends[number % 2], ends[1 - number % 2]), number % 2)
        for number, row in enumerate(rows)
        if row.outcome == "lost"
    ]
    with selectors.DefaultSelector() as selector:
        watch(selector, *ends)
        groups = [group for way in (0, 1) if (group := [case for case in cases if case.sender == way])]
        pending = look(groups, witness, selector)
        if pending and not path.problem:
            look_at_flows(pending, path, witness, selector)
    told = {id(case.row): tell(case, path) for case in cases}
    return [told.get(id(row), row) for row in rows]


def look(groups: list[list[Case]], witness: Witness, selector: selectors.BaseSelector) -> list[list[Case]]:
    """Which kinds do not enter port A, and which leave by port B: what can be seen at once. Kinds are sent together as
    long as the same happens to all of them, and apart where it does not. Returns the groups that enter and do not
    leave."""
    pending = []
    while groups:
        group = groups.pop(0)
        grown = send(group, witness, selector)
        crossed = [case for case in group if case.trial.row is not None]
        if len(group) > 1 and (crossed or not alike(grown)):
            groups[:0] = halves(group)
            continue
        for case in group:
            case.grown = grown
            case.answer = "sometimes" if crossed else place(grown)
        if group[0].answer == "unknown":
            pending.append(group)
    return pending


def look_at_flows(
    groups: list[list[Case]], path: Path, witness: Witness, selector: selectors.BaseSelector
) -> None:
    """Which flow takes kinds that enter and do not leave: one direction at a time, for flows may take both."""
    before = witness.flows()
    for _ in range(LOOKS):
        if not groups:
            return
        group = groups.pop(0)
        sent = send(group, witness, selector)
        after = witness.flows()
        grown = with_flows(sent, path.sides[group[0].sender].number, before, after)
        before = after
        if len(group) > 1 and not (alike(grown) and alike_in_flows(grown)):
            groups[:0] = halves(group)
            continue
        for case in group:
            case.grown = grown
            case.answer = "sometimes" if case.trial.row is not None else place(grown)


def halves(group: list[Case]) -> list[list[Case]]:
    half = len(group) // 2
    return [group[:half], group[half:]]


def alike(grown: Grown) -> bool:
    """Whether all that was sent entered, or none; and whether all left, or none."""
    if not grown.before or not grown.after:
        return True
    return all(not COPIES <= step.grown < grown.sent for step in (grown.before[-1], grown.after[0]))


def alike_in_flows(grown: Grown) -> bool:
    """Whether all that was sent met the wire's flow, or all another one, or all none."""
    assert grown.flow is not None
    if grown.flow >= COPIES:
        return grown.flow >= grown.sent
    return bool(grown.others) or grown.elsewhere < COPIES


def send(cases: Sequence[Case], witness: Witness, selector: selectors.BaseSelector) -> Grown:
    """What grows on the way of `cases`, all of one direction, while COPIES frames of each are sent."""
    sender = cases[0].sender
    before = witness.steps(sender)
    for case in cases:
        for _ in range(COPIES):
            case.trial.send()
    trials = [case.trial for case in cases]
    listen(selector, trials, trials, QUIET)
    after = witness.steps(sender)
    return Grown(COPIES * len(cases), _growth(before[0], after[0]), _growth(before[1], after[1]))


def _growth(before: Sequence[Step], after: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(
        Step(new.where, new.grown - old.grown, new.dropped - old.dropped)
        for old, new in zip(before, after, strict=False)
    )


def with_flows(
    grown: Grown, port: int | None, before: Mapping[object, FlowCount], after: Mapping[object, FlowCount]
) -> Grown:
    """With what the flows matched between two looks at them; those that only look at other ports are passed over."""
    more = {
        key: each.packets - (before[key].packets if key in before else 0)
        for key, each in after.items()
        if each.in_port in (None, port)
    }
    mine = sum(
        count
        for key, count in more.items()
        if after[key].of_wire and (after[key].table, after[key].in_port) == (0, port)
    )
    others = sorted(
        ((after[key].text(), count) for key, count in more.items() if not after[key].of_wire and count >= grown.sent),
        key=lambda other: other[1],
    )
    learning = any(after[key].learning and count >= grown.sent for key, count in more.items())
    elsewhere = max((count for key, count in more.items() if not after[key].of_wire), default=0)
    return replace(grown, flow=mine, others=tuple(others), elsewhere=elsewhere, learning=learning)


def tell(case: Case, path: Path) -> Row:
    """The row of a lost kind, in full."""
    assert case.grown is not None
    trial = case.trial
    frame = trial.sender.outside(trial.kind.build(trial.sender.mac, trial.receiver.mac, bytes(NONCE)))
    traits = Traits.of(frame, trial.receiver.mac)
    known = reasons(path, traits, case.sender)
    if case.answer == "flow" and case.grown.learning:
        held = passes.normal(path.forward_bpdu, traits)
        if held is not None:
            known.append(Reason("flow", held.why, held.cure.replace("BRIDGE", path.bridge), held.source))
    because = tuple(each for each in known if each.place == case.answer)
    if case.answer == "unknown":
        because = tuple(known)
    besides = tuple(each for each in known if each not in because)
    refused = f"{trial.sender.name}: {trial.refused}; " if trial.refused else ""
    detail = refused + where(case, path)
    return replace(case.row, detail=detail, place=case.answer, because=because, besides=besides)


def where(case: Case, path: Path) -> str:
    """Where a kind was lost, for a person."""
    grown = case.grown
    assert grown is not None
    here, there = path.sides[case.sender].port, path.sides[1 - case.sender].port
    match case.answer:
        case "sometimes":
            return f"sent {COPIES} times more, it crossed: lost now and then"
        case "entry":
            return f"it never entered port {here}{_between(grown.before, grown.sent)}"
        case "exit":
            return f"it left by port {there} and did not reach the guest{_between(grown.after, grown.sent)}"
        case "output":
            dropped = grown.after[0].dropped
            drops = f", which says that it dropped {dropped} of {grown.sent}" if dropped > 0 else ""
            return f"it met the wire's flow and did not leave by port {there}{drops}"
        case "flow":
            entered = f"it entered port {here} and met"
            if grown.others:
                return f"{entered} another flow than the wire's: {' or '.join(text for text, _ in grown.others[:3])}"
            return f"{entered} no flow at all"
    if path.problem:
        return f"where is not known: {path.problem}"
    return "where is not known: the counters on its way tell nothing"


def _between(steps: Sequence[Step], sent: int) -> str:
    """Between which two counters frames went missing."""
    passed, missed = last(steps, sent)
    if missed is None:
        return ": all counters on its way have it" if steps else ""
    drops = f" ({missed.dropped} dropped there)" if missed.dropped > 0 else ""
    seen = f"{passed.where} has it, " if passed else ""
    return f": {seen}{missed.where} has not{drops}"
