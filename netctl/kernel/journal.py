"""The journal of a change: what was there before, on disk until the change is verified, or confirmed.

Where the process that makes the change is killed in the middle, the next one finds it and takes the change back.
There is one for the whole host; who writes it holds the host's lock (`Host`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from netctl import rundir
from netctl.desired import flow as flows
from netctl.desired import link, routing, row
from netctl.desired.device import Device, Namespace
from netctl.desired.flow import Action, Clone, Flow, Match
from netctl.desired.queue import Shaper
from netctl.desired.row import Row
from netctl.kernel.errors import KernelError
from netctl.kernel.past import Past
from netctl.kernel.ways import Way

NAME = "journal.json"
VERSION = 1

DEVICES: tuple[type[Any], ...] = (
    Namespace,
    *link.KINDS.values(),
    *(routing.Address, routing.Route, routing.Rule, routing.Sysctl, routing.DropIn),
)
ROWS: tuple[type[Any], ...] = (row.Bridge, row.Port, Shaper)
_ACTIONS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(flows.Output, flows.PushVlan, flows.PopVlan, flows.SetVlan, flows.ToController, flows.Metered),
        *(flows.GotoTable, flows.Foreign, Clone),
    )
}


def now() -> float:
    """Seconds since boot, those in which the machine slept too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def this_boot() -> str:
    """Another one after each start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class SwitchPast:
    """What Open vSwitch had of netctl's before a change."""

    remote: str
    """Where its database is."""
    rows: tuple[Row, ...] = ()
    flows: Mapping[str, tuple[Flow, ...]] = field(default_factory=dict)
    """By bridge."""
    held: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The ports of each bridge that were administratively down, sorted."""


@dataclass(frozen=True)
class Journal:
    host: str
    """As the policy calls it."""
    what: str
    """Whose change it is, e.g. «netctl apply flows/lab.yaml»."""
    past: Past
    switches: SwitchPast | None = None
    pid: int = field(default_factory=os.getpid)
    """Of the process that makes the change, or waits for the confirmation."""
    started: int = field(default_factory=lambda: rundir.started(os.getpid()) or 0)
    """When that was started, in clock ticks since boot."""
    boot: str = field(default_factory=this_boot)
    confirm_by: float | None = None
    """Of a change that is made and waits for its confirmation: until when, by the clock of `now`."""

    @property
    def alive(self) -> bool:
        """Whether the process is still at it."""
        return not self.outlived and self.pid != os.getpid() and rundir.started(self.pid) == self.started

    @property
    def outlived(self) -> bool:
        """Whether the machine was started since: there is nothing left of the change."""
        return self.boot != this_boot()

    @property
    def seconds_left(self) -> float:
        """Until which a change that is made can be confirmed; 0 for one that is not made."""
        return 0.0 if self.confirm_by is None or self.outlived else max(0.0, self.confirm_by - now())


class Broken(KernelError):
    """There is a journal and it cannot be read."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the journal {path()} of a change that was broken off cannot be read ({why}): nothing is changed",
            "see what is there (`ip address`, `ip route`), put right what is not as it should be, then remove the file",
        )


class NotWritten(KernelError):
    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the journal {path()} cannot be written ({error.strerror or error}), without which nothing is changed",
            "make room there, or say with NETCTL_RUN_DIR where netctl may write instead",
        )


class UnderWay(KernelError):
    """A change of another process's is not finished."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        if journal.confirm_by is None:
            super().__init__(f"`{journal.what}` (process {journal.pid}) is at work", "wait for it to end")
        else:
            super().__init__(
                f"`{journal.what}` waits to be confirmed",
                "`netctl confirm` keeps what it did, `netctl confirm --cancel` takes it back",
            )


def path() -> Path:
    return rundir.run_dir() / NAME


def begin(journal: Journal) -> None:
    """Write it before anything is changed. Raises UnderWay, Broken and NotWritten: nothing may be changed then."""
    there = read()
    if there is not None:
        raise UnderWay(there)
    rewrite(journal)


def rewrite(journal: Journal) -> None:
    """Put it in the place of the one that is there, whole, for root alone to read. Raises NotWritten."""
    try:
        file = path()
        draft = file.with_name(f".{NAME}.{os.getpid()}")
        try:
            _fill(draft, text(journal).encode())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
        _settle(file.parent)
    except OSError as error:
        raise NotWritten(error) from error


def read() -> Journal | None:
    """The one that is there. Raises Broken."""
    try:
        return parse(path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Broken(error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Broken(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error


def remove() -> None:
    """The change stays, or is taken back: there is nothing to remember. Raises NotWritten."""
    try:
        path().unlink(missing_ok=True)
        _settle(path().parent)
    except OSError as error:
        raise NotWritten(error) from error


def text(journal: Journal) -> str:
    past, switches = journal.past, journal.switches
    return json.dumps(
        {
            "version": VERSION,
            **{name: getattr(journal, name) for name in _PLAIN},
            "before": _pack(past.before),
            "after": _pack(past.after),
            "ways": [asdict(way) for way in past.ways],
            "settings": past.settings,
            "switches": switches
            and {
                "remote": switches.remote,
                "rows": _pack(switches.rows),
                "flows": {name: [pack_flow(each) for each in found] for name, found in switches.flows.items()},
                "held": switches.held,
            },
        }
    )


def parse(content: str) -> Journal:
    """Raises ValueError, KeyError, TypeError or AttributeError for what `text` never wrote."""
    value = json.loads(content)
    if value["version"] != VERSION:
        raise ValueError(f"it is of version {value['version']}, this netctl knows {VERSION}")
    devices: list[Device] = _unpack(value["before"], DEVICES)
    after: list[Device] = _unpack(value["after"], DEVICES)
    ways = _adapter(tuple[Way, ...]).validate_python(value["ways"])
    switches = None
    if (told := value["switches"]) is not None:
        rows: list[Row] = _unpack(told["rows"], ROWS)
        switches = SwitchPast(
            told["remote"],
            tuple(rows),
            {name: tuple(map(unpack_flow, found)) for name, found in told["flows"].items()},
            {name: tuple(found) for name, found in told["held"].items()},
        )
    past = Past(tuple(devices), tuple(after), ways, value["settings"])
    return Journal(past=past, switches=switches, **{name: value[name] for name in _PLAIN})


_PLAIN = ("host", "what", "pid", "started", "boot", "confirm_by")


def _pack(items: Iterable[Any]) -> list[dict[str, Any]]:
    return [{"is": type(item).__name__, **_adapter(item.__class__).dump_python(item, mode="json")} for item in items]


def _unpack(packed: Iterable[dict[str, Any]], kinds: Iterable[type[Any]]) -> list[Any]:
    by_name: dict[str, Any] = {kind.__name__: kind for kind in _with_seen(kinds)}
    return [_adapter(by_name[each.pop("is")]).validate_python(each) for each in packed]


def _with_seen(kinds: Iterable[type[Any]]) -> Iterator[type[Any]]:
    """And what is found of them, where that says more."""
    for kind in kinds:
        yield kind
        yield from _with_seen(kind.__subclasses__())


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def pack_flow(flow: Flow) -> list[Any]:
    bridge, priority, match, actions, *rest = flow
    return [bridge, priority, [*match], [_pack_action(each) for each in actions], *rest]


def unpack_flow(packed: list[Any]) -> Flow:
    bridge, priority, match, actions, *rest = packed
    return Flow(bridge, priority, Match(*match), tuple(map(_unpack_action, actions)), *rest)


def _pack_action(action: Action) -> list[Any]:
    if isinstance(action, Clone):
        return ["Clone", [_pack_action(each) for each in action.actions]]
    return [type(action).__name__, *asdict(action).values()]


def _unpack_action(packed: list[Any]) -> Any:
    name, *values = packed
    if name == "Clone":
        return Clone(tuple(map(_unpack_action, values[0])))
    return _ACTIONS[name](*values)


def _fill(file: Path, data: bytes) -> None:
    with suppress(FileNotFoundError):
        file.unlink()
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def _settle(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
