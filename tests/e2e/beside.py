"""An application beside netctl.app that writes down the cookie of every packet-in that it gets."""

from __future__ import annotations

from typing import Any

from netctl.openflow import engine


class Beside(engine.App):
    OFP_VERSIONS = (engine.ofproto_v1_3.OFP_VERSION,)

    @engine.set_ev_cls(engine.ofp_event.EventOFPPacketIn, engine.MAIN)
    def heard(self, event: Any) -> None:
        with open("/run/beside.log", "a") as log:
            print(f"{event.msg.cookie:#x} {event.msg.match['in_port']} {len(event.msg.data)}", file=log)
