"""Linux bridges whose frames go through the firewall."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.doctor.command import sysctl
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Picture
from netctl.doctor.wishes import Wishes

CHECK = "bridge-firewall"


def check(picture: Picture, _wishes: Wishes) -> Iterator[Finding]:
    bridges: dict[str, list[str]] = {}
    for link in picture.links:
        if link.kind == "bridge" and picture.ports.get(link.place):
            bridges.setdefault(link.netns, []).append(link.name)
    for netns, table in sorted(picture.filtered):
        if netns in bridges:
            name = f"net.bridge.bridge-nf-call-{table}"
            yield Finding(
                CHECK,
                f"{name} in namespace {netns}" if netns else name,
                f"br_netfilter hands what crosses a Linux bridge ({', '.join(sorted(bridges[netns])[:4])}) to {table}, "
                "which has rules for what is forwarded",
                "guests on one bridge reach each other by ARP and not by IP, since Docker or a firewall was started; "
                "packets with a bad checksum vanish",
                (sysctl(netns, f"{name}=0"),),
                "is the firewall meant to filter between guests (Kubernetes and some others need it so)? if not, run "
                "the command",
                "trap",
            )
