"""A draft as YAML, in the layout of a policy that somebody wrote by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from netctl.export.draft import Draft, Path
from netctl.policy.name import printable

WIDTH = 118


@dataclass(frozen=True)
class Written:
    text: str
    places: Mapping[int, Path]
    """What each line says, by its number from 1."""

    def at(self, line: int) -> Path | None:
        return self.places.get(line)


def write(draft: Draft, head: Iterable[str] = ()) -> Written:
    """`head` are lines of comment to begin with."""
    page = _Page()
    page.comment(0, head)
    page.line(0, "version: 1")
    page.line(0, "hosts:")
    sections = {name: section for name, section in draft.sections.items() if section}
    said = any(entry.value is not None for section in sections.values() for entry in section.values())
    page.line(2, f"{scalar(draft.host)}:" if said else f"{scalar(draft.host)}: {{}}")
    for name, section in sections.items():
        if not any(entry.value is not None for entry in section.values()):
            continue
        page.line(4, f"{name}:")
        for key, entry in section.items():
            page.comment(6, entry.notes)
            if name == "guests" and entry.value is not None:
                page.guest(key, entry.value, (name, key))
            elif entry.value is not None:
                page.entry(6, key, entry.value, (name, key))
    for name, listed in (("wires", draft.wires), ("taps", draft.taps)):
        if listed:
            page.line(0, f"{name}:")
            for number, entry in enumerate(listed):
                page.comment(2, entry.notes)
                page.line(2, f"- {flow(entry.value)}", (name, str(number)))
    if draft.left:
        page.line(0, "")
        page.comment(0, ("What is there besides, and is not said here:", *(f"- {each}" for each in draft.left)))
    return Written("\n".join(page.lines) + "\n", page.places)


class _Page:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.places: dict[int, Path] = {}

    def line(self, indent: int, text: str, path: Path | None = None) -> None:
        self.lines.append(" " * indent + text if text else "")
        if path is not None:
            self.places[len(self.lines)] = path

    def comment(self, indent: int, notes: Iterable[str]) -> None:
        for note in notes:
            for text in _folded(printable(note), WIDTH - indent - 2):
                self.line(indent, f"# {text}".rstrip())

    def entry(self, indent: int, key: str, value: Any, path: Path) -> None:
        """On one line where it has room, else a line for each of its keys."""
        text = f"{scalar(key)}: {flow(value)}"
        if indent + len(text) <= WIDTH or not isinstance(value, dict):
            self.line(indent, text, path)
            return
        self.line(indent, f"{scalar(key)}:", path)
        for name, each in value.items():
            self.line(indent + 2, f"{name}: {flow(each)}", path)

    def guest(self, key: str, value: dict[str, Any], path: Path) -> None:
        nics: dict[str, Any] = value.get("nics", {})
        whole = f"{scalar(key)}: {flow(value)}"
        if 6 + len(whole) <= WIDTH and len(nics) < 2:
            self.line(6, whole, (*path, "nics", next(iter(nics))) if nics else path)
            return
        self.line(6, f"{scalar(key)}:", path)
        for name, each in value.items():
            if name == "nics":
                self.line(8, "nics:", path)
                for nic, said in nics.items():
                    self.entry(10, nic, said, (*path, "nics", nic))
            else:
                self.line(8, f"{name}: {flow(each)}", path)


def flow(value: Any) -> str:
    """On one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=2**20)
    return text.removesuffix("\n...\n").strip()


def scalar(text: str) -> str:
    return flow(text)


def _folded(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = f"  {word}" if text.startswith("- ") else word
        else:
            line = f"{line} {word}" if line else word
    yield line
