"""What `netctl apply` makes of a host that is not as it was made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from netctl.cli import apply
from netctl.cli.machine import Failed, Machine, Plans
from netctl.desired.device import plan_host
from netctl.desired.link import Tap
from netctl.plan import Found, Wanted

WANTED = Tap(name="vm1", mtu=9000)


class Stubborn:
    """A host on which somebody else sets the MTU of a tap again and again, for so many looks."""

    def __init__(self, looks: int, unkept: bool = False) -> None:
        self.looks = looks
        self.unkept = unkept

    def plans(self) -> Plans:
        self.looks -= 1
        found = replace(WANTED, mtu=1500 if self.looks >= 0 else 9000)
        return Plans(plan_host([Wanted(WANTED, "lab.yaml:3:5 link vm1")], [Found(found)]))

    def unkept_rates(self) -> list[str]:
        return ["the rate of port vm1 is not in force"] if self.unkept else []


def test_what_was_done_and_is_not_so_fails_with_the_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply.time, "sleep", lambda _: None)
    machine: Any = Stubborn(1000)
    with pytest.raises(Failed, match=r"still to be done:\n~ tap vm1: mtu 1500 -> 9000  \(lab.yaml:3:5 link vm1\)"):
        apply.verify(cast(Machine, machine))
    machine = Stubborn(3)
    apply.verify(cast(Machine, machine))
    with pytest.raises(Failed, match="the rate of port vm1 is not in force"):
        apply.verify(cast(Machine, Stubborn(0, unkept=True)))
