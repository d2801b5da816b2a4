"""What the language has and this version does not do yet, refused where it is said: nothing is ignored.

Whoever builds a feature takes its line out of NOT_YET.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from netctl.policy.brief import Brief
from netctl.policy.finding import Finding
from netctl.policy.model import Host, Policy, TapCopy, Wire
from netctl.policy.ports import Path, PortRef
from netctl.policy.rate import Rate
from netctl.policy.value import Part

SLOWEST = 8_000
"""Bits per second: a full frame takes a second and a half then."""

FASTEST = 34_000_000_000
"""Bits per second: Open vSwitch before 3.2 tells the kernel a rate in bytes per second of 32 bits."""

Places = Iterator[tuple[Path, str]]
"""Where something is said, and what else to say about it."""

OfPolicy = Callable[[Policy], Places]


@dataclass(frozen=True)
class OfWire:
    """What one wire says."""

    says: Callable[[Wire | Brief, Sequence[PortRef]], bool]
    """Given the wire, and those of its ends that were found."""
    key: Path
    hint: Callable[[Sequence[PortRef]], str] = lambda _: ""


@dataclass(frozen=True)
class OfCopy:
    """What a copy of a wire says. Both are given an end of the wire and the port that gets the copy."""

    says: Callable[[PortRef, PortRef], bool]
    hint: Callable[[PortRef, PortRef], str]


@dataclass(frozen=True)
class NotYet:
    what: str
    find: OfPolicy | OfWire | OfCopy
    """Where a policy says it."""
    model: type[Part]
    """What the reference marks: this part of the language,"""
    field: str | None = None
    """or one of its keys."""

    def refusal(self, path: Path, hint: str) -> Finding:
        return Finding(path, f"not supported yet: {self.what}{f' ({hint})' if hint else ''}", True)


def check(policy: Policy) -> Iterator[Finding]:
    """What a policy says beside its wires and their copies."""
    for each in NOT_YET:
        if not isinstance(each.find, OfWire | OfCopy):
            for path, hint in each.find(policy):
                yield each.refusal(path, hint)


def check_wire(wire: Wire | Brief, ends: Sequence[PortRef], at: Path) -> Iterator[Finding]:
    """What one wire says; `ends` are those that were found."""
    for each, find in OF_WIRES:
        if find.says(wire, ends):
            yield each.refusal((*at, *find.key), find.hint(ends))


def check_copy(end: PortRef, monitor: PortRef, at: Path) -> Iterator[Finding]:
    """What a copy says, of a wire that ends at `end`, for the port `monitor`."""
    for each in NOT_YET:
        if isinstance(each.find, OfCopy) and each.find.says(end, monitor):
            yield each.refusal(at, each.find.hint(end, monitor))


def _hosts(policy: Policy) -> Iterator[tuple[Path, Host]]:
    for name, host in policy.hosts.items():
        yield ("hosts", name), host


def _of_wire(field: str) -> OfWire:
    return OfWire(lambda wire, _: bool(getattr(wire, field, None)), (field,))


def _tls(policy: Policy) -> Places:
    for path, host in _hosts(policy):
        if host.ovsdb is not None and host.ovsdb.startswith("ssl:"):
            yield (*path, "ovsdb"), "tcp: over a network that you trust, or a tunnel, is"


def _queues(policy: Policy) -> Places:
    for name in policy.queues:
        yield ("queues", name), ""


def _rates(wire: Wire | Brief) -> tuple[Rate | None, Rate | None]:
    """From the first end to the second, and back."""
    rates = None if isinstance(wire, Brief) else wire.rate
    return (rates.a_to_b, rates.b_to_a) if rates is not None else (None, None)


def _in_percent(wire: Wire | Brief, _: Sequence[PortRef]) -> bool:
    return any(rate is not None and rate.bits is None for rate in _rates(wire))


def _extreme(wire: Wire | Brief, _: Sequence[PortRef]) -> bool:
    said = [rate.bits for rate in _rates(wire) if rate is not None and rate.bits is not None]
    return any(not SLOWEST <= bits <= FASTEST for bits in said)


def _to_vlan(wire: Wire | Brief, _: Sequence[PortRef]) -> bool:
    to_second, to_first = _rates(wire)
    if isinstance(wire, Brief):
        return False
    first, second = wire.ends
    return (to_first is not None and first.vlan is not None) or (to_second is not None and second.vlan is not None)


def _apart(one: PortRef, other: PortRef) -> bool:
    return (one.host, one.bridge) != (other.host, other.bridge)


_ACROSS = OfWire(
    lambda _, ends: len(ends) == 2 and _apart(*ends),
    (),
    lambda ends: f"the ends are {ends[0]} and {ends[1]}",
)
_COPIED_ACROSS = OfCopy(_apart, lambda end, monitor: f"the wire ends in {end}, the copy in {monitor}")

NOT_YET = (
    NotYet("ovsdb over TLS", _tls, Host, "ovsdb"),
    NotYet("queues", _queues, Policy, "queues"),
    NotYet("a rate in percent", OfWire(_in_percent, ("rate",), lambda _: "bits per second are"), Wire, "rate"),
    NotYet("a rate under 8kbit or over 34gbit", OfWire(_extreme, ("rate",)), Wire, "rate"),
    NotYet(
        "a rate towards a VLAN of a port",
        OfWire(_to_vlan, ("rate",), lambda _: "towards a whole port it is: other wires leave by the same port"),
        Wire,
        "rate",
    ),
    NotYet("classify", _of_wire("classify"), Wire, "classify"),
    NotYet("wires across bridges", _ACROSS, Wire, "ends"),
    NotYet("taps across bridges", _COPIED_ACROSS, TapCopy, "to"),
)

OF_WIRES = tuple((each, each.find) for each in NOT_YET if isinstance(each.find, OfWire))
