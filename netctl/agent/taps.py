"""The taps that others attach to this host's bridges: looked at, reported, and mended where the policy asks for it.
Pure, as the core is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from netctl.agent.fight import Fights
from netctl.agent.messages import BridgeSeen, Command, Level, Log, MacSet, SeeTaps, SetMac, TapsSeen
from netctl.desired.foreign import ForeignTap, guest_macs, linux_bridges, report, wrong
from netctl.plan.text import line
from netctl.policy import Loaded

GAP = 0.1
"""Seconds between two looks, at least."""


class Taps:
    """Of one host. `problems` is what is wrong and stays so."""

    def __init__(self) -> None:
        self.problems: tuple[str, ...] = ()
        self._enforce = False
        self._bridges: frozenset[str] = frozenset()
        self._guests: frozenset[str] = frozenset()
        self._ports: Mapping[str, str] = {}
        self._known: dict[str, ForeignTap] = {}
        self._names: frozenset[str] | None = frozenset()
        """The devices that are to be looked at; None for all."""
        self._looked = 0.0
        self._fights = Fights()
        self._failed: dict[str, str] = {}
        """Why those could not be mended."""

    @property
    def deadline(self) -> float | None:
        """When to `look` at the latest; None for never."""
        if not (self._bridges or self._ports):
            return None
        due = [] if self._names == frozenset() else [self._looked + GAP]
        if (fight := self._fights.deadline) is not None:
            due.append(max(fight, self._looked + GAP))
        return min(due, default=None)

    def rule(self, loaded: Loaded, host: str) -> None:
        """The policy in force is another one."""
        assert loaded.policy is not None
        self._enforce = loaded.policy.hosts[host].foreign_taps == "enforce"
        self._bridges, self._guests = linux_bridges(loaded, host), guest_macs(loaded, host)
        self._fights = Fights()
        self._failed.clear()
        self._names = None

    def attached(self, bridges: Collection[BridgeSeen]) -> None:
        """These are the bridges of Open vSwitch now, and their ports."""
        ports = {port.name: bridge.name for bridge in bridges for port in bridge.ports}
        if ports != self._ports:
            self._ports = ports
            self._names = None

    def changed(self, names: frozenset[str] | None) -> None:
        """Something happened to the devices called so, or to any."""
        if self._bridges or self._ports:
            self._names = None if names is None or self._names is None else self._names | names

    def look(self, now: float) -> list[Command]:
        """Look, if it is time to."""
        if self.deadline is None or self.deadline > now:
            return []
        names = self._names
        if names is not None:
            names |= {fight.key[1] for fight in self._fights.open}
        self._names = frozenset()
        self._looked = now
        return [SeeTaps(self._bridges, self._ports, names)]

    def seen(self, event: TapsSeen, now: float) -> list[Command]:
        if event.names is None:
            self._known.clear()
            self._failed.clear()
        for name in event.names or ():
            self._known.pop(name, None)
            self._failed.pop(name, None)
        self._known |= {tap.name: tap for tap in event.taps}
        steps = wrong(self._known.values(), self._guests)
        if not self._enforce:
            return self._tell(map(report, steps), "warning")
        begun, _ = self._fights.seen(steps, now)
        todo = [step for step in steps if not self._fights.holds(step) and step.item.name not in self._failed]
        return [*self._complain(), *(SetMac(step) for step in todo)] if begun or todo else self._complain()

    def mended(self, event: MacSet, now: float) -> list[Command]:
        """One was given the MAC that it should have, or could not be."""
        tap = event.step.item
        if event.error:
            self._failed[tap.name] = event.error
            return self._complain()
        self._known[tap.name] = tap
        self._fights.repaired(event.step, now)
        return [Log("info", f"repaired: {line(event.step)}")]

    def _complain(self) -> list[Command]:
        return self._tell([*self._failed.values(), *map(str, self._fights.open)], "error")

    def _tell(self, problems: Iterable[str], level: Level) -> list[Command]:
        said = tuple(sorted(problems))
        new = [text for text in said if text not in self.problems]
        self.problems = said
        return [Log(level, text) for text in new]
