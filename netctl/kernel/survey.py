"""A look at everything that this host has, whoever made it; nothing is changed."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from netctl.desired.link import Link, Nic
from netctl.desired.routing import DROP_INS, PROTOCOL, Address, Sysctl, signer
from netctl.desired.survey import Asked, Leading, Standing, Survey
from netctl.kernel import address, netns, route, rule, sysctl
from netctl.kernel.bridge import pinned
from netctl.kernel.errors import NamespaceMissing, Refused
from netctl.kernel.kinds import kind_of
from netctl.kernel.link import Kind, L, common, particular
from netctl.kernel.mark import PREFIX
from netctl.kernel.rooms import Rooms
from netctl.kernel.rtnl import Link as Raw
from netctl.kernel.rtnl import Rtnl
from netctl.kernel.view import Inside, View, look

IFLA_TUN_PERSIST = 6
LOCAL = 255
"""The table of the kernel's own addresses."""
DEFAULTS = (0, 32766, 32767)
"""The priorities of the rules that every host has."""


def survey() -> Survey:
    """Raises Refused."""
    with Rooms() as rooms:
        try:
            return _survey(rooms)
        except OSError as error:
            raise Refused("looking at the host's devices", error) from error


def _survey(rooms: Rooms) -> Survey:
    insides = [look(rooms.at(""))]
    namespaces: dict[str, str | None] = {}
    for name in netns.names():
        with suppress(NamespaceMissing):
            inside = look(rooms.at(name))
            insides.append(inside)
            loopback = inside.by_name.get("lo")
            namespaces[name] = _owner(loopback) if loopback else None
    view = View(rooms, insides)
    devices: list[Standing] = []
    addresses: list[Address] = []
    routes: list[Leading] = []
    rules: list[Asked] = []
    unsaid: list[str] = []
    for inside in insides:
        rtnl = rooms.at(inside.netns).rtnl
        for raw in inside.links:
            if raw.name != "lo":
                devices += _standing(raw, inside, view, rtnl)
        strange = {each.index: each.name for each in inside.links if _owner(each) is None or _kept(each)}
        found = address.look(rtnl, inside.netns, strange, ())
        addresses += [each.item for each in found if isinstance(each.item, Address)]
        said, odd = _routes(rtnl, inside)
        routes += said
        unsaid += odd
        rules += _rules(rtnl, inside.netns)
    settings = [
        each.item
        for where, names in sorted(sysctl.recorded(None).items())
        for each in sysctl.look(where, (), names)
        if isinstance(each.item, Sysctl)
    ]
    owners = {each.owner for each in devices} | set(namespaces.values())
    # A colon is in no host's name, but in the marks of what the metadata of libvirt's guests asks for.
    hosts = frozenset(each for each in owners if each and ":" not in each) or frozenset(_signers())
    return Survey(
        namespaces, tuple(devices), tuple(addresses), tuple(routes), tuple(rules), tuple(settings), tuple(unsaid), hosts
    )


def _standing(raw: Raw, inside: Inside, view: View, rtnl: Rtnl) -> Iterator[Standing]:
    over = inside.by_index.get(raw.master)
    kind = kind_of(raw)
    try:
        link = _nic(raw, inside, rtnl) if kind is None or _kept(raw) else _read(kind, raw, inside, view, rtnl)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return
    yield Standing(
        link,
        "tap" if raw.tap else raw.kind,
        _owner(raw),
        raw.running,
        pinned(raw) if not inside.netns else None,
        raw.tap and not any(particular(raw).get(IFLA_TUN_PERSIST, b"\1")),
        over is not None and over.kind == "openvswitch",
    )


def _read(kind: Kind[L], raw: Raw, inside: Inside, view: View, rtnl: Rtnl) -> Link:
    return kind.device(**common(raw, inside, rtnl, False), **kind.seen(raw, inside, view))


def _nic(raw: Raw, inside: Inside, rtnl: Rtnl) -> Nic:
    return Nic(**common(raw, inside, rtnl, False), kept=_kept(raw))


def _kept(raw: Raw) -> bool:
    return any(each.startswith(PREFIX) for each in raw.altnames)


def _owner(raw: Raw) -> str | None:
    """The host whose mark a device carries."""
    if raw.alias.startswith(PREFIX):
        return raw.alias.removeprefix(PREFIX)
    for each in raw.altnames:
        if each.startswith(PREFIX):
            return each.removeprefix(PREFIX).rpartition(":")[0]
    return None


def _routes(rtnl: Rtnl, inside: Inside) -> tuple[list[Leading], list[str]]:
    names = {link.index: link.name for link in inside.links}
    found: list[Leading] = []
    odd: list[str] = []
    where = f" in the namespace {inside.netns}" if inside.netns else ""
    for family in route.FAMILY.values():
        for body in rtnl.matching(route.RTM_GETROUTE, route.question(family)):
            said = route.read(body, names, inside.netns)
            made_by, kind = route.origin(body)
            if body[0] != family or kind in route.KERNELS_OWN:
                continue
            if said is None:
                odd.append(f"{route.named(body)}{where}: it has no device, or several")
            elif said.table != LOCAL and said.dev != "lo":
                found.append(Leading(said, made_by))
    return found, odd


def _rules(rtnl: Rtnl, where: str) -> list[Asked]:
    found = []
    for body in rule.every(rtnl):
        said = rule.read(body, where)
        if said is not None and not (said.priority in DEFAULTS and rule.protocol(body) != PROTOCOL):
            found.append(Asked(said, rule.protocol(body)))
    return found


def _signers() -> Iterator[str]:
    for path in DROP_INS:
        with suppress(OSError):
            name = signer(Path(path).read_text(encoding="utf-8", errors="replace"))
            if name:
                yield name
