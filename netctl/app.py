"""What `ryu-manager netctl.app` loads: the Ryu application, a thin shell around `netctl.controller.brain`.

Everything that happens becomes an event in one queue; one greenthread takes the events to the brain, carries out
its commands; what everybody else reads is made from it between two events.
"""

from __future__ import annotations

import gc
import itertools
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from netctl import token
from netctl.api.address import refuse_address
from netctl.api.feed import Feed
from netctl.api.server import Bell, Server, serve
from netctl.api.wsgi import application
from netctl.controller import view
from netctl.controller.brain import Brain
from netctl.controller.commands import (
    Answer,
    ApplyRows,
    Command,
    Log,
    SavePatch,
    SendFrames,
    Unwatch,
    Wake,
    Watch,
)
from netctl.controller.crowd import Crowd
from netctl.controller.events import (
    Event,
    Heard,
    HostLost,
    HostSeen,
    PatchAsked,
    PatchSaved,
    PolicyRead,
    PortGone,
    PortSeen,
    ProbesHeard,
    RowsApplied,
    SwitchDown,
    SwitchUp,
    Tick,
)
from netctl.controller.patching import Change, Outcome
from netctl.controller.snapshot import Snapshot
from netctl.controller.telling import Telling
from netctl.desired.flow import COOKIE
from netctl.desired.row import Row
from netctl.openflow import engine, frame, port
from netctl.openflow.connection import Connection, SwitchCommand
from netctl.openflow.frame import DecodeError
from netctl.openflow.packet_in import packet_in
from netctl.ovsdb.database import Database
from netctl.ovsdb.remote import BadRemote, default_remote
from netctl.plan import Plan
from netctl.policy import Wire
from netctl.policy.scene import Scenes
from netctl.policy.source import FileSource, find
from netctl.rundir import Locked, Running, remove_pid, write_pid
from netctl.token import TokenError
from netctl.topology.discovery import Discovery
from netctl.topology.probe import Mint, is_probe

LOG = logging.getLogger("netctl")

SILENT = SendFrames | Wake | Log
"""What the brain asks for without having changed its mind about anything but links."""

PROBES = ProbesHeard((), 0)
"""In the queue: there are some to be passed on."""

POLICY_SECONDS = 0.1
"""How often the policy's files are looked at."""
COLLECT = (100_000, 20, 100)
"""When the garbage collector looks (gc.set_threshold). Among 100 000 flows, which are never garbage, Python's own
numbers make it take three quarters of the time."""
PATCH_SECONDS = 10.0
"""How long somebody who changes wires waits for the switches."""
MOST_PROBES = 16384
"""How many frames that look like probes may wait to be looked at: a switch sends a part of that in a second."""
DATABASE_SECONDS = 10.0
"""How long Open vSwitch has to act on a transaction."""


class Watcher:
    """One host's database, in a greenthread of its own."""

    def __init__(self, host: str, remote: str, target: Callable[[Database], str], put: Callable[[Event], None]) -> None:
        self.host = host
        self.target = target
        self.put = put
        self.database = Database(remote, host)
        self.plans: list[Plan[Row]] = []
        self.open = True

    def apply(self, plan: Plan[Row]) -> None:
        self.plans.append(plan)
        self.database.wake()

    def close(self) -> None:
        self.open = False
        self.database.wake()

    def run(self) -> None:
        while self.open:
            try:
                self._turn()
            except Exception as error:
                LOG.exception("host %s: the database connection failed", self.host)
                self.put(HostLost(self.host, f"{error}"))
                engine.hub.sleep(1)
        self.database.close()

    def _turn(self) -> None:
        if self.plans:
            outcome = self.database.apply(self.plans.pop(0), DATABASE_SECONDS)
            self._tell()
            self.put(RowsApplied(self.host, outcome.error))
        elif self.database.wait(60):
            self._tell()

    def _tell(self) -> None:
        database = self.database
        if not database.connected:
            self.put(HostLost(self.host, database.error))
        elif database.warning:
            self.put(HostLost(self.host, database.warning))
        else:
            self.put(HostSeen(self.host, database.observe(), self.target(database)))


@dataclass
class Waiting:
    """Somebody who asked for a change of the wires."""

    there: Any
    """Set when the outcome is."""
    outcome: Outcome | None = None


class Netctl(engine.App):
    """The controller."""

    OFP_VERSIONS = (engine.ofproto_v1_3.OFP_VERSION,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source = FileSource(find(None, engine.CONF.netctl.policy))
        self.brain = Brain(str(self.source.path), str(self.source.patch_file), self._discovery())
        self.published: view.Seen | None = None
        """What was last seen of the brain; None when something happened since."""
        self.telling = Telling(self.brain)
        self.feed = Feed(time.time_ns() // 1000, Bell)
        """What happened; its numbers grow over restarts as well."""
        self.queue = engine.hub.Queue()
        self.crowd = Crowd()
        self.probes: list[tuple[int, int, bytes]] = []
        """Heard, and not passed on yet."""
        self.revision = 0
        """The brain's when it was last seen; it does not count links."""
        self.connections: dict[int, Connection] = {}
        self.watchers: dict[str, Watcher] = {}
        self.asks = itertools.count()
        self.waiting: dict[int, Waiting] = {}
        """Whoever asked for a change of the wires and waits for the answer."""
        self.server: Server | None = None

    def start(self) -> Any:
        gc.set_threshold(*COLLECT)
        engine.on_packet_in(self.on_packet_in)
        thread = super().start()
        host, number = engine.CONF.wsapi_host, engine.CONF.wsapi_port
        refused = refuse_address(host, engine.CONF.netctl.insecure)
        if refused:
            raise SystemExit(refused)
        self.server = serve(
            application(
                self.snapshot,
                engine=f"{engine.NAME} {engine.VERSION}",
                patchboard=self,
                scenes=Scenes(self.source.path),
                token=self._token,
                feed=self.feed,
            ),
            host,
            number,
        )
        LOG.info("REST at %s, OpenFlow engine %s %s", self.server.url, engine.NAME, engine.VERSION)
        self._sign_in()
        try:
            self._token()
        except TokenError as error:
            LOG.warning("wires cannot be changed over REST: %s", error)
        self.threads += [
            engine.hub.spawn(self._watch_policy),
            engine.hub.spawn(self._tick),
            engine.hub.spawn(self._think),
        ]
        return thread

    def stop(self) -> None:
        for watcher in self.watchers.values():
            watcher.close()
        self.feed.close()
        if self.server is not None:
            self.server.close()
        for thread in self.threads:
            engine.hub.kill(thread)
        with suppress(OSError):
            remove_pid(self._pid_name)
        super().stop()

    def _discovery(self) -> Discovery:
        """With a key that nobody else has: kept, or where that cannot be, of this run."""
        epoch = secrets.token_bytes(16)
        try:
            key = token.ensure(token.find(engine.CONF.netctl.token_file).with_name("key")).encode()
        except TokenError as error:
            LOG.warning("links are looked for with a key of this run: %s", error)
            key = secrets.token_bytes(32)
        return Discovery(Mint(key, epoch), engine.CONF.netctl.probe_interval)

    def _token(self) -> str:
        """What lets somebody change wires over REST. Raises TokenError."""
        return token.ensure(token.find(engine.CONF.netctl.token_file))

    @property
    def _pid_name(self) -> str:
        return f"controller-{self._port}"

    def _sign_in(self) -> None:
        """Leave a pid file for `netctl down`; a controller that may not write there works without."""
        try:
            write_pid(self._pid_name)
        except (OSError, Locked, Running) as error:
            LOG.warning("no pid file, so `netctl down` will not find this process: %s", error)

    def snapshot(self) -> Snapshot:
        """What the brain knows, made when somebody asks: between two events, and once for all who do."""
        self.published = view.Seen(self.brain) if self.published is None else self.published.relinked()
        return self.published

    def wires(self) -> Mapping[str, Wire]:
        """Every wire in force, by name; none before there is a policy."""
        panel = self.brain.panel
        return panel.wiring.wires if panel is not None else {}

    def has(self, wire: Wire) -> bool:
        """Whether a wire is in force that does the same as this one."""
        panel = self.brain.panel
        return panel is not None and panel.wiring.has(wire)

    def change(self, change: Change) -> Outcome:
        """Have the brain change wires, and wait for what becomes of it."""
        ask = next(self.asks)
        self.waiting[ask] = answer = Waiting(engine.hub.Event())
        self.queue.put(PatchAsked(ask, change))
        answer.there.wait(timeout=PATCH_SECONDS)
        del self.waiting[ask]
        late = (f"no switch confirmed it within {PATCH_SECONDS:.0f} s; netctl show wires says how it is",)
        return answer.outcome or Outcome("pending", late)

    # What happens

    @engine.set_ev_cls(engine.EventState, engine.CONFIG)
    def on_hello(self, event: Any) -> None:
        """Asked for before the ports are, so that no change of one is missed."""
        switch: engine.Switch = event.datapath
        switch.send(frame.set_async(frame.XID))

    @engine.set_ev_cls(engine.EventState, [engine.MAIN, engine.DEAD])
    def on_state(self, event: Any) -> None:
        switch: engine.Switch = event.datapath
        if switch.id is None:
            return
        current = self.connections.get(switch.id)
        if event.state == engine.MAIN:
            self.connections[switch.id] = Connection(switch, switch.id)
            self.queue.put(SwitchUp(switch.id, engine.ports(switch)))
        elif current is not None and current.switch is switch:
            del self.connections[switch.id]
            self.queue.put(SwitchDown(switch.id))

    @engine.set_ev_cls(engine.EventReply, engine.MAIN)
    def on_reply(self, event: Any) -> None:
        current = self._connection(event.msg.datapath)
        if current is not None:
            for each in current.feed(event.msg.buf):
                self.queue.put(each)

    @engine.set_ev_cls(engine.EventPortStatus, engine.MAIN)
    def on_port(self, event: Any) -> None:
        current = self._connection(event.msg.datapath)
        if current is None:
            return
        try:
            status = port.status(bytes(event.msg.buf))
        except DecodeError as error:
            LOG.warning("switch %016x sent %s", current.dpid, error)
            return
        gone = status.reason == "delete"
        self.queue.put(PortGone(current.dpid, status.port.number) if gone else PortSeen(current.dpid, status.port))

    def on_packet_in(self, switch: engine.Switch, message: bytes) -> None:
        current = self._connection(switch)
        if current is None:
            return
        try:
            packet = packet_in(message)
        except DecodeError as error:
            LOG.warning("switch %016x sent %s", current.dpid, error)
            return
        at_a_wire = packet.cookie != COOKIE
        if not at_a_wire and is_probe(packet.data):
            if not self.probes:
                self.queue.put(PROBES)
            if len(self.probes) < MOST_PROBES:
                self.probes.append((current.dpid, packet.in_port, packet.data))
            return
        lost = self.crowd.enter((current.dpid, packet.in_port))
        if lost is not None:
            cookie = packet.cookie if at_a_wire else 0
            self.queue.put(Heard(current.dpid, packet.in_port, cookie, packet.data, time.time(), lost))

    def _connection(self, switch: engine.Switch) -> Connection | None:
        current = self.connections.get(switch.id) if switch.id is not None else None
        return current if current is not None and current.switch is switch else None

    def _watch_policy(self) -> None:
        while True:
            try:
                if self.source.changed():
                    self.queue.put(PolicyRead(self.source.read(), time.time()))
            except Exception:
                LOG.exception("reading the policy failed")
            engine.hub.sleep(POLICY_SECONDS)

    def _tick(self) -> None:
        while True:
            now = time.monotonic()
            for current in list(self.connections.values()):
                late = current.late(now)
                if late is not None:
                    self.queue.put(late)
            self.queue.put(Tick(now))
            engine.hub.sleep(1)

    def _wake(self) -> None:
        self.queue.put(Tick(time.monotonic()))

    # What follows

    def _think(self) -> None:
        while True:
            batch = [self.queue.get()]
            while not self.queue.empty():
                batch.append(self.queue.get())
            self.crowd.clear()
            if PROBES in batch:
                heard, self.probes = tuple(self.probes), []
                batch[batch.index(PROBES)] = ProbesHeard(heard, time.time())
            self._step(batch)

    def _step(self, batch: list[Event]) -> None:
        try:
            commands = self.brain.handle([Tick(time.monotonic()), *batch])
        except Exception:
            LOG.exception("an event could not be handled: %s", [type(each).__name__ for each in batch])
            return
        if self.revision != self.brain.revision or not all(isinstance(each, SILENT) for each in commands):
            self.published, self.revision = None, self.brain.revision
        for command in commands:
            try:
                self._do(command)
            except Exception:
                LOG.exception("a command could not be carried out: %s", type(command).__name__)
        self._tell()

    def _tell(self) -> None:
        """Last of all, when the switches have something to do; of very much a part, and others' turn first."""
        begun = time.monotonic()
        try:
            self.feed.put(self.telling.tell(), time.time())
        except Exception:
            LOG.exception("what happened could not be told")
        if self.telling.unfinished:
            engine.hub.spawn_after(3 * (time.monotonic() - begun), self._wake)

    def _do(self, command: Command) -> None:
        if isinstance(command, Log):
            LOG.log(logging.getLevelName(command.level.upper()), "%s", command.text)
        elif isinstance(command, Watch):
            self._watch(command)
        elif isinstance(command, Unwatch):
            watcher = self.watchers.pop(command.host, None)
            if watcher is not None:
                watcher.close()
        elif isinstance(command, ApplyRows):
            self.watchers[command.host].apply(command.plan)
        elif isinstance(command, Wake):
            engine.hub.spawn_after(max(0.0, command.at - time.monotonic()), self._wake)
        elif isinstance(command, SavePatch):
            self.queue.put(self._save(command))
        elif isinstance(command, Answer):
            waiting = self.waiting.get(command.ask)
            if waiting is not None:
                waiting.outcome = command.outcome
                waiting.there.set()
        else:
            self._ask(command)

    def _save(self, command: SavePatch) -> PatchSaved:
        try:
            return PatchSaved(command.ask, self.source.save(command.patch))
        except OSError as error:
            return PatchSaved(command.ask, error=str(error))

    def _watch(self, command: Watch) -> None:
        try:
            watcher = Watcher(command.host, command.remote or default_remote(), self._target, self.queue.put)
        except BadRemote as error:
            self.queue.put(HostLost(command.host, str(error)))
            return
        self.watchers[command.host] = watcher
        engine.hub.spawn(watcher.run)

    def _target(self, database: Database) -> str:
        """Where the bridges of a database find this controller."""
        address = engine.CONF.netctl.advertise or database.local_address or "127.0.0.1"
        scheme = "ssl" if engine.CONF.ctl_cert else "tcp"
        return f"{scheme}:[{address}]:{self._port}" if ":" in address else f"{scheme}:{address}:{self._port}"

    @property
    def _port(self) -> int:
        """Where bridges are listened for: with a certificate the engine does so over TLS only."""
        conf = engine.CONF
        number: int = conf.ofp_ssl_listen_port if conf.ctl_cert else conf.ofp_tcp_listen_port
        return number

    def _ask(self, command: SwitchCommand) -> None:
        current = self.connections.get(command.dpid)
        if current is not None:
            current.ask(command)
