"""Whose a device is: netctl's carry its mark, and what carries none is never touched.

The mark is the device's alias, «netctl:HOST». A device also gets an interface group: at its creation, before
it can have an alias, so that one whose maker died in between is not lost; and a group is removed all at once.
"""

from __future__ import annotations

from netctl.kernel.rtnl import Link

GROUP = 0x6E63_746C
"""«nctl»"""

DOOMED = GROUP + 1
"""The group into which devices of netctl's go to be removed together."""


def mark(host: str) -> str:
    """The alias of every device of `host`'s, and of the loopback of every namespace of `host`'s."""
    return f"netctl:{host}"


def ours(link: Link, host: str) -> bool:
    return link.alias == mark(host) or (not link.alias and link.group in {GROUP, DOOMED})
