"""Which way the kernel would take: its routing policy, played through (ip-rule(8))."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from netctl.desired.routing import Route, Rule

IP = IPv4Address | IPv6Address

_Entry = tuple[int, int, tuple[int, int, int], Route]
"""Where its network begins, how many bits of an address do not count, how much it counts (least first), the route."""


class Tables:
    """The rules and routes of one namespace and one family."""

    def __init__(self, rules: Iterable[Rule], routes: Iterable[Route]) -> None:
        self.rules = sorted(rules, key=lambda rule: rule.priority)
        self._routes: dict[int, list[_Entry]] = defaultdict(list)
        for number, route in enumerate(routes):
            network = network_of(route.to)
            shift = network.max_prefixlen - network.prefixlen
            rank = (-network.prefixlen, route.metric, number)
            self._routes[route.table].append((int(network.network_address) >> shift, shift, rank, route))

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
        number = int(target) if target is not None else None
        fits = (
            (rank, route)
            for start, shift, rank, route in self._routes.get(rule.table, ())
            if -rank[0] > shortest and (number >> shift == start if number is not None else not rank[0])
        )
        return min(fits, key=lambda fit: fit[0], default=(None, None))[1]


def _covers(network: str | None, address: IP | None) -> bool:
    return network is None or (address is not None and address in network_of(network))


@lru_cache(maxsize=4096)
def network_of(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)
