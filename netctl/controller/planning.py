"""The plans for one host's database and for one bridge's flows: the same for the controller and the command line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from netctl.desired.flow import Flow
from netctl.desired.flows import WIRE_PRIORITY, cookie_of, flows
from netctl.desired.ovs import rows, wired_ports
from netctl.desired.row import ISOLATED, ORDER, Bridge, Observed, Port, Row
from netctl.plan import Collision, Found, Plan, delta
from netctl.plan.delta import NOT_WANTED
from netctl.policy import Cable, Loaded, PortRef, Ports, cables


@dataclass(frozen=True)
class Panel:
    """A valid policy with everything in it found: which ports there are and what is wired to what."""

    loaded: Loaded
    ports: Ports
    wired: frozenset[PortRef]
    cables: Mapping[tuple[str, str], list[Cable]]
    """The wires by host and bridge."""

    @classmethod
    def of(cls, loaded: Loaded) -> Panel:
        assert loaded.policy is not None
        ports = Ports(loaded.policy)
        by_bridge: dict[tuple[str, str], list[Cable]] = {}
        for cable in cables(loaded, ports):
            by_bridge.setdefault((cable.ends[0].host, cable.ends[0].bridge), []).append(cable)
        return cls(loaded, ports, frozenset(wired_ports(loaded, ports)), by_bridge)

    def bridge(self, host: str, name: str) -> str | None:
        """What the policy says of ports without a wire on a bridge; None when it does not name the bridge."""
        assert self.loaded.policy is not None
        entry = self.loaded.policy.hosts.get(host)
        bridge = entry.bridges.get(name) if entry else None
        return bridge.unpatched if bridge else None


def plan_rows(
    panel: Panel, host: str, observed: Observed, target: str | None, still_wired: Collection[PortRef] = ()
) -> Plan[Row]:
    """What is to be done in the database of `host`.

    A bridge that somebody else made is a collision, and nothing is put on it. A port that somebody else put on
    one of our bridges (libvirt does) is used as it is, unless it would have to be isolated.
    """
    theirs = {f.item.name for f in observed.rows if isinstance(f.item, Bridge) and not f.ours}
    guests = {(f.item.bridge, f.item.name) for f in observed.rows if isinstance(f.item, Port) and not f.ours}
    collisions = []
    wanted = []
    for want in rows(panel.loaded, panel.ports, host, target, still_wired):
        item = want.item
        if isinstance(item, Port) and item.tag is None and (item.bridge, item.name) in guests:
            continue
        bridge = item.name if isinstance(item, Bridge) else item.bridge
        if bridge not in theirs:
            wanted.append(want)
        elif isinstance(item, Bridge):
            collisions.append(Collision(item.key, want.why))
    plan = delta(wanted, observed.rows, ORDER)
    return replace(plan, collisions=(*collisions, *plan.collisions))


def plan_flows(
    panel: Panel,
    host: str,
    bridge: str,
    numbers: Mapping[str, int],
    observed: Observed,
    found: Collection[Found[Flow]],
) -> Plan[Flow]:
    """What is to be done to the flows of a bridge; `numbers` gives the OpenFlow number of each of its ports.

    On a learning bridge a wire waits until both its ports are isolated in the database, and a copy until the
    monitor port is, so that at no moment a flooded frame can enter them.
    """
    unpatched = panel.bridge(host, bridge)
    assert unpatched is not None
    wires = panel.cables.get((host, bridge), [])
    ready = numbers
    if unpatched == "normal":
        isolated = {
            f.item.name for f in observed.rows if isinstance(f.item, Port) and f.item.tag == ISOLATED
        }
        ready = {name: number for name, number in numbers.items() if name in isolated}
    said = f"{panel.loaded.where(('hosts', host, 'bridges', bridge))} bridge {bridge}"
    halves = {
        cookie_of(wire.name): f"wire {wire.name} has no port {' and no port '.join(missing)}; {wire.said}"
        for wire in wires
        if (missing := [end.port for end in wire.ends if end.port not in numbers])
    }
    return delta(
        flows(bridge, unpatched, said, wires, ready),
        found,
        why_not=lambda flow: halves.get(flow.cookie, NOT_WANTED),
    )


def still_wired(
    host: str, bridge: str, numbers: Mapping[str, int], found: Collection[Found[Flow]]
) -> set[PortRef]:
    """The ports that the flows on a switch wire now, whatever the policy says."""
    names = {number: name for name, number in numbers.items()}
    wired: set[int] = set()
    for each in found:
        flow = each.item
        if not each.ours or flow.priority != WIRE_PRIORITY or flow.match.in_port is None:
            continue
        wired.add(flow.match.in_port)
        wired.update(flow.outputs())
    return {PortRef(host, bridge, names[number]) for number in wired if number in names}
