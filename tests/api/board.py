"""A patchboard without switches: it keeps wires, and the policy's own rules judge them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import yaml

from netctl.controller.patching import Change, Outcome
from netctl.policy import Loaded, Wire, loads
from netctl.policy.name import is_plain_name
from netctl.policy.scene import BadScene

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
        self._wiring = loaded.wiring

    def wires(self) -> Mapping[str, Wire]:
        return self._wiring.wires

    def has(self, wire: Wire) -> bool:
        return self._wiring.has(wire)

    def change(self, change: Change) -> Outcome:
        self.changes.append(change)
        if self.fails is not None:
            return self.fails
        now = self.wires()
        after = dict(now)
        for name in change.remove:
            if after.pop(name, None) is None:
                return Outcome("missing", (f"no wire is called {name!r}",))
        after.update((wire.name, wire) for wire in change.put)
        loaded = self._policy(after.values())
        if loaded.policy is None:
            return Outcome("invalid", tuple(problem.message for problem in loaded.problems))
        then = loaded.wiring.wires
        steps = [f"- wire {name}" for name in now if name not in then]
        steps += [f"+ wire {name}" for name in then if name not in now]
        steps += [f"~ wire {name}" for name in then if name in now and then[name] != now[name]]
        if not steps:
            return Outcome("unchanged")
        if change.dry_run:
            return Outcome("planned", (), tuple(steps), FILE)
        self._wiring = loaded.wiring
        return Outcome("done", (), tuple(steps), FILE)

    def _policy(self, wires: Iterable[Wire]) -> Loaded:
        said = [wire.model_dump(mode="json", exclude_defaults=True) for wire in wires]
        return loads(yaml.safe_dump({"version": 1, "hosts": yaml.safe_load(HOSTS), "wires": said}))


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
        if not is_plain_name(name):
            raise BadScene(f"{name!r} cannot be a name here")
        self.kept[name] = [*wires]

    def remove(self, name: str) -> None:
        if self.fails is not None:
            raise self.fails
        del self.kept[name]
