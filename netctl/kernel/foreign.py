"""Taps that others made, at bridges of netctl's: found, and given another MAC."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping

from netctl.desired.foreign import ForeignTap
from netctl.kernel.attribute import mac
from netctl.kernel.errors import Refused
from netctl.kernel.mark import ours
from netctl.kernel.rtnl import IFLA_ADDRESS, RTM_NEWLINK, Link, Rtnl, link_message


def taps(
    bridges: Collection[str], ports: Mapping[str, str], names: Collection[str] | None = None
) -> tuple[ForeignTap, ...]:
    """Those at the Linux bridges called so, and those among `ports`, which says of each port of Open vSwitch at which
    bridge it is; only those called `names`, where that is said, and nothing else is looked at then. Raises Refused."""
    try:
        with Rtnl() as rtnl:
            if names is None:
                links = rtnl.links()
                masters = {link.index: link.name for link in links if link.kind == "bridge" and link.name in bridges}
            else:
                links = [link for name in names if (link := rtnl.link(name))]
                known = [rtnl.link(name) for name in bridges] if any(_foreign(link) for link in links) else []
                masters = {link.index: link.name for link in known if link and link.kind == "bridge"}
    except OSError as error:
        raise Refused("looking for taps at bridges", error) from error
    found = []
    for link in links:
        bridge = masters.get(link.master) or ports.get(link.name)
        if bridge is not None and _foreign(link):
            found.append(ForeignTap(link.name, bridge, link.mac))
    return tuple(found)


def set_mac(tap: ForeignTap) -> bool:
    """Give a tap the MAC that `tap` says. False where there is none of that name any more. Raises Refused."""
    try:
        with Rtnl() as rtnl:
            link = rtnl.link(tap.name)
            if link is None or not _foreign(link):
                return False
            rtnl.ask(RTM_NEWLINK, link_message(link.index, mac(IFLA_ADDRESS, tap.mac)))
            return True
    except OSError as error:
        if error.errno == errno.ENODEV:
            return False
        raise Refused(f"the MAC of the tap {tap.name}", error) from error


def _foreign(link: Link) -> bool:
    return link.tap and not ours(link, None)
