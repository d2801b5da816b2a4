"""The flows of this host's bridges, looked at and put right by a process of its own that ends when it is done.

What a large policy takes in memory and time is gone with it, and the agent goes on meanwhile.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from netctl.agent.messages import Answer, Ask, Attend, Attended
from netctl.controller.planning import Panel, table, usable
from netctl.desired.row import Observed
from netctl.openflow.local import SwitchError, management
from netctl.openflow.refill import EmptySwitch, Packed, pack
from netctl.policy.source import FileSource, Signature

SILENCE = 5.0
"""Seconds of silence that are borne of a switch."""
END = 1.0
"""Seconds that the process may take to end when it has said all."""

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Provision:
    """What a bridge needs when it comes back empty, packed."""

    signature: Signature
    """Of the policy's files that it is from."""
    unpatched: str
    numbers: Mapping[str, int]
    """The ports that its wires use. It fits as long as they have these numbers."""
    count: int
    waiting: int
    data: bytes
    """Compressed."""

    def fits(self, numbers: Mapping[str, int], observed: Observed) -> bool:
        now = usable(self.unpatched, numbers, observed)
        return all(now.get(name) == number for name, number in self.numbers.items())


Provisions = dict[str, Provision]


class Restorer:
    """Attends to one Attend at a time."""

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self._provisions: Provisions = {}
        self._process: multiprocessing.process.BaseProcess | None = None
        self._answer: Connection | None = None
        self._asks: tuple[Ask, ...] = ()
        self._began = 0.0

    def fileno(self) -> int:
        """Becomes readable when `result` has something to say; -1 while nothing is under way."""
        return -1 if self._answer is None else self._answer.fileno()

    def begin(self, command: Attend, observed: Observed) -> None:
        self._began = time.monotonic()
        self._asks = command.asks
        self._answer, there = _FORK.Pipe(duplex=False)
        work = _Work(self._source, command, observed, self._provisions, self._began)
        self._process = _FORK.Process(target=_run, args=(work, there), daemon=True)
        self._process.start()
        there.close()

    def result(self) -> Attended:
        """To be called when `fileno` is readable."""
        assert self._answer is not None
        assert self._process is not None
        try:
            answers, learned = self._answer.recv()
            self._provisions |= learned
            self._process.join(END)
        except (EOFError, OSError):
            self._process.join(END)
            why = f"the flows were not looked at: the process for it ended with {self._process.exitcode}"
            answers = tuple(Answer(ask.bridge, error=f"bridge {ask.bridge}: {why}") for ask in self._asks)
        self.close()
        return Attended(answers, time.monotonic() - self._began)

    def close(self) -> None:
        """Ends what is under way; a switch has all of a change or nothing."""
        if self._process is not None and self._answer is not None:
            self._answer.close()
            self._process.kill()
            self._process.join()
            self._process.close()
        self._process = self._answer = None


def _run(work: _Work, answer: Connection) -> None:
    signal.set_wakeup_fd(-1)
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.SIG_DFL)
    with suppress(BrokenPipeError):
        answer.send((work.answers(), work.learned))


class _Work:
    """What the process does."""

    def __init__(
        self, source: FileSource, command: Attend, observed: Observed, provisions: Provisions, began: float
    ) -> None:
        self.learned: Provisions = {}
        self._source = source
        self._command = command
        self._observed = observed
        self._provisions = provisions
        self._began = began
        self._panel: Panel | None = None
        self._signature: Signature | None = None

    def answers(self) -> tuple[Answer, ...]:
        return tuple(self._answer(ask) for ask in self._command.asks)

    def _answer(self, ask: Ask) -> Answer:
        try:
            with EmptySwitch(management(ask.bridge), timeout=SILENCE) as switch:
                return self._attend(ask, switch)
        except SwitchError as error:
            return Answer(ask.bridge, error=str(error))
        except Exception as error:
            return Answer(ask.bridge, error=f"bridge {ask.bridge}: {type(error).__name__}: {error}")

    def _attend(self, ask: Ask, switch: EmptySwitch) -> Answer:
        total, ours = switch.count()
        if ours and not (ask.alone or ask.learn):
            return Answer(ask.bridge)
        numbers = {port.name: port.number for port in switch.ports()}
        provision = self._provisions.get(ask.bridge)
        if not total and provision is not None and self._holds(provision) and provision.fits(numbers, self._observed):
            refused = switch.refill(Packed(provision.count, zlib.decompress(provision.data)))
            if not refused:
                return replace(self._restored(ask, provision.count), waiting=provision.waiting)
        panel = self._load()
        if panel is None or panel.bridge(self._command.host, ask.bridge) is None:
            return Answer(ask.bridge)
        answer = Answer(ask.bridge)
        if ask.alone or not ours:
            answer = self._change(panel, ask, switch, numbers, not ours)
        if ask.learn or (not total and answer.restored):
            self._learn(panel, ask.bridge, numbers)
            answer = replace(answer, learned=True)
        return answer

    def _change(self, panel: Panel, ask: Ask, switch: EmptySwitch, numbers: Mapping[str, int], empty: bool) -> Answer:
        plan = table(panel, self._command.host, ask.bridge, numbers, self._observed, switch.flows()).plan()
        count = 0
        if plan.steps:
            changed = switch.change(plan)
            if not changed.ok:
                return Answer(ask.bridge, error=_first(f"bridge {ask.bridge}: {each}" for each in changed.errors))
            count = changed.count
        answer = self._restored(ask, count) if empty else Answer(ask.bridge, count)
        collisions = tuple(f"{each} ({each.why})" for each in plan.collisions)
        return replace(answer, waiting=self._waiting(panel, ask.bridge, numbers), collisions=collisions)

    def _restored(self, ask: Ask, count: int) -> Answer:
        milliseconds = round((time.monotonic() - self._began) * 1000, 1)
        return Answer(ask.bridge, count, restored=True, milliseconds=milliseconds)

    def _learn(self, panel: Panel, bridge: str, numbers: Mapping[str, int]) -> None:
        host = self._command.host
        packed = pack(table(panel, host, bridge, numbers, self._observed, ()).plan())
        unpatched = panel.unpatched(host, bridge)[0]
        ends = {ref.port for cable in panel.on(host, bridge) for ref in (*cable.ends, *cable.monitors)}
        ours = usable(unpatched, numbers, self._observed)
        assert self._signature is not None
        self.learned[bridge] = Provision(
            self._signature,
            unpatched,
            {name: number for name, number in ours.items() if name in ends},
            packed.count,
            self._waiting(panel, bridge, numbers),
            zlib.compress(packed.data, 1),
        )

    def _waiting(self, panel: Panel, bridge: str, numbers: Mapping[str, int]) -> int:
        host = self._command.host
        ours = usable(panel.unpatched(host, bridge)[0], numbers, self._observed)
        return sum(any(end.port not in ours for end in cable.ends) for cable in panel.on(host, bridge))

    def _holds(self, provision: Provision) -> bool:
        """Whether it is what the policy says now, or, where that is refused, what the one before said."""
        return self._source.signature() == provision.signature or self._load() is None

    def _load(self) -> Panel | None:
        """The policy as it is now; None where it is refused, of which the agent has told already."""
        if self._signature is None:
            self._signature = self._source.signature()
            loaded = self._source.read()
            self._panel = Panel(loaded) if loaded.policy is not None else None
        return self._panel


def _first(texts: Iterable[str], most: int = 3) -> str:
    """A few of many errors, which are mostly the same one."""
    every = list(texts)
    more = f" (and {len(every) - most} more)" if len(every) > most else ""
    return "; ".join(every[:most]) + more
