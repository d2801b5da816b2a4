"""What was patched at run time, over the wires of a policy's own files."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from netctl.policy.brief import Brief
from netctl.policy.document import is_text
from netctl.policy.model import Wire
from netctl.policy.said import Named, Said, brief_of

NAME = "patched.yaml"

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*", re.ASCII)

_ABOUT = """\
# What was patched at run time: netctl writes this file, and reads it with the rest of the policy. It may be edited.
# `wires` are put in; `unwire` takes out wires of the other files, by name. Without this file they are as they were.
"""


@dataclass(frozen=True)
class Patch:
    """Wires that are to be beside those of the policy's own files, their ends in full, and wires of those files,
    by name, that are not to be. A wire of the files that is replaced is in both."""

    wires: Mapping[str, Wire] = field(default_factory=dict)
    unwire: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.wires or self.unwire)

    def text(self) -> str:
        """The file that says it."""
        said = self.wires.said if isinstance(self.wires, Named) else self.wires
        lines = [_ABOUT + "version: 1\n"]
        if self.unwire:
            lines.append("unwire:\n" + "".join(f"  - {scalar(name)}\n" for name in sorted(self.unwire)))
        if said:
            lines.append("wires:\n")
            lines += (f"  - {line(each)}\n" for each in said.values())
        return "".join(lines)


NOTHING = Patch()


def patch_file(path: Path) -> Path:
    """Where what is patched at run time is written, for the policy at `path`: in its directory, or beside its file."""
    return path / NAME if path.is_dir() else path.with_name(f"{path.stem}.{NAME}")


def patch_of(wires: Iterable[Said], unwire: frozenset[str]) -> Patch:
    said = {wire.name: wire for wire in wires}
    return Patch(Named(said), unwire) if said or unwire else NOTHING


def following(
    patch: Patch, base: Mapping[str, Wire], copied: Collection[str], put: Iterable[Wire], remove: Iterable[str]
) -> Patch:
    """The patch that follows on `patch` when some wires are put in and others taken out.

    `base` are the wires of the policy's own files, `copied` the names of those that its taps copy: such a wire may
    be away only where `unwire` says so. All ends are in full. A wire of the files that is put back as it was is
    theirs again.
    """
    wires = dict(patch.wires.said if isinstance(patch.wires, Named) else patch.wires)
    unwire = set(patch.unwire)
    for name in remove:
        wires.pop(name, None)
        if name in base or name in copied:
            unwire.add(name)
    for wire in put:
        wires.pop(wire.name, None)
        unwire.discard(wire.name)
        if wire.name not in base:
            wires[wire.name] = _small(wire)
        elif not _same(base[wire.name], wire):
            wires[wire.name] = _small(wire)
            unwire.add(wire.name)
    return patch_of(wires.values(), frozenset(unwire))


def line(said: Said) -> str:
    """A wire on one line of YAML."""
    return f"{{{_brief_line(brief_of(said))}{''.join(f', {key}: {value}' for key, value in _more(said))}}}"


@lru_cache(16_384)
def _brief_line(brief: Brief) -> str:
    """Kept, since all of a patch is written whenever one wire of it changes."""
    ends = ", ".join(
        scalar(port) if vlan is None else f"{{port: {scalar(port)}, vlan: {vlan}}}"
        for port, vlan in zip(brief.ports, brief.vlans, strict=True)
    )
    more = {"carrier": brief.carrier, "observe": brief.observe}
    rest = "".join(f", {key}: {value}" for key, value in more.items() if value is not None)
    return f"name: {scalar(brief.name)}, ends: [{ends}]{rest}"


def scalar(text: str) -> str:
    """Text as YAML reads it back."""
    return text if _PLAIN.fullmatch(text) and is_text(text) else json.dumps(text)


def _more(said: Said) -> Iterator[tuple[str, str]]:
    if isinstance(said, Wire) and said.rate is not None:
        both = {"a_to_b": said.rate.a_to_b, "b_to_a": said.rate.b_to_a}
        yield "rate", json.dumps({key: str(rate) for key, rate in both.items() if rate is not None})
    if isinstance(said, Wire) and said.classify:
        classes: list[Any] = [
            {"match": each.match.model_dump(exclude_none=True), "queue": each.queue} for each in said.classify
        ]
        yield "classify", json.dumps(classes)


def _small(wire: Wire) -> Said:
    return wire if wire.rate is not None or wire.classify else brief_of(wire)


def _same(one: Wire, other: Wire) -> bool:
    """Whether two wires of one name do the same."""
    same = (one.ends, one.rate, one.classify, one.observe) == (other.ends, other.rate, other.classify, other.observe)
    return same and (one.carrier == "ignore") == (other.carrier == "ignore")
