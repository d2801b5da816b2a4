"""Links between the ports where they are looked for: what the brain passes on to discovery, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netctl.controller.commands import Command, Log, SendFrames
from netctl.controller.events import FramesSent, ProbesHeard
from netctl.controller.happenings import Happening, LinkAdded, LinkChanged, LinkDeleted
from netctl.topology.discovery import Discovery, Reason
from netctl.topology.links import Added, Change, Lost, Port

LOGGED = 10
"""Lines in a second at most."""

AGAIN_SECONDS = 60.0
"""Between two lines about probes that a port refuses for one reason."""

Where = Callable[[Port], str]
"""What people call a port."""

_WHY: Mapping[Reason, str] = {
    "forged": "it is not one of this controller's",
    "replayed": "it was heard here before",
    "late": "it was not sent within the last second",
    "reflected": "it came back to the port that it was sent by",
}


@dataclass
class Said:
    """What follows from a turn."""

    commands: list[Command] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)


class Linking:
    def __init__(self, discovery: Discovery, where: Where) -> None:
        self.discovery = discovery
        self.revision = 0
        """Grows with every link that comes, goes or changes."""
        self._where = where
        self._listening: dict[int, dict[int, str]] = {}
        """The MAC of each port where links are looked for, by switch and number."""
        self._refused: dict[tuple[Port, Reason], int] = {}
        """So many that nothing was said of yet."""
        self._again: dict[tuple[Port, Reason], float] = {}
        """When something may be said of them again."""
        self._told = 0.0
        self._left = LOGGED
        self._unsaid = 0

    @property
    def deadline(self) -> float | None:
        return self.discovery.deadline

    def tick(self, now: float) -> list[Command]:
        """Time passes; once in a second there is something to say."""
        self.discovery.tick(now)
        if now - self._told < 1:
            return []
        self._told = now
        unsaid, self._unsaid, self._left = self._unsaid, 0, LOGGED
        more: list[Command] = [Log("info", f"and {unsaid} more changes of links")] if unsaid else []
        return more + (self._complain(now) if self._refused or self._again else [])

    def use(self, dpid: int, ports: Mapping[int, str]) -> None:
        """Links are looked for at these ports of a switch, all of which are up and send their LLDP here: their MACs, by
        number."""
        before = self._listening.get(dpid, {})
        if before == ports:
            return
        for number in before.keys() - ports.keys():
            self.discovery.ignore(Port(dpid, number), "nothing is listened for there any more")
        for number, mac in ports.items():
            if before.get(number) != mac:
                self.discovery.listen(Port(dpid, number), bytes.fromhex(mac.replace(":", "")))
        self._listening[dpid] = dict(ports)

    def down(self, dpid: int, number: int) -> None:
        """A port is down or gone."""
        if self._listening.get(dpid, {}).pop(number, None) is not None:
            self.discovery.ignore(Port(dpid, number))

    def leave(self, dpid: int) -> None:
        """A switch is gone, or there anew."""
        self._listening.pop(dpid, None)
        self.discovery.forget(dpid)

    def sent(self, event: FramesSent) -> None:
        self.discovery.confirm(event.dpid, event.ask)

    def hear(self, event: ProbesHeard) -> bool:
        """Whether any of them made no link."""
        refused = False
        for dpid, number, frame in event.frames:
            port = Port(dpid, number)
            reason = self.discovery.hear(port, frame, event.at)
            refused |= reason is not None
            if reason is not None and reason != "unexpected":
                self._refused[port, reason] = self._refused.get((port, reason), 0) + 1
        return refused

    def settle(self) -> Said:
        turn = self.discovery.settle()
        said = Said([SendFrames(each.dpid, each.frames, each.ask) for each in turn.sends])
        for change in turn.changes:
            said.happened.append(_happening(change))
            if self._left:
                self._left -= 1
                said.commands.append(Log("info", self._line(change)))
            else:
                self._unsaid += 1
        self.revision += bool(turn.changes)
        return said

    def _line(self, change: Change) -> str:
        link = change.link
        named = f"link {self._where(link.src)} to {self._where(link.dst)}"
        if isinstance(change, Added):
            return f"{named} is there"
        if isinstance(change, Lost):
            return f"{named} is gone: {change.why}"
        return f"{named} goes one way only" if link.one_way else f"{named} goes both ways"

    def _complain(self, now: float) -> list[Command]:
        self._again = {which: again for which, again in self._again.items() if again > now}
        due = [which for which in self._refused if which not in self._again][:LOGGED]
        told: list[Command] = []
        for port, reason in due:
            count = self._refused.pop((port, reason))
            self._again[port, reason] = now + AGAIN_SECONDS
            probes = "a probe makes" if count == 1 else f"{count} probes make"
            told.append(Log("warning", f"{self._where(port)}: {probes} no link: {_WHY[reason]}"))
        return told


def _happening(change: Change) -> Happening:
    if isinstance(change, Added):
        return LinkAdded(change.link)
    return LinkDeleted(change.link) if isinstance(change, Lost) else LinkChanged(change.link)
