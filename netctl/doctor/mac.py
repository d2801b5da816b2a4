"""MACs of bridges and of the taps at them."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.desired.mac import tap_mac
from netctl.doctor.command import ip
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Picture
from netctl.doctor.wishes import Wishes

BRIDGE, GUESTS, LOW = "bridge-mac", "tap-mac-of-guest", "tap-mac-low"


def check(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    yield from _bridges(picture)
    yield from _taps(picture, wishes)


def _bridges(picture: Picture) -> Iterator[Finding]:
    for link in picture.links:
        ports = picture.ports.get(link.place, [])
        if link.kind == "bridge" and link.pinned is False and ports:
            yield Finding(
                BRIDGE,
                str(link),
                f"the bridge {link} was given no MAC of its own: it has the lowest of its {len(ports)} ports'",
                "when a guest starts or stops, the bridge changes its MAC: the host is off the network until its "
                "neighbours ask again, DHCP gives it another address, and the log says nothing",
                (ip(link.netns, "link", "set", "dev", link.name, "address", link.mac),),
            )


def _taps(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    running = {guest.mac for guest in picture.guests}
    learned = {
        (port, mac) for switch in picture.switches for port, macs in switch.learned.items() for mac in macs
    }
    for tap in picture.links:
        if tap.kind != "tap":
            continue
        mac = tap_mac(tap.mac)
        mend = (ip(tap.netns, "link", "set", "dev", tap.name, "address", mac),)
        known = not tap.netns and (wishes.taps.get(tap.name) == tap.mac or (tap.name, tap.mac) in learned)
        if known or tap.mac in running:
            yield Finding(
                GUESTS,
                str(tap),
                f"the tap {tap} has the MAC {tap.mac}, which is its guest's",
                "the host takes frames for the guest as its own: the guest sends, and hears broadcasts, but no answer "
                "reaches it; the kernel logs «received packet with own address as source address»",
                mend,
            )
            continue
        bridge = picture.by_place.get((tap.netns, tap.master)) if tap.master else None
        if bridge is not None and bridge.kind == "bridge" and tap.mac <= bridge.mac and tap.mac[:2] not in ("fe", "fa"):
            yield Finding(
                LOW,
                str(tap),
                f"the tap {tap} has the MAC {tap.mac}, which is not above that of its bridge {bridge.name} "
                f"({bridge.mac})",
                "a bridge without a MAC of its own has the lowest of its ports': it takes this one while the guest "
                "runs, and another when it ends, and the host is off the network each time",
                mend,
                severity="fault" if bridge.pinned is False else "trap",
            )
