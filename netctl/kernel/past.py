"""What was there before a change, and the way back to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netctl.desired.device import Device, Namespace, plan_host
from netctl.desired.link import Link, Nic, Place
from netctl.desired.routing import Address, Sysctl
from netctl.kernel import netns, sysctl
from netctl.kernel.errors import KernelError
from netctl.kernel.host import Host
from netctl.kernel.ways import Way
from netctl.plan import Plan, Step, Wanted
from netctl.plan.text import line

WAS = "as it was before"
WAS_NOT = "it was not there before"

_ROUNDS = 4
"""Looks at what is left to do: what fails at first may be possible after the rest."""


@dataclass(frozen=True)
class Past:
    """What a plan touches, as it was."""

    before: tuple[Device, ...] = ()
    """What was there and netctl's, or a NIC that netctl keeps or is to keep."""
    after: tuple[Device, ...] = ()
    """What is to be instead."""
    ways: tuple[Way, ...] = ()
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What was written down of the kernel settings that are touched."""

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


def remember(host: Host, plan: Plan[Device]) -> Past:
    """Raises Refused."""
    after = [step.after for step in plan.steps if step.after is not None]
    before = [step.before for step in plan.steps if step.before is not None]
    before += _nics_that_move(host, after)
    settings = sysctl.records(item for item in (*before, *after) if isinstance(item, Sysctl))
    return Past(tuple(before), tuple(after), tuple(host.ways(_places(before))), settings)


def _nics_that_move(host: Host, after: Iterable[Device]) -> list[Device]:
    """NICs that are on the host and are to be in namespaces, as they are."""
    nics = [Nic(name=item.name) for item in after if isinstance(item, Nic) and item.netns]
    if not nics:
        return []
    keys = {nic.key for nic in nics}
    return [found.item for found in host.observe(nics) if found.item.key in keys and isinstance(found.item, Nic)]


def _places(items: Iterable[Device]) -> set[Place]:
    """Whose addresses and routes may be lost."""
    places = {item.place for item in items if isinstance(item, Link)}
    return places | {(item.netns, item.dev) for item in items if isinstance(item, Address)}


def return_to(host: Host, past: Past) -> tuple[list[Step[Device]], list[str]]:
    """Make all that `past` tells of as it was, whatever became of it; what was done, and what could not be, in words.

    The rest of the host is left alone. What can be put back is, also where something else cannot.
    """
    done: list[Step[Device]] = []
    left: list[str] = []
    failed: set[Step[Device]] = set()
    try:
        for _ in range(_ROUNDS):
            plan = _plan(host, past)
            left = [f"{step.verb} of {' '.join(step.key)}" for step in plan.steps]
            if not plan.steps or failed.issuperset(plan.steps):
                left += [str(collision) for collision in plan.collisions]
                break
            outcome = host.apply(plan)
            if outcome.ok:
                done += outcome.done
                continue
            left = []
            for step in plan.steps:
                each = host.apply(Plan((step,)))
                done += each.done
                if each.failed is not None:
                    failed.add(step)
                    left.append(f"{line(step)}: {each.error}")
        for item in past.after:
            if isinstance(item, Namespace):
                netns.clear(item.name)
        settings = (item for item in (*past.before, *past.after) if isinstance(item, Sysctl))
        sysctl.record(settings, past.settings)
        left += host.restore(past.ways)
    except KernelError as error:
        left.append(str(error))
    return done, left


def _plan(host: Host, past: Past) -> Plan[Device]:
    touched: Sequence[Device] = (*past.before, *past.after)
    keys = {item.key for item in touched}
    found = [each for each in host.observe(touched) if each.item.key in keys]
    return plan_host([Wanted(item, WAS) for item in past.before], found, lambda _: WAS_NOT)
