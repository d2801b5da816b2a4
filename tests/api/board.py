"""A patchboard without switches: it keeps wires, and the policy's own rules judge them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import yaml

from netctl.controller.patching import Change, Outcome
from netctl.policy import Loaded, Ports, Wire, loads

FILE = "flows/patched.yaml"

HOSTS = """
hv1:
  bridges:
    ovbr0: {ports: [vm1-eth1, vm2-eth1, vm3-eth1, vm4-eth1, vm5-eth1, vm6-eth1]}
"""


class Board:
    """What `fails` says becomes of every change; without it, a change is kept."""

    def __init__(self, wires: Iterable[object] = (["vm1-eth1", "vm2-eth1"],)) -> None:
        self.fails: Outcome | None = None
        self.changes: list[Change] = []
        loaded = self._policy([Wire.model_validate(each) for each in wires])
        assert loaded.policy is not None, loaded.problems
        self._wires = self._in_full(loaded)

    def wires(self) -> Mapping[str, Wire]:
        return self._wires

    def change(self, change: Change) -> Outcome:
        self.changes.append(change)
        if self.fails is not None:
            return self.fails
        after = dict(self._wires)
        for name in change.remove:
            if after.pop(name, None) is None:
                return Outcome("missing", (f"no wire is called {name!r}",))
        after.update((wire.name, wire) for wire in change.put)
        loaded = self._policy(after.values())
        if loaded.policy is None:
            return Outcome("invalid", tuple(problem.message for problem in loaded.problems))
        then = self._in_full(loaded)
        steps = [f"- wire {name}" for name in self._wires if name not in then]
        steps += [f"+ wire {name}" for name in then if name not in self._wires]
        steps += [f"~ wire {name}" for name in then if name in self._wires and then[name] != self._wires[name]]
        if not steps:
            return Outcome("unchanged")
        if change.dry_run:
            return Outcome("planned", (), tuple(steps), FILE)
        self._wires = then
        return Outcome("done", (), tuple(steps), FILE)

    def _policy(self, wires: Iterable[Wire]) -> Loaded:
        said = [wire.model_dump(mode="json", exclude_defaults=True) for wire in wires]
        return loads(yaml.safe_dump({"version": 1, "hosts": yaml.safe_load(HOSTS), "wires": said}))

    def _in_full(self, loaded: Loaded) -> dict[str, Wire]:
        assert loaded.policy is not None
        ports = Ports(loaded.policy)
        full = {}
        for wire in loaded.policy.wires:
            ends = tuple(end.model_copy(update={"port": str(ports.resolve(end.port))}) for end in wire.ends)
            full[wire.name] = wire.model_copy(update={"ends": ends})
        return full


class Shelf:
    """Scenes in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Wire]] = {}
        self.fails: Exception | None = None

    def list(self) -> list[str]:
        return sorted(self.kept)

    def load(self, name: str) -> list[Wire]:
        if self.fails is not None:
            raise self.fails
        return self.kept[name]

    def save(self, name: str, wires: Iterable[Wire]) -> None:
        if self.fails is not None:
            raise self.fails
        self.kept[name] = [*wires]

    def remove(self, name: str) -> None:
        if self.fails is not None:
            raise self.fails
        del self.kept[name]
