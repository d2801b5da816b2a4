"""The devices of this host: looked at, and changed step by step."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from netctl import rundir
from netctl.desired.device import Device, Namespace, Stranger
from netctl.desired.link import Link as Link_
from netctl.desired.link import Nic, Place
from netctl.desired.routing import DropIn, Routing, Waiting
from netctl.kernel import netns, nic, routing, ways
from netctl.kernel.attribute import text, u32
from netctl.kernel.errors import (
    Busy,
    DeviceMissing,
    KernelError,
    NamespaceMissing,
    NameTaken,
    NotPermitted,
    Refused,
)
from netctl.kernel.kinds import KINDS, kind_of
from netctl.kernel.link import Kind, L, alter, common, make
from netctl.kernel.mark import DOOMED, GROUP, kept, ours
from netctl.kernel.nic import NicKind
from netctl.kernel.rooms import Rooms
from netctl.kernel.rtnl import IFLA_GROUP, IFLA_IFALIAS, RTM_DELLINK, RTM_NEWLINK, Link, Rtnl, link_message
from netctl.kernel.view import Inside, View, look
from netctl.kernel.ways import Way
from netctl.plan import Found, Key, Plan, Step

LOCK = "host"
LOCK_SECONDS = 10.0
"""How long one netctl waits for another that is at work on the same host."""

MANY = 32
"""So many devices, when they are all that netctl has in a namespace, go without another look at each: nobody else
makes such meanwhile, and nothing but netctl's is in its group."""
FEW = 8
"""Fewer are asked for one by one, more by one question for all."""

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
        self._links: dict[str, tuple[Link, ...]] = {}
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
        sight = Sight.of(wanted)
        try:
            found: list[Found[Device]] = []
            view = View(self._rooms, self._insides(sight, found))
            survey = routing.Survey(sight.asked, self.name)
            self._links = {inside.netns: inside.links for inside in view.insides.values()}
            for inside in view.insides.values():
                rtnl = self._rooms.at(inside.netns).rtnl
                for raw in inside.links:
                    found += self._seen(raw, inside, view, rtnl, sight)
                for each in survey.look(rtnl, inside.netns, inside.links):
                    if each.ours or each.item.key in sight.asked:
                        found.append(Found(each.item, each.ours, each.stays))
        except OSError as error:
            raise Refused("looking at the host's devices", error) from error
        return found

    def _insides(self, sight: Sight, found: list[Found[Device]]) -> Iterator[Inside]:
        """The host's own namespace and those that are ours or asked for; the latter are found on the way."""
        detailed = self.name is not None
        yield look(self._rooms.at(""), detailed)
        for name in netns.names():
            try:
                room = self._rooms.at(name)
                loopback = room.rtnl.link("lo")
                if loopback is None:
                    continue
                mine = ours(loopback, self.name)
                if mine or name in sight.namespaces:
                    found.append(Found(netns.SeenNamespace(name, loopback.up), mine))
                    yield look(room, detailed)
                elif name in sight.inside:
                    yield look(room, detailed)
            except NamespaceMissing:
                continue

    def _seen(self, raw: Link, inside: Inside, view: View, rtnl: Rtnl, sight: Sight) -> list[Found[Device]]:
        kind = kind_of(raw)
        mine = kind is not None and ours(raw, self.name)
        keys = sight.keys.get((inside.netns, raw.name), ())
        keep = kept(raw, self.name)
        if not mine and not keys and not keep:
            return []
        try:
            if keep or any(key[0] == Nic.kind for key in keys):
                return [Found(self._read(NicKind(self.name), raw, inside, view, rtnl, sight))]
            if kind is not None:
                device = self._read(kind, raw, inside, view, rtnl, sight)
                if mine or device.key in keys:
                    return [Found(device, mine)]
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return []
        return [Found(Stranger(key, raw.kind or "hardware"), ours=False) for key in keys]

    def _read(self, kind: Kind[L], raw: Link, inside: Inside, view: View, rtnl: Rtnl, sight: Sight) -> L:
        """Of any host's devices no more than what they are: they are only removed."""
        if self.name is None:
            return kind.device(name=raw.name, netns=inside.netns, **kind.seen(raw, inside, view))
        detailed = (inside.netns, raw.name) in sight.detailed
        return kind.device(**common(raw, inside, rtnl, detailed), **kind.seen(raw, inside, view))

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
        self._announced: set[str] = set()
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
            together = _removals(steps[len(done) :])
            try:
                if together:
                    self._remove_links([each.item.place for each in together if isinstance(each.item, Link_)])
                    done += together
                    continue
                if step.verb == "add":
                    self._announce([each.item for each in steps[len(done) :] if each.verb == "add"])
                self._do(step)
                done.append(step)
            except KernelError as error:
                undone, regrets = self._undo(done) if self.name is not None else ((), [])
                return Outcome(tuple(done), step, error, undone, (*notes, *regrets))
        return Outcome(tuple(done), notes=tuple(notes))

    def _undo(self, done: Sequence[Step[Device]]) -> tuple[tuple[Step[Device], ...], list[str]]:
        undone: list[Step[Device]] = []
        regrets: list[str] = []
        for step in reversed(done):
            try:
                self._do(_inverse(step))
                undone.append(step)
            except KernelError as error:
                regrets.append(f"{step.verb} of {'/'.join(step.key)} could not be taken back: {error}")
        return tuple(undone), regrets

    def _do(self, step: Step[Device]) -> None:
        if step.verb in {"remove", "replace"} and step.before is not None:
            self._remove(step.before)
        if step.after is None:
            return
        if step.verb == "change":
            try:
                self._alter(step.after)
                return
            except DeviceMissing:
                pass
        self._announce([step.after])
        self._make(step.after)

    def _announce(self, devices: Iterable[Device]) -> None:
        names = [device.name for device in devices if isinstance(device, Link_) and not device.netns]
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
            case Link_():
                make(KINDS[device.kind], device, self._rooms, self.name)
            case Stranger():
                raise NameTaken(device.key[-1], device.kind)
            case _:
                routing.make(device, self._rtnl(_netns(device)), self.name)

    def _alter(self, device: Device) -> None:
        assert self.name is not None
        match device:
            case Namespace():
                netns.alter(device, self.name)
            case Nic():
                nic.keep(device, self._rooms, self.name)
            case Link_():
                alter(KINDS[device.kind], device, self._rooms, self.name)
            case Stranger():
                raise NameTaken(device.key[-1], device.kind)
            case _:
                routing.alter(device, self._rtnl(_netns(device)), self.name)

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
            case Link_():
                self._remove_links([device.place])
                self._announced.discard(device.name)
            case Stranger():
                raise NameTaken(device.key[-1], device.kind)
            case _:
                with suppress(NamespaceMissing):
                    routing.remove(device, self._rtnl(_netns(device)), self.name)

    def _remove_links(self, places: Iterable[Place]) -> None:
        """Remove devices of ours, all at once: one by one each costs 20 ms, a group of a thousand 0.2 s."""
        names: dict[str, set[str]] = {}
        for where, name in places:
            names.setdefault(where, set()).add(name)
        for where in sorted(names):
            try:
                self._remove_within(where, names[where])
            except NamespaceMissing:
                continue
            except OSError as error:
                said = ", ".join(sorted(names[where])[:3])
                raise Refused(f"removing {said}{'…' if len(names[where]) > 3 else ''}", error) from error

    def _remove_within(self, netns: str, names: Collection[str]) -> None:
        rtnl = self._rooms.at(netns).rtnl
        seen = self._links.get(netns, ())
        if len(names) >= MANY and {link.name for link in seen if link.group == GROUP} == names:
            _delete(rtnl, link_message(0, u32(IFLA_GROUP, GROUP)))
            return
        if len(names) < FEW:
            found = [link for name in names if (link := rtnl.link(name)) is not None]
        else:
            found = [link for link in rtnl.links() if link.name in names]
        for link in found:
            if not ours(link, self.name):
                raise NameTaken(link.name, link.kind)
        if len(found) == 1:
            _delete(rtnl, link_message(found[0].index))
        elif found:
            for link in found:
                _doom(rtnl, link)
            _delete(rtnl, link_message(0, u32(IFLA_GROUP, DOOMED)))


@dataclass(frozen=True)
class Sight:
    """Where to look."""

    keys: Mapping[Place, Collection[Key]]
    """What is wanted at a place."""
    detailed: Collection[Place]
    """Of whose offloads something is said."""
    namespaces: Collection[str]
    inside: Collection[str]
    """The namespaces in which something is wanted."""
    asked: Collection[Key]
    """All that is wanted."""

    @staticmethod
    def of(wanted: Iterable[Device]) -> Sight:
        keys: dict[Place, list[Key]] = {}
        detailed = set()
        namespaces = set()
        inside = {""}
        asked = set()
        for device in wanted:
            asked.add(device.key)
            if isinstance(device, Link_):
                keys.setdefault(device.place, []).append(device.key)
                if device.offloads:
                    detailed.add(device.place)
            if isinstance(device, Namespace):
                namespaces.add(device.name)
            elif not isinstance(device, Stranger):
                inside.add(_netns(device))
        return Sight(keys, detailed, namespaces, inside, asked)


def _netns(device: Link_ | Routing) -> str:
    return "" if isinstance(device, DropIn | Waiting) else device.netns


def _doom(rtnl: Rtnl, link: Link) -> None:
    try:
        rtnl.ask(RTM_NEWLINK, link_message(link.index, u32(IFLA_GROUP, DOOMED)))
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise


def _delete(rtnl: Rtnl, message: bytes) -> None:
    try:
        rtnl.ask(RTM_DELLINK, message)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise


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
        if step.verb != "remove" or not isinstance(step.item, Link_) or isinstance(step.item, Nic):
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
