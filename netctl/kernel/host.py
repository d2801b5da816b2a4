"""The devices of this host: looked at, and changed step by step."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from netctl import rundir
from netctl.desired.device import Device, Namespace, Stranger
from netctl.desired.link import Link, Nic, Place, Veth
from netctl.kernel import netns, nic, routing, ways
from netctl.kernel.attribute import text
from netctl.kernel.errors import Busy, DeviceMissing, KernelError, NamespaceMissing, NameTaken, NotPermitted, Refused
from netctl.kernel.kinds import KINDS
from netctl.kernel.link import alter, make
from netctl.kernel.observe import observe, room_of
from netctl.kernel.removal import remove
from netctl.kernel.rooms import Rooms
from netctl.kernel.rtnl import IFLA_IFALIAS, RTM_NEWLINK, Rtnl, link_message
from netctl.kernel.rtnl import Link as Raw
from netctl.kernel.ways import Way
from netctl.plan import Found, Key, Plan, Step

LOCK = "host"
LOCK_SECONDS = 10.0
"""How long one netctl waits for another that is at work on the same host."""

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
"""What it takes, by the bits of capability(7)."""


@dataclass(frozen=True)
class Outcome:
    """What became of a plan."""

    done: tuple[Step[Device], ...] = ()
    failed: Step[Device] | None = None
    error: KernelError | None = None
    """Why `failed` did."""
    undone: tuple[Step[Device], ...] = ()
    """Those of `done` that were taken back because of it, in the order in which they were."""
    notes: tuple[str, ...] = ()
    """What a person should know besides."""

    @property
    def ok(self) -> bool:
        return self.failed is None


class Host:
    """A context manager: inside it no other netctl looks at or changes this host's devices.

    `name` is the host's in the policy: the mark of its devices. With None the devices of every host are ours, to be
    removed and nothing else. `before_make` is called with the names of devices that are about to be made, none of
    which is there.

    Entering raises NotPermitted, and Busy after `patience` seconds.
    """

    def __init__(
        self,
        name: str | None,
        before_make: Callable[[Collection[str]], object] = lambda _: None,
        patience: float = LOCK_SECONDS,
    ) -> None:
        self.name = name
        self._before_make = before_make
        self._patience = patience
        self._stack = ExitStack()
        self._links: Mapping[str, tuple[Raw, ...]] = {}
        """Of each namespace, as they were seen last."""

    def __enter__(self) -> Host:
        lacking = lacks()
        if lacking:
            raise NotPermitted(lacking)
        with ExitStack() as stack:
            try:
                stack.enter_context(rundir.locked(LOCK, self._patience))
            except rundir.Locked as error:
                raise Busy(error.pid) from error
            except OSError as error:
                raise Refused("taking the lock of this host's devices", error) from error
            self._rooms = stack.enter_context(Rooms())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def observe(self, wanted: Collection[Device] = ()) -> list[Found[Device]]:
        """Everything with our mark, and whatever stands where one of `wanted` is to be, ours or not.

        Raises Refused.
        """
        try:
            seen = observe(self._rooms, self.name, wanted)
        except OSError as error:
            raise Refused("looking at the host's devices", error) from error
        self._links = seen.links
        return seen.found

    def indexes(self, names: Collection[str]) -> dict[str, int]:
        """The kernel's number of each of the devices called so that are there. Raises Refused."""
        wanted = set(names)
        try:
            return {link.name: link.index for link in self._rooms.at("").rtnl.links() if link.name in wanted}
        except OSError as error:
            raise Refused("looking at the host's devices", error) from error

    def touch(self, name: str) -> None:
        """Have the kernel announce a device that is up, without changing it. Raises Refused."""
        try:
            link = self._rooms.at("").rtnl.link(name)
            if link is not None:
                self._rooms.at("").rtnl.ask(RTM_NEWLINK, link_message(link.index, text(IFLA_IFALIAS, link.alias)))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise Refused(f"announcing the device {name}", error) from error

    def ways(self, places: Iterable[Place]) -> list[Way]:
        """The addresses and routes of the devices at `places`, whoever made them. Raises Refused."""
        names: dict[str, set[str]] = {}
        for where, name in places:
            names.setdefault(where, set()).add(name)
        found: list[Way] = []
        try:
            for where in sorted(names):
                with suppress(NamespaceMissing):
                    found += ways.read(self._rooms.at(where).rtnl, where, names[where])
        except OSError as error:
            raise Refused("looking at addresses and routes", error) from error
        return found

    def restore(self, lost: Collection[Way]) -> list[str]:
        """Say again what is missing of `lost`; what could not be, in words. Raises Refused."""
        left: list[str] = []
        try:
            for where in sorted({way.netns for way in lost}):
                with suppress(NamespaceMissing):
                    left += ways.restore(self._rooms.at(where).rtnl, [way for way in lost if way.netns == where])
        except OSError as error:
            raise Refused("putting back addresses and routes", error) from error
        return left

    def apply(self, plan: Plan[Device]) -> Outcome:
        """Do the steps of a plan in their order. Where one fails, what was done before it is taken back (but where the
        devices are any host's, for then it is not known whose they were).

        A step whose work somebody else did meanwhile is done. Never raises KernelError: it is in the outcome.
        """
        done: list[Step[Device]] = []
        notes: list[str] = []
        announced: set[Key] = set()
        self._announced: set[str] = set()
        self._fresh: set[Place] = set()
        steps = list(plan.steps)
        gone = [step.item.name for step in steps if step.verb == "remove" and isinstance(step.item, Namespace)]
        if gone:
            notes += [
                f"the namespace {name} has no name any more, but lives on with its processes: "
                f"{', '.join(map(str, pids))}"
                for name, pids in netns.residents(gone).items()
            ]
        while len(done) < len(steps):
            step = steps[len(done)]
            together = _removals(steps[len(done) :]) if step.verb == "remove" else []
            try:
                if together:
                    self._remove_links(each.item.place for each in together if isinstance(each.item, Link))
                    done += together
                    continue
                if step.verb == "add" and step.key not in announced:
                    coming = [each.item for each in steps[len(done) :] if each.verb == "add"]
                    announced.update(each.key for each in coming)
                    self._announce(coming)
                self._do(step)
                done.append(step)
            except KernelError as error:
                if step.verb == "change":
                    with suppress(KernelError):
                        self._do(_inverse(step))
                undone, regrets = self._undo(done) if self.name is not None else ((), [])
                return Outcome(tuple(done), step, error, undone, (*notes, *regrets))
        return Outcome(tuple(done), notes=tuple(notes))

    def _undo(self, done: Sequence[Step[Device]]) -> tuple[tuple[Step[Device], ...], list[str]]:
        undone: list[Step[Device]] = []
        regrets: list[str] = []
        self._fresh.clear()
        for step in reversed(done):
            try:
                self._do(_inverse(step))
                undone.append(step)
            except KernelError as error:
                regrets.append(f"{step.verb} of {'/'.join(step.key)} could not be taken back: {error}")
        return tuple(undone), regrets

    def _do(self, step: Step[Device]) -> None:
        made = isinstance(step.after, Link) and step.after.place in self._fresh
        if step.verb in {"remove", "replace"} and step.before is not None and not made:
            self._remove(step.before)
        if step.after is None:
            return
        if step.verb == "change":
            try:
                self._alter(step.after)
                return
            except DeviceMissing as error:
                if error.name != step.key[-1]:
                    raise
        self._announce([step.after])
        self._make(step.after)

    def _announce(self, devices: Iterable[Device]) -> None:
        names = [device.name for device in devices if isinstance(device, Link) and not device.netns]
        new = [name for name in names if name not in self._announced]
        self._announced.update(new)
        if new:
            self._before_make(new)

    def _make(self, device: Device) -> None:
        assert self.name is not None
        match device:
            case Namespace():
                netns.make(device, self.name)
            case Nic():
                nic.keep(device, self._rooms, self.name)
            case Link():
                make(KINDS[device.kind], device, self._rooms, self.name)
                self._fresh.add(device.place)
                if isinstance(device, Veth):
                    self._fresh.add((device.peer_netns, device.peer))
            case Stranger():
                raise NameTaken(device.key[-1], device.kind)
            case _:
                routing.make(device, self._rtnl(room_of(device)), self.name)

    def _alter(self, device: Device) -> None:
        assert self.name is not None
        match device:
            case Namespace():
                netns.alter(device, self.name)
            case Nic():
                nic.keep(device, self._rooms, self.name)
            case Link():
                alter(KINDS[device.kind], device, self._rooms, self.name)
            case Stranger():
                raise NameTaken(device.key[-1], device.kind)
            case _:
                routing.alter(device, self._rtnl(room_of(device)), self.name)

    def _rtnl(self, netns: str) -> Rtnl:
        """Raises KernelError."""
        try:
            return self._rooms.at(netns).rtnl
        except OSError as error:
            raise Refused(f"entering {f'the namespace {netns}' if netns else 'the network'}", error) from error

    def _remove(self, device: Device) -> None:
        match device:
            case Namespace():
                self._rooms.forget(device.name)
                netns.remove(device.name, self.name)
            case Nic():
                nic.release(device, self._rooms, self.name)
            case Link():
                self._remove_links([device.place])
                self._announced.discard(device.name)
            case Stranger():
                raise NameTaken(device.key[-1], device.kind)
            case _:
                with suppress(NamespaceMissing):
                    routing.remove(device, self._rtnl(room_of(device)), self.name)

    def _remove_links(self, places: Iterable[Place]) -> None:
        remove(places, self._rooms, self.name, self._links)


def lacks() -> tuple[str, ...]:
    """The capabilities that this process would need and does not have."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return tuple(name for name, bit in CAPABILITIES.items() if not effective >> bit & 1)
    return tuple(CAPABILITIES)


def _removals(steps: Sequence[Step[Device]]) -> list[Step[Device]]:
    """The steps at the beginning that remove links and can be done together."""
    together: list[Step[Device]] = []
    for step in steps:
        if step.verb != "remove" or not isinstance(step.item, Link) or isinstance(step.item, Nic):
            break
        together.append(step)
    return together


def _inverse(step: Step[Device]) -> Step[Device]:
    match step.verb:
        case "add":
            return Step("remove", step.why, step.after, None)
        case "remove":
            return Step("add", step.why, None, step.before)
        case verb:
            return Step(verb, step.why, step.after, step.before)
