"""Which way the kernel would take: its routing policy, played through (ip-rule(8))."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from netctl.desired.routing import Route, Rule

IP = IPv4Address | IPv6Address


class Tables:
    """The rules and routes of one namespace and one family."""

    def __init__(self, rules: Iterable[Rule], routes: Iterable[Route]) -> None:
        self.rules = sorted(rules, key=lambda rule: rule.priority)
        self.routes: dict[int, list[Route]] = defaultdict(list)
        for route in routes:
            self.routes[route.table].append(route)

    def way(self, source: str, to: str | None) -> Route | None:
        """The route of a packet from an address of this host; without `to`, to somewhere that nothing is known about.

        Rules that ask for more than addresses are left out.
        """
        target = ip_address(to) if to is not None else None
        for rule in self.rules:
            if rule.more or not _covers(rule.source, ip_address(source)) or not _covers(rule.to, target):
                continue
            found = self._best(rule, target)
            if found is not None:
                return found
        return None

    def _best(self, rule: Rule, target: IP | None) -> Route | None:
        shortest = -1 if rule.suppress_prefixlength is None else rule.suppress_prefixlength
        fits: list[tuple[int, int, int, Route]] = []
        for route in self.routes.get(rule.table, ()):
            network = network_of(route.to)
            if network.prefixlen > shortest and (target in network if target is not None else not network.prefixlen):
                fits.append((-network.prefixlen, route.metric, len(fits), route))
        return min(fits)[-1] if fits else None


def _covers(network: str | None, address: IP | None) -> bool:
    return network is None or (address is not None and address in network_of(network))


@lru_cache(maxsize=4096)
def network_of(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)
