"""What is wired to what."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from netctl.policy import refuse
from netctl.policy.brief import Brief
from netctl.policy.finding import Finding
from netctl.policy.model import End, Policy, Wire, rates_of
from netctl.policy.name import shown
from netctl.policy.ports import Path, PortError, PortRef, Ports, UnknownPort
from netctl.policy.said import Said, brief_of
from netctl.policy.stage import Stage

RUN_TIME = "patched.yaml"
"""Where a wire was said that came at run time, unless somebody knows better."""

_PATIENCE = 10_000
"""Names that are looked at for the one that was meant, in one change: it must be quick even when it is wrong."""

UNLIMITED = (None, None)
"""The rates of a wire that goes as fast as it can."""

_Slot = int | str
"""Who uses a port: twice the number of the wire in its files, plus which of its ends; or the name of a wire that
came at run time."""
_Used = dict[PortRef, dict[int | None, _Slot]]


@dataclass(frozen=True, slots=True)
class Cable:
    """A wire with its ends found."""

    name: str
    ends: tuple[PortRef, PortRef]
    said: str
    """«file:line:col» of the wire."""
    vlans: tuple[int | None, int | None] = (None, None)
    """The VLAN of each end's port that it is; None is the whole port."""
    monitors: tuple[PortRef, ...] = ()
    """The ports that get a copy of what enters at either end."""
    follow: bool = True
    """Whether one end that goes down takes the other down."""
    observe: bool = False
    """Whether the controller gets a copy of LLDP."""
    rates: tuple[int | None, int | None] = UNLIMITED
    """Bits per second from the first end to the second, and back; None is as fast as it can."""

    @property
    def limited(self) -> bool:
        return self.rates != UNLIMITED

    def like(self, other: Cable) -> bool:
        """Whether both do the same, wherever they were said."""
        return (self.name, self.ends, self.vlans, self.monitors, self.follow, self.observe, self.rates) == (
            *(other.name, other.ends, other.vlans, other.monitors, other.follow, other.observe, other.rates),
        )


@dataclass(frozen=True)
class Changed:
    """What became of a change. A wire that was replaced is in both."""

    added: tuple[Cable, ...] = ()
    removed: tuple[Cable, ...] = ()


class BadChange(Exception):
    """A change that cannot be made; `problems` says why, each with what would be right."""

    def __init__(self, problems: Iterable[str], missing: bool = False):
        self.problems = tuple(problems)
        self.missing = missing
        """Whether all that is wrong is that a wire to remove is not there."""
        super().__init__("; ".join(self.problems))


class Wiring:
    """The wires of a policy with their ends found. They can be changed, each in a time that does not depend on how
    many there are; hosts and taps stay as they were loaded.

    Made by the checks of a policy; whole only where these found nothing.
    """

    def __init__(self, policy: Policy, where: Callable[[Path], str]):
        """`where` is «file:line:col» of the value at a path."""
        self.ports = Ports(policy.model_copy(update={"wires": (), "taps": ()}))
        self.taps: list[tuple[int, PortRef]] = []
        """The copies of wires: their number in the policy, and the port that gets them."""
        self._where = where
        self._said: Sequence[Said] = policy.wires
        self._cables: dict[str, Cable] = {}
        self._used: _Used = {}
        self._copies: dict[str, tuple[PortRef, ...]] = {}
        self._monitors: dict[PortRef, Path] = {}
        self._owners: dict[tuple[str, str], PortRef] = {}
        """The implied ports by host and name."""
        for number, tap in enumerate(policy.taps):
            try:
                ref = self.ports.resolve(tap.to)
            except PortError:
                continue
            self.taps.append((number, ref))
            self._copies[tap.of] = (*self._copies.get(tap.of, ()), ref)
            self._monitors.setdefault(ref, ("taps", number, "to"))

    @property
    def cables(self) -> Mapping[str, Cable]:
        """All of them by name: as they are now, not a copy."""
        return self._cables

    @property
    def wires(self) -> Mapping[str, Wire]:
        """All of them as a policy says them, with their ends in full: a view, that makes each when it is asked for."""
        return _Wires(self)

    @property
    def copied(self) -> Collection[str]:
        """The names of the wires that taps copy, whether they are there or not."""
        return self._copies.keys()

    def at(self, port: PortRef) -> tuple[Cable, ...]:
        """The wires that end at a port, each once."""
        names = dict.fromkeys(self._name(slot) for slot in self._used.get(port, {}).values())
        return tuple(self._cables[name] for name in names)

    def vlans(self, port: PortRef) -> Collection[int | None]:
        """Which VLANs of a port a wire ends in; None is the whole port."""
        return self._used.get(port, {}).keys()

    def wired(self, port: PortRef) -> bool:
        """Whether a wire ends at a port, or the port gets the copy of one."""
        return port in self._used or port in self._monitors

    def wire(self, name: str) -> Wire:
        """A wire as a policy says it, its ends in full, host/bridge/port. Raises KeyError."""
        cable = self._cables[name]
        one, other = (End(port=str(end), vlan=vlan) for end, vlan in zip(cable.ends, cable.vlans, strict=True))
        return Wire(
            name=name,
            ends=(one, other),
            observe="lldp" if cable.observe else None,
            carrier=None if cable.follow else "ignore",
            rate=rates_of(*cable.rates) if cable.limited else None,
        )

    def has(self, wire: Wire) -> bool:
        """Whether a wire of this name is there and does the same; the ends of this one may be said in short."""
        there = self._cables.get(wire.name)
        if there is None:
            return False
        said = brief_of(wire)
        try:
            one, other = map(self.ports.resolve, said.ports)
        except PortError:
            return False
        refused = any(True for _ in refuse.check_wire(wire, (one, other), ()))
        return not refused and there.like(self._cable(wire, (one, other), there.said))

    def full(self, wire: Said) -> Said:
        """A wire with its ends in full; as it is where they cannot be found."""
        said = brief_of(wire)
        try:
            one, other = map(str, map(self.ports.resolve, said.ports))
        except PortError:
            return wire
        if isinstance(wire, Brief):
            return wire._replace(ports=(one, other))
        ends = (End(port=one, vlan=said.vlans[0]), End(port=other, vlan=said.vlans[1]))
        return wire.model_copy(update={"ends": ends})

    def change(self, put: Iterable[Wire], remove: Iterable[str] = (), said: str = RUN_TIME) -> Changed:
        """Put wires in and take wires out, all or nothing. One that has the name of another replaces it; one that is
        there as it is stays untouched.

        `said` is where the new ones were said. Raises BadChange, and nothing was touched then.
        """
        stage = Stage(self._where, frozenset(), True, _PATIENCE)
        put = tuple(put)
        names = {wire.name for wire in put}
        remove = dict.fromkeys(remove)
        missing = [text for name in remove if (text := stage.unknown("wire", name, self._cables)) is not None]
        new = [wire for wire in put if len(names) < len(put) or not self.has(wire)]
        gone = dict.fromkeys((*(wire.name for wire in new if wire.name in self._cables), *remove.keys() - names))
        draft = Draft(self, gone.keys(), stage)
        problems = []
        for wire in new:
            problems += [f"wire {wire.name}: {each.message}" for each in draft.add(wire, None, said)]
        if missing or problems:
            raise BadChange((*missing, *problems), not problems)
        removed = tuple(self._cables[name] for name in gone)
        self._take_out(removed)
        draft.adopt()
        return Changed(tuple(draft.cables.values()), removed)

    def undo(self, changed: Changed) -> None:
        """Make the last change not to have been."""
        self._take_out(changed.added)
        draft = Draft(self, frozenset(), Stage(self._where, frozenset(), True, 0))
        for cable in changed.removed:
            draft.restore(cable)
        draft.adopt()

    def _cable(self, wire: Said, ends: tuple[PortRef, PortRef], said: str) -> Cable:
        vlans = wire.vlans if isinstance(wire, Brief) else (wire.ends[0].vlan, wire.ends[1].vlan)
        return Cable(
            wire.name,
            ends,
            said,
            vlans,
            self._copies.get(wire.name, ()),
            wire.carrier != "ignore",
            wire.observe is not None,
            UNLIMITED if isinstance(wire, Brief) or wire.rate is None else wire.rate.bits,
        )

    def _take_out(self, cables: Iterable[Cable]) -> None:
        touched: dict[PortRef, None] = {}
        for cable in cables:
            del self._cables[cable.name]
            for ref, vlan in zip(cable.ends, cable.vlans, strict=True):
                del self._used[ref][vlan]
                touched[ref] = None
        for ref in touched:
            used = self._used[ref]
            if not used:
                del self._used[ref]
            if ref not in self.ports.implied:
                continue
            if used:
                self.ports.implied[ref] = self._said_at(next(iter(used.values())))
            elif ref in self._monitors:
                self.ports.implied[ref] = self._monitors[ref]
            else:
                del self.ports.implied[ref]
                del self._owners[ref.host, ref.port]

    def _name(self, slot: _Slot) -> str:
        return slot if isinstance(slot, str) else self._said[slot >> 1].name

    def _said_at(self, slot: _Slot) -> Path | str:
        return self._cables[slot].said if isinstance(slot, str) else _end_path(slot)


class Draft:
    """Wires on their way into a wiring, checked against those that are there, those `gone` left out."""

    def __init__(self, wiring: Wiring, gone: Set[str], stage: Stage):
        self.cables: dict[str, Cable] = {}
        self._wiring = wiring
        self._gone = gone
        self._stage = stage
        self._names: dict[str, int | str] = {}
        """Each with its number in the policy, or where it was said."""
        self._used: _Used = {}
        self._implied: dict[PortRef, Path | str] = {}
        self._owners: dict[tuple[str, str], PortRef] = {}
        self._found: dict[str, PortRef] = {}
        self._pairs: dict[tuple[PortRef, ...], tuple[PortRef, PortRef]] = {}

    def add(self, wire: Said, number: int | None, said: str) -> list[Finding]:
        """What is wrong with a wire; it is added when its ends could be found.

        `number` is which of the policy's it is, None for one that comes at run time; `said` where it was said.
        """
        at: Path = () if number is None else ("wires", number)
        findings: list[Finding] = []
        self._name(wire.name, at, said if number is None else number, findings)
        said_ends = (
            zip(wire.ports, wire.vlans, strict=True)
            if isinstance(wire, Brief)
            else ((each.port, each.vlan) for each in wire.ends)
        )
        found: list[PortRef] = []
        first: int | None = None
        for end, (spec, vlan) in enumerate(said_ends):
            ref = self._resolve(spec, (*at, "ends", end, "port"), findings)
            if ref is None:
                continue
            if found and found[0] == ref and (first is None or vlan is None or first == vlan):
                findings.append(
                    Finding((*at, "ends", end, "port"), f"both ends of this wire are {ref}: a wire joins two ports")
                )
                continue
            first = vlan
            found.append(ref)
            slot: _Slot = wire.name if number is None else number << 1 | end
            self._use(ref, vlan, slot, said, (*at, "ends", end), findings)
        findings += refuse.check_wire(wire, found, at)
        if len(found) == 2:
            pair = (found[0], found[1])
            cable = self._wiring._cable(wire, self._pairs.setdefault(pair, pair), said)
            if number is None:
                for monitor in cable.monitors:
                    findings += refuse.check_copy(found[0], monitor, at)
            self.cables[wire.name] = cable
        return findings

    def restore(self, cable: Cable) -> None:
        """Add a wire that was there before."""
        self.cables[cable.name] = cable
        for ref, vlan in zip(cable.ends, cable.vlans, strict=True):
            self._use(ref, vlan, cable.name, cable.said, (), [])

    def imply(self, ref: PortRef, at: Path, said: str = "") -> str | None:
        """A port that a wire or a copy names; what to say when it is something else on its host.

        `at` is where; `said` that in words for a wire that comes at run time.
        """
        wiring = self._wiring
        implied = wiring.ports.implied
        if ref in wiring.ports.declared or ref in self._implied or (ref in implied and self._alive(ref)):
            return None
        self._implied[ref] = said or at
        if wiring.ports.is_bridge(ref.host, ref.port):
            return f"{shown(ref.port)} is a bridge; it cannot be the port that a wire ends in"
        where: Path | str
        owner = wiring.ports.of_host(ref.host, ref.port)
        if owner is not None:
            where = wiring.ports.declared[owner].path
        else:
            key = (ref.host, ref.port)
            owner = wiring._owners.get(key)
            if owner is None or owner == ref or not self._alive(owner):
                owner = self._owners.setdefault(key, ref)
            if owner == ref:
                return None
            where = self._implied.get(owner) or implied[owner]
        place = where if isinstance(where, str) else self._stage.where(where)
        return f"{shown(ref.port)} is a port of {owner.bridge}, at {place}: write {owner}"

    def fabric(self, ref: PortRef) -> str | None:
        """What to say of a port that a wire or a copy names, when it leads to another switch."""
        at = self._wiring.ports.fabric.get(ref)
        if at is None:
            return None
        return (
            f"{ref} leads to another switch, by `role: fabric` at {self._stage.where(at)}: "
            "name another port here, or take the role out there"
        )

    def users(self, ref: PortRef) -> Mapping[int | None, _Slot]:
        return self._used.get(ref, {})

    def names(self) -> Collection[str]:
        return self._names.keys()

    def user(self, slot: _Slot) -> tuple[str, str]:
        """The name of a wire that uses a port, and where."""
        name = self._wiring._name(slot)
        if not isinstance(slot, str):
            return name, self._stage.where(_end_path(slot))
        said = self._names.get(name)
        return name, said if isinstance(said, str) else self._wiring._cables[name].said

    def adopt(self) -> None:
        """Make these wires the wiring's. Those that are gone were taken out."""
        wiring = self._wiring
        if not wiring._cables:
            wiring._cables, wiring._used, wiring._owners = self.cables, self._used, self._owners
        else:
            wiring._cables.update(self.cables)
            wiring._owners.update(self._owners)
            for ref, used in self._used.items():
                wiring._used.setdefault(ref, {}).update(used)
        wiring.ports.implied.update(self._implied)

    def _name(self, name: str, at: Path, place: int | str, findings: list[Finding]) -> None:
        first = self._names.setdefault(name, place)
        if first != place or (isinstance(place, str) and name in self.cables):
            where = first if isinstance(first, str) else self._stage.where(("wires", first))
            findings.append(
                Finding(
                    (*at, "name"),
                    f"a wire called {shown(name)} is there already, at {where}: give one another `name`",
                )
            )

    def _resolve(self, spec: str, at: Path, findings: list[Finding]) -> PortRef | None:
        ref = self._found.get(spec)
        if ref is None:
            try:
                ref = self._found[spec] = self._wiring.ports.resolve(spec)
            except PortError as error:
                if not (isinstance(error, UnknownPort) and self._stage.excused(spec)):
                    findings.append(Finding(at, self._stage.bad_port(error)))
        return ref

    def _use(
        self, ref: PortRef, vlan: int | None, slot: _Slot, said: str, at: Path, findings: list[Finding]
    ) -> None:
        run_time = isinstance(slot, str)
        message = self.imply(ref, at, said if run_time else "") or self.fabric(ref)
        if message:
            findings.append(Finding(at, message))
        mine = self._used.setdefault(ref, {})
        other = self._taker(mine, vlan, frozenset())
        if other is None:
            there = self._wiring._used.get(ref)
            other = self._taker(there, vlan, self._gone) if there else None
        what = str(ref) if vlan is None else f"{ref}, VLAN {vlan},"
        if other is not None:
            name, where = self.user(other)
            findings.append(
                Finding(
                    (*at, "port"),
                    f"{what} is on a wire already: {name} at {where}; a port ends one wire, or one for each VLAN",
                )
            )
            return
        mine[vlan] = slot
        if run_time and ref in self._wiring._monitors:
            where = self._stage.where(self._wiring._monitors[ref])
            findings.append(
                Finding((*at, "port"), f"{ref} gets a copy of a wire, at {where}: a wire needs a port of its own")
            )

    def _taker(self, used: Mapping[int | None, _Slot], vlan: int | None, gone: Set[str]) -> _Slot | None:
        """Who has what a wire wants of a port."""
        if not used:
            return None
        slots = used.values() if vlan is None else (used[each] for each in (vlan, None) if each in used)
        for slot in slots:
            if not gone or self._wiring._name(slot) not in gone:
                return slot
        return None

    def _alive(self, ref: PortRef) -> bool:
        """Whether an implied port is named by anything that stays."""
        wiring = self._wiring
        if not self._gone or ref in wiring._monitors:
            return True
        return any(wiring._name(slot) not in self._gone for slot in wiring._used.get(ref, {}).values())


class _Wires(Mapping[str, Wire]):
    def __init__(self, wiring: Wiring):
        self._wiring = wiring

    def __getitem__(self, name: str) -> Wire:
        return self._wiring.wire(name)

    def __contains__(self, name: object) -> bool:
        return name in self._wiring.cables

    def __iter__(self) -> Iterator[str]:
        return iter(self._wiring.cables)

    def __len__(self) -> int:
        return len(self._wiring.cables)


def _end_path(slot: int) -> Path:
    return "wires", slot >> 1, "ends", slot & 1
