"""A bridge of this machine's Open vSwitch, spoken to over its management socket. It takes no engine.

ovs-vswitchd listens on $OVS_RUNDIR/BRIDGE.mgmt for every bridge (ovs-vswitchd(8)).
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from netctl.controller.carrier import PortChange
from netctl.controller.snapshot import SwitchPort
from netctl.desired.flow import COOKIE, COOKIE_MASK, Flow
from netctl.desired.meter import Meter
from netctl.openflow import counters, error, frame, meter, port, queue, stats
from netctl.openflow.counters import Counted, MeterCount, PortSettings
from netctl.openflow.frame import DecodeError
from netctl.openflow.queue import QueueCount
from netctl.openflow.session import Changed, Exchange, FlowsRead, Result, Send
from netctl.path import Counters
from netctl.plan import Found, Plan
from netctl.vswitch import START, run_dir

_CHUNK = 1 << 18

R = TypeVar("R")


class SwitchError(Exception):
    """The switch cannot be reached, or does not answer as it should; the message says what to do."""


def management(bridge: str) -> Path:
    """The management socket of a bridge, whether it is there or not."""
    return run_dir() / f"{bridge}.mgmt"


class LocalSwitch:
    """A connection to a bridge, as a context manager. `timeout` is the longest silence to bear, in seconds.

    Every method raises SwitchError.
    """

    def __init__(self, path: str | Path, *, timeout: float = 10.0) -> None:
        self.path = Path(path)
        self.bridge = self.path.name.removesuffix(".mgmt")
        self.timeout = timeout
        self.dpid = 0
        """The datapath id, once connected."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._heard = bytearray()
        self._messages: deque[bytes] = deque()
        self._exchange = Exchange(self.bridge)

    def __enter__(self) -> LocalSwitch:
        try:
            self._connect()
            self._shake_hands()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ports(self) -> list[SwitchPort]:
        """The bridge's ports, its own (OFPP_LOCAL) among them."""
        ports: list[SwitchPort] = []

        def take(message: bytes) -> list[SwitchPort] | None:
            found, more = port.reply(message)
            ports.extend(found)
            return None if more else ports

        return self._ask(port.request(frame.XID), frame.MULTIPART_REPLY, take)

    def counted(self, cookie: int = 0, mask: int = 0) -> list[Counted]:
        """The flows whose cookie is `cookie` where `mask` has a bit, with their counters."""
        request = stats.request(frame.XID, cookie, mask)
        return self._gather(request, lambda message: counters.flows(message, self.bridge))

    def settings(self) -> list[PortSettings]:
        """The bridge's ports with what is set for each."""
        return self._gather(port.request(frame.XID), counters.settings)

    def port_counters(self, number: int) -> Counters:
        """What passed a port; nothing where there is none of that number."""

        def take(message: bytes) -> tuple[list[Counters], bool]:
            found, more = counters.ports(message)
            return list(found.values()), more

        try:
            return next(iter(self._gather(counters.ports_request(frame.XID, number), take)), Counters())
        except SwitchError:
            return Counters()

    def meters(self, meter: int) -> list[MeterCount]:
        """A meter with its counters, alone in a list; raises SwitchError where there is none of that number."""
        return self._gather(counters.meter_request(frame.XID, meter), counters.meters)

    def queues(self) -> list[QueueCount]:
        """The queues that are in force at the bridge's ports."""
        return self._gather(queue.request(frame.XID), queue.reply)

    def _gather(self, request: bytes, take: Callable[[bytes], tuple[list[R], bool]]) -> list[R]:
        """All that the parts of an answer hold."""
        gathered: list[R] = []

        def taken(message: bytes) -> list[R] | None:
            found, more = take(message)
            gathered.extend(found)
            return None if more else gathered

        return self._ask(request, frame.MULTIPART_REPLY, taken)

    def flows(self, ours_only: bool = False) -> list[Found[Flow]]:
        """The flows of every table; those with netctl's cookie only, if that is asked for."""
        asked = self._exchange.read([COOKIE], COOKIE_MASK) if ours_only else self._exchange.read()
        result = self._run([asked])
        if isinstance(result, FlowsRead):
            return list(result.found)
        raise SwitchError(f"bridge {self.bridge}: {result}")

    def change(self, plan: Plan[Flow]) -> Changed:
        """Carry out the steps of a plan in one bundle: all of it, or (with errors) nothing."""
        result = self._run(self._exchange.change(plan))
        if isinstance(result, Changed):
            return result
        raise SwitchError(f"bridge {self.bridge}: {result}")

    def limits(self) -> list[Found[Meter]]:
        """The meters of the bridge, its controller's among them."""
        limits: list[Found[Meter]] = []

        def take(message: bytes) -> list[Found[Meter]] | None:
            found, more = meter.reply(message, self.bridge)
            limits.extend(found)
            return None if more else limits

        return self._ask(meter.request(frame.XID), frame.MULTIPART_REPLY, take)

    def limit(self, plan: Plan[Meter]) -> None:
        """Carry out the steps of a plan one after another; SwitchError names those that the switch refused."""
        steps = {frame.XID + 1 + number: step for number, step in enumerate(plan.steps)}
        self._send(b"".join(meter.mod(step, xid) for xid, step in steps.items()) + frame.barrier_request(frame.XID))
        refused = []
        while (head := frame.header(message := self._next())).kind != frame.BARRIER_REPLY:
            if head.kind == frame.ERROR and head.xid in steps:
                step = steps[head.xid]
                refused.append(f"{step.verb} {'/'.join(step.key)}: {error.error(message).text}")
        if refused:
            raise SwitchError("; ".join(refused))

    def set_ports(self, changes: tuple[PortChange, ...]) -> Mapping[int, str]:
        """Take ports down or raise them: what the switch refused, by the port's number, in its words."""
        mods = port.Mods()
        self._send(mods.send(changes))
        while True:
            done = mods.feed(self._next())
            if done is not None:
                return done.refused

    def _connect(self) -> None:
        self._socket.settimeout(self.timeout)
        try:
            self._socket.connect(os.fspath(self.path))
        except FileNotFoundError:
            if (self.path.parent / "ovs-vswitchd.pid").exists():
                raise SwitchError(
                    f"Open vSwitch has no bridge {self.bridge} (no socket {self.path}); "
                    "«ovs-vsctl list-br» names those it has"
                ) from None
            raise SwitchError(f"Open vSwitch is not running (nothing in {self.path.parent}); {START}") from None
        except ConnectionRefusedError:
            raise SwitchError(f"Open vSwitch is not running (nobody answers at {self.path}); {START}") from None
        except PermissionError:
            raise SwitchError(f"no permission to open {self.path}; run as root") from None
        except OSError as problem:
            raise SwitchError(f"cannot connect to {self.path}: {problem.strerror or problem}") from None
        self._socket.setblocking(False)

    def _shake_hands(self) -> None:
        """OpenFlow 1.3.5, 6.3.1: hello both ways, then the features."""

        def greeted(message: bytes) -> bool:
            if not frame.offers(message):
                raise SwitchError(
                    f"bridge {self.bridge} does not speak OpenFlow 1.3; «ovs-vsctl add bridge {self.bridge} "
                    "protocols OpenFlow13» allows it"
                )
            return True

        self._ask(frame.hello(frame.XID), frame.HELLO, greeted)
        self.dpid = self._ask(frame.features_request(frame.XID), frame.FEATURES_REPLY, frame.datapath_id)

    def _ask(self, request: bytes, kind: int, take: Callable[[bytes], R | None]) -> R:
        """Send a request and hand every answer of the kind to `take`, until it has what it needs."""
        self._send(request)
        while True:
            message = self._next()
            head = frame.header(message)
            if head.kind == frame.ERROR:
                raise SwitchError(f"bridge {self.bridge} answers: {error.error(message).text}")
            if head.kind == kind:
                try:
                    taken = take(message)
                except DecodeError as problem:
                    raise SwitchError(f"bridge {self.bridge} sent {problem}") from None
                if taken is not None:
                    return taken

    def _run(self, chunks: Iterable[bytes]) -> Result:
        for chunk in chunks:
            self._send(chunk)
        while True:
            for result in self._exchange.feed(self._next()):
                if isinstance(result, Send):
                    for chunk in result.chunks:
                        self._send(chunk)
                else:
                    return result

    def _send(self, data: bytes) -> None:
        """Send everything, and hear meanwhile: a switch whose answers nobody takes stops taking messages."""
        rest = memoryview(data)
        while rest:
            readable, writable = self._wait(writing=True)
            if readable:
                self._receive()
            if writable:
                try:
                    rest = rest[self._socket.send(rest[:_CHUNK]) :]
                except BlockingIOError:
                    continue
                except OSError as problem:
                    raise self._lost(problem) from None

    def _next(self) -> bytes:
        """The next message that is not an echo request; those are answered."""
        while True:
            while not self._messages:
                self._wait(writing=False)
                self._receive()
            message = self._messages.popleft()
            if message[1] != frame.ECHO_REQUEST:
                return message
            self._send(frame.echo_reply(message))

    def _wait(self, writing: bool) -> tuple[bool, bool]:
        """Whether the socket can be read, and written."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if writing else 0))
        ready = poll.poll(self.timeout * 1000)
        if not ready:
            raise SwitchError(
                f"bridge {self.bridge} did not answer within {self.timeout:g} s; is ovs-vswitchd stopped?"
            )
        events = ready[0][1]
        return bool(events & ~select.POLLOUT), bool(events & select.POLLOUT)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as problem:
            raise self._lost(problem) from None
        if not data:
            raise self._lost(None)
        self._heard += data
        try:
            self._messages.extend(frame.split(self._heard))
        except DecodeError as problem:
            raise SwitchError(f"bridge {self.bridge} sent {problem}") from None

    def _lost(self, problem: OSError | None) -> SwitchError:
        why = f": {problem.strerror}" if problem else ""
        return SwitchError(f"bridge {self.bridge} closed the connection{why}; it was deleted, or Open vSwitch stopped")
