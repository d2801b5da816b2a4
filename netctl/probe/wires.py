"""The wires of a policy, each proved on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from netctl.policy import Policy, PortRef, Ports, Wire
from netctl.probe.crossing import Row, check
from netctl.probe.ends import End, NamespaceEnd, NoEnd, PlayedEnd, VlanEnd
from netctl.probe.guest import control_path

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
    """Why the wire could not be checked; empty when it was."""

    @property
    def crossed(self) -> bool:
        """Whether everything did that the ends' MTU allows."""
        return bool(self.rows) and all(row.good for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        return {
            "wire": self.wire,
            "ends": list(self.ends),
            "crossed": self.crossed,
            "problem": self.problem,
            "frames": [row.as_json() for row in self.rows],
        }


def check_wires(
    policy: Policy, host: str, names: Iterable[str] = (), patience: float = 0.0
) -> list[Checked]:
    """Check the wires called `names`, or all that end on `host`, which is this machine, in order.

    A wire that does not carry everything is checked again for `patience` seconds in all: it may be on its
    way up. Raises UnknownWire.
    """
    ports = Ports(policy)
    end = time.monotonic() + patience
    checked = [check_wire(ports, wire, host) for wire in chosen(policy, ports, host, set(names))]
    by_name = {wire.name: wire for wire in policy.wires}
    while not all(each.crossed for each in checked) and time.monotonic() < end:
        time.sleep(AGAIN)
        checked = [
            each if each.crossed else check_wire(ports, by_name[each.wire], host)
            for each in checked
        ]
    return checked


def chosen(policy: Policy, ports: Ports, host: str, names: set[str]) -> list[Wire]:
    """The wires called `names`; without names those with an end on `host`."""
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


def check_wire(ports: Ports, wire: Wire, host: str) -> Checked:
    refs = [ports.resolve(end.port) for end in wire.ends]
    names = (refs[0].port, refs[1].port)
    with ExitStack() as stack:
        try:
            opened = [stack.enter_context(open_end(ports, ref, host)) for ref in refs]
        except NoEnd as problem:
            return Checked(wire.name, names, problem=str(problem))
        one, other = (
            opened_end if end.vlan is None else VlanEnd(opened_end, end.vlan)
            for opened_end, end in zip(opened, wire.ends, strict=True)
        )
        return Checked(wire.name, names, tuple(check(one, other)))


def open_end(ports: Ports, ref: PortRef, host: str) -> End:
    """The end of a wire at the port `ref`. Raises NoEnd where there is no way to put frames in."""
    if ref.host != host:
        raise NoEnd(f"{ref.port}: it is on host {ref.host}; only ends on this one, {host}, can be checked")
    declared = ports.declared.get(ref)
    if declared is None or declared.nic is None or declared.guest is None:
        raise NoEnd(f"{ref.port}: it is no guest's NIC, so there is nobody to put frames in there")
    if declared.nic.device == "veth":
        return NamespaceEnd(ref.port, declared.guest, str(declared.path[-1]))
    if declared.nic.device == "tap":
        return PlayedEnd(ref.port, control_path(ref.port))
    raise NoEnd(f"{ref.port}: frames cannot be put into a {declared.nic.device}")
