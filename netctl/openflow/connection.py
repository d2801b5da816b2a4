"""One connection of a switch: what netctl asks of it, in bytes, and what the answers say, as events."""

from __future__ import annotations

import time
from collections.abc import Iterable

from netctl.controller.commands import ApplyFlows, ReadFlows, SendFrames, SetPorts, SweepMeters
from netctl.controller.events import (
    Event,
    FlowsChanged,
    FlowsRead,
    FlowsUnread,
    FramesSent,
    MetersSwept,
    PortsSet,
)
from netctl.openflow import engine, meter, packet_out, port, session

ANSWER_SECONDS = 10.0
"""How long a switch has to answer."""

SwitchCommand = ReadFlows | ApplyFlows | SweepMeters | SetPorts | SendFrames


class Connection:
    """One connection of a switch, and what netctl asked of it."""

    def __init__(self, switch: engine.Switch, dpid: int) -> None:
        self.switch = switch
        self.dpid = dpid
        self.exchange = session.Exchange("")
        self.mods = port.Mods()
        self.sweep = meter.Sweep()
        self.deadline: float | None = None
        self.reading: ReadFlows | None = None

    def ask(self, command: SwitchCommand) -> None:
        """Send what a command says; `feed` tells what becomes of it."""
        if isinstance(command, ReadFlows):
            self.reading = command
            self._send([self.exchange.read(command.cookies, command.mask)], command.bridge)
        elif isinstance(command, ApplyFlows):
            self.reading = None
            self._send(self.exchange.change(command.plan), command.bridge)
        elif isinstance(command, SweepMeters):
            self.switch.send(self.sweep.start())
        elif isinstance(command, SendFrames):
            self.switch.send(packet_out.packet_outs(command.frames, command.ask))
        else:
            self.switch.send(self.mods.send(command.changes))

    def _send(self, chunks: Iterable[bytes], bridge: str) -> None:
        """Piece by piece: while the next is packed, what was sent leaves and the switch works on it."""
        self.exchange.bridge = bridge
        for chunk in chunks:
            self.deadline = time.monotonic() + ANSWER_SECONDS
            self.switch.send(chunk)
            engine.hub.sleep(0)

    def late(self, now: float) -> Event | None:
        """What there is to tell when the switch does not answer in time."""
        if self.deadline is None or now <= self.deadline:
            return None
        return self._failed(f"no answer within {ANSWER_SECONDS:.0f} s")

    def _failed(self, why: str) -> Event:
        self.deadline = None
        return FlowsUnread(self.dpid, why) if self.reading else FlowsChanged(self.dpid, 0, (why,))

    def feed(self, message: bytes) -> list[Event]:
        events: list[Event] = []
        asked = packet_out.asked(message)
        if asked:
            return [FramesSent(self.dpid, asked)]
        modified = self.mods.feed(message)
        if modified is not None:
            events.append(PortsSet(self.dpid, modified.changes, modified.refused))
        data, swept = self.sweep.feed(message)
        if data:
            self.switch.send(data)
        if swept:
            events.append(MetersSwept(self.dpid))
        for result in self.exchange.feed(message):
            if isinstance(result, session.Send):
                self._send(result.chunks, self.exchange.bridge)
                continue
            if isinstance(result, session.Failed):
                events.append(self._failed(result.why))
                continue
            self.deadline = None
            if isinstance(result, session.FlowsRead):
                assert self.reading is not None
                events.append(FlowsRead(self.dpid, result.found, self.reading.cookies, self.reading.mask))
            else:
                errors = tuple(
                    f"{refusal.step.why}: {refusal.text}" if refusal.step else refusal.text for refusal in result.errors
                )
                events.append(FlowsChanged(self.dpid, result.count, errors))
        return events
