"""Taking out of a document what is wrong with it, so that the rest can be checked too."""

from __future__ import annotations

from typing import Any

from netctl.policy.document import Mark, Marks, child
from netctl.policy.model import default_name
from netctl.policy.ports import Path


def take_out(value: Any, mark: Mark, paths: list[Path], lost: set[str]) -> bool:
    """Removes the values at `paths` from `value`, and their marks. False when nothing is left.

    Names that went with them are added to `lost`, so that nobody complains that they are unknown. A version
    that is wrong is taken to be 1.
    """
    for path in sorted(set(paths), key=_order, reverse=True):
        if path in ((), ("version",)):
            if not isinstance(value, dict):
                return False
            value["version"] = 1
            continue
        _lose(value, path, lost)
        at, marks = value, mark
        for element in path[:-1]:
            at = child(at, element)
            marks = child(marks.entries, element) if isinstance(marks, Marks) else 0
        _remove(at, path[-1])
        if isinstance(marks, Marks):
            _remove(marks.entries, path[-1])
    return True


def _order(path: Path) -> list[tuple[int, str]]:
    return [(element, "") if isinstance(element, int) else (-1, element) for element in path]


def _remove(value: Any, element: str | int) -> None:
    if isinstance(value, dict):
        value.pop(element, None)
    elif isinstance(value, list) and isinstance(element, int) and element < len(value):
        del value[element]


def _lose(value: Any, path: Path, lost: set[str]) -> None:
    for element in path:
        value = child(value, element)
    if path[0] == "hosts":
        if isinstance(path[-1], str):
            lost.add(path[-1])
        _gather(value, lost)
        _lose_ports(value, path, lost)
    elif path[0] == "queues":
        lost.update(value if len(path) == 1 and isinstance(value, dict) else path[1:2])  # type: ignore[arg-type]
    elif path[0] == "wires":
        for wire in value if len(path) == 1 and isinstance(value, list) else [value]:
            name = child(wire, "name")
            ends = child(wire, "ends") or wire
            if isinstance(name, str):
                lost.add(name)
            elif isinstance(ends, list) and len(ends) == 2:
                lost.add(default_name(ends))


def _lose_ports(value: Any, path: Path, lost: set[str]) -> None:
    """A guest's NIC that is touched may lose the port that it makes."""
    if len(path) >= 4 and path[2] == "guests":
        guests = {path[3]: value if len(path) == 4 else {"nics": dict.fromkeys(path[5:6]) or value}}
    else:
        guests = value if path[2:3] == ("guests",) else child(value, "guests")
    for guest, inside in guests.items() if isinstance(guests, dict) else ():
        nics = child(inside, "nics")
        lost.update(f"{guest}-{nic}" for nic in (nics if isinstance(nics, dict) else ()))


def _gather(value: Any, lost: set[str], depth: int = 0) -> None:
    if isinstance(value, str):
        lost.add(value)
    elif depth < 6 and isinstance(value, dict):
        for key, each in value.items():
            lost.add(key)
            _gather(each, lost, depth + 1)
    elif depth < 6 and isinstance(value, list):
        for each in value:
            _gather(each, lost, depth + 1)
