"""What passes carrier on where no controller does: this host's ports, looked at and set over netlink.

The rule is the controller's (`netctl.desired.carrier`) and needs no memory: whoever acts, or both, the end is the
same.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Set

from netctl.controller.carrier import Carrier
from netctl.controller.snapshot import SwitchPort
from netctl.kernel.rtnl import IFF_UP, RTM_NEWLINK, Link, Rtnl, link_message
from netctl.plan.text import line
from netctl.policy import Cable, PortRef
from netctl.policy.wiring import Wiring

ALONE = 1.0
"""Seconds without a controller after which the agent passes carrier on. ovs-vswitchd writes down only every five
whether one is connected."""

log = logging.getLogger("netctl.agent")


class StandIn:
    """For one host."""

    def __init__(self) -> None:
        self._host = ""
        self._at: dict[PortRef, tuple[Cable, ...]] = {}
        """The wires of each port of this host that has one which passes carrier on."""
        self._names: dict[str, set[str]] = {}
        """The names of these ports, by bridge."""
        self._carriers: dict[str, Carrier] = {}
        """By bridge, of those that are without a controller."""
        self._stale = False
        """Whether the ports have to be looked at again."""
        self._trouble = ""

    @property
    def deadline(self) -> float | None:
        """When to `attend` though nothing happens; None for never."""
        return min((each for carrier in self._carriers.values() if (each := carrier.deadline)), default=None)

    def rewired(self, host: str, wiring: Wiring) -> None:
        """The policy is another one, or has other wires."""
        wires = (cable for cable in wiring.cables.values() if cable.follow)
        ends = {end for cable in wires for end in cable.ends if end.host == host}
        self._host = host
        self._at = {end: wiring.at(end) for end in ends}
        self._names = {}
        for end in ends:
            self._names.setdefault(end.bridge, set()).add(end.port)
        self._stale = True
        for carrier in self._carriers.values():
            carrier.rewired()

    def attend(self, alone: Set[str], names: Collection[str], everything: bool, now: float) -> None:
        """Do what is due on the bridges `alone`. The devices called `names` have changed, or any may have."""
        try:
            self._attend(alone, names, everything, now)
            self._trouble = ""
        except OSError as error:
            self._carriers.clear()
            text = f"the carrier of wires cannot be passed on: {error.strerror or error}"
            if text != self._trouble:
                log.error("%s", text)
            self._trouble = text

    def _attend(self, alone: Set[str], names: Collection[str], everything: bool, now: float) -> None:
        for bridge in self._carriers.keys() - alone:
            del self._carriers[bridge]
        everything, self._stale = everything or self._stale, False
        new = (alone & self._names.keys()) - self._carriers.keys()
        if not (new or self._carriers):
            return
        with Rtnl() as rtnl:
            if new or everything:
                links = {link.name: link for link in rtnl.links()}
                names = links.keys() | {name for carrier in self._carriers.values() for name in carrier.ports}
            else:
                links = {name: link for name in names if (link := rtnl.link(name))}
            for bridge in new:
                found = (links[name] for name in self._names[bridge] if name in links)
                self._carriers[bridge] = Carrier(map(port_of, found))
            for bridge, carrier in self._carriers.items():
                wired = self._names.get(bridge, ())
                for name in names:
                    if name in wired or name in carrier.ports:
                        look(carrier, name, links.get(name), now)
                self._settle(bridge, carrier, rtnl, now)

    def _settle(self, bridge: str, carrier: Carrier, rtnl: Rtnl, now: float) -> None:
        if not carrier.due(now):
            return
        plan, changes = carrier.settle(self._host, bridge, lambda ref: self._at.get(ref, ()), now)
        for step in plan.steps:
            log.info("no controller is connected: %s", line(step))
        refused = {}
        for number, _, down in changes:
            try:
                rtnl.ask(RTM_NEWLINK, link_message(number, flags=0 if down else IFF_UP, mask=IFF_UP))
            except OSError as error:
                refused[number] = error.strerror or str(error)
        for text in carrier.answered(changes, refused, now):
            log.error("%s", text)


def look(carrier: Carrier, name: str, link: Link | None, now: float) -> None:
    """Tell of a device as it is now; None where there is none."""
    before = carrier.ports.get(name)
    if before is not None and (link is None or link.index != before.number):
        carrier.gone(before.number)
    if link is not None:
        carrier.seen(port_of(link), now)


def port_of(link: Link) -> SwitchPort:
    """A device as a switch would tell of it, by its index."""
    return SwitchPort(link.index, link.name, link.mac, link.running, not link.up)
