"""What the language has and this version does not do yet, refused where it is said: nothing is ignored.

Whoever builds a feature takes its line out of NOT_YET.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netctl.policy.finding import Finding
from netctl.policy.model import Bridge, Host, MacvtapNic, Part, Policy, Port, TapCopy, Wire
from netctl.policy.ports import Path, PortError, Ports

Places = Iterator[tuple[Path, str]]
"""Where something is said, and what else to say about it."""


@dataclass(frozen=True)
class NotYet:
    what: str
    find: Callable[[Policy, Ports], Places]
    """Where a policy says it."""
    model: type[Part]
    """What the reference marks: this part of the language,"""
    field: str | None = None
    """or one of its keys."""


def check(policy: Policy, ports: Ports) -> Iterator[Finding]:
    for each in NOT_YET:
        for path, hint in each.find(policy, ports):
            yield Finding(path, f"not supported yet: {each.what}{f' ({hint})' if hint else ''}", True)


def _hosts(policy: Policy) -> Iterator[tuple[Path, Host]]:
    for name, host in policy.hosts.items():
        yield ("hosts", name), host


def _section(section: str) -> Callable[[Policy, Ports], Places]:
    def find(policy: Policy, _: Ports) -> Places:
        for path, host in _hosts(policy):
            for name in getattr(host, section):
                yield (*path, section, name), ""

    return find


def _of_wire(field: str) -> Callable[[Policy, Ports], Places]:
    def find(policy: Policy, _: Ports) -> Places:
        for number, wire in enumerate(policy.wires):
            if getattr(wire, field):
                yield ("wires", number, field), ""

    return find


def _tls(policy: Policy, _: Ports) -> Places:
    for path, host in _hosts(policy):
        if host.ovsdb is not None and host.ovsdb.startswith("ssl:"):
            yield (*path, "ovsdb"), "tcp: over a network that you trust, or a tunnel, is"


def _macvtaps(policy: Policy, _: Ports) -> Places:
    for path, host in _hosts(policy):
        for guest_name, guest in host.guests.items():
            for nic_name, nic in guest.nics.items():
                if isinstance(nic, MacvtapNic):
                    yield (
                        (*path, "guests", guest_name, "nics", nic_name, "device"),
                        "a tap with a wire is",
                    )


def _fabric(policy: Policy, _: Ports) -> Places:
    for path, host in _hosts(policy):
        for name, bridge in host.bridges.items():
            for number, port in enumerate(bridge.ports):
                if port.role == "fabric":
                    yield (*path, "bridges", name, "ports", number, "role"), "leave role out"


def _discover(policy: Policy, _: Ports) -> Places:
    for path, host in _hosts(policy):
        for name, bridge in host.bridges.items():
            if bridge.discover:
                yield (*path, "bridges", name, "discover"), "leave it out"


def _queues(policy: Policy, _: Ports) -> Places:
    for name in policy.queues:
        yield ("queues", name), ""


def _carrier(policy: Policy, _: Ports) -> Places:
    for number, wire in enumerate(policy.wires):
        if wire.carrier == "follow":
            yield (
                ("wires", number, "carrier"),
                "leave it out: for now, a wire without it ignores its ends' carrier",
            )


def _across(policy: Policy, ports: Ports) -> Places:
    for number, wire in enumerate(policy.wires):
        try:
            one, other = (ports.resolve(end.port) for end in wire.ends)
        except PortError:
            continue
        if (one.host, one.bridge) != (other.host, other.bridge):
            yield ("wires", number), f"the ends are {one} and {other}"


def _tapped_across(policy: Policy, ports: Ports) -> Places:
    ends = {wire.name: wire.ends[0].port for wire in policy.wires}
    for number, tap in enumerate(policy.taps):
        try:
            wired, monitor = ports.resolve(ends.get(tap.of, "")), ports.resolve(tap.to)
        except PortError:
            continue
        if (wired.host, wired.bridge) != (monitor.host, monitor.bridge):
            yield ("taps", number, "to"), f"the wire ends in {wired}, the copy in {monitor}"


NOT_YET = (
    NotYet("ovsdb over TLS", _tls, Host, "ovsdb"),
    NotYet("macvtap NICs", _macvtaps, MacvtapNic),
    NotYet("links", _section("links"), Host, "links"),
    NotYet("uplinks", _section("uplinks"), Host, "uplinks"),
    NotYet("sysctls", _section("sysctls"), Host, "sysctls"),
    NotYet("queues", _queues, Policy, "queues"),
    NotYet("the rate of a wire", _of_wire("rate"), Wire, "rate"),
    NotYet("classify", _of_wire("classify"), Wire, "classify"),
    NotYet("observe", _of_wire("observe"), Wire, "observe"),
    NotYet("carrier: follow", _carrier, Wire, "carrier"),
    NotYet("role: fabric", _fabric, Port, "role"),
    NotYet("discover", _discover, Bridge, "discover"),
    NotYet("wires across bridges", _across, Wire, "ends"),
    NotYet("taps across bridges", _tapped_across, TapCopy, "to"),
)
