"""What leaves by a port, and how fast: QoS and Queue rows of an Open_vSwitch database (ovs-vswitchd.conf.db(5)).

A wire passes what enters at one end to the other, so the rate of a direction is kept where its frames leave: by the
kernel's HTB qdisc at the device that is the port, which ovs-vswitchd sets up on either datapath.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from netctl.plan import Key, Value
from netctl.policy.rate import as_written

HTB = "linux-htb"

SHAPES = "netctl-shapes"
"""The key in `external_ids` of a QoS row of netctl's: its value is the port that the row was made for. Another port
that somebody gave the row has it without netctl's doing."""

AT_ONCE_MS = 20
"""What passes at once after silence, in milliseconds of the rate. HTB is behind by as much as its timers are late, and
makes up for no more than its burst: with the few frames that are Open vSwitch's default TCP loses a sixth of the rate
where the timers are slow. What is sent too much is less than a hundredth after two seconds."""

LEAST_AT_ONCE = 128_000
"""Bits that pass at once at the least: some ten frames."""


@dataclass(frozen=True)
class Queue:
    """A Queue row: a class of HTB. Frames that no flow puts in another leave through number 0.

    Rates are in bits per second, amounts in bits; None where the row does not say it.
    """

    number: int
    min: int | None = None
    max: int | None = None
    burst: int | None = None
    extra: str = ""
    """What an observed row says that netctl never writes, as text."""

    def __str__(self) -> str:
        told = {"min": self.min, "max": self.max, "burst": self.burst}
        parts = [f"{name}={as_written(bits)}" for name, bits in told.items() if bits is not None]
        return " ".join([str(self.number), *parts, *([self.extra] if self.extra else [])])


@dataclass(frozen=True)
class Shaper:
    """The QoS row of a port, with its Queue rows. No other port uses the row."""

    bridge: str
    port: str
    rate: int | None
    """Bits per second of all that leaves by the port; None where the row does not say it."""
    queues: tuple[Queue, ...] = ()
    """By number."""
    type: str = HTB
    extra: str = ""
    """What an observed row says that netctl never writes, as text."""

    fixed: ClassVar[frozenset[str]] = frozenset({"bridge"})

    @property
    def key(self) -> Key:
        return shaper_key(self.port)

    def facts(self) -> Mapping[str, Value]:
        return {
            "bridge": self.bridge,
            "type": self.type,
            "rate": None if self.rate is None else as_written(self.rate),
            "queues": tuple(map(str, self.queues)),
            "extra": self.extra,
        }


@dataclass(frozen=True)
class Orphan:
    """A row of netctl's that nothing uses any more: the QoS of a port that somebody deleted, or a Queue of it.

    The database keeps such rows for ever (RFC 7047, 3.2, isRoot). Never wanted, so a plan removes it.
    """

    table: str
    """«QoS» or «Queue»."""
    uuid: str

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return (self.table.lower(), self.uuid)

    def facts(self) -> Mapping[str, Value]:
        return {}


def shaper_key(port: str) -> Key:
    return ("shaper", port)


def shaper(bridge: str, port: str, rate: int) -> Shaper:
    """What lets `rate` bits per second out of a port, in one class, as it is the class whose burst can be said."""
    burst = max(rate * AT_ONCE_MS // 1000, LEAST_AT_ONCE)
    return Shaper(bridge, port, rate, (Queue(0, rate, rate, burst),))
