"""When the agent looks at the flows of this host's bridges, and what it may do there. Pure, as the core is.

A bridge that has none of netctl's flows is filled at once, whoever else is about to: both would write the same.
What else its flows lack is the controller's to do, unless no controller is connected to the bridge.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from netctl.agent.messages import (
    Answer,
    Ask,
    Attend,
    Attended,
    BridgeSeen,
    BridgesSeen,
    Command,
    FilesSeen,
    Log,
    SwitchDown,
    SwitchUp,
    Tick,
    WireEvent,
    WireStatus,
)

ALONE = 6.0
"""Seconds without a controller after which the agent stands in for it. ovs-vswitchd writes down only every five
whether one is connected."""
CHECK = 10.0
"""Seconds between two looks at the flows of a bridge without a controller, at least."""
EASE = 20
"""And at least so many times as long as the last look took."""
LEARN = 1.0
"""Seconds that policy and ports have to rest before what a bridge needs is packed for its next restart."""
LATE = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds after a restore at which the wires whose ports had not come yet are looked for."""
DOWN = 3.0
"""Seconds that ovs-vswitchd may take to start before its silence is a problem."""
RETRY_FIRST, RETRY_LAST = 0.1, 30.0
"""Seconds before something that failed is tried again; each failure doubles them, up to the last."""


@dataclass
class _Bridge:
    seen: BridgeSeen
    alone_since: float | None
    """Since when no controller is connected; None while one is."""
    up: bool = False
    down_since: float = 0.0
    why_down: str = ""
    told_down: bool = False
    fresh: bool = False
    """It has answered, and nobody has looked whether it has flows."""
    moved: float = 0.0
    """When the policy or the ports changed last."""
    looked: float | None = None
    """When its flows were last held against the policy, and changed if need be; None for never since it is alone."""
    learned: Hashable = None
    """The policy and the ports for which its flows are packed."""
    late: int = 0
    """How many of LATE have been used since the last restore."""
    late_at: float | None = None
    """When to look for the ports that wires wait for; None where none does, or they have been waited for enough."""
    failures: int = 0
    until: float = 0.0
    problems: tuple[str, ...] = ()

    def alone(self, now: float, seconds: float = ALONE) -> bool:
        return self.alone_since is not None and now >= self.alone_since + seconds


class Wires:
    """The wires of one host. `status` is what it says of itself."""

    def __init__(self) -> None:
        self.status = WireStatus()
        self._host = ""
        self._bridges: dict[str, _Bridge] = {}
        self._files: Hashable = None
        self._asked: dict[str, tuple[Ask, Hashable]] = {}
        """What is being attended to, with the policy and the ports of that moment."""
        self._took = 0.0
        """Seconds that the last look at flows of a bridge without a controller took, and all that was asked with it."""

    @property
    def deadline(self) -> float | None:
        """When the next Tick should come at the latest; None for never."""
        times = [self._next(bridge) for bridge in self._bridges.values()]
        return min((time for time in times if time is not None), default=None)

    def alone(self, now: float, seconds: float = ALONE) -> frozenset[str]:
        """The bridges for which no controller decides: none has been connected for so many seconds."""
        return frozenset(name for name, bridge in self._bridges.items() if bridge.up and bridge.alone(now, seconds))

    def handle(self, event: WireEvent | Tick, host: str, now: float) -> list[Command]:
        """`host` is this host's name in the policy in force."""
        self._host = host
        commands: list[Command] = []
        match event:
            case FilesSeen(signature):
                self._files = signature
                for bridge in self._bridges.values():
                    bridge.moved = now
            case BridgesSeen(bridges):
                self._seen(bridges, now)
            case SwitchUp(name):
                commands = self._up(name)
            case SwitchDown(name, why):
                commands = self._down(name, why, now)
            case Attended(answers, took):
                commands = self._attended(answers, took, now)
            case Tick():
                pass
        commands += self._complain(now)
        commands += self._look(now)
        alone = tuple(sorted(self.alone(now)))
        problems = tuple(text for bridge in self._bridges.values() for text in bridge.problems)
        self.status = replace(self.status, alone=alone, problems=problems)
        return commands

    def _seen(self, bridges: tuple[BridgeSeen, ...], now: float) -> None:
        before, self._bridges = self._bridges, {}
        for seen in bridges:
            bridge = before.get(seen.name)
            if bridge is None:
                bridge = _Bridge(seen, None if seen.controlled else now, down_since=now, moved=now)
            if seen.controlled:
                bridge.alone_since = bridge.looked = None
            elif bridge.alone_since is None:
                bridge.alone_since = now
            if seen.ports != bridge.seen.ports:
                bridge.moved = now
            bridge.seen = seen
            self._bridges[seen.name] = bridge

    def _up(self, name: str) -> list[Command]:
        bridge = self._bridges.get(name)
        if bridge is None:
            return []
        told, bridge.told_down = bridge.told_down, False
        bridge.up = bridge.fresh = True
        bridge.failures, bridge.until, bridge.problems = 0, 0.0, ()
        return [Log("info", f"bridge {name} answers again")] if told else []

    def _down(self, name: str, why: str, now: float) -> list[Command]:
        bridge = self._bridges.get(name)
        if bridge is None:
            return []
        if bridge.up:
            bridge.up, bridge.down_since = False, now
        bridge.why_down = why
        return []

    def _complain(self, now: float) -> list[Command]:
        """Of a bridge that has been silent for too long, once."""
        commands: list[Command] = []
        for name, bridge in self._bridges.items():
            if not bridge.up and not bridge.told_down and bridge.why_down and now >= bridge.down_since + DOWN:
                bridge.told_down = True
                text = f"bridge {name}: its wires cannot be looked at: {bridge.why_down}"
                bridge.problems = (text,)
                commands.append(Log("error", text))
        return commands

    def _token(self, bridge: _Bridge) -> Hashable:
        return (self._files, bridge.seen.ports)

    def _next(self, bridge: _Bridge) -> float | None:
        """When there is something to do for a bridge; None for not before something happens."""
        if not bridge.up:
            return bridge.down_since + DOWN if bridge.why_down and not bridge.told_down else None
        if self._asked:
            return None
        if bridge.fresh:
            return bridge.until
        times = []
        if bridge.late_at is not None:
            times.append(bridge.late_at)
        if bridge.learned != self._token(bridge):
            times.append(bridge.moved + LEARN)
        if bridge.alone_since is not None:
            if bridge.looked is None:
                times.append(bridge.alone_since + ALONE)
            else:
                times.append(bridge.looked + max(CHECK, EASE * self._took))
                if bridge.moved > bridge.looked:
                    times.append(max(bridge.moved, bridge.alone_since + ALONE))
        return max(bridge.until, min(times)) if times else None

    def _look(self, now: float) -> list[Command]:
        if self._asked or not self._host or self._files is None:
            return []
        due = {name: self._next(bridge) for name, bridge in self._bridges.items() if bridge.up}
        for name in [name for name, moment in due.items() if moment is not None and moment <= now]:
            bridge = self._bridges[name]
            learn = not bridge.fresh and bridge.learned != self._token(bridge) and now >= bridge.moved + LEARN
            late = not bridge.fresh and bridge.late_at is not None and now >= bridge.late_at
            self._asked[name] = Ask(name, bridge.alone(now) or late, learn), self._token(bridge)
            bridge.fresh = False
        if not self._asked:
            return []
        return [Attend(self._host, tuple(ask for ask, _ in self._asked.values()))]

    def _attended(self, answers: tuple[Answer, ...], took: float, now: float) -> list[Command]:
        commands: list[Command] = []
        asked, self._asked = self._asked, {}
        if any(ask.alone for ask, _ in asked.values()):
            self._took = took
        for answer in answers:
            bridge = self._bridges.get(answer.bridge)
            if bridge is not None and answer.bridge in asked:
                commands += self._answered(bridge, answer, *asked[answer.bridge], now)
        return commands

    def _answered(self, bridge: _Bridge, answer: Answer, ask: Ask, token: Hashable, now: float) -> list[Command]:
        if not bridge.up:
            return []
        name = answer.bridge
        if answer.error:
            delay = min(RETRY_LAST, RETRY_FIRST * 2**bridge.failures)
            bridge.failures += 1
            bridge.until = now + delay
            bridge.fresh = True
            told = (answer.error,) == bridge.problems
            bridge.problems = (answer.error,)
            return [Log("debug" if told else "error", f"{answer.error} (next try in {delay:g} s)")]
        commands: list[Command] = []
        bridge.failures, bridge.until = 0, 0.0
        commands += [Log("error", text) for text in answer.collisions if text not in bridge.problems]
        bridge.problems = answer.collisions
        if ask.learn or answer.learned:
            bridge.learned = token
        if ask.alone:
            bridge.looked = now if bridge.alone_since is not None else None
        if answer.restored:
            bridge.late = 0
            self.status = replace(
                self.status, restores=self.status.restores + 1, restored=now, restore_ms=answer.milliseconds
            )
            waits = f", {answer.waiting} wires wait for their ports" if answer.waiting else ""
            text = f"bridge {name} had none of netctl's flows: {answer.changed} put in"
            commands.append(Log("warning", f"{text} within {answer.milliseconds:.0f} ms{waits}"))
        elif answer.changed:
            self.status = replace(self.status, stood_in=self.status.stood_in + answer.changed)
            commands.append(Log("info", f"bridge {name} has no controller: {answer.changed} changes of its flows"))
        if answer.restored or ask.alone:
            bridge.late_at = None
        if answer.waiting and bridge.late < len(LATE):
            bridge.late_at = now + LATE[bridge.late]
            bridge.late += 1
        return commands
