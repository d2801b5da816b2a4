"""ARP flux: a host answers for all its addresses by any of its NICs, so that two in one subnet are taken for each
other (Linux, Documentation/networking/ip-sysctl.rst: arp_filter)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netctl.desired.link import Place
from netctl.doctor.command import conf, sysctl
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Address, Link, Picture
from netctl.doctor.wishes import Wishes

CHECK = "arp-flux"


def check(picture: Picture, _wishes: Wishes) -> Iterator[Finding]:
    for group in beside(picture):
        links = {address.place: picture.by_place[address.place] for address in group}
        loose = [link for link in links.values() if not _minds(picture, link)]
        if not loose:
            continue
        names = ", ".join(sorted(map(str, links.values())))
        network = min((address.interface.network for address in group), key=lambda each: each.prefixlen)
        yield Finding(
            CHECK,
            names,
            f"{names} have addresses in one subnet ({network}), and "
            f"{' and '.join(sorted(link.name for link in loose))} may answer ARP for any of them",
            "neighbours learn the MAC of the wrong NIC, another one after each `ip neigh flush`: traffic for one comes "
            "in by the other, one cable idles, and pulling the other cuts both addresses off",
            tuple(
                sysctl(link.netns, conf(link.name, "arp_ignore", 1), conf(link.name, "arp_announce", 2))
                for link in sorted(loose, key=lambda link: link.name)
            ),
        )


def beside(picture: Picture) -> Iterator[list[Address]]:
    """IPv4 addresses in subnets that overlap, in groups of at least two NICs, each up and with ARP."""
    by_netns: dict[str, list[Address]] = {}
    for place, addresses in picture.addressed.items():
        link = picture.by_place.get(place)
        if link is not None and speaks(link):
            for address in addresses:
                if address.family == 4 and address.interface.network.prefixlen < 31:
                    by_netns.setdefault(address.netns, []).append(address)
    for addresses in by_netns.values():
        for group in _nested(addresses):
            if len(_places(group)) > 1:
                yield group


def speaks(link: Link) -> bool:
    """Whether it is up, has ARP, and stands for itself."""
    return link.up and link.arp and not link.master and link.name != "lo"


def _places(group: Sequence[Address]) -> set[Place]:
    return {address.place for address in group}


def _nested(addresses: Sequence[Address]) -> Iterator[list[Address]]:
    """By subnets: of two that overlap, one is inside the other."""
    spans = sorted(
        (
            (int(each.interface.network.network_address), int(each.interface.network.broadcast_address), each)
            for each in addresses
        ),
        key=lambda span: (span[0], -span[1], span[2].text, span[2].dev),
    )
    group: list[Address] = []
    end = -1
    for first, last, address in spans:
        if first > end and group:
            yield group
            group = []
        group.append(address)
        end = max(end, last)
    if group:
        yield group


def _minds(picture: Picture, link: Link) -> bool:
    """Whether it answers, and asks, for its own addresses only."""
    if picture.setting(link, "arp_filter"):
        return True
    return picture.setting(link, "arp_ignore") >= 1 and picture.setting(link, "arp_announce") >= 2
