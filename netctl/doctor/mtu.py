"""MTUs along a way: what is on top carries no more than what is below, and both ends take the same."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.doctor.command import ip
from netctl.doctor.finding import Finding
from netctl.doctor.picture import Link, Picture
from netctl.doctor.wishes import Wishes

CHECK = "mtu"

_SHOWS = "ping works, ssh connects and hangs at the first long answer, TLS in its handshake: frames above {} vanish"


def check(picture: Picture, wishes: Wishes) -> Iterator[Finding]:
    done: set[frozenset[object]] = set()
    for link in picture.links:
        ports = [port for port in picture.ports.get(link.place, []) if port.mtu]
        if link.kind == "bridge" and ports:
            yield from _bridge(picture, link, ports)
        below = picture.by_place.get(link.lower) if link.lower and link.kind != "veth" else None
        if below is not None and link.mtu > below.mtu - link.overhead:
            room = below.mtu - link.overhead
            around = f", and {link.overhead} octets go around each frame" if link.overhead else ""
            yield _finding(
                str(link),
                f"{link} has the MTU {link.mtu}, {below} under it {below.mtu}{around}",
                room,
                (_set(link, room),),
            )
    for link in picture.links:
        peer = picture.peer(link)
        if peer is not None and peer.mtu != link.mtu:
            yield from _veth(picture, link, peer, done)
    for name, *ends in wishes.wires:
        one, other = (picture.by_place.get(("", end)) for end in ends)
        if one is not None and other is not None and one.mtu != other.mtu:
            yield from _pair(one, other, f"the two ends of the wire {name}", done, picture)


def _bridge(picture: Picture, bridge: Link, ports: list[Link]) -> Iterator[Finding]:
    smallest, largest = min(port.mtu for port in ports), max(port.mtu for port in ports)
    if smallest != largest:
        hardware = [port.mtu for port in ports if not port.kind]
        right = min(hardware) if hardware else largest
        odd = [port for port in ports if port.mtu != right]
        yield _finding(
            str(bridge),
            f"ports of the bridge {bridge} have different MTUs, from {smallest} to {largest}: "
            + ", ".join(f"{port.name} {port.mtu}" for port in [*odd, *(p for p in ports if p.mtu == right)][:6]),
            smallest,
            tuple(command for port in odd for command in _both(picture, port, right)),
        )
    elif bridge.mtu > smallest:
        yield _finding(
            str(bridge),
            f"the bridge {bridge} has the MTU {bridge.mtu}, its ports {smallest}",
            smallest,
            (_set(bridge, smallest),),
        )


def _veth(picture: Picture, link: Link, peer: Link, done: set[frozenset[object]]) -> Iterator[Finding]:
    """An end that is the port of a bridge has the MTU of the others there; where those differ, that is told already."""
    what = "the two ends of a veth pair"
    held = [end for end in (link, peer) if end.master]
    if not held:
        yield from _pair(link, peer, what, done)
    elif all(_agree(picture, end) for end in held) and (both := frozenset({link.place, peer.place})) not in done:
        done.add(both)
        small, large = sorted((link, peer), key=lambda end: end.mtu)
        free = [end for end in (link, peer) if not end.master]
        yield Finding(
            CHECK,
            f"{small}, {large}",
            f"{what} have different MTUs: {small} {small.mtu}, {large} {large.mtu}",
            _SHOWS.format(small.mtu),
            tuple(_set(end, held[0].mtu) for end in free),
            "" if free else "both are ports of bridges: give all ports of both one MTU",
        )


def _agree(picture: Picture, port: Link) -> bool:
    return all(other.mtu == port.mtu for other in picture.ports[port.netns, port.master])


def _pair(
    one: Link, other: Link, what: str, done: set[frozenset[object]], picture: Picture | None = None
) -> Iterator[Finding]:
    both = frozenset({one.place, other.place})
    if both in done:
        return
    done.add(both)
    small, large = sorted((one, other), key=lambda link: link.mtu)
    commands = _both(picture, small, large.mtu) if picture is not None else (_set(small, large.mtu),)
    yield _finding(
        f"{small}, {large}",
        f"{what} have different MTUs: {small} {small.mtu}, {large} {large.mtu}",
        small.mtu,
        tuple(commands),
    )


def _finding(subject: str, what: str, limit: int, mend: tuple[str, ...]) -> Finding:
    return Finding(CHECK, subject, what, _SHOWS.format(limit), mend)


def _both(picture: Picture, link: Link, mtu: int) -> Iterator[str]:
    """A device, and the other end where it is a veth's."""
    yield _set(link, mtu)
    peer = picture.peer(link)
    if peer is not None and peer.mtu != mtu:
        yield _set(peer, mtu)


def _set(link: Link, mtu: int) -> str:
    return ip(link.netns, "link", "set", "dev", link.name, "mtu", mtu)
