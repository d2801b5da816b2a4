"""What netctl left behind: devices that nothing wants, a change that was broken off."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.doctor.command import ip, said
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Link, Picture
from netctl.doctor.wishes import Wishes

DEVICES, JOURNAL = "stale-devices", "broken-off"

OF_GUESTS = "libvirt:"
"""Marks that begin so are of devices that the metadata of a libvirt domain asks for, and that go with their guest."""

_SHOWN = 5


def check(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    if wishes.host:
        yield from _devices(picture, wishes)
    if picture.broken_off:
        yield Finding(
            JOURNAL,
            picture.broken_off,
            f"`{picture.broken_off}` was broken off in the middle, and nobody has taken back what it did",
            "the host is neither as it was nor as the policy says",
            (said(picture.netctl, "confirm", "--cancel"),),
        )


def _devices(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    stale: dict[str, list[Link]] = {}
    for link in picture.links:
        looked_after = link.mark in picture.agents or link.mark.startswith(OF_GUESTS)
        if link.mark and not looked_after and link.place not in wishes.places:
            stale.setdefault(link.mark, []).append(link)
    namespaces: dict[str, list[str]] = {}
    for name, mark in picture.namespaces.items():
        if mark and mark not in picture.agents and name not in wishes.namespaces:
            namespaces.setdefault(mark, []).append(name)
    for mark in sorted({*stale, *namespaces}):
        links, rooms = stale.get(mark, []), sorted(namespaces.get(mark, []))
        left = [*(str(link) for link in links if link.name != "lo"), *(f"the namespace {name}" for name in rooms)]
        if not left:
            continue
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        yield Finding(
            DEVICES,
            ", ".join(left[:_SHOWN]) + more,
            f"netctl made {', '.join(left[:_SHOWN])}{more} for the host {mark}; no agent of {mark} runs here, and the "
            f"policy {wishes.source} does not want {'them' if len(left) > 1 else 'it'}",
            "names are taken, a bridge has ports that lead nowhere, an address answers that should be elsewhere",
            tuple(_removals(links, rooms)),
            "is that the policy that counts here? if it is, run the commands, or `netctl apply`, which does the same",
            "trap",
        )


def _removals(links: list[Link], rooms: list[str]) -> Iterator[str]:
    """What goes with something else is not named again."""
    gone = set()
    for link in links:
        if link.netns in rooms or link.name == "lo" or (link.kind == "veth" and link.lower in gone):
            continue
        gone.add(link.place)
        yield ip(link.netns, "link", "del", "dev", link.name)
    for name in rooms:
        yield said("ip", "netns", "del", name)
