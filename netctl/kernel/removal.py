"""Devices of netctl's as they are removed, all at once: one by one each costs 20 ms, a group of a thousand 0.2 s."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Mapping

from netctl.desired.link import Place
from netctl.kernel.attribute import u32
from netctl.kernel.errors import NamespaceMissing, NameTaken, Refused
from netctl.kernel.mark import DOOMED, GROUP, ours
from netctl.kernel.rooms import Rooms
from netctl.kernel.rtnl import IFLA_GROUP, RTM_DELLINK, RTM_NEWLINK, Link, Rtnl, link_message

MANY = 32
"""So many devices, when they are all that netctl has in a namespace, go without another look at each: nobody else
makes such meanwhile, and nothing but netctl's is in its group."""
FEW = 8
"""Fewer are asked for one by one, more by one question for all."""


def remove(places: Iterable[Place], rooms: Rooms, host: str | None, seen: Mapping[str, Collection[Link]]) -> None:
    """Those that are gone are no error. `seen` are the devices of each namespace as they were seen last.

    Raises NameTaken, where one is not netctl's, and Refused.
    """
    names: dict[str, set[str]] = {}
    for where, name in places:
        names.setdefault(where, set()).add(name)
    for where in sorted(names):
        try:
            _remove(rooms.at(where).rtnl, names[where], host, seen.get(where, ()))
        except NamespaceMissing:
            continue
        except OSError as error:
            said = ", ".join(sorted(names[where])[:3])
            raise Refused(f"removing {said}{'…' if len(names[where]) > 3 else ''}", error) from error


def _remove(rtnl: Rtnl, names: Collection[str], host: str | None, seen: Collection[Link]) -> None:
    if len(names) >= MANY and {link.name for link in seen if link.group == GROUP} == names:
        _delete(rtnl, link_message(0, u32(IFLA_GROUP, GROUP)))
        return
    if len(names) < FEW:
        found = [link for name in names if (link := rtnl.link(name)) is not None]
    else:
        found = [link for link in rtnl.links() if link.name in names]
    for link in found:
        if not ours(link, host):
            raise NameTaken(link.name, link.kind)
    if len(found) == 1:
        _delete(rtnl, link_message(found[0].index))
    elif found:
        for link in found:
            _doom(rtnl, link)
        _delete(rtnl, link_message(0, u32(IFLA_GROUP, DOOMED)))


def _doom(rtnl: Rtnl, link: Link) -> None:
    try:
        rtnl.ask(RTM_NEWLINK, link_message(link.index, u32(IFLA_GROUP, DOOMED)))
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise


def _delete(rtnl: Rtnl, message: bytes) -> None:
    try:
        rtnl.ask(RTM_DELLINK, message)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
