"""The MACs of taps that others attach to the policy's bridges: what is wrong with one, and which would be right.

The rule is that of `tap_mac`, and of libvirt, and breaking it harms more than the tap's own guest. A Linux bridge
without a MAC of its own takes the lowest of its ports', so a tap that begins with a vendor's octets moves the bridge's
address as its guest comes and goes; and a tap with its guest's MAC makes the host take the guest's frames as its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from netctl.desired.mac import guest_mac, tap_mac
from netctl.plan import Change, Key, Step, Value
from netctl.policy import Loaded


@dataclass(frozen=True)
class ForeignTap:
    """A tap that somebody else made, as a port of one of the policy's bridges."""

    name: str
    bridge: str
    mac: str

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return ("foreign tap", self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"mac": self.mac}


def wrong(taps: Iterable[ForeignTap], guests: Collection[str]) -> list[Step[ForeignTap]]:
    """What would mend those that are wrong, each with why. `guests` are the MACs that guests are known to have."""
    steps = []
    for tap in taps:
        if tap.mac in guests:
            why = "it is a guest's MAC: the host takes frames for the guest as its own"
        elif not tap.mac.startswith(("fe", "fa")):
            why = "it is not above every NIC's, as fe:… is: a bridge without a MAC of its own moves to it"
        else:
            continue
        after = replace(tap, mac=tap_mac(tap.mac))
        steps.append(Step("change", f"{why}; bridge {tap.bridge}", tap, after, (Change("mac", tap.mac, after.mac),)))
    return steps


def report(step: Step[ForeignTap]) -> str:
    """What is wrong with a tap that is left as it is, with the command that mends it."""
    tap, mac = step.item, step.item.mac
    before = step.before.mac if step.before is not None else "-"
    return (
        f"tap {tap.name}, which somebody else made, has the MAC {before} ({step.why}); «ip link set dev {tap.name} "
        f"address {mac}» mends it, `foreign_taps: enforce` at the host has the agent do that"
    )


def linux_bridges(loaded: Loaded, host: str) -> frozenset[str]:
    """The policy's Linux bridges in the host's own namespace."""
    assert loaded.policy is not None
    links = loaded.policy.hosts[host].links
    return frozenset(name for name, link in links.items() if link.kind == "bridge" and not link.netns)


def guest_macs(loaded: Loaded, host: str) -> frozenset[str]:
    """The MACs of the policy's guests on a host."""
    assert loaded.policy is not None
    return frozenset(
        nic.mac or guest_mac(host, guest_name, nic_name)
        for guest_name, guest in loaded.policy.hosts[host].guests.items()
        for nic_name, nic in guest.nics.items()
    )
