"""The agent as a process: it waits for the kernel, the policy and the clock, and does what the core says."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

from netctl import rundir
from netctl.agent import carrier, metrics, undo
from netctl.agent.core import FULL_CHECK, Core
from netctl.agent.files import directories
from netctl.agent.messages import (
    Answer,
    Applied,
    Apply,
    Attend,
    Attended,
    Changed,
    CheckPorts,
    Command,
    Event,
    Failure,
    FilesSeen,
    Follow,
    HostObserved,
    Log,
    MacSet,
    Observe,
    ObserveFailed,
    PolicyRead,
    PortsRevived,
    SeeTaps,
    SetMac,
    Status,
    TapsSeen,
    Tick,
    WriteStatus,
)
from netctl.agent.restore import Restorer
from netctl.agent.server import Page, Server
from netctl.agent.supervisor import Supervisor
from netctl.agent.switches import Switches
from netctl.kernel import Host, KernelError, foreign, netns
from netctl.kernel.events import Changes, Events
from netctl.kernel.host import Outcome
from netctl.kernel.watch import Watch
from netctl.libvirt import guests, install
from netctl.ovsdb import datapath
from netctl.policy.source import FileSource, Signature

POLL = 2.0
"""Seconds between two looks at the policy's files though nothing tells of a change: some file systems never do."""
FILES_GAP = 0.02
"""Seconds between two looks at them, at least."""
PATIENCE = 1.0
"""Seconds to wait for another netctl that is at work on this host; then the core decides when to try again."""

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

log = logging.getLogger("netctl.agent")


class Daemon:
    """Keeps one host as a policy says. `host` is what --host said, `hostname` the machine's own name."""

    def __init__(
        self, source: FileSource, host: str | None, hostname: str, listen: tuple[str, int] | None = None
    ) -> None:
        """`listen` is a TCP address of the loopback at which to answer, beside the Unix socket. Raises OSError where
        that cannot be."""
        self._source = source
        self._switches = Switches()
        self._restorer = Restorer(FileSource(source.path))
        self._stand_in = carrier.StandIn()
        self._unheard = Changes()
        """What the kernel announced and the stand-in was not told of."""
        self._attend: Attend | None = None
        """What the core asked for and is not begun yet."""
        self._core = Core(host, hostname, time.monotonic())
        self._hostname = hostname
        self._events: Events | None = None
        self._watch: Watch | None = None
        self._signature: Signature | None = None
        """Of the policy's files, when they were looked at last."""
        self._files_seen = 0.0
        """When that was."""
        self._files_due = 0.0
        self._name = ""
        self._stop = False
        self._running = False
        self._supervisor = Supervisor()
        self._server = Server(self._page)
        self._plan_took: float | None = None
        if listen is not None:
            self._server.listen_on(*listen)

    def once(self) -> bool:
        """Make the host as the policy says, once. Whether it is so afterwards.

        Raises rundir.Running when an agent of the same host is at work.
        """
        try:
            self._handle(PolicyRead(self._source.read()))
        finally:
            self._leave()
        return self._core.status.converged

    def run(self) -> None:
        """Until SIGTERM or SIGINT; devices stay as they are.

        Raises rundir.Running when an agent of the same host is at work.
        """
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken)
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._on_signal)
        try:
            with ExitStack() as stack:
                self._events = stack.enter_context(closing(Events()))
                self._watch = self._open_watch(stack)
                self._running = True
                self._read()
                self._supervisor.ready()
                while not self._stop:
                    ready = self._wait(wake)
                    changed = self._heard()
                    self._carry()
                    self._handle(changed if changed is not None else Tick())
                    if self._restorer.fileno() in ready:
                        self._handle(self._restorer.result())
                    for event in list(self._switches.look(time.monotonic())):
                        self._handle(event)
                    if time.monotonic() >= self._files_due:
                        self._look_at_files()
                    self._server.serve(ready, time.monotonic())
                    self._supervisor.alive(time.monotonic())
        finally:
            self._supervisor.stopping()
            self._server.close()
            self._restorer.close()
            self._switches.close()
            self._leave()
        log.info("stopped; the devices stay as they are")

    def _read(self) -> None:
        loaded = self._source.read()
        self._handle(PolicyRead(loaded))
        if loaded.policy is not None and self._core.status.digest == loaded.digest:
            self._stand_in.rewired(self._core.status.host, loaded.wiring)
            if install.installed():
                with suppress(OSError):
                    guests.keep(loaded, str(self._source.path), self._core.status.host, self._hostname)

    def _open_watch(self, stack: ExitStack) -> Watch | None:
        try:
            return stack.enter_context(closing(Watch()))
        except OSError as error:
            log.warning(
                "inotify: %s: the policy's files are looked at every %g s, names in /run/netns every %g s; "
                "«sysctl -w fs.inotify.max_user_instances=1024» helps",
                error.strerror,
                POLL,
                FULL_CHECK,
            )
            return None

    def _look_at_files(self) -> None:
        self._files_seen = time.monotonic()
        self._files_due = self._files_seen + POLL
        if self._watch is not None:
            others = self._watch.follow(directories(self._source) | {netns.FOLDER: None})
            if netns.FOLDER in others and self._signature is not None:
                self._handle(Changed(everything=True))
        if self._source.changed():
            self._read()
        if self._signature != (signature := self._source.signature()):
            self._signature = signature
            self._handle(FilesSeen(signature))

    def _heard(self) -> Changed | None:
        """What was announced since the last time, by the kernel and in /run/netns; None for nothing. It is said to the
        stand-in for the controller, too, and a change of the policy's files is remembered."""
        changes = self._events.read() if self._events is not None else Changes()
        before = self._unheard
        self._unheard = Changes(before.names | changes.names, everything=before.everything or changes.everything)
        names = self._watch.read() if self._watch is not None else {}
        rooms = names.pop(netns.FOLDER, frozenset())
        if names:
            self._files_due = min(self._files_due, self._files_seen + FILES_GAP)
        everything = changes.everything or changes.addresses or rooms is None
        changed = Changed(
            changes.names, everything, rooms or frozenset(), changes.routing, changes.fallen, changes.gone
        )
        return changed if changed != Changed() else None

    def _carry(self) -> None:
        now = time.monotonic()
        changes, self._unheard = self._unheard, Changes()
        alone = self._core.wires.alone(now, carrier.ALONE)
        self._stand_in.attend(alone, changes.names, changes.everything, now)

    def _on_signal(self, _sign: int, _frame: FrameType | None) -> None:
        self._stop = True

    def _wait(self, wake: int) -> set[int]:
        """Until there is something to do, or to read: where there is."""
        poller = select.poll()
        listeners = (self._events, self._watch, self._restorer)
        numbers = (wake, *self._switches.filenos(), *(each.fileno() for each in listeners if each is not None))
        for number in numbers:
            if number >= 0:
                poller.register(number, select.POLLIN)
        for number, what in self._server.interests():
            poller.register(number, what)
        return {number for number, _ in poller.poll(self._patience())}

    def _patience(self) -> float:
        """Milliseconds until there is something to do."""
        if self._unheard:
            return 0.0
        now = time.monotonic()
        others = (self._core, self._stand_in)
        times = [self._files_due, self._switches.due(now), self._server.due, self._supervisor.due]
        times += [each.deadline for each in others]
        return max(0.0, (min(moment for moment in times if moment is not None) - now) * 1000)

    def _handle(self, event: Event) -> None:
        """Play an event into the core and do all that follows from it, holding the host's lock once it is needed."""
        with ExitStack() as stack:
            hands = _Hands(stack, self._forget)
            todo: deque[Command] = deque(self._core.handle(event, time.monotonic()))
            while todo and not (self._stop and not isinstance(todo[0], WriteStatus | Log)):
                command = todo.popleft()
                try:
                    answer = self._perform(command, hands)
                except rundir.Running:
                    raise
                except KernelError as error:
                    answer = ObserveFailed(str(error))
                except Exception as error:
                    log.exception("%s failed", type(command).__name__)
                    answer = ObserveFailed(f"{type(command).__name__}: {error}")
                if answer is not None:
                    start = time.monotonic()
                    todo.extend(self._core.handle(answer, start))
                    if isinstance(answer, HostObserved):
                        self._plan_took = time.monotonic() - start
        self._begin()

    def _begin(self) -> None:
        """Attend to the wires, without the host's lock: the process for it would go on to hold that."""
        command, self._attend = self._attend, None
        if command is None or self._stop:
            return
        try:
            self._restorer.begin(command, self._switches.observed)
        except OSError as error:
            why = f"no process can be started to look at the flows: {error.strerror or error}"
            answers = tuple(Answer(ask.bridge, error=f"bridge {ask.bridge}: {why}") for ask in command.asks)
            self._handle(Attended(answers, 0.0))

    def _perform(self, command: Command, hands: _Hands) -> Event | None:
        match command:
            case Log(level, text):
                log.log(LEVELS[level], "%s", text)
            case WriteStatus(status):
                try:
                    self._tell(status)
                except OSError as error:
                    log.error("the status cannot be written: %s", error)
            case Observe(host, devices):
                kernel = hands.host(host)
                announced = self._heard()
                start = time.monotonic()
                found = kernel.observe(devices)
                return HostObserved(tuple(found), time.monotonic() - start, announced)
            case Apply(plan):
                host = self._core.status.host
                return _applied(undo.apply(hands.host(host), plan, f"netctl agent --host {host}"))
            case CheckPorts(names):
                held = self._held(names)
                revived = _revive(hands.host(self._core.status.host), held) if held else []
                return PortsRevived(tuple(revived)) if revived else None
            case SeeTaps(linux, ports, names):
                return TapsSeen(names, foreign.taps(linux, ports, names))
            case SetMac(step):
                try:
                    return MacSet(step) if foreign.set_mac(step.item) else None
                except KernelError as error:
                    return MacSet(step, str(error))
            case Follow(host, remote, bridges):
                if self._events is not None:
                    self._switches.follow(host, remote, bridges)
            case Attend():
                self._attend = command
        return None

    def _forget(self, devices: Collection[str]) -> None:
        """These are about to be made: Open vSwitch is to hold none of an earlier time. What somebody else made since
        is left to CheckPorts, which has it attached again."""
        held = [name for name in self._held(devices) if not _is_there(name)]
        if held:
            datapath.forget_all(held)

    def _held(self, devices: Collection[str]) -> frozenset[str]:
        """Those that may be ports of Open vSwitch, by its database where that is known: ovs-vswitchd may take
        half a second to answer after a device went."""
        ports = self._switches.ports
        return frozenset(devices) if ports is None else ports & frozenset(devices)

    def _tell(self, status: Status) -> None:
        """Write the status file; with the first for a host also take its pid file, and leave that of another name."""
        name = f"agent-{status.host}"
        if name != self._name:
            rundir.write_pid(name)
            self._leave()
            self._name = name
            if self._running:
                self._open_door(rundir.run_dir() / f"{name}.sock")
        rundir.write_json(name, as_json(status, _offset()))
        self._supervisor.status(brief(status))

    def _open_door(self, path: Path) -> None:
        try:
            self._server.listen_at(path)
        except OSError as error:
            log.error("nobody can ask at %s: %s", path, error.strerror or error)

    def _page(self, path: str) -> Page | None:
        if path == "/status":
            text = json.dumps(as_json(self._core.status, _offset()), indent=1) + "\n"
            return Page("application/json", text.encode())
        if path == "/metrics":
            return metrics.page(self._core.status, replace(self._core.sight, plan_took=self._plan_took), _offset())
        return None

    def _leave(self) -> None:
        if self._name:
            rundir.remove_pid(self._name)


class _Hands:
    """The host, entered when it is first needed."""

    def __init__(self, stack: ExitStack, before_make: Callable[[Collection[str]], object]) -> None:
        self._stack = stack
        self._before_make = before_make
        self._host: Host | None = None

    def host(self, name: str) -> Host:
        if self._host is None:
            undo.take_up(lambda text: log.warning("%s", text), PATIENCE)
            self._host = self._stack.enter_context(Host(name, self._before_make, PATIENCE))
        return self._host


def brief(status: Status) -> str:
    """How things are, in a line."""
    if not status.digest:
        return f"no policy in force: {status.refused[0]}" if status.refused else "no policy in force"
    if status.refused:
        return f"the newest policy is refused: {status.refused[0]}"
    problems = [*status.problems, *status.wires.problems]
    if problems:
        return f"{len(problems)} problems: {problems[0]}"
    return "the host is as the policy says" if status.converged else "making the host as the policy says"


def _offset() -> float:
    """What makes times of the agent's clock seconds since the epoch."""
    return time.time() - time.monotonic()


def as_json(status: Status, offset: float) -> dict[str, object]:
    """The status as it stands in its file. `offset` is what makes its times seconds since the epoch."""
    value: dict[str, object] = {"pid": os.getpid(), **asdict(status)}
    wires = asdict(status.wires)
    value["wires"] = wires
    value["fights"] = [
        {
            "kind": fight.key[0],
            "name": "/".join(fight.key[1:]),
            "fact": fight.fact,
            "theirs": fight.theirs,
            "ours": fight.ours,
            "why": fight.why,
            "repairs": fight.repairs,
            "since": round(fight.since + offset, 3),
            "until": round(fight.until + offset, 3),
        }
        for fight in status.fights
    ]
    for part, key in ((value, "started"), (value, "since"), (value, "planned"), (wires, "restored")):
        moment = part[key]
        part[key] = round(moment + offset, 3) if isinstance(moment, float) else None
    return value


def _is_there(device: str) -> bool:
    try:
        return bool(socket.if_nametoindex(device))
    except OSError:
        return False


def _applied(outcome: Outcome) -> Applied:
    failure = None
    if outcome.failed is not None and outcome.error is not None:
        failure = Failure(outcome.failed, str(outcome.error), outcome.error.whole_kind)
    return Applied(outcome.done, failure, outcome.undone, outcome.notes)


def _revive(host: Host, names: Iterable[str]) -> list[str]:
    held = frozenset(names).intersection(datapath.ports())
    dead = datapath.forget_dead(host.indexes(held)) if held else []
    for name in dead:
        with suppress(KernelError):
            host.touch(name)
    return dead
