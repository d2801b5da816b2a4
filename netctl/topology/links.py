"""The links that were found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Port(NamedTuple):
    """A port of a switch."""

    dpid: int
    number: int
    """Its OpenFlow number."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link in one direction: what leaves by the first port comes in at the second. A cable is two of these."""

    src_dpid: int
    src_port: int
    """The OpenFlow number of the port."""
    dst_dpid: int
    dst_port: int
    since: float
    """When it was found, seconds since the epoch."""
    one_way: bool = False
    """Whether nothing comes the other way; False while that is not known yet."""

    @property
    def src(self) -> Port:
        return Port(self.src_dpid, self.src_port)

    @property
    def dst(self) -> Port:
        return Port(self.dst_dpid, self.dst_port)


@dataclass(frozen=True, slots=True)
class Added:
    link: Link


@dataclass(frozen=True, slots=True)
class Turned:
    """It is a link in one direction only, or not any more."""

    link: Link


@dataclass(frozen=True, slots=True)
class Lost:
    link: Link
    why: str


Change = Added | Turned | Lost
