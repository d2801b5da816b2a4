"""The devices of this host: looked at, and changed step by step."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from netctl import rundir
from netctl.desired.device import Device, Namespace, Stranger, Tap, Veth
from netctl.kernel import netns, tap, veth
from netctl.kernel.errors import Busy, DeviceMissing, KernelError, NameTaken, NotPermitted, Refused
from netctl.kernel.mark import DOOMED, GROUP, ours
from netctl.kernel.rtnl import RTM_DELLINK, RTM_NEWLINK, Link, Rtnl, change_link
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
            self._rtnl = stack.enter_context(Rtnl())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def observe(self, names: Collection[Key] = ()) -> list[Found[Device]]:
        """Everything with our mark, and whatever stands under one of `names`, ours or not."""
        wanted = set(names)
        try:
            links = self._rtnl.links()
            insides = [
                inside
                for name in netns.names()
                if (inside := netns.look(name, self._rtnl, self.name, ("netns", name) in wanted))
            ]
            found: list[Found[Device]] = [
                Found(inside.namespace.item, inside.namespace.ours) for inside in insides
            ]
            for link in links:
                found += self._seen(link, insides, wanted)
        except OSError as error:
            raise Refused("looking at the host's devices", error) from error
        return found

    def _seen(
        self, link: Link, insides: Sequence[netns.Inside], wanted: Collection[Key]
    ) -> list[Found[Device]]:
        mine = ours(link, self.name)
        kinds = [kind for kind in ("veth", "tap") if (kind, link.name) in wanted]
        if not mine and not kinds:
            return []
        device: Device | None = None
        if link.kind == "veth":
            device = veth.seen(link, self._rtnl, insides)
        elif link.tap:
            device = tap.seen(link, self._rtnl)
        else:
            mine = False
        if device is None and (link.kind == "veth" or link.tap):
            return []
        if device is not None and (mine or device.key[0] in kinds):
            return [Found(device, mine)]
        return [Found(Stranger(link.name, kind, link.kind or "hardware"), ours=False) for kind in kinds]

    def indexes(self, names: Collection[str]) -> dict[str, int]:
        """The kernel's number of each of the devices called so that are there. Raises Refused."""
        wanted = set(names)
        try:
            return {link.name: link.index for link in self._rtnl.links() if link.name in wanted}
        except OSError as error:
            raise Refused("looking at the host's devices", error) from error

    def touch(self, name: str) -> None:
        """Have the kernel announce a device that is up, without changing it. Raises Refused."""
        try:
            link = self._rtnl.link(name)
            if link is not None:
                self._rtnl.ask(RTM_NEWLINK, change_link(link.index, ifalias=link.alias))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise Refused(f"announcing the device {name}", error) from error

    def apply(self, plan: Plan[Device]) -> Outcome:
        """Do the steps of a plan in their order. Where one fails, what was done before it is taken back (but where the
        devices are any host's, for then it is not known whose they were).

        A step whose work somebody else did meanwhile is done. Never raises KernelError: it is in the outcome.
        """
        done: list[Step[Device]] = []
        notes: list[str] = []
        self._announced: set[str] = set()
        steps = list(plan.steps)
        gone = [step.key[1] for step in steps if step.verb == "remove" and step.key[0] == "netns"]
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
                    self._remove_links([each.key[1] for each in together])
                    done += together
                    continue
                if step.key[1] not in self._announced:
                    self._announce([each.key[1] for each in steps[len(done) :] if each.verb == "add"])
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
        if step.verb in {"remove", "replace"}:
            assert step.before is not None
            if isinstance(step.before, Namespace):
                netns.remove(step.before.name, self.name)
            else:
                self._remove_links([step.key[1]])
        if step.after is None:
            return
        if step.verb == "change":
            try:
                self._alter(step.after)
                return
            except DeviceMissing:
                pass
        if step.key[1] not in self._announced or step.verb != "add":
            self._announce([step.key[1]])
        self._make(step.after)

    def _announce(self, names: Sequence[str]) -> None:
        self._announced.update(names)
        if names:
            self._before_make(names)

    def _make(self, device: Device) -> None:
        assert self.name is not None
        match device:
            case Namespace():
                netns.make(device, self.name)
            case Veth():
                veth.make(device, self._rtnl, self.name)
            case Tap():
                tap.make(device, self._rtnl, self.name)
            case Stranger():
                raise NameTaken(device.name, device.kind)

    def _alter(self, device: Device) -> None:
        assert self.name is not None
        match device:
            case Namespace():
                netns.alter(device, self.name)
            case Veth():
                veth.alter(device, self._rtnl, self.name)
            case Tap():
                tap.alter(device, self._rtnl, self.name)
            case Stranger():
                raise NameTaken(device.name, device.kind)

    def _remove_links(self, names: Sequence[str]) -> None:
        """Remove devices of ours, all at once: one by one each costs 20 ms, a group of a thousand 0.2 s."""
        try:
            if len(names) == 1:
                link = self._rtnl.link(names[0])
                links = [link] if link is not None else []
            else:
                links = self._rtnl.links()
            wanted = set(names)
            found = [link for link in links if link.name in wanted]
            for link in found:
                if not ours(link, self.name):
                    raise NameTaken(link.name, link.kind)
            if len(found) == 1:
                self._delete(change_link(found[0].index))
            elif found and found == [link for link in links if link.group == GROUP]:
                self._delete(change_link(0, group=GROUP))
            elif found:
                for link in found:
                    self._doom(link)
                self._delete(change_link(0, group=DOOMED))
        except OSError as error:
            raise Refused(f"removing {', '.join(names[:3])}{'…' if len(names) > 3 else ''}", error) from error

    def _doom(self, link: Link) -> None:
        try:
            self._rtnl.ask(RTM_NEWLINK, change_link(link.index, group=DOOMED))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def _delete(self, message: object) -> None:
        try:
            self._rtnl.ask(RTM_DELLINK, message)
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
        if step.verb != "remove" or step.key[0] == "netns":
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
