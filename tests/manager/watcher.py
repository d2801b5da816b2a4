"""An application on the engine's seam: installs flows on every switch, reads them back, prints what happens."""

from __future__ import annotations

import json
import os
from typing import Any

from netctl.desired.flow import Flow, Match, Output
from netctl.openflow import engine, port
from netctl.openflow.session import Changed, Exchange, FlowsRead, Send
from netctl.plan import Plan, Step


def say(event: str, **what: Any) -> None:
    print(json.dumps({"event": event, **what}), flush=True)


class Watcher(engine.App):
    OFP_VERSIONS = (engine.ofproto_v1_3.OFP_VERSION,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.exchanges: dict[Any, Exchange] = {}

    def start(self) -> Any:
        say("start", engine=engine.NAME)
        return super().start()

    def close(self) -> None:
        say("close")

    @engine.set_ev_cls(engine.EventState, [engine.MAIN, engine.DEAD])
    def state(self, event: Any) -> None:
        switch: engine.Switch = event.datapath
        if event.state == engine.DEAD:
            if self.exchanges.pop(switch, None):
                say("down", dpid=switch.id)
            return
        say("up", dpid=switch.id, ports=[[each.number, each.name, each.up] for each in engine.ports(switch)])
        exchange = self.exchanges[switch] = Exchange("br0")
        count = int(os.environ.get("FLOWS", "1"))
        flows = [Flow("br0", 100, Match(in_port=1 + number), (Output(1),)) for number in range(count)]
        bad = os.environ.get("BAD_FLOW")
        if bad:
            flows.append(Flow("br0", 100, Match(in_port=1 + count), (Output(0xFFFF_FF01),)))
        for chunk in exchange.change(Plan(tuple(Step("add", "", None, flow) for flow in flows))):
            switch.send(chunk)

    @engine.set_ev_cls(engine.EventReply, engine.MAIN)
    def reply(self, event: Any) -> None:
        switch: engine.Switch = event.msg.datapath
        exchange = self.exchanges[switch]
        for result in exchange.feed(event.msg.buf):
            if isinstance(result, Send):
                switch.send(b"".join(result.chunks))
            elif isinstance(result, Changed):
                say("changed", count=result.count, atomic=result.atomic, errors=list(map(str, result.errors)))
                switch.send(exchange.read())
            elif isinstance(result, FlowsRead):
                say("read", count=len(result.found), ours=sum(each.ours for each in result.found))

    @engine.set_ev_cls(engine.EventPortStatus, engine.MAIN)
    def port(self, event: Any) -> None:
        status = port.status(event.msg.buf)
        say("port", reason=status.reason, name=status.port.name, up=status.port.up)
