"""The wires of a policy, each proved on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from netctl.path import Reason, notes
from netctl.policy import Policy, PortRef, Ports, Wire
from netctl.probe.crossing import Row, check, strays
from netctl.probe.diagnosis import diagnose
from netctl.probe.ends import End, NamespaceEnd, NoEnd, NotHere, PlayedEnd, VlanEnd
from netctl.probe.guest import control_path
from netctl.probe.witness import Witness

AGAIN = 0.1
"""Seconds between two checks of a wire that is given time to come up."""


class UnknownWire(Exception):
    """The policy has no wire of that name; the message says which it may have been."""


@dataclass(frozen=True)
class Checked:
    """What crossed one wire."""

    wire: str
    ends: tuple[str, str]
    """The names of its ports."""
    rows: tuple[Row, ...] = ()
    problem: str = ""
    """Why no frame was sent; empty when some were."""
    testable: bool = True
    """Whether frames can be put in here at both ends, as far as that is up to this machine."""
    missing: str = ""
    """Why the switch has not got the wire; empty when it has, or when nobody looked."""
    notes: tuple[Reason, ...] = ()
    """What else is known about the way."""

    @property
    def crossed(self) -> bool:
        """Whether everything did that the ends' MTU allows."""
        return bool(self.rows) and all(row.good for row in self.rows)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong that could be seen from here."""
        return self.crossed or not self.testable

    def as_json(self) -> dict[str, Any]:
        return {
            "wire": self.wire,
            "ends": list(self.ends),
            "crossed": self.crossed,
            "testable": self.testable,
            "installed": not self.missing,
            "problem": self.problem or self.missing,
            "notes": [note.as_json() for note in self.notes],
            "frames": [row.as_json() for row in self.rows],
        }


def check_wires(
    policy: Policy,
    host: str,
    names: Iterable[str] = (),
    patience: float = 0.0,
    witness: Callable[[Wire], AbstractContextManager[Witness]] | None = None,
) -> list[Checked]:
    """Check the wires called `names`, or all that end on `host`, which is this machine, in order.

    A wire that does not carry everything is checked again for `patience` seconds in all: it may be on its
    way up. Then `witness` is asked about every wire, and where frames of it are lost. Raises UnknownWire.
    """
    ports = Ports(policy)
    taken = vlans(policy, ports)
    end = time.monotonic() + patience
    by_name = {wire.name: wire for wire in policy.wires}
    checked = [check_wire(ports, wire, host, taken) for wire in chosen(policy, ports, host, set(names))]
    while not all(each.good for each in checked) and time.monotonic() < end:
        time.sleep(AGAIN)
        checked = [
            each if each.good else check_wire(ports, by_name[each.wire], host, taken)
            for each in checked
        ]
    if witness is None:
        return checked
    closer = []
    for each in checked:
        wire = by_name[each.wire]
        with witness(wire) as one:
            closer.append(look_closer(ports, wire, host, each, one))
    return closer


def vlans(policy: Policy, ports: Ports) -> dict[PortRef, frozenset[int]]:
    """The VLANs of each port that wires end in."""
    taken: dict[PortRef, frozenset[int]] = {}
    for wire in policy.wires:
        for end in wire.ends:
            if end.vlan is not None:
                ref = ports.resolve(end.port)
                taken[ref] = taken.get(ref, frozenset()) | {end.vlan}
    return taken


def chosen(policy: Policy, ports: Ports, host: str, names: set[str]) -> list[Wire]:
    """The wires called `names`; without names those with an end on `host`. Raises UnknownWire."""
    if not names:
        return [
            wire for wire in policy.wires if any(ports.resolve(end.port).host == host for end in wire.ends)
        ]
    known = [wire.name for wire in policy.wires]
    for name in sorted(names.difference(known)):
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(known[:20]) or 'none'}"
        raise UnknownWire(f"the policy has no wire called {name!r}; {hint}")
    return [wire for wire in policy.wires if wire.name in names]


def check_wire(ports: Ports, wire: Wire, host: str, taken: dict[PortRef, frozenset[int]]) -> Checked:
    refs = [ports.resolve(end.port) for end in wire.ends]
    names = (refs[0].port, refs[1].port)
    with ExitStack() as stack:
        try:
            one, other = open_ends(ports, wire, host, stack)
        except NoEnd as problem:
            return Checked(wire.name, names, problem=str(problem), testable=problem.testable)
        vlans = [taken.get(ref, frozenset()) for ref in refs]
        return Checked(wire.name, names, tuple(check(one, other, strays=strays(one, other, vlans))))


def look_closer(ports: Ports, wire: Wire, host: str, checked: Checked, witness: Witness) -> Checked:
    """With whether the switch has the wire, where frames are lost, and what else is known about the way."""
    told = replace(checked, missing=witness.installed(), notes=tuple(notes(witness.path())))
    if all(row.outcome != "lost" for row in checked.rows):
        return told
    with ExitStack() as stack:
        try:
            ends = open_ends(ports, wire, host, stack)
        except NoEnd:
            return told
        return replace(told, rows=tuple(diagnose(ends, checked.rows, witness)))


def open_ends(ports: Ports, wire: Wire, host: str, stack: ExitStack) -> tuple[End, End]:
    """Both ends, until `stack` closes. Raises NoEnd."""
    opened: list[End] = []
    problems: list[NoEnd] = []
    for end in wire.ends:
        try:
            port = stack.enter_context(open_end(ports, ports.resolve(end.port), host))
            opened.append(port if end.vlan is None else VlanEnd(port, end.vlan))
        except NoEnd as problem:
            problems.append(problem)
    if problems:
        raise next((each for each in problems if each.testable), problems[0])
    return opened[0], opened[1]


def open_end(ports: Ports, ref: PortRef, host: str) -> End:
    """The end of a wire at the port `ref`. Raises NoEnd where there is no way to put frames in."""
    if ref.host != host:
        raise NotHere(f"{ref.port}: it is on host {ref.host}; only ends on this one, {host}, can be checked")
    declared = ports.declared.get(ref)
    if declared is None or declared.nic is None or declared.guest is None:
        raise NotHere(f"{ref.port}: it is no guest's NIC, so there is nobody to put frames in there")
    if declared.nic.device == "veth":
        return NamespaceEnd(ref.port, declared.guest, str(declared.path[-1]))
    if declared.nic.device == "tap":
        return PlayedEnd(ref.port, control_path(ref.port))
    raise NotHere(f"{ref.port}: frames cannot be put into a {declared.nic.device}")
