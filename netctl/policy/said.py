"""Many wires as they were said, each made into its model when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import overload

from netctl.policy.brief import Brief
from netctl.policy.model import End, Wire

Said = Wire | Brief


def wire_of(said: Said) -> Wire:
    """The model of a wire."""
    if isinstance(said, Wire):
        return said
    one, other = (End(port=port, vlan=vlan) for port, vlan in zip(said.ports, said.vlans, strict=True))
    return Wire.model_validate(
        {"name": said.name, "ends": (one, other), "carrier": said.carrier, "observe": said.observe}
    )


def brief_of(said: Said) -> Brief:
    """What a wire says beside its rate and classes."""
    if isinstance(said, Brief):
        return said
    one, other = said.ends
    return Brief(said.name, (one.port, other.port), (one.vlan, other.vlan), said.carrier, said.observe)


class Listed(Sequence[Wire]):
    """Wires in their order."""

    __slots__ = ("_said",)

    def __init__(self, said: Sequence[Said]):
        self._said = said

    @overload
    def __getitem__(self, at: int) -> Wire: ...
    @overload
    def __getitem__(self, at: slice) -> Listed: ...
    def __getitem__(self, at: int | slice) -> Wire | Listed:
        return Listed(self._said[at]) if isinstance(at, slice) else wire_of(self._said[at])

    def __iter__(self) -> Iterator[Wire]:
        return map(wire_of, self._said)

    def __len__(self) -> int:
        return len(self._said)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


class Named(Mapping[str, Wire]):
    """Wires by name. `finish` is what is done to each before it is given out."""

    __slots__ = ("_finish", "said")

    def __init__(self, said: Mapping[str, Said], finish: Callable[[Said], Said] | None = None):
        self.said = said
        self._finish = finish

    def __getitem__(self, name: str) -> Wire:
        said = self.said[name]
        return wire_of(self._finish(said) if self._finish else said)

    def __contains__(self, name: object) -> bool:
        return name in self.said

    def __iter__(self) -> Iterator[str]:
        return iter(self.said)

    def __len__(self) -> int:
        return len(self.said)
