"""What libvirt calls around the life of a guest (https://libvirt.org/hooks.html), with the domain's XML.

`prepare begin` comes before libvirt looks for the guest's devices, and a failure there ends the start; `release end`
when nothing of the guest runs any more. A hook that calls libvirt waits for itself, so nothing here does; one that
fails at `reconnect` kills a guest that runs, so only `prepare` and `release` are looked at.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netctl.libvirt.domain import NAMESPACE

if TYPE_CHECKING:
    from netctl.desired.device import Device
    from netctl.libvirt.domain import Domain
    from netctl.libvirt.guests import Guests
    from netctl.plan import Wanted

METADATA = "metadata of the domain"


class Failed(Exception):
    """The guest cannot have its devices; the message says why, and what to do."""


def run(arguments: Sequence[str], policy: str, host: str | None, read: Callable[[], str] = sys.stdin.read) -> int:
    """The exit code of the hook that was called with `arguments`: NAME OPERATION SUB-OPERATION EXTRA. `policy` need
    not be there."""
    work = WORK.get(tuple(arguments[1:3]))
    if work is None:
        return 0
    name = arguments[0]
    try:
        work(name, read(), policy, host)
    except Failed as error:
        print(f"netctl: {error}", file=sys.stderr)
        return 1
    except Exception as error:  # a traceback would be the reason that libvirt gives for a guest that does not start
        print(f"netctl: the devices of {name}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def prepare(name: str, xml: str, policy: str, host: str | None) -> None:
    """Make the devices of the guest called `name`, and what they stand on, as the policy says; those of one that it
    does not name as the domain's own metadata says. Raises Failed."""
    from netctl.libvirt import guests, metadata
    from netctl.libvirt.domain import BadDomain, parse
    from netctl.plan import Wanted

    try:
        domain = parse(xml)
        known = _guests(policy, host, domain)
        if known is not None and name in known:
            wanted: Sequence[Wanted[Device]] = known.of(name)
            owner = known.host
        else:
            wanted = [Wanted(device, f"{METADATA} {name}") for device in metadata.devices(domain)]
            owner = owner_of(name)
    except BadDomain as error:
        raise Failed(str(error)) from error
    for device in guests.opened(wanted):
        _fits(domain, device)
    if wanted:
        _make(name, wanted, owner)


def release(name: str, xml: str, policy: str, host: str | None) -> None:  # noqa: ARG001
    """Remove what `prepare` made from a domain's metadata; the devices of the policy stay, as the agent would have
    them. Raises Failed."""
    from netctl.desired.device import plan_host
    from netctl.desired.link import Macvtap, Tap
    from netctl.kernel.errors import KernelError
    from netctl.kernel.host import Host

    if NAMESPACE not in xml:
        return
    try:
        with Host(owner_of(name)) as kernel:
            found = [each for each in kernel.observe() if each.ours and isinstance(each.item, Tap | Macvtap)]
            outcome = kernel.apply(plan_host([], found, lambda _: f"the guest {name} has ended"))
    except KernelError as error:
        raise Failed(f"the devices of {name}: {error}") from error
    if outcome.error is not None:
        raise Failed(f"the devices of {name}: {outcome.error}")


def owner_of(guest: str) -> str:
    """In whose name the devices are that a domain's metadata asks for: no host's of any policy, whose agent would
    remove them."""
    return f"libvirt:{guest}"


def _guests(policy: str, host: str | None, domain: Domain) -> Guests | None:
    """None where there is no policy, and where it is wrong and the domain needs nothing of it. Raises Failed."""
    from netctl.libvirt.guests import BadPolicy, guests

    if not os.path.exists(policy):
        return None
    try:
        return guests(policy, host, socket.gethostname())
    except BadPolicy as error:
        asked = {nic.get("name") for nic in domain.nics}
        if all(each.dev in asked for each in domain.interfaces):
            return None
        raise Failed(f"the policy cannot be used, so the devices of {domain.name} cannot be made:\n{error}") from error


def _fits(domain: Domain, device: Device) -> None:
    """Whether what the domain says of a device goes with it. Raises Failed."""
    from netctl.desired.link import Macvtap, Tap

    assert isinstance(device, Tap | Macvtap)
    interface = domain.interface(device.name)
    if interface is None:
        return
    if isinstance(device, Macvtap) and device.mac != interface.mac:
        raise Failed(
            f"{device.name} is a macvtap with the MAC {device.mac}, and takes frames for no other; the domain's "
            f"<interface> says {interface.mac or 'none'}: `netctl libvirt xml {domain.name}` prints the right one"
        )
    if isinstance(device, Tap) and bool(device.multi_queue) != (interface.queues > 1):
        raise Failed(
            f"the tap {device.name} is made for {'several queues' if device.multi_queue else 'one queue'}, and the "
            f"domain's <interface> asks for {interface.queues}: `netctl libvirt xml {domain.name}` prints the right one"
        )


def _make(name: str, wanted: Sequence[Wanted[Device]], owner: str) -> None:
    from netctl.desired.device import plan_host
    from netctl.kernel.errors import KernelError
    from netctl.kernel.host import Host
    from netctl.ovsdb.datapath import forget_all
    from netctl.plan.text import line

    keys = {each.item.key for each in wanted}
    try:
        with Host(owner, before_make=forget_all) as kernel:
            found = [each for each in kernel.observe([each.item for each in wanted]) if each.item.key in keys]
            plan = plan_host(wanted, found)
            if plan.collisions:
                told = "; ".join(f"{each} ({each.why})" for each in plan.collisions)
                raise Failed(f"the devices of {name} cannot be made: {told}")
            outcome = kernel.apply(plan)
    except KernelError as error:
        raise Failed(f"the devices of {name} cannot be made: {error}") from error
    if outcome.failed is not None:
        raise Failed(f"the devices of {name} cannot be made: {line(outcome.failed).strip()}: {outcome.error}")


Work = Callable[[str, str, str, str | None], None]
WORK: dict[tuple[str, ...], Work] = {("prepare", "begin"): prepare, ("release", "end"): release}
"""By operation and sub-operation."""
