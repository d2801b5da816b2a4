"""What a policy wants of a host, as far as the host's faults are judged by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netctl.desired.device import Namespace
from netctl.desired.host import devices
from netctl.desired.link import Link, Place
from netctl.desired.mac import guest_mac
from netctl.policy import Loaded, host_side

OPENVSWITCH = "openvswitch"


@dataclass(frozen=True)
class Wishes:
    host: str = ""
    source: str = ""
    """Where the policy is."""
    kinds: frozenset[str] = frozenset()
    """Of devices; and «openvswitch» for the kernel's datapath."""
    taps: Mapping[str, str] = field(default_factory=dict)
    """The MAC of the guest behind a tap, by the tap's name."""
    wires: tuple[tuple[str, str, str], ...] = ()
    """(name, port, port) of those whose ends are both here."""
    uplinks: frozenset[str] = frozenset()
    places: frozenset[Place] = frozenset()
    """Of the links of all of the policy's hosts."""
    namespaces: frozenset[str] = frozenset()


def wishes(loaded: Loaded, host: str) -> Wishes:
    """`loaded.policy` must be valid and name the host."""
    policy = loaded.policy
    assert policy is not None
    entry = policy.hosts[host]
    here = [each.item for each in devices(loaded, host)]
    everywhere = [*here, *(each.item for name in policy.hosts if name != host for each in devices(loaded, name))]
    kinds = {item.kind for item in here if isinstance(item, Link)} - {"nic"}
    if any(bridge.datapath == "system" for bridge in entry.bridges.values()):
        kinds.add(OPENVSWITCH)
    taps = {
        host_side(guest_name, nic_name, nic): nic.mac or guest_mac(host, guest_name, nic_name)
        for guest_name, guest in entry.guests.items()
        for nic_name, nic in guest.nics.items()
        if nic.device == "tap"
    }
    return Wishes(
        host,
        loaded.source,
        frozenset(kinds),
        taps,
        tuple(
            (name, cable.ends[0].port, cable.ends[1].port)
            for name, cable in loaded.wiring.cables.items()
            if all(end.host == host for end in cable.ends)
        ),
        frozenset(entry.uplinks),
        frozenset(item.place for item in everywhere if isinstance(item, Link)),
        frozenset(item.name for item in everywhere if isinstance(item, Namespace)),
    )
