"""Ports of Linux bridges and bonds: links, and the host sides of guests' NICs."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.policy.finding import Finding
from netctl.policy.guest import BridgedNic
from netctl.policy.link import BaseLink, BondLink, BridgeLink, Link, MacvtapLink
from netctl.policy.model import Host
from netctl.policy.ports import Path
from netctl.policy.stage import Stage

BRIDGE_NEVER_FORWARDS = 0x0007
"""Bits that the kernel refuses in a bridge's group_fwd_mask: STP, PAUSE, LACP (BR_GROUPFWD_RESTRICTED)."""

PORT_NEVER_FORWARDS = 0x0002
"""And in a port's: PAUSE (BR_GROUPFWD_MACPAUSE)."""


def check(host: Host, name: str, link: BaseLink | BridgedNic, at: Path, stage: Stage) -> Iterator[Finding]:
    master = host.links.get(link.master) if link.master else None
    if master is not None:
        wrong = _unfit(name, link, master)
        if wrong:
            yield Finding((*at, "master"), wrong)
    elif link.master is not None:
        yield from _missing(host, name, link, link.master, at, stage)
    if link.port is None:
        return
    if not isinstance(master, BridgeLink):
        if link.master is None or master is not None:
            yield Finding((*at, "port"), "this is for a port of a Linux bridge: say which with `master`", True)
        return
    yield from mask(link.port.group_fwd_mask, PORT_NEVER_FORWARDS, (*at, "port"), "a port never forwards pause")
    if (link.port.pvid or link.port.vlans) and not master.vlan_filtering:
        yield Finding((*at, "port"), f"{link.master} does not look at VLAN tags: give it `vlan_filtering: true`", True)


def _unfit(name: str, link: BaseLink | BridgedNic, master: Link) -> str:
    if isinstance(link, BridgedNic) and not isinstance(master, BridgeLink):
        return f"{link.master} is a {master.kind}; the master of a guest's NIC is a bridge"
    if not isinstance(master, BridgeLink | BondLink):
        return f"{link.master} is a {master.kind}; a master is a bridge or a bond"
    if isinstance(link, BridgeLink) and isinstance(master, BridgeLink):
        return "a Linux bridge cannot be a port of another: join them by a veth"
    if isinstance(link, MacvtapLink):
        return f"a macvtap gives its frames to whoever opens it: make {name} a macvlan, or a tap"
    if (link.netns if isinstance(link, BaseLink) else None) != master.netns:
        return f"{link.master} is in another network namespace than {name}"
    return ""


def _missing(
    host: Host, name: str, link: BaseLink | BridgedNic, master: str, at: Path, stage: Stage
) -> Iterator[Finding]:
    if master in host.bridges:
        instead = "say `bridge`" if isinstance(link, BridgedNic) else f"name {name} under its `ports`"
        yield Finding((*at, "master"), f"{master} is an Open vSwitch bridge: {instead} instead")
        return
    message = stage.unknown("link of this host", master, host.links, "declare the bridge or bond under links")
    if message:
        yield Finding((*at, "master"), message)


def mask(given: int | None, never: int, at: Path, message: str) -> Iterator[Finding]:
    if given is not None and given & never:
        yield Finding((*at, "group_fwd_mask"), f"{message}: the mask is at most {0xFFFF & ~never:#x}, not {given:#x}")
