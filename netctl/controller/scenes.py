"""Panel scenes: sets of wires under a name, and how the wires in force differ from one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from netctl.controller.patching import Change, Patchboard
from netctl.policy import Wire


class Scenes(Protocol):
    """Where scenes are kept: `netctl.policy.scene.Scenes`, in files."""

    def list(self) -> Sequence[str]:
        """The names of all scenes, in order."""
        ...

    def load(self, name: str) -> Sequence[Wire]:
        """The wires of a scene. Raises FileNotFoundError, ValueError when what is kept is wrong, else OSError."""
        ...

    def save(self, name: str, wires: Iterable[Wire]) -> object:
        """Keep these wires under `name`, in place of what was kept so.

        Raises BadScene for a name that none can have, else OSError.
        """
        ...

    def remove(self, name: str) -> object:
        """Raises FileNotFoundError, else OSError."""
        ...


@dataclass(frozen=True)
class Difference:
    """What loading a scene would do to the wires."""

    add: tuple[Wire, ...]
    remove: tuple[Wire, ...]
    change: tuple[tuple[Wire, Wire], ...]
    """Each as it is now and as the scene has it."""

    def as_change(self, dry_run: bool) -> Change:
        put = (*self.add, *(then for _, then in self.change))
        return Change(put, tuple(wire.name for wire in self.remove), dry_run)


def difference(board: Patchboard, scene: Iterable[Wire]) -> Difference:
    """What the wires in force are short of, and have beside, those of a scene."""
    now, then = board.wires(), {wire.name: wire for wire in scene}
    return Difference(
        tuple(wire for name, wire in then.items() if name not in now),
        tuple(wire for name, wire in now.items() if name not in then),
        tuple((now[name], wire) for name, wire in then.items() if name in now and not board.has(wire)),
    )
