"""Policy -> what a host with several NICs needs so that each answers for itself.

An uplink has a table of its own: the network of its address and a default route. Which table is asked is a matter of
rules, at three priorities that are the same on every host, so that to add an uplink touches nothing of the others:

  10990  from ADDRESS to NETWORK lookup TABLE    the networks of all uplinks: an answer to a neighbour of another
                                                 uplink leaves where the question came in, not by the other NIC
  11000  lookup main suppress_prefixlength 0     whatever main knows better than its default route is kept
  11010  from ADDRESS lookup TABLE               the rest

So strict reverse path filtering (rp_filter=1) works as it is, and is left alone. What the host starts itself has no
address yet when its way is looked up: it goes by main's default route, for which the first uplink of each family has
one there, behind any that somebody else made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from netctl.desired.routing import (
    MAIN,
    NETWORKD,
    NETWORKMANAGER,
    RT_TABLES,
    Address,
    DropIn,
    Route,
    Routing,
    Rule,
    Sysctl,
    setting_of,
    signature,
)
from netctl.plan import Wanted
from netctl.policy import Loaded
from netctl.policy.link import NicLink
from netctl.policy.model import Host

OWN_NETWORKS, SPECIFICS, OWN_TABLE = 10990, 11000, 11010
"""Priorities of rules. Lower is asked first; the kernel's own `lookup main` is 32766."""

BEHIND = 4096
"""The metric of the default route in main: more than that of a router's advertisement or of DHCP (1024)."""

ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
_TAKEN_NAMES = ("unspec", "local", "main", "default")


@dataclass(frozen=True)
class _Leg:
    """One address of an uplink, with its gateway."""

    dev: str
    table: int
    interface: IPv4Interface | IPv6Interface
    gateway: str
    why: str

    @property
    def family(self) -> int:
        return self.interface.version

    @property
    def ip(self) -> str:
        return str(self.interface.ip)

    @property
    def network(self) -> str:
        return str(self.interface.network)

    @property
    def src(self) -> str | None:
        return self.ip if self.family == 4 else None


def uplinks(loaded: Loaded, host: str) -> list[Wanted[Routing]]:
    """What the uplinks of `host` need. `loaded.policy` must be valid; a host that it does not name has nothing."""
    assert loaded.policy is not None
    entry = loaded.policy.hosts.get(host)
    if entry is None or not entry.uplinks:
        return []
    legs = list(_legs(loaded, host, entry))
    return [
        *_drop_ins(loaded, host, entry),
        *_addresses(entry, legs),
        *_sysctls(legs),
        *_routes(legs),
        *_rules(legs),
    ]


def _legs(loaded: Loaded, host: str, entry: Host) -> Iterator[_Leg]:
    for name, uplink in entry.uplinks.items():
        why = f"{loaded.where(('hosts', host, 'uplinks', name))} uplink {name}"
        gateways = {ip_address(each).version: each for each in uplink.gateway}
        for text in uplink.address:
            interface = ip_interface(text)
            yield _Leg(name, uplink.table, interface, gateways[interface.version], why)


def _addresses(entry: Host, legs: Sequence[_Leg]) -> Iterator[Wanted[Routing]]:
    """Those of NICs; a link of netctl's has its addresses itself."""
    for leg in legs:
        link = entry.links.get(leg.dev)
        if link is None or (isinstance(link, NicLink) and str(leg.interface) not in link.addresses):
            yield Wanted(Address(leg.dev, str(leg.interface)), leg.why)


def _routes(legs: Sequence[_Leg]) -> Iterator[Wanted[Routing]]:
    linked: set[tuple[int, str]] = set()
    opened: set[tuple[int, int]] = set()
    for leg in legs:
        if (leg.table, leg.network) not in linked:
            linked.add((leg.table, leg.network))
            yield Wanted(Route(leg.network, leg.dev, src=leg.src, table=leg.table), leg.why)
        if (leg.table, leg.family) not in opened:
            opened.add((leg.table, leg.family))
            yield Wanted(
                Route(ANYWHERE[leg.family], leg.dev, via=leg.gateway, src=leg.src, table=leg.table), leg.why
            )
    for family, anywhere in ANYWHERE.items():
        first = next((leg for leg in legs if leg.family == family), None)
        if first is not None:
            yield Wanted(
                Route(anywhere, first.dev, via=first.gateway, src=first.src, metric=BEHIND, table=MAIN),
                f"{first.why}, the first: for what the host itself starts",
            )


def _rules(legs: Sequence[_Leg]) -> Iterator[Wanted[Routing]]:
    for leg in legs:
        networks = {each.network for each in legs if each.family == leg.family and each.dev != leg.dev}
        for network in sorted(networks):
            rule = Rule(OWN_NETWORKS, leg.table, leg.family, leg.ip, network)
            yield Wanted(rule, f"{leg.why}: it answers by itself there, too")
    for family in ANYWHERE:
        first = next((leg for leg in legs if leg.family == family), None)
        if first is not None:
            rule = Rule(SPECIFICS, MAIN, family, suppress_prefixlength=0)
            yield Wanted(rule, f"{first.why}: what main knows better than its default is kept")
    for leg in legs:
        yield Wanted(Rule(OWN_TABLE, leg.table, leg.family, leg.ip), leg.why)


def _sysctls(legs: Sequence[_Leg]) -> Iterator[Wanted[Routing]]:
    said: set[str] = set()
    for leg in legs:
        beside = sorted(
            {
                each.dev
                for each in legs
                if each.dev != leg.dev
                and each.family == leg.family
                and each.interface.network.overlaps(leg.interface.network)
            }
        )
        settings: list[tuple[str, str, str]] = []
        if leg.family == 4 and beside:
            why = f"in one subnet with {', '.join(beside)}"
            settings = [
                ("arp_ignore", "1", f"{why}: else it answers ARP for them"),
                ("arp_announce", "2", f"{why}: else it asks in their name"),
            ]
        elif leg.family == 6:
            settings = [("keep_addr_on_down", "1", "else its address is gone when the link was down")]
        for name, value, why in settings:
            setting = setting_of(leg.dev, leg.family, name)
            if setting not in said:
                said.add(setting)
                yield Wanted(Sysctl(setting, value), f"{leg.why}, {why}")


def _drop_ins(loaded: Loaded, host: str, entry: Host) -> Iterator[Wanted[Routing]]:
    why = f"{loaded.where(('hosts', host, 'uplinks'))} uplinks"
    named = sorted((uplink.table, name) for name, uplink in entry.uplinks.items() if name not in _TAKEN_NAMES)
    yield Wanted(
        DropIn(RT_TABLES, _lines(signature(host), *(f"{table}\t{name}" for table, name in named))),
        f"{why}: `ip` calls their tables by the names of the NICs",
    )
    nics = ";".join(f"interface-name:={name}" for name in sorted(entry.uplinks))
    yield Wanted(
        DropIn(NETWORKMANAGER, _lines(signature(host), "[device-netctl]", f"match-device={nics}", "managed=0")),
        f"{why}: NetworkManager, which is installed here, would take away their addresses and routes; "
        "in force when it is loaded again",
    )
    keep = ("[Network]", "ManageForeignRoutes=no", "ManageForeignRoutingPolicyRules=no")
    yield Wanted(
        DropIn(NETWORKD, _lines(signature(host), *keep)),
        f"{why}: systemd-networkd, where it runs, would take away their routes and rules; "
        "in force when it is started again",
    )


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)
