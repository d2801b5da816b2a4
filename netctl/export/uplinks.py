"""Tables and rules -> the uplinks that they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_interface

from netctl.desired.routing import MAIN, Address, Route, Rule, setting_of
from netctl.desired.uplink import ANYWHERE, BEHIND, OWN_TABLE
from netctl.export.draft import Draft, Entry, Scope

_SET = ("arp_ignore", "arp_announce", "keep_addr_on_down")
"""What an uplink sets of its own NIC."""


@dataclass
class Taken:
    """What uplinks bring along, so that it is not said again."""

    routes: set[Route] = field(default_factory=set)
    addresses: set[Address] = field(default_factory=set)
    settings: set[str] = field(default_factory=set)


def uplinks(scope: Scope, made: Draft) -> Taken:
    taken = Taken()
    survey = scope.survey
    routes = [each.route for each in survey.routes if each.ours and not each.route.netns]
    rules = [each.rule for each in survey.rules if each.ours and not each.rule.netns]
    legs: dict[tuple[int, str], list[Rule]] = {}
    for rule in rules:
        out = _default(routes, rule.table, rule.family)
        if rule.priority == OWN_TABLE and rule.source is not None and out is not None:
            legs.setdefault((rule.table, out.dev), []).append(rule)
    first = {
        route.family: route.dev for route in routes if route.table == MAIN and route.metric == BEHIND and route.via
    }
    for (table, dev), asked in sorted(legs.items(), key=lambda each: (each[0][1] not in first.values(), each[0])):
        texts = list(_addresses(scope, dev, asked))
        gateways = [out.via for family in ANYWHERE if (out := _default(routes, table, family)) is not None and out.via]
        if ("uplinks", dev) in scope.without or dev in made.uplinks or len(texts) != len(asked):
            continue
        value = {
            "address": texts[0] if len(texts) == 1 else texts,
            "gateway": gateways[0] if len(gateways) == 1 else gateways,
            "table": table,
        }
        made.uplinks[dev] = Entry(value)
        taken.routes |= {route for route in routes if route.table == table and route.dev == dev}
        taken.routes |= {route for route in routes if route.table == MAIN and route.metric == BEHIND}
        taken.addresses |= {Address(dev, text) for text in texts}
        taken.settings |= {setting_of(dev, family, name) for name in _SET for family in ANYWHERE}
    _rest(scope, made)
    return taken


def _default(routes: list[Route], table: int, family: int) -> Route | None:
    for route in routes:
        if route.table == table and route.to == ANYWHERE[family] and route.via:
            return route
    return None


def _addresses(scope: Scope, dev: str, rules: list[Rule]) -> Iterator[str]:
    """With their prefix lengths, in the order of the rules; those that the device has."""
    there = scope.survey.at.get(("", dev))
    for rule in rules:
        for text in (there.link.addresses or ()) if there else ():
            if str(ip_interface(text).ip) == rule.source:
                yield text
                break


def _rest(scope: Scope, made: Draft) -> None:
    for each in scope.survey.rules:
        if each.ours and made.uplinks and not each.rule.netns:
            continue
        if each.ours or scope.everything:
            where = f" in the namespace {each.rule.netns}" if each.rule.netns else ""
            whose = "" if each.ours else ", which somebody else made"
            said = each.rule.key[-1]
            made.left.append(f"rule {said}{where}{whose}: rules come with `uplinks`, and there is no such uplink")
