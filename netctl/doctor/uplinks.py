"""Hosts with several ways out: does each address answer by its own NIC, and may it?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from netctl.desired.routing import MAIN, Route, Rule
from netctl.doctor import arp
from netctl.doctor.command import conf, ip, rule_words, sysctl
from netctl.doctor.finding import Finding
from netctl.doctor.lookup import Tables, network_of
from netctl.doctor.picture import Address, Picture
from netctl.doctor.wishes import Wishes

RP_FILTER, EMPTY, UNRULED, DUPLICATE = "rp-filter", "empty-table", "no-rule", "duplicate-rules"

PRIORITY = 11010
"""Of a rule that a mending command makes: that of netctl's own."""
FIRST_TABLE = 100
KERNELS = {0, 253, 254, 255}
"""Tables that may be empty: unspec, default, main, local."""

Scope = tuple[str, int]
"""A namespace and a family."""


class Ways:
    """Routing policy, namespace by namespace."""

    def __init__(self, picture: Picture) -> None:
        self.rules: dict[Scope, list[Rule]] = {}
        self.routes: dict[Scope, list[Route]] = {}
        for rule in picture.rules:
            self.rules.setdefault((rule.netns, rule.family), []).append(rule)
        for route in picture.routes:
            self.routes.setdefault((route.netns, network_of(route.to).version), []).append(route)
        self.tables = {scope: Tables(rules, self.routes.get(scope, ())) for scope, rules in self.rules.items()}
        self.defaults: dict[Scope, dict[str, Route]] = {}
        """The default route of each device, the one that counts most, in any table."""
        for scope, routes in self.routes.items():
            for route in routes:
                if not network_of(route.to).prefixlen:
                    there = self.defaults.setdefault(scope, {}).get(route.dev)
                    if there is None or (there.table == MAIN and route.table != MAIN):
                        self.defaults[scope][route.dev] = route

    def filled(self, scope: Scope) -> set[int]:
        """The tables with a route in them."""
        return {route.table for route in self.routes.get(scope, ())}

    def empty(self, rule: Rule) -> bool:
        scope = (rule.netns, rule.family)
        return not rule.more and rule.table not in KERNELS and rule.table not in self.filled(scope)

    def gateway(self, address: Address) -> str | None:
        """The next hop of any default route that is a neighbour of an address."""
        routes = self.routes.get((address.netns, address.family), ())
        near = (r.via for r in routes if r.via and not network_of(r.to).prefixlen)
        return next((via for via in near if network_of(via)[0] in address.interface.network), None)


def check(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    ways = Ways(picture)
    yield from _strict(picture, wishes, ways)
    yield from _empty(picture, ways)
    yield from _unruled(picture, wishes, ways)
    yield from _duplicates(picture)


def _strict(picture: Picture, wishes: Wishes, ways: Ways) -> Iterator[Finding]:
    beside = {
        address: next(other for other in group if other.dev != address.dev)
        for group in arp.beside(picture)
        for address in group
    }
    told = set()
    for address in (each for each in picture.addresses if each.family == 4):
        link = picture.by_place.get(address.place)
        if link is None or not arp.speaks(link) or picture.setting(link, "rp_filter") != 1 or link.place in told:
            continue
        elsewhere = _elsewhere(address, ways, wishes)
        who = "others"
        other = beside.get(address)
        if elsewhere is None and other is not None:
            elsewhere = _neighbours(address, other, ways)
            who = f"neighbours in {address.interface.network}"
        if elsewhere is not None:
            told.add(link.place)
            yield Finding(
                RP_FILTER,
                str(link),
                f"{link} filters by strict reverse path (rp_filter=1), and the way back to {who} from its address "
                f"{address.ip} is {elsewhere}",
                f"who asks {address.ip} by {link.name} gets no answer: tcpdump shows the questions come in, nothing "
                "goes out, and `nstat -az TcpExtIPReversePathFilter` counts",
                (sysctl(link.netns, conf(link.name, "rp_filter", 2)),),
            )


def _elsewhere(address: Address, ways: Ways, wishes: Wishes) -> str | None:
    """By what an answer from the address of an uplink leaves, where that is not the uplink; None where it is."""
    scope = (address.netns, address.family)
    defaults = ways.defaults.get(scope, {})
    wished = not address.netns and address.dev in wishes.uplinks
    if (address.dev not in defaults and not wished) or len(defaults.keys() | {address.dev}) < 2:
        return None
    if scope not in ways.tables:
        return None
    way = ways.tables[scope].way(address.ip, None)
    if way is None:
        return "nowhere"
    return None if way.dev == address.dev else f"by {way.dev}"


def _neighbours(address: Address, other: Address, ways: Ways) -> str | None:
    tables = ways.tables.get((address.netns, address.family))
    network = min(address.interface.network, other.interface.network, key=lambda each: -each.prefixlen)
    taken = {address.interface.ip, other.interface.ip}
    target = next((host for host in network.hosts() if host not in taken), None)
    if tables is None or target is None:
        return None
    way = tables.way(address.ip, str(target))
    return None if way is None or way.dev == address.dev else f"by {way.dev}"


def _empty(picture: Picture, ways: Ways) -> Iterator[Finding]:
    owners = {(each.netns, each.ip): each for each in picture.addresses}
    groups: dict[tuple[object, ...], list[Rule]] = {}
    for rule in picture.rules:
        if ways.empty(rule):
            groups.setdefault((rule.netns, rule.family, rule.table, rule.source), []).append(rule)
    for rules in groups.values():
        rule = rules[0]
        owner = owners.get((rule.netns, rule.source or ""))
        yield Finding(
            EMPTY,
            _named(rule),
            f"the rule «{_named(rule)}» asks table {rule.table}, which is empty",
            "the next rule decides: what is meant to leave by one NIC leaves by another, silently; it came with a link "
            "that went down, or an address that was removed: their routes go, the rules stay",
            _refill(picture, ways, rule, owner)
            if owner
            else tuple(ip(each.netns, "rule", "del", *rule_words(each), family=each.family) for each in rules),
            "" if owner else "does somebody fill the table later, a VPN or a routing daemon? if not, run the command",
        )


def _refill(picture: Picture, ways: Ways, rule: Rule, owner: Address) -> tuple[str, ...]:
    commands = []
    link = picture.by_place.get(owner.place)
    if link is not None and not link.up:
        commands.append(ip(link.netns, "link", "set", "dev", link.name, "up"))
    return (*commands, *_routes(ways, owner, rule.table))


def _routes(ways: Ways, address: Address, table: int) -> Iterator[str]:
    """What fills the table of an address."""
    words = ["dev", address.dev, *(["src", address.ip] if address.family == 4 else []), "table", str(table)]
    network = address.interface.network
    yield ip(address.netns, "route", "replace", network, *words, family=address.family)
    gateway = ways.gateway(address)
    if gateway is not None:
        yield ip(address.netns, "route", "replace", "default", "via", gateway, *words, family=address.family)


def _unruled(picture: Picture, wishes: Wishes, ways: Ways) -> Iterator[Finding]:
    free = (number for number in count(FIRST_TABLE) if number not in {rule.table for rule in picture.rules})
    for address in picture.addresses:
        scope = (address.netns, address.family)
        link = picture.by_place.get(address.place)
        if link is None or not link.up or link.master:
            continue
        if address.interface.ip.is_link_local or address.interface.ip.is_loopback:
            continue
        elsewhere = _elsewhere(address, ways, wishes)
        if elsewhere is None or any(rule.source == address.ip and ways.empty(rule) for rule in ways.rules[scope]):
            continue
        default = ways.defaults.get(scope, {}).get(address.dev)
        commands: list[str] = []
        if default is not None and default.table != MAIN:
            table = default.table
        else:
            table = next(number for number in free if number not in ways.filled(scope))
            commands += _routes(ways, address, table)
            if default is not None and not default.via:
                words = ("route", "replace", "default", "dev", address.dev, "table", table)
                commands.append(ip(address.netns, *words, family=address.family))
        rule = Rule(PRIORITY, table, address.family, address.ip, netns=address.netns)
        commands.append(ip(address.netns, "rule", "add", *rule_words(rule), family=address.family))
        complete = len(commands) != 2
        yield Finding(
            UNRULED,
            f"{address.ip} of {link}",
            f"the host has several ways out, and no rule says that answers from {address.ip} leave by {address.dev}: "
            f"they leave {elsewhere}",
            "who asks it from another network is answered by the wrong NIC, with an address that the network there "
            "does not know: a firewall or reverse path filter on the way drops it; or it works until the other fails",
            tuple(commands) if complete else (),
            ""
            if complete
            else f"its gateway is not known: give it a default route in a table of its own, then «{commands[-1]}»",
        )


def _duplicates(picture: Picture) -> Iterator[Finding]:
    groups: dict[tuple[object, ...], list[Rule]] = {}
    for rule in picture.rules:
        if not rule.more:
            key = (rule.netns, rule.family, rule.source, rule.to, rule.table, rule.suppress_prefixlength)
            groups.setdefault(key, []).append(rule)
    for rules in groups.values():
        if len(rules) > 1:
            first, *rest = sorted(rules, key=lambda rule: rule.priority)
            yield Finding(
                DUPLICATE,
                _named(first),
                f"the rule «{_named(first)}» is there {len(rules)} times, at the priorities "
                f"{', '.join(str(rule.priority) for rule in (first, *rest))}",
                "some script adds it again each time it runs, for want of a fixed `pref`; when the address moves, one "
                "`ip rule del` does not take it away, and the host goes on answering by the old table",
                tuple(ip(rule.netns, "rule", "del", *rule_words(rule), family=rule.family) for rule in rest),
            )


def _named(rule: Rule) -> str:
    where = f" in namespace {rule.netns}" if rule.netns else ""
    return f"from {rule.source or 'all'}{f' to {rule.to}' if rule.to else ''} lookup {rule.table}{where}"
