"""What the agent does, and when. Pure: events in, commands out, the time comes with the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from netctl.agent.fight import Fights
from netctl.agent.messages import (
    Applied,
    Apply,
    BridgesSeen,
    Changed,
    CheckPorts,
    Command,
    Event,
    Failure,
    Follow,
    HostObserved,
    Log,
    MacSet,
    Observe,
    ObserveFailed,
    PolicyRead,
    PortsRevived,
    Sight,
    Status,
    TapsSeen,
    Tick,
    WriteStatus,
)
from netctl.agent.taps import Taps
from netctl.agent.wires import Wires
from netctl.desired.device import Device, ordered, plan_host
from netctl.desired.host import NoSuchHost, choose_host, devices
from netctl.desired.link import Link, Nic, Veth
from netctl.desired.routing import Address, Route, Rule
from netctl.plan import Key, Plan, Step, Wanted
from netctl.plan.delta import NOT_THERE
from netctl.plan.text import line, lines
from netctl.policy import Loaded

GAP = 0.02
"""Seconds between two looks at the host, at least: a storm of announcements is answered once."""
EASE = 3
"""And at least so many times as long as the last look took: looking is never all that the agent does."""
FULL_CHECK = 60.0
"""Seconds after which the host is looked at though nothing was announced."""
PORTS_AGAIN = 1.5
"""Seconds after which the ports of Open vSwitch under devices that changed are looked at once more: ovs-vswitchd may
have been too busy to answer, or have taken up the device only after the first look."""
RETRY_FIRST, RETRY_LAST = 0.5, 30.0
"""Seconds before a step that failed is tried again; each failure doubles them, up to the last."""


@dataclass(frozen=True)
class _Hold:
    """Why the steps whose keys begin with a certain one wait, and until when."""

    message: str
    until: float
    delay: float
    tries: int = 1


class Core:
    """One host's agent. `host` is what --host said, `hostname` the machine's own name."""

    def __init__(self, host: str | None, hostname: str, now: float) -> None:
        self._option = host
        self._hostname = hostname
        self._chosen: str | None = None
        self._wanted: tuple[Wanted[Device], ...] | None = None
        self._watched: frozenset[str] = frozenset()
        self._routed = False
        """Whether addresses, routes or rules are wanted."""
        self._rooms: frozenset[str] = frozenset()
        """The namespaces that are wanted."""
        self._devices: frozenset[str] = frozenset()
        """The devices in the host's own namespace that are."""
        self._with: dict[str, list[Wanted[Device]]] = {}
        """By the names of these, what goes when one goes: itself, and the other end of a veth."""
        self._due: float | None = None
        self._looked = self._answered = now
        self._gap = GAP
        self._suspects: frozenset[str] = frozenset()
        """The devices that changed since Open vSwitch's ports under them were looked at."""
        self._ports_again: tuple[float, frozenset[str]] | None = None
        """When to look at these once more."""
        self._failed_looks = 0
        self._trouble = ""
        self._settled = False
        self._holds: dict[Key, _Hold] = {}
        self._just_done: dict[Key, Step[Device]] = {}
        self._fights = Fights()
        self._collisions: tuple[str, ...] = ()
        self.status = Status(host or hostname, started=now)
        self.sight = Sight()
        self.wires = Wires()
        self._taps = Taps()
        self._written: Status | None = None

    @property
    def deadline(self) -> float | None:
        """When the next Tick should come at the latest; None for never."""
        times = [self.wires.deadline, self._taps.deadline]
        if self._wanted is not None:
            times.append(self._next_look)
        if self._ports_again is not None:
            times.append(self._ports_again[0])
        return min((time for time in times if time is not None), default=None)

    @property
    def _next_look(self) -> float:
        times = [self._looked + max(FULL_CHECK, self._gap)]
        times += [max(hold.until, self._looked + self._gap) for hold in self._holds.values()]
        if self._due is not None:
            times.append(self._due)
        if (fight := self._fights.deadline) is not None:
            times.append(max(fight, self._looked + self._gap))
        return min(times)

    def handle(self, event: Event, now: float) -> list[Command]:
        commands: list[Command]
        match event:
            case PolicyRead(loaded):
                commands = self._policy(loaded, now)
            case Changed():
                commands = self._changed(event, now)
            case HostObserved():
                commands = self._observed(event, now)
            case ObserveFailed(message):
                commands = self._blind(message, now)
            case Applied():
                commands = self._applied(event, now)
            case PortsRevived(names):
                commands = self._revived(names)
            case TapsSeen():
                commands = self._taps.seen(event, now)
            case MacSet(step, error):
                commands = self._taps.mended(event, now)
                self._count(() if error else (step.key[0],))
            case BridgesSeen(bridges):
                self._taps.attached(bridges)
                commands = self.wires.handle(event, self._chosen or "", now)
            case Tick():
                commands = [*self._tick(now), *self.wires.handle(event, self._chosen or "", now)]
            case _:
                commands = self.wires.handle(event, self._chosen or "", now)
        commands += self._taps.look(now)
        self.status = replace(self.status, wires=self.wires.status, foreign_taps=self._taps.problems)
        if self.status != self._written:
            self._written = self.status
            commands.append(WriteStatus(self.status))
        return commands

    def _policy(self, loaded: Loaded, now: float) -> list[Command]:
        self.status = replace(self.status, source=loaded.source)
        if loaded.policy is None:
            return self._refuse(map(str, loaded.problems))
        try:
            host = choose_host(loaded.policy, self._chosen or self._option, self._hostname)
        except NoSuchHost as error:
            return self._refuse([f"{loaded.source}: {error}"])
        self._chosen = host
        self._wanted = tuple(devices(loaded, host))
        self._watched = frozenset(_names(each.item for each in self._wanted))
        self._routed = any(_is_routed(each.item) for each in self._wanted)
        self._rooms = frozenset(each.item.key[1] for each in self._wanted if each.item.key[0] == "netns")
        self._devices = frozenset(
            each.item.name for each in self._wanted if isinstance(each.item, Link) and not each.item.netns
        )
        self._with = _with(self._wanted)
        self._holds.clear()
        self._just_done.clear()
        self._fights = Fights()
        self._taps.rule(loaded, host)
        self._settled = False
        self.status = replace(
            self.status, host=host, digest=loaded.digest, since=now, refused=(), converged=False, problems=(), fights=()
        )
        self._due = now
        said = f"policy {loaded.source} in force on host {host}: {len(self._wanted)} devices"
        entry = loaded.policy.hosts[host]
        return [Log("info", said), Follow(host, entry.ovsdb, frozenset(entry.bridges)), *self._look(now)]

    def _refuse(self, problems: Iterable[str]) -> list[Command]:
        refused = tuple(problems)
        if refused == self.status.refused:
            return []
        self.status = replace(self.status, refused=refused)
        kept = "the one before stays in force" if self._wanted is not None else "waiting for a good one"
        return [*(Log("error", each) for each in refused), Log("error", f"policy refused; {kept}")]

    def _changed(self, event: Changed, now: float) -> list[Command]:
        self._fights.fell(event.fallen)
        self._taps.changed(None if event.everything else event.names)
        if self._wanted is None or not self._concerns(event):
            return []
        self._suspect(event, now)
        soonest = max(now, self._answered + self._gap)
        self._due = soonest if self._due is None else min(self._due, soonest)
        lost = self._lost(event, now)
        return self._do(lost, now) if lost else self._look(now)

    def _lost(self, event: Changed, now: float) -> list[Step[Device]]:
        """What makes again devices that the kernel says are gone: nothing need be looked at first, and of a thousand
        devices one is back in a few milliseconds. None where more than that may be the matter."""
        if not self._settled or event.everything:
            return []
        lost = [want for name in event.gone & self._devices for want in self._with.get(name, ())]
        steps: list[Step[Device]] = [Step("add", f"{NOT_THERE}; {want.why}", None, want.item) for want in lost]
        if any(self._held(step) or self._fights.over(step) or self._fights.due(step, now) for step in steps):
            return []
        return list(ordered(steps))

    def _do(self, steps: Sequence[Step[Device]], now: float) -> list[Command]:
        todo = Plan(tuple(steps))
        said = lines(todo)
        self.status = replace(self.status, plan=tuple(said), planned=now)
        return [*(Log("debug" if self._settled else "info", each) for each in said), Apply(todo)]

    def _concerns(self, event: Changed) -> bool:
        if event.everything or event.names & self._watched or event.rooms & self._rooms:
            return True
        return event.routing and self._routed

    def _suspect(self, event: Changed, now: float) -> None:
        names = self._devices if event.everything else event.names & self._devices
        if names:
            self._suspects |= names
            again = self._ports_again[1] if self._ports_again is not None else frozenset()
            self._ports_again = now + PORTS_AGAIN, names | again

    def _tick(self, now: float) -> list[Command]:
        commands = self._look(now)
        if self._ports_again is not None and self._ports_again[0] <= now:
            commands.append(CheckPorts(self._ports_again[1]))
            self._ports_again = None
        return commands

    def _look(self, now: float) -> list[Command]:
        """Observe, if it is time to."""
        if self._wanted is None or self._chosen is None or self._next_look > now:
            return []
        if now >= self._looked + FULL_CHECK:
            self._suspects = self._devices
            self._taps.changed(None)
        if self._due is not None:
            self._answered = now
        self._due = None
        self._looked = now
        return [Observe(self._chosen, tuple(each.item for each in self._wanted))]

    def _blind(self, message: str, now: float) -> list[Command]:
        self._failed_looks += 1
        self._due = now + min(RETRY_LAST, GAP * 2**self._failed_looks)
        self._looked = now
        commands: list[Command] = []
        if message != self._trouble:
            self._trouble = message
            commands.append(Log("error", message))
        self._tell()
        return commands

    def _observed(self, event: HostObserved, now: float) -> list[Command]:
        assert self._wanted is not None
        commands: list[Command] = []
        self._gap = max(GAP, EASE * event.took)
        if event.announced is not None:
            self._fights.fell(event.announced.fallen)
            self._suspect(event.announced, now)
            self._taps.changed(None if event.announced.everything else event.announced.names)
        self._failed_looks = 0
        self._trouble = ""
        plan = plan_host(self._wanted, event.found)
        ours = sum(each.ours for each in event.found)
        drift = len(plan.steps) + len(plan.collisions)
        self.sight = Sight(len(self._wanted), ours, drift, self._looked, event.took)
        begun, ended = self._fights.seen(plan.steps, now)
        commands += [Log("error", str(fight)) for fight in begun]
        for fight in begun:
            self._holds.pop(fight.key, None)
        commands += [Log("info", f"nobody sets {fight.name} back any more") for fight in ended]
        for step in plan.steps:
            before = self._just_done.get(step.key)
            again = before is not None and (before.verb, before.changes) == (step.verb, step.changes)
            if again and not self._fights.over(step):
                commands += self._hold(Failure(step, f"{line(step)}: was done, and is not so"), now)
        self._just_done.clear()
        self._release(plan)
        commands += self._note_collisions(plan)
        fresh = [step for step in plan.steps if not self._held(step) and not self._fights.holds(step)]
        if not fresh:
            retry = next((step for step in plan.steps if self._retry(step, now)), None)
            fresh = [retry] if retry else []
        if fresh:
            commands += self._do(fresh, now)
        elif self._suspects:
            names, self._suspects = self._suspects, frozenset()
            commands.append(CheckPorts(names))
        if not plan and not self.status.converged:
            commands.append(Log("info", "the host is as the policy says"))
        self._settled |= not fresh
        self._tell(converged=not plan)
        return commands

    def _applied(self, event: Applied, now: float) -> list[Command]:
        commands: list[Command] = [Log("warning", note) for note in event.notes]
        undone = {step.key for step in event.undone}
        kept = [step for step in event.done if step.key not in undone]
        if self._settled:
            repaired = [step for step in kept if not self._held(step)]
            commands += [Log("info", f"repaired: {line(step)}") for step in repaired]
            self._count(step.key[0] for step in repaired)
            for step in kept:
                self._fights.repaired(step, now)
        self._just_done |= {step.key: step for step in kept}
        for step in kept:
            self._holds.pop(step.key[:1], None)
        if event.failure is not None:
            commands += self._hold(event.failure, now)
            if event.undone:
                commands.append(
                    Log("warning", f"taken back: {', '.join('/'.join(step.key) for step in event.undone)}")
                )
        self._tell()
        if self._due is not None and self._due > now:
            return commands
        if self._due is not None:
            self._due, self._answered = None, now
        self._looked = now
        assert self._wanted is not None
        assert self._chosen is not None
        return [*commands, Observe(self._chosen, tuple(each.item for each in self._wanted))]

    def _revived(self, names: tuple[str, ...]) -> list[Command]:
        self._count("port" for _ in names)
        return [Log("info", f"Open vSwitch held the dead socket of {', '.join(names)}: attached again")]

    def _count(self, kinds: Iterable[str]) -> None:
        repaired = Counter(self.status.repaired)
        repaired.update(kinds)
        self.status = replace(self.status, repairs=repaired.total(), repaired=dict(repaired))

    def _hold(self, failure: Failure, now: float) -> list[Command]:
        key = failure.step.key[:1] if failure.whole_kind else failure.step.key
        before = self._holds.get(key)
        delay = min(RETRY_LAST, 2 * before.delay) if before else RETRY_FIRST
        tries = before.tries + 1 if before else 1
        self._holds[key] = _Hold(failure.message, now + delay, delay, tries)
        told = before is not None and before.message == failure.message
        return [Log("debug" if told else "error", f"{failure.message} (next try in {delay:g} s)")]

    def _held(self, step: Step[Device]) -> bool:
        """Whether a step waits, for a failure of its own or of the namespace that it needs."""
        if step.key in self._holds or step.key[:1] in self._holds:
            return True
        rooms = {step.after.netns, getattr(step.after, "peer_netns", "")} if isinstance(step.after, Link) else set()
        return any(("netns", room) in self._holds or ("netns",) in self._holds for room in rooms - {""})

    def _retry(self, step: Step[Device], now: float) -> bool:
        holds = [self._holds[key] for key in (step.key, step.key[:1]) if key in self._holds]
        return bool(holds) and all(hold.until <= now for hold in holds)

    def _release(self, plan: Plan[Device]) -> None:
        """Forget the failures of what is no longer to be done."""
        keys = {step.key for step in plan.steps}
        keys |= {key[:1] for key in keys}
        for key in [key for key in self._holds if key not in keys]:
            del self._holds[key]

    def _note_collisions(self, plan: Plan[Device]) -> list[Command]:
        said = tuple(f"{each}  ({each.why})" for each in plan.collisions)
        new = [Log("error", each) for each in said if each not in self._collisions]
        self._collisions = said
        return list(new)

    def _tell(self, converged: bool = False) -> None:
        problems = [*([self._trouble] if self._trouble else []), *self._collisions]
        problems += [hold.message for hold in self._holds.values()]
        problems += map(str, self._fights.open)
        self.status = replace(
            self.status, problems=tuple(problems), fights=self._fights.open, converged=converged and not problems
        )


def _with(wanted: Iterable[Wanted[Device]]) -> dict[str, list[Wanted[Device]]]:
    found: dict[str, list[Wanted[Device]]] = {}
    for want in wanted:
        device = want.item
        if isinstance(device, Link):
            places = [device.place, (device.peer_netns, device.peer)] if isinstance(device, Veth) else [device.place]
            for netns, name in places:
                if not netns and not isinstance(device, Nic):
                    found.setdefault(name, []).append(want)
    return found


def _names(devices: Iterable[Device]) -> set[str]:
    """The names that announcements about devices carry; a namespace's is that of its loopback."""
    names = {"lo"}
    for device in devices:
        if isinstance(device, Link):
            names.add(device.name)
        elif isinstance(device, Address | Route):
            names.add(device.dev)
    return names


def _is_routed(device: Device) -> bool:
    """Whether addresses, routes or rules that come or go may be of it."""
    return isinstance(device, Address | Route | Rule) or (isinstance(device, Link) and bool(device.addresses))
