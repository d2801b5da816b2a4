"""Whose a device is: netctl's carry its mark, and what carries none is never touched.

The mark is the device's alias, «netctl:HOST». A device also gets an interface group: at its creation, before
it can have an alias, so that one whose maker died in between is not lost; and a group is removed all at once.
"""

from __future__ import annotations

from netctl.kernel.rtnl import Link

MARK = "netctl:"

GROUP = 0x6E63_746C
"""«nctl»"""

DOOMED = GROUP + 1
"""The group into which devices of netctl's go to be removed together."""


def mark(host: str | None) -> str:
    """The alias of every device of `host`'s, and of the loopback of every namespace of `host`'s."""
    return f"{MARK}{host or ''}"


def ours(link: Link, host: str | None) -> bool:
    """Whether a device is `host`'s, or with None any host's of this machine."""
    marked = link.alias == mark(host) if host is not None else (link.alias or "").startswith(MARK)
    return marked or (not link.alias and link.group in {GROUP, DOOMED})
