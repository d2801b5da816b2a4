"""Taps of others at the policy's bridges: when they are looked at, what is said of them, and what is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netctl.agent.core import FULL_CHECK
from netctl.agent.messages import BridgeSeen, BridgesSeen, Changed, MacSet, PortSeen, SeeTaps, SetMac, TapsSeen, Tick
from netctl.agent.taps import GAP
from netctl.desired.foreign import ForeignTap
from tests.agent.test_core import POLICY, Play

ENFORCE = POLICY.replace("    bridges:", "    foreign_taps: enforce\n    bridges:")
PORTS = {"vnet0": "br0", "vm1-eth1": "br0"}
BRIDGE = BridgeSeen("br0", frozenset(PortSeen(name, number, False) for number, name in enumerate(PORTS)), True)
GOOD = ForeignTap("vnet0", "br0", "fe:54:00:00:00:09")
BAD = replace(GOOD, mac="52:54:00:00:00:01")


class Field(Play):
    """A host with a bridge of Open vSwitch; what is done about taps comes back, the rest is as it should be."""

    def __init__(self, policy: str = POLICY) -> None:
        super().__init__(policy)
        self.settle()
        assert SeeTaps(frozenset(), PORTS, None) in self.play(BridgesSeen((BRIDGE,)), after=1)

    def heard(self, name: str) -> list[SeeTaps]:
        commands = self.play(Changed(frozenset({name})), after=1)
        return [each for each in commands if isinstance(each, SeeTaps)]

    def seen(self, *taps: ForeignTap, names: frozenset[str] | None = None) -> list[SetMac]:
        commands = self.play(TapsSeen(names, taps))
        assert all(isinstance(each, SetMac) for each in commands)
        return [each for each in commands if isinstance(each, SetMac)]


def test_one_that_comes_is_looked_at_alone() -> None:
    field = Field()
    assert field.heard("vnet0") == [SeeTaps(frozenset(), PORTS, frozenset({"vnet0"}))]
    assert field.play(Changed(frozenset({"vnet0"})), after=GAP / 10) == []
    assert field.play(Changed(frozenset({"vnet1"})), after=GAP / 10) == []
    (command,) = field.play(Tick(), after=GAP)
    assert command == SeeTaps(frozenset(), PORTS, frozenset({"vnet0", "vnet1"}))


def test_all_are_looked_at_once_a_minute_and_when_ports_come() -> None:
    field = Field()
    assert SeeTaps(frozenset(), PORTS, None) in field.play(Tick(), after=FULL_CHECK + 1)
    assert field.play(BridgesSeen((BRIDGE,)), after=1) == []
    less = replace(BRIDGE, ports=frozenset())
    field.play(BridgesSeen((less,)), after=1)
    assert field.core.status.foreign_taps == ()


def test_where_there_is_no_bridge_nothing_is_looked_at() -> None:
    game = Play()
    game.settle()
    assert game.play(Changed(frozenset({"vnet0"})), after=1) == []
    linux = POLICY.replace("    guests:", "    links: {br1: {kind: bridge}}\n    guests:")
    assert SeeTaps(frozenset({"br1"}), {}, None) in Play(linux).first


def test_reported_once_and_no_problem_of_the_host() -> None:
    field = Field()
    assert field.seen(BAD) == []
    assert field.seen(BAD) == []
    (text,) = field.core.status.foreign_taps
    assert "«ip link set dev vnet0 address fe:54:00:00:00:01» mends it" in text
    assert [each for each in field.said if "vnet0" in each] == [f"warning: {text}"]
    assert field.core.status.converged
    assert field.seen(GOOD, names=frozenset({"vnet0"})) == []
    assert field.core.status.foreign_taps == ()
    field.seen(BAD, names=frozenset({"vnet0"}))
    assert field.seen(names=frozenset({"vnet0"})) == [], "it is gone"
    assert field.core.status.foreign_taps == ()


def test_enforced_counted_and_logged() -> None:
    field = Field(ENFORCE)
    (command,) = field.seen(BAD)
    assert command.step.item.mac == "fe:54:00:00:00:01"
    assert field.play(MacSet(command.step)) == []
    assert field.core.status.repaired == {"foreign tap": 1}
    assert field.core.status.repairs == 1
    assert any("repaired: ~ foreign tap vnet0: mac 52:54:00:00:00:01 -> fe:54:00:00:00:01" in e for e in field.said)
    assert field.seen(command.step.item) == []
    assert field.core.status.foreign_taps == ()


def test_not_fought_over() -> None:
    field = Field(ENFORCE)
    for _ in range(3):
        (command,) = field.seen(BAD)
        field.play(MacSet(command.step), after=0.1)
    assert field.seen(BAD) == []
    (text,) = field.core.status.foreign_taps
    assert "foreign tap vnet0: mac is set to 52:54:00:00:00:01 by somebody each time" in text
    assert field.core.deadline == pytest.approx(field.now + 2, abs=0.5)
    (command_,) = (each for each in field.play(Tick(), after=2.1) if isinstance(each, SeeTaps))
    assert command_.names == {"vnet0"}
    assert len(field.seen(BAD, names=frozenset({"vnet0"}))) == 1


def test_one_that_cannot_be_mended_is_told_and_left() -> None:
    field = Field(ENFORCE)
    (command,) = field.seen(BAD)
    field.play(MacSet(command.step, "the MAC of the tap vnet0: not permitted"))
    assert field.core.status.foreign_taps == ("the MAC of the tap vnet0: not permitted",)
    assert field.core.status.repairs == 0
    assert field.play(Tick(), after=1) == []
