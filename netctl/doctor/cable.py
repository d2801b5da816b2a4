"""Devices that are meant as a cable, and keep back some of what a cable passes (`netctl.path.passes`)."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.doctor.command import inside, ip
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Link, Picture
from netctl.doctor.wishes import Wishes
from netctl.path.passes import LACP, PORT_MASK

NESTED, MULTICAST, LLDP_MASK, LACP_MASK = "nested-macs", "macvtap-multicast", "lldp-mask", "lacp-mask"
REDIRECT = "dead-redirect"

_LLDP = 1 << 0xE
_LACP = 1 << LACP
_ENDS = ("veth", "tap")


def check(picture: Picture, _wishes: Wishes) -> Iterator[Finding]:
    for each in picture.dead:
        where = f"{each.dev} in namespace {each.netns}" if each.netns else each.dev
        yield Finding(
            REDIRECT,
            f"{where} {each.side} pref {each.preference}",
            f"a filter of tc at {where} ({each.side}, pref {each.preference}) sends frames to a device that is gone",
            "all that comes in there vanishes, and no counter says so; `tc filter show` calls the device «*»",
            (inside(each.netns, "tc", "filter", "del", "dev", each.dev, each.side, "pref", each.preference),),
            "whoever made it has to make it again, to the device that is there now; the command only takes it away",
        )
    shared: dict[object, int] = {}
    for link in picture.links:
        if link.kind in ("macvtap", "macvlan") and link.lower:
            shared[link.lower] = shared.get(link.lower, 0) + 1
    for link in picture.links:
        if link.kind == "macvtap" and link.mode != "passthru":
            yield _nested(link, alone=bool(link.lower) and shared[link.lower] == 1)
        if link.kind == "macvtap" and not (link.promisc or link.allmulticast):
            yield Finding(
                MULTICAST,
                str(link),
                f"the macvtap {link} takes no multicast that nobody on it asked for",
                "a guest's lldpd sends and hears no neighbour, LACP never comes up, while ping works",
                (ip(link.netns, "link", "set", "dev", link.name, "allmulticast", "on"),),
                severity="trap",
            )
        if link.kind == "bridge" and link.up:
            yield from _masks(picture, link, picture.ports.get(link.place, []))


def _nested(link: Link, alone: bool) -> Finding:
    mend: tuple[str, ...] = ()
    if alone and link.lower and link.lower[0] == link.netns:
        lower = link.lower[1]
        mend = (
            ip(link.netns, "link", "del", "dev", link.name),
            ip(link.netns, "link", "add", "link", lower, "name", link.name, "type", "macvtap", "mode", "passthru"),
            # In this mode the kernel gives it the MAC of the device below, whatever is said when it is made.
            ip(link.netns, "link", "set", "dev", link.name, "address", link.mac, "allmulticast", "on", "up"),
        )
        by_hand = "stop its guest first, which holds the device"
        if link.mark:
            by_hand += f"; {_in_policy(link, 'mode: passthru')}"
    else:
        by_hand = (
            "give the guest a tap on an Open vSwitch bridge, and a wire: passthru takes a lower device for each guest"
        )
    return Finding(
        NESTED,
        str(link),
        f"the macvtap {link} in mode {link.mode} takes unicast for its own MAC {link.mac} only, promiscuous or not",
        "a container or a bridge behind the guest's NIC sends ARP requests, the answers are on the lower device, and "
        "never arrive: the guest itself pings, nothing behind it does",
        mend,
        by_hand,
        "trap",
    )


def _masks(picture: Picture, bridge: Link, ports: list[Link]) -> Iterator[Finding]:
    """What a policy says of a bridge is meant, LLDP included; of one that was made by hand nobody said."""
    cable = len(ports) == 2 and all(port.kind in _ENDS for port in ports) and bridge.place not in picture.addressed
    cable = cable and not bridge.mark
    if cable and not all((bridge.group_fwd_mask | port.port_group_fwd_mask) & _LLDP for port in ports):
        yield Finding(
            LLDP_MASK,
            str(bridge),
            f"the bridge {bridge} joins just {ports[0].name} and {ports[1].name}, and keeps LLDP to itself "
            f"(group_fwd_mask {bridge.group_fwd_mask:#x})",
            "lldpd at either end shows no neighbour, while ping works",
            (ip(*_kind(bridge, "bridge"), "group_fwd_mask", f"{bridge.group_fwd_mask | _LLDP:#x}"),),
            severity="trap",
        )
    for port in ports:
        others = [other for other in ports if other is not port]
        wanted = any(other.port_group_fwd_mask & _LACP for other in others) or _bonded(picture, [port, *others])
        if len(ports) == 2 and wanted and not port.port_group_fwd_mask & _LACP:
            mask = (port.port_group_fwd_mask | _LACP) & PORT_MASK
            yield Finding(
                LACP_MASK,
                str(port),
                f"the port {port} of the bridge {bridge.name} keeps LACP back (port group_fwd_mask "
                f"{port.port_group_fwd_mask:#x}), which the other end speaks",
                "the bond never gets a partner: /proc/net/bonding shows the partner's MAC as 00:00:00:00:00:00",
                (ip(*_kind(port, "bridge_slave"), "group_fwd_mask", f"{mask:#x}"),),
                _in_policy(port, "port: {group_fwd_mask: lacp}"),
                "trap",
            )


def _kind(link: Link, kind: str) -> tuple[str, ...]:
    return (link.netns, "link", "set", "dev", link.name, "type", kind)


def _bonded(picture: Picture, ports: list[Link]) -> bool:
    """Whether a bond that speaks LACP is at the far end of one of the veths."""
    for port in ports:
        peer = picture.peer(port)
        over = picture.by_place.get((peer.netns, peer.master)) if peer and peer.master else None
        if over is not None and over.kind == "bond" and over.mode == "802.3ad":
            return True
    return False


def _in_policy(link: Link, said: str) -> str:
    return f"say `{said}` in the policy of {link.mark}, else it is made so again" if link.mark else ""
