"""Policy -> which ports are held down: a wire passes loss of carrier on, as a cable would.

Nothing is remembered: what is seen now decides. So a controller that starts again goes on where the one before
stopped, and several that look at the same ports agree.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from netctl.plan import Key, Step, Value
from netctl.plan.delta import changes
from netctl.policy import Cable, PortRef

NAMED = 3
"""A reason names so many ports at most."""


class Light(Enum):
    """What is seen of a port."""

    LIT = "has carrier"
    DARK = "has no carrier"
    """It is up and has none, or there is no such port."""
    HELD = "is held down"
    """Administratively, by whomever: whether anything is plugged in cannot be seen."""
    DOUBT = "may have carrier"
    """It has none yet, and may have it in a moment."""


At = Callable[[PortRef], Collection[Cable]]
"""The wires that end at a port, and those of which it monitors a copy."""

See = Callable[[PortRef], Light]


@dataclass(frozen=True)
class PortAdmin:
    """Whether a port is administratively down (OFPPC_PORT_DOWN; a device without IFF_UP)."""

    bridge: str
    name: str
    down: bool

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return ("carrier", self.bridge, self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"admin": "down" if self.down else "up"}


def follows(ref: PortRef, cables: Iterable[Cable]) -> bool:
    """Whether a wire at a port passes carrier on, so that the port's administrative state is the wire's."""
    return any(cable.follow and ref in cable.ends and cable.ends[0] != cable.ends[1] for cable in cables)


def far_ends(ref: PortRef, cables: Iterable[Cable]) -> Iterator[tuple[PortRef, Cable]]:
    """The other ends of the wires at a port that pass carrier on. A wire between two VLANs of one port has none."""
    for cable in cables:
        one, other = cable.ends
        if cable.follow and one != other and ref in cable.ends:
            yield (other if one == ref else one), cable


def around(ref: PortRef, at: At) -> set[PortRef]:
    """The ports to decide anew when something about a port changed, itself among them."""
    return {ref, *(far for far, _ in far_ends(ref, at(ref)))}


def wanted_down(ref: PortRef, cables: Iterable[Cable], see: See) -> bool | None:
    """Whether a port is wanted down, by the wires that end there (see `follows`); None leaves it as it is.

    It is when no far end of its wires has carrier. Where it has none itself there is nothing to pass on, and a port
    that is held down does not count as one without: of two that are held down both are raised, to see. A port stays
    up that also ends a wire which ignores carrier, or one that ends on another bridge.
    """
    stays = False
    seen: set[Light] = set()
    for cable in cables:
        one, other = cable.ends
        if one == ref:
            far = other
        elif other == ref:
            far = one
        else:
            continue
        if far == ref:
            continue
        stays |= not cable.follow or (far.bridge, far.host) != (ref.bridge, ref.host)
        if cable.follow and not stays:
            seen.add(see(far))
    if stays or Light.LIT in seen:
        return False
    if Light.DOUBT in seen or not seen:
        return None
    if Light.HELD in seen:
        return False
    return True if see(ref) in (Light.LIT, Light.HELD) else None


def step(ref: PortRef, down: bool, cables: Iterable[Cable], see: See) -> Step[PortAdmin]:
    """Taking a port down, or raising it, and why."""
    far = {end: cable for end, cable in far_ends(ref, cables) if down or see(end) is Light.LIT}
    names = [end.port for end in far]
    shown = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    said = next(iter(far.values()), None)
    if said is None:
        why = "no wire holds it down"
    else:
        have = "have" if len(names) > 1 else "has"
        why = f"{shown} {have} {'no carrier' if down else 'carrier'}; {said.said} wire {said.name}"
    before, after = PortAdmin(ref.bridge, ref.port, not down), PortAdmin(ref.bridge, ref.port, down)
    return Step("change", why, before, after, changes(before, after))
