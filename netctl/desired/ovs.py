"""Policy -> the rows of one host's Open_vSwitch database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from netctl.desired.queue import shaper
from netctl.desired.row import ISOLATED, MOST, Bridge, Port, Row, settings
from netctl.plan import Wanted
from netctl.policy import Loaded, PortRef, Ports
from netctl.policy.rate import as_written


def rows(
    loaded: Loaded, ports: Ports, host: str, controller: str | None, still_wired: Collection[PortRef] = ()
) -> list[Wanted[Row]]:
    """The bridges of `host`, their ports, and what keeps the rates of wires.

    `controller` is the OpenFlow target that the bridges get. On a bridge with `unpatched: normal` a wired port
    is isolated from the learning switch by its VLAN; `still_wired` are ports whose wire the policy no longer
    has but the switch still does: they stay isolated until its flows are gone. On a bridge with `adopt: true`
    others may let ports learn, so all of netctl's are isolated there but those that are to take part.
    """
    assert loaded.policy is not None
    entry = loaded.policy.hosts.get(host)
    if entry is None:
        return []
    wanted: list[Wanted[Row]] = []
    fabric = Counter((ref.host, ref.bridge) for ref in ports.fabric)
    for name, bridge in entry.bridges.items():
        where = loaded.where(("hosts", host, "bridges", name))
        probed = MOST if bridge.discover else fabric[host, name]
        item = Bridge(name, bridge.datapath, controller, adopted=bridge.adopt, settings=settings(probed))
        wanted.append(Wanted(item, f"{where} bridge {name}"))
    for ref, why in port_refs(loaded, ports):
        if ref.host != host:
            continue
        bridge = entry.bridges[ref.bridge]
        wired = loaded.wiring.wired(ref) or ref in still_wired
        isolated = wired if bridge.unpatched == "normal" else bridge.adopt
        wanted.append(Wanted(Port(ref.bridge, ref.port, ISOLATED if isolated else None), why))
    wanted += shapers(loaded, host)
    return wanted


def shapers(loaded: Loaded, host: str) -> Iterator[Wanted[Row]]:
    """What keeps the rates of the wires of `host`, each at the port where its direction leaves."""
    for cable in loaded.wiring.cables.values():
        if not cable.limited or cable.ends[0].host != host:
            continue
        for rate, end in zip(cable.rates, reversed(cable.ends), strict=True):
            if rate is not None:
                why = f"{cable.said} wire {cable.name}, {as_written(rate)} to {end.port}"
                yield Wanted(shaper(end.bridge, end.port, rate), why)


def port_refs(loaded: Loaded, ports: Ports) -> list[tuple[PortRef, str]]:
    """Every port of every bridge, and where the policy asks for it."""
    return [(ref, f"{loaded.where(path)} port {ref.port}") for ref, path in ports.all()]
