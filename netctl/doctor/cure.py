"""Findings as a plan: each is to be gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from netctl.doctor.finding import Finding
from netctl.plan import Found, Key, Plan, Value, Wanted, delta


@dataclass(frozen=True)
class Ailment:
    """A finding of which `netctl doctor` knows how to have it gone."""

    finding: Finding

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return (self.finding.check, self.finding.subject)

    def facts(self) -> Mapping[str, Value]:
        return {"wrong": True}


@dataclass(frozen=True)
class Cured(Ailment):
    def facts(self) -> Mapping[str, Value]:
        return {"wrong": False}


def plan(findings: Iterable[Finding]) -> Plan[Ailment]:
    """What is mended by itself, each step with the finding that it ends."""
    ill = [Ailment(finding) for finding in findings if finding.automatic]
    return delta(
        [Wanted[Ailment](Cured(each.finding), each.finding.what) for each in ill],
        [Found(each) for each in ill],
    )
