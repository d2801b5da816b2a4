"""Whose a device is: netctl's carry its mark, and what carries none is never touched.

The mark is the device's alias, «netctl:HOST». A device also gets an interface group: at its creation, before
it can have an alias, so that one whose maker died in between is not lost; and a group is removed all at once.
"""

from __future__ import annotations

from netctl.kernel.rtnl import Link

PREFIX = "netctl:"

GROUP = 0x6E63_746C
"""«nctl»"""

DOOMED = GROUP + 1
"""The group into which devices of netctl's go to be removed together."""


def mark(host: str) -> str:
    """The alias of every device of `host`'s, and of the loopback of every namespace of `host`'s."""
    return PREFIX + host


def altname(host: str, name: str) -> str:
    """The alternative name of a NIC that netctl keeps for `host`: it was there before, its alias may be somebody's."""
    return f"{mark(host)}:{name}"


def kept(link: Link, host: str | None) -> bool:
    """Whether a device is a NIC that netctl keeps for `host`, or with None for any host."""
    prefix = PREFIX if host is None else mark(host) + ":"
    return any(each.startswith(prefix) for each in link.altnames)


def ours(link: Link, host: str | None) -> bool:
    """Whether a device is `host`'s, or with None that of any host of netctl's."""
    if not link.alias:
        return link.group in {GROUP, DOOMED}
    return link.alias.startswith(PREFIX) if host is None else link.alias == mark(host)
