"""The devices of each guest that a policy names.

A hook has no time for the policy's language: what it takes from a policy is kept, until one of its files changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netctl import __version__, rundir
from netctl.desired.device import Device, Namespace
from netctl.desired.link import KINDS, BridgePort, Link, Macvtap, Place, Tap, Veth
from netctl.plan import Wanted

if TYPE_CHECKING:
    from netctl.policy import Loaded

NAME = "libvirt"
"""Of the file in netctl's run directory in which they are kept."""


class BadPolicy(Exception):
    """There is a policy and it does not say what this host is to have; the message has every reason."""


@dataclass(frozen=True)
class Guests:
    """Those of one host."""

    host: str
    """As the policy calls it."""
    packed: Mapping[str, Sequence[Mapping[str, Any]]]
    """Of each guest with taps or macvtaps these, and what they stand on, as they are kept."""

    def __contains__(self, guest: str) -> bool:
        return guest in self.packed

    def of(self, guest: str) -> list[Wanted[Device]]:
        """What the policy wants for one of them. There may be a thousand, and a hook is about one."""
        return [_unpack(each) for each in self.packed[guest]]


def guests(source: str, host: str | None, hostname: str) -> Guests:
    """The guests that the policy in `source`, a file or a directory, has on this host, `host` as it is called there
    or else the one that `hostname` chooses. Raises BadPolicy."""
    kept = rundir.read_json(NAME)
    known = isinstance(kept, dict) and kept.get("asked") == _asked(source, hostname) and host in kept["hosts"]
    if known and kept["files"] == _signature(kept["files"]):
        return Guests(kept["host"], kept["guests"])
    from netctl.desired.host import NoSuchHost, choose_host
    from netctl.policy import load

    files = _files(source)
    loaded = load(source)
    if loaded.policy is None:
        raise BadPolicy("\n".join(map(str, loaded.problems)))
    try:
        name = choose_host(loaded.policy, host, hostname)
    except NoSuchHost as error:
        raise BadPolicy(str(error)) from error
    return _keep(loaded, source, files, name, hostname)


def keep(loaded: Loaded, source: str, host: str, hostname: str) -> None:
    """Save the next hook the reading of the policy that was loaded from `source` just now, for the machine that is its
    host `host` and calls itself `hostname`. Raises OSError."""
    _keep(loaded, source, _files(source), host, hostname)


def _keep(loaded: Loaded, source: str, files: Mapping[str, Any], host: str, hostname: str) -> Guests:
    packed = {guest: [_pack(each) for each in wanted] for guest, wanted in _of_guests(loaded, host)}
    asked = {"asked": _asked(source, hostname), "hosts": _called(loaded, host, hostname), "files": files}
    rundir.write_json(NAME, {**asked, "host": host, "guests": packed})
    return Guests(host, packed)


def _called(loaded: Loaded, host: str, hostname: str) -> list[str | None]:
    """What a hook may be told of who the host is to mean this one: its name, and nothing where that is enough."""
    from netctl.desired.host import NoSuchHost, choose_host

    assert loaded.policy is not None
    try:
        return [host, None] if choose_host(loaded.policy, None, hostname) == host else [host]
    except NoSuchHost:
        return [host]


def _asked(source: str, hostname: str) -> list[str]:
    return [__version__, os.path.abspath(source), hostname]


def _files(source: str) -> dict[str, Any]:
    """The signature of all that is read for a policy, or would be."""
    from netctl.policy.load import files_of
    from netctl.policy.patch import patch_file

    try:
        there = [str(each) for each in files_of(Path(source))]
    except (OSError, ValueError):
        there = []
    return _signature(map(os.path.abspath, [source, str(patch_file(Path(source))), *there]))


def _of_guests(loaded: Loaded, host: str) -> Iterator[tuple[str, tuple[Wanted[Device], ...]]]:
    from netctl.desired.host import devices
    from netctl.policy import VethNic, host_side

    assert loaded.policy is not None
    wanted = devices(loaded, host)
    links = {each.item.place: each for each in wanted if isinstance(each.item, Link)}
    namespaces = {each.item.name: each for each in wanted if isinstance(each.item, Namespace)}
    for guest, entry in loaded.policy.hosts[host].guests.items():
        named = [("", host_side(guest, name, nic)) for name, nic in entry.nics.items() if not isinstance(nic, VethNic)]
        if not named or entry.namespace:
            continue
        found = [links[place] for place in _standing_on(named, links)]
        rooms = {each.item.netns for each in found if isinstance(each.item, Link)}
        yield guest, (*(namespaces[room] for room in sorted(rooms & namespaces.keys())), *found)


def _standing_on(places: Iterable[Place], links: Mapping[Place, Wanted[Device]]) -> list[Place]:
    """`places`, and all that the policy has under them: what they need, and the other ends of veths."""
    found: dict[Place, None] = {}
    todo = list(places)
    while todo:
        place = todo.pop()
        if place in found or place not in links:
            continue
        found[place] = None
        link = links[place].item
        assert isinstance(link, Link)
        todo += link.needs()
        if isinstance(link, Veth):
            todo.append((link.peer_netns, link.peer))
    return list(found)


def opened(wanted: Iterable[Wanted[Device]]) -> Iterator[Tap | Macvtap]:
    """What of `wanted` a guest opens itself."""
    return (each.item for each in wanted if isinstance(each.item, Tap | Macvtap))


def _signature(paths: Iterable[str]) -> dict[str, list[int] | None]:
    """Of each file or directory what changes when it does; None where there is none."""
    found: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            status = os.stat(path)
            found[path] = [status.st_mtime_ns, status.st_size, status.st_ino]
        except OSError:
            found[path] = None
    return found


def _pack(wanted: Wanted[Device]) -> dict[str, Any]:
    item = wanted.item
    assert isinstance(item, Namespace | Link)
    return {"kind": item.key[0], "why": wanted.why, "fields": _fields(item)}


def _fields(item: Any) -> dict[str, Any]:
    """Those that are not as they are when nothing is said."""
    said = {each.name: getattr(item, each.name) for each in fields(item)}
    unlike = {each.name: said[each.name] for each in fields(item) if said[each.name] != each.default}
    return {name: _fields(value) if isinstance(value, BridgePort) else value for name, value in unlike.items()}


def _unpack(packed: Mapping[str, Any]) -> Wanted[Device]:
    said = {name: _tuples(value) for name, value in packed["fields"].items()}
    if packed["kind"] not in KINDS:
        return Wanted(Namespace(**said), packed["why"])
    if "port" in said:
        said["port"] = BridgePort(**{name: _tuples(value) for name, value in said["port"].items()})
    return Wanted(KINDS[packed["kind"]](**said), packed["why"])


def _tuples(value: Any) -> Any:
    """As it was before JSON, which knows lists alone."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
