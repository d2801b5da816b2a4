"""What follows from how a host answered: whether an address is its NIC's own; if not, why and what mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Trouble = Literal["flux", "taken", "unanswered", "dropped", "other NIC", "lost"]
"""Another NIC answers ARP; another machine does; nobody does; a question came in and was not answered; the answer left
by another NIC than the question came in by; it left and did not arrive."""

STRICT = 1


@dataclass(frozen=True)
class Seat:
    """An address of the host, and the NIC that has it."""

    address: str
    network: str
    nic: str
    mac: str
    table: int
    """A routing table that is free for it."""


@dataclass(frozen=True)
class Vantage:
    """From where a question is asked."""

    name: str
    namespace: str
    device: str
    mac: str
    source: str
    """The address that it asks from; empty for ARP without one (RFC 5227, 2.1.1)."""
    near: bool
    """Whether it asks the host itself and no router."""
    own: bool = False
    """Whether it is a NIC of the host that is asked: then only ARP can be tried."""


@dataclass(frozen=True)
class Seen:
    """What became of the questions of one vantage for one address."""

    heard: bool
    """Whether any of them came to the host."""
    macs: tuple[str, ...]
    """Who answered ARP, the first first."""
    asked: tuple[str, ...]
    """The devices of the host that the echo request came in by, the outermost first."""
    left: tuple[str, ...]
    """Those by which the answer left, the innermost first."""
    left_mac: str
    """Which MAC it left from."""
    arrived: bool


@dataclass(frozen=True)
class Facts:
    """What is known about the host that was asked."""

    nics: Mapping[str, str]
    """Its devices by their MACs."""
    rp_filter: Mapping[str, int] = field(default_factory=dict)
    """In force at each device: 0 off, 1 strict, 2 loose (RFC 3704)."""
    arp_ignore: Mapping[str, int] = field(default_factory=dict)
    """In force at each device."""
    ways: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By address here and address there: the device by which the routes send; missing where they have no way."""
    ruled: frozenset[str] = frozenset()
    """The addresses from which there is a rule of its own."""
    twins: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By address: the other devices with an address in its network."""
    networks: tuple[str, ...] = ()
    """Those of all its addresses."""
    keeps_specifics: bool = False
    """Whether there is a rule that asks main for all but its default route."""
    deaf: bool = False
    """Whether it answers no echo requests (icmp_echo_ignore_all)."""
    enter: str = ""
    """What is written before a command that is to run in the host's namespace; empty or with a space at the end."""


@dataclass(frozen=True)
class Fault:
    kind: Trouble
    said: str
    because: str
    remedy: str

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "said": self.said, "because": self.because, "remedy": self.remedy}


@dataclass(frozen=True)
class Verdict:
    """Of one address, asked from one place."""

    seat: Seat
    vantage: Vantage
    seen: Seen
    tried: bool
    """Whether a question came to the host at all."""
    faults: tuple[Fault, ...]

    @property
    def clean(self) -> bool:
        return self.tried and not self.faults

    def as_json(self) -> dict[str, Any]:
        seen = self.seen
        return {
            "from": self.vantage.name,
            "near": self.vantage.near,
            "tried": self.tried,
            "clean": self.clean,
            "arp": list(seen.macs),
            "asked_by": list(seen.asked),
            "left_by": list(seen.left),
            "left_mac": seen.left_mac,
            "arrived": seen.arrived,
            "faults": [each.as_json() for each in self.faults],
        }


def setting(nic: str, what: str) -> str:
    """The name of a NIC's setting as sysctl(8) takes it: a dot in the NIC's own name is written as a slash."""
    return f"net.ipv4.conf.{nic.replace('.', '/')}.{what}"


def judge(seat: Seat, vantage: Vantage, seen: Seen, facts: Facts) -> Verdict:
    """An own NIC of the host that asks for its own address is content when nobody else answers."""
    faults = [*_of_macs(seat, vantage, seen, facts)]
    if not vantage.own:
        faults += _of_echo(seat, vantage, seen, facts)
    return Verdict(seat, vantage, seen, seen.heard, tuple(faults))


def _of_macs(seat: Seat, vantage: Vantage, seen: Seen, facts: Facts) -> Iterator[Fault]:
    mine = {seat.mac} if not (vantage.own and vantage.device == seat.nic) else set()
    wrong = [mac for mac in seen.macs if mac not in mine]
    others = [facts.nics[mac] for mac in wrong if mac in facts.nics]
    strangers = [mac for mac in wrong if mac not in facts.nics]
    if strangers:
        yield Fault(
            "taken",
            f"{' and '.join(strangers)}, which is none of this host's, answers ARP for {seat.address}",
            "another machine has the address too",
            "give one of the two another address",
        )
    if others:
        values = ", ".join(f"{nic} has arp_ignore={facts.arp_ignore.get(nic, 0)}" for nic in others)
        yield Fault(
            "flux",
            f"ARP for {seat.address}, which is {seat.nic}'s, is answered by {' and '.join(others)}",
            f"ARP flux: a NIC answers for the addresses of all of them ({values})",
            _no_flux({*others, seat.nic}, facts),
        )
    if vantage.near and not vantage.own and seen.heard and not seen.macs and ":" not in seat.address:
        yield Fault(
            "unanswered",
            f"nobody answers ARP for {seat.address}, though the question came to this host",
            f"{seat.nic} has arp_ignore={facts.arp_ignore.get(seat.nic, 0)}, or the way back is another (arp_filter)",
            f"`{facts.enter}sysctl -w {setting(seat.nic, 'arp_ignore=1')} {setting(seat.nic, 'arp_filter=0')}`, and "
            "what `all` has must not be more",
        )


def _no_flux(nics: Iterable[str], facts: Facts) -> str:
    """How each of some NICs answers ARP for its own addresses alone."""
    settings = " ".join(setting(nic, what) for nic in sorted(nics) for what in ("arp_ignore=1", "arp_announce=2"))
    return f"uplinks of the policy (docs/uplinks.md), or `{facts.enter}sysctl -w {settings}`"


def _of_echo(seat: Seat, vantage: Vantage, seen: Seen, facts: Facts) -> Iterator[Fault]:
    if not seen.asked:
        return
    entry = seen.asked[-1]
    way = facts.ways.get((seat.address, vantage.source))
    from_where = f"asked by {entry}, {seat.address}"
    uplink = _uplink(seat, vantage, facts)
    if entry in facts.twins.get(seat.address, ()):
        yield Fault(
            "flux",
            f"what {vantage.name} asks of {seat.address}, which is {seat.nic}'s, comes in by {entry}",
            "a router has learnt the wrong MAC: a NIC answers ARP for the addresses of all of them",
            _no_flux({entry, seat.nic}, facts),
        )
    if not seen.left:
        yield Fault(
            "dropped",
            f"{from_where} does not answer {vantage.source}",
            *_why_dropped(entry, way, facts, uplink),
        )
    elif entry not in seen.left:
        ruled = seat.address in facts.ruled
        what = "its rule leads to a table that sends so" if ruled else "no rule is for what it sends"
        yield Fault(
            "other NIC",
            f"{from_where} answers {vantage.source} by {seen.left[0]}, from MAC {seen.left_mac}",
            f"the routes from {seat.address} to {vantage.source} lead by {way or seen.left[0]}: {what}",
            uplink,
        )
    if seen.left and not seen.arrived:
        yield Fault(
            "lost",
            f"the answer of {seat.address} left by {seen.left[0]} and did not come to {vantage.name}",
            "a router on the way filters it, or drops what comes by another way than it would go back (rp_filter)",
            uplink if entry not in seen.left else "look at `sysctl -ar rp_filter` and the filters of those routers",
        )


def _uplink(seat: Seat, vantage: Vantage, facts: Facts) -> str:
    """How the address gets a way of its own, with the rules that an uplink has (`netctl.desired.uplink`)."""
    ip = f"{facts.enter}{'ip -6' if ':' in seat.address else 'ip'}"
    asker = ip_address(vantage.source)
    network = next((each for each in facts.networks if asker in ip_network(each)), None)
    route = seat.network if network == seat.network else "default via GATEWAY"
    commands = [f"{ip} route replace {route} dev {seat.nic} table {seat.table}"]
    if network:
        commands.append(f"{ip} rule add priority 10990 from {seat.address} to {network} lookup {seat.table}")
    else:
        commands.append(f"{ip} rule add priority 11010 from {seat.address} lookup {seat.table}")
        if not facts.keeps_specifics:
            commands.append(f"{ip} rule add priority 11000 lookup main suppress_prefixlength 0")
    return f"an uplink of the policy for {seat.nic} (docs/uplinks.md), or `{'; '.join(commands)}`"


def _why_dropped(entry: str, way: str | None, facts: Facts, uplink: str) -> tuple[str, str]:
    """Because of what, and what mends it."""
    if facts.deaf:
        return "it answers no echo requests", f"`{facts.enter}sysctl -w net.ipv4.icmp_echo_ignore_all=0`"
    if way is None:
        return "it has no route back", uplink
    if facts.rp_filter.get(entry) == STRICT and way != entry:
        return f"strict reverse path filtering (rp_filter=1) of {entry}: the way back leads by {way}", uplink
    return "a packet filter drops the question or the answer", f"`{facts.enter}nft list ruleset` shows it"
