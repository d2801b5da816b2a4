"""The network devices of a host: each name once, and none that is the kernel's or Open vSwitch's own."""

from __future__ import annotations

from collections.abc import Iterator

from netctl.policy.finding import Finding
from netctl.policy.link import VethLink
from netctl.policy.model import Host
from netctl.policy.name import device_name, shown
from netctl.policy.ports import Path, host_side
from netctl.policy.stage import Stage

RESERVED = {
    "lo": "the loopback's",
    "all": "the kernel's, in its settings for every device",
    "default": "the kernel's, in its settings for new devices",
    "ovs-netdev": "Open vSwitch's own",
    "ovs-system": "Open vSwitch's own",
}


def check(host: Host, path: Path, stage: Stage) -> Iterator[Finding]:
    seen: dict[tuple[str, str], tuple[str, Path]] = {}
    for space, name, what, at, key in _devices(host, path):
        if name in RESERVED:
            yield Finding(at, f"{shown(name)} cannot be a device here: the name is {RESERVED[name]}", key)
            continue
        first = seen.setdefault((space, name), (what, at))
        if first[1] != at:
            yield Finding(
                at,
                f"the interface {shown(name)} is here twice: as {what}, "
                f"and as {first[0]} at {stage.where(first[1])}; give one another name",
                key,
            )


def _devices(host: Host, path: Path) -> Iterator[tuple[str, str, str, Path, bool]]:
    """The namespace ("" is the host's own), the name, what it is, where, and whether the key is the name."""
    for name in host.bridges:
        yield "", name, f"the bridge {name}", (*path, "bridges", name), True
    for guest_name, guest in host.guests.items():
        for nic_name, nic in guest.nics.items():
            at = (*path, "guests", guest_name, "nics", nic_name)
            what = f"the NIC {nic_name} of {guest_name}"
            name = host_side(guest_name, nic_name, nic)
            yield "", name, what, (*at, "name") if nic.name else at, not nic.name
            if guest.namespace:
                yield guest_name, nic_name, what, at, True
    for name, link in host.links.items():
        at = (*path, "links", name)
        yield link.netns or "", name, f"the link {name}", at, True
        if isinstance(link, VethLink) and link.peer not in host.links:
            yield "", link.peer, f"the other end of {name}", (*at, "peer"), False


def too_long(host: Host, path: Path) -> Iterator[Finding]:
    """Names that are put together from others."""
    for guest_name, guest in host.guests.items():
        for nic_name, nic in guest.nics.items():
            name = host_side(guest_name, nic_name, nic)
            if nic.name:
                continue
            try:
                device_name(name)
            except ValueError as error:
                at = (*path, "guests", guest_name, "nics", nic_name)
                yield Finding(at, f"the host side of this NIC: {error}; say a shorter one with `name`", True)
