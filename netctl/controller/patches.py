"""Patching at run time: one change after another, each checked, saved, carried out and answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from netctl.controller.commands import Answer, Command, Log, SavePatch
from netctl.controller.events import PatchAsked, PatchSaved
from netctl.controller.host import HostState
from netctl.controller.patching import Change, Outcome, Result
from netctl.controller.planning import Panel, Place, place, plan_rows
from netctl.controller.table import Owner
from netctl.desired.flows import cookie_of
from netctl.desired.queue import shaper_key
from netctl.plan import Key
from netctl.plan.text import line, lines
from netctl.policy import BadChange, Changed, Patch, PortRef

if TYPE_CHECKING:
    from netctl.controller.brain import Brain

LOGGED_WIRES = 20
"""Of a change of many wires so many are logged by name, then their number."""

PORT_SECONDS = 2.0
"""How long a port that a wire needs may take to come before the change is answered as pending."""


@dataclass
class Patching:
    """A change that is under way."""

    ask: int
    change: Change
    panel: Panel
    changed: Changed
    before: Patch
    steps: tuple[str, ...] = ()
    since: float | None = None
    """When it was saved."""
    errors: tuple[str, ...] = ()
    """What the switches refused."""
    undoing: bool = False

    @property
    def owners(self) -> dict[Place, set[Owner]]:
        """The wires that it puts in or takes out, by the bridge that they are on."""
        owners: dict[Place, set[Owner]] = {}
        for cable in (*self.changed.added, *self.changed.removed):
            owners.setdefault(place(cable), set()).add(cookie_of(cable.name))
        return owners


class Patches:
    """See the module. What it changes is the brain's panel."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain
        self._asked: deque[PatchAsked] = deque()
        self._now: Patching | None = None

    def ask(self, event: PatchAsked) -> list[Command]:
        self._asked.append(event)
        return self._next()

    def saved(self, event: PatchSaved) -> list[Command]:
        now = self._now
        if now is None or now.ask != event.ask:
            return []
        if now.undoing:
            errors = now.errors
            if event.error:
                errors = (*errors, f"and it could not be written back: {event.error}")
            return self._answer(now, Outcome("refused", errors, now.steps))
        if event.error:
            self._take_back(now)
            return self._answer(now, Outcome("unsaved", (event.error,)))
        brain = self._brain
        if brain.panel is not now.panel and brain.panel is not None:
            try:
                now.before, now.panel = brain.panel.patch, brain.panel
                now.changed = brain.panel.change(now.change.put, now.change.remove, brain.patch_file)
            except BadChange as error:
                return self._answer(now, Outcome("invalid", error.problems))
        now.since = brain.now
        brain.policy = replace(brain.policy, digest=event.digest)
        now.steps = tuple(self._lines(now))
        self._touch(now)
        names = [f"- {each.name}" for each in now.changed.removed] + [f"+ {each.name}" for each in now.changed.added]
        more = [f"and {len(names) - LOGGED_WIRES} more"] if len(names) > LOGGED_WIRES else []
        return [Log("info", f"patched at run time: {', '.join(names[:LOGGED_WIRES] + more) or 'no wire changes'}")]

    def refused(self, where: Place, owners: Collection[Owner], errors: Iterable[str]) -> None:
        """A switch refused a change in which the wires of these owners were."""
        now = self._now
        if now is not None and now.since is not None and not now.owners.get(where, set()).isdisjoint(owners):
            now.errors += tuple(errors)

    def settle(self) -> list[Command]:
        """See how far the change under way has come."""
        now = self._now
        if now is None or now.since is None or now.undoing:
            return []
        if now.errors:
            now.undoing = True
            self._take_back(now)
            return [SavePatch(now.ask, now.before)]
        waits = []
        for where, owners in now.owners.items():
            verdict = self._verdict(now, where, owners)
            if verdict is None:
                return []
            waits += verdict
        if now.errors:
            return self.settle()
        result: Result = "pending" if waits else "done"
        return self._answer(now, Outcome(result, tuple(waits), now.steps, self._brain.patch_file))

    def _next(self) -> list[Command]:
        commands: list[Command] = []
        while self._now is None and self._asked:
            commands.append(self._begin(self._asked.popleft()))
        return commands

    def _begin(self, event: PatchAsked) -> Command:
        panel, change = self._brain.panel, event.change
        if panel is None:
            return Answer(event.ask, Outcome("unready", ("no policy is in force yet; netctl show says why",)))
        before = panel.patch
        try:
            changed = panel.change(change.put, change.remove, self._brain.patch_file)
        except BadChange as error:
            return Answer(event.ask, Outcome("missing" if error.missing else "invalid", error.problems))
        now = Patching(event.ask, change, panel, changed, before)
        if panel.patch == before and not changed.added and not changed.removed:
            return Answer(event.ask, Outcome("unchanged"))
        if change.dry_run:
            steps = tuple(self._lines(now))
            panel.undo(changed, before)
            return Answer(event.ask, Outcome("planned", (), steps, self._brain.patch_file))
        self._now = now
        return SavePatch(event.ask, panel.patch)

    def _answer(self, now: Patching, outcome: Outcome) -> list[Command]:
        self._now = None
        return [Answer(now.ask, outcome), *self._next()]

    def _take_back(self, now: Patching) -> None:
        if now.panel is self._brain.panel:
            now.panel.undo(now.changed, now.before)
        self._touch(now)

    def _touch(self, now: Patching) -> None:
        """Have what depends on the wires looked at again."""
        brain = self._brain
        for where, owners in now.owners.items():
            switch = brain.switch_at(where)
            if switch is not None:
                switch.carrier.rewired(ref.port for ref in _ends(now.changed))
            if switch is not None and switch.table is not None:
                switch.table.touch(owners)
                switch.table.touch_ports(ref.port for ref in _ends(now.changed))
                switch.dirty = True
                switch.retry.worked()
            if brain.learns(where) or any(ref not in now.panel.ports.declared for ref in _ends(now.changed)):
                brain.hosts[where[0]].dirty = True
            host = brain.hosts.get(where[0])
            if host is not None and _limited(now.changed):
                host.dirty = True
                host.retry.worked()

    def _lines(self, now: Patching) -> list[str]:
        """The plan, as it reads."""
        said: list[str] = []
        for where, owners in now.owners.items():
            switch = self._brain.switch_at(where)
            if switch is not None and switch.table is not None:
                said += lines(switch.table.plan_of(owners))
        if _limited(now.changed):
            hosts = (self._brain.hosts.get(name) for name in dict.fromkeys(host for host, _ in now.owners))
            said += (text for host in hosts if host is not None for text in self._rate_lines(now, host))
        return said

    def _rate_lines(self, now: Patching, host: HostState) -> Iterator[str]:
        if host.observed is not None:
            plan = plan_rows(now.panel, host.name, host.observed, host.target, self._brain.still_wired(host.name))
            yield from (line(step) for step in plan.steps if step.key in _shapers(now.changed))

    def _verdict(self, now: Patching, where: Place, owners: set[Owner]) -> list[str] | None:
        """What keeps the wires on a bridge waiting; None while it may still come right by itself."""
        brain = self._brain
        switch = brain.switch_at(where)
        if switch is None:
            return [f"bridge {where[1]} of host {where[0]} is not connected to this controller"]
        table = switch.table
        if table is None:
            return None
        if table.differs(owners):
            now.errors += tuple(str(each) for each in table.plan_of(owners).collisions)
            return None if not now.errors else []
        ends = {end.port for cable in now.changed.added if place(cable) == where for end in cable.ends}
        missing = sorted(ends - table.numbers.keys())
        host = brain.hosts[where[0]]
        assert now.since is not None
        if missing and (host.dirty or host.applying or brain.now - now.since < PORT_SECONDS):
            return None
        rates = self._rates(now, host)
        return None if rates is None else [*(f"bridge {where[1]} has no port {port} yet" for port in missing), *rates]

    def _rates(self, now: Patching, host: HostState) -> list[str] | None:
        """What keeps the rates of a host's wires waiting; None while it may still come right by itself."""
        if not _limited(now.changed):
            return []
        if not host.connected:
            return [f"host {host.name}: {host.why}"]
        if host.dirty or host.applying:
            return None
        shapers = _shapers(now.changed)
        waits = [str(each) for each in host.plan.collisions if each.key in shapers]
        undone = any(step.key in shapers for step in host.plan.steps)
        return [*waits, f"host {host.name}: {host.error}"] if undone and host.error else waits


def _ends(changed: Changed) -> Iterator[PortRef]:
    for cable in (*changed.added, *changed.removed):
        yield from cable.ends


def _limited(changed: Changed) -> bool:
    """Whether rates come or go."""
    return any(cable.limited for cable in (*changed.added, *changed.removed))


def _shapers(changed: Changed) -> set[Key]:
    return {shaper_key(ref.port) for ref in _ends(changed)}
