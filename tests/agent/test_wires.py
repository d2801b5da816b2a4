"""When the agent looks at flows, and when it leaves them to the controller."""

from __future__ import annotations

import pytest

from netctl.agent.core import FULL_CHECK, Core
from netctl.agent.messages import (
    Answer,
    Ask,
    Attend,
    Attended,
    BridgeSeen,
    BridgesSeen,
    FilesSeen,
    Log,
    PolicyRead,
    PortSeen,
    SwitchDown,
    SwitchUp,
    Tick,
    WireEvent,
    WriteStatus,
)
from netctl.agent.wires import ALONE, CHECK, DOWN, EASE, LATE, LEARN, RETRY_FIRST, RETRY_LAST, Wires
from netctl.policy import loads

PORTS = frozenset({PortSeen("a", 1, False), PortSeen("b", 2, False)})
LED = BridgeSeen("br0", PORTS, controlled=True)
ALONE_BRIDGE = BridgeSeen("br0", PORTS)


class Play:
    """The wires of host hv1 and a clock."""

    def __init__(self, *bridges: BridgeSeen) -> None:
        self.now = 100.0
        self.wires = Wires()
        self.said: list[str] = []
        assert self.play(FilesSeen("first")) == ()
        assert self.play(BridgesSeen(bridges or (LED,))) == ()

    def play(self, event: WireEvent | Tick, after: float = 0.0) -> tuple[Ask, ...]:
        self.now += after
        asks: tuple[Ask, ...] = ()
        for command in self.wires.handle(event, "hv1", self.now):
            if isinstance(command, Log):
                self.said.append(f"{command.level}: {command.text}")
            else:
                assert isinstance(command, Attend)
                assert command.host == "hv1"
                assert not asks
                asks = command.asks
        return asks

    def answer(self, *answers: Answer, took: float = 0.01) -> tuple[Ask, ...]:
        return self.play(Attended(answers or (Answer("br0"),), took))

    def next(self) -> tuple[float, tuple[Ask, ...]]:
        """Play on to the next deadline: how many seconds that was, and what is asked then."""
        deadline = self.wires.deadline
        assert deadline is not None
        before, self.now = self.now, max(deadline, self.now)
        asks = self.play(Tick())
        assert self.wires.deadline is None or self.wires.deadline > self.now or not asks
        return round(self.now - before, 3), asks

    def settle(self) -> None:
        """The bridge has come up with its flows, and they are packed."""
        assert self.play(SwitchUp("br0")) == (Ask("br0", alone=False, learn=False),)
        assert self.answer() == ()
        assert self.next() == (LEARN, (Ask("br0", alone=False, learn=True),))
        assert self.answer(Answer("br0", learned=True)) == ()


def test_with_a_controller_nothing_is_done_until_the_switch_comes_back() -> None:
    game = Play()
    game.settle()
    assert game.wires.deadline is None
    assert game.play(Tick(), 3600) == ()
    assert game.play(SwitchDown("br0", "gone")) == ()
    assert game.play(SwitchUp("br0"), 0.2) == (Ask("br0", alone=False, learn=False),)
    assert game.wires.deadline is None, "one look at a time"
    assert game.answer(Answer("br0", 3, restored=True, milliseconds=7)) == ()
    assert game.said == ["warning: bridge br0 had none of netctl's flows: 3 put in within 7 ms"]
    status = game.wires.status
    assert (status.restores, status.restored, status.restore_ms) == (1, game.now, 7)
    assert (status.alone, status.problems, status.stood_in) == ((), (), 0)
    assert game.wires.deadline is None


def test_what_the_bridge_needs_is_packed_again_when_files_and_ports_have_come_to_rest() -> None:
    game = Play()
    game.settle()
    assert game.play(FilesSeen("second")) == ()
    assert game.play(BridgesSeen((BridgeSeen("br0", frozenset(), True),)), LEARN / 2) == ()
    assert game.next() == (LEARN, (Ask("br0", alone=False, learn=True),))
    assert game.play(FilesSeen("third")) == ()
    assert game.answer(Answer("br0", learned=True)) == ()
    assert game.next() == (LEARN, (Ask("br0", alone=False, learn=True),)), "it was of the second"
    assert game.answer() == ()
    assert game.wires.deadline is None, "a refused policy is not asked for again"


def test_a_restore_does_not_wait_for_the_packing() -> None:
    game = Play()
    game.play(SwitchUp("br0"))
    game.answer(Answer("br0", 3, restored=True))
    game.play(SwitchDown("br0", "gone"))
    assert game.play(SwitchUp("br0")) == (Ask("br0", alone=False, learn=False),)
    game.answer(Answer("br0", 3, restored=True, learned=True))
    assert game.wires.deadline is None


def test_without_a_controller_it_stands_in() -> None:
    game = Play()
    game.settle()
    assert game.play(BridgesSeen((ALONE_BRIDGE,))) == ()
    assert game.wires.alone(game.now) == frozenset()
    assert game.next() == (ALONE, (Ask("br0", alone=True, learn=False),))
    assert game.wires.status.alone == ("br0",)
    game.answer(Answer("br0", 2))
    assert game.said == ["info: bridge br0 has no controller: 2 changes of its flows"]
    assert game.wires.status.stood_in == 2
    assert game.next() == (CHECK, (Ask("br0", alone=True, learn=False),))
    game.answer(took=CHECK)
    assert game.next()[0] == EASE * CHECK, "a look that is dear is rare"
    game.answer()
    assert game.play(FilesSeen("second"), 1) == (Ask("br0", alone=True, learn=False),), "a policy comes into force"
    game.answer()
    more = BridgeSeen("br0", PORTS | {PortSeen("c", 3, False)})
    assert game.play(BridgesSeen((more,)), 0.5) == (Ask("br0", alone=True, learn=False),), "and so does a port"
    game.answer()
    game.play(BridgesSeen((LED,)))
    assert game.wires.status.alone == ()
    assert game.play(FilesSeen("third")) == ()


def test_a_controller_that_is_away_for_a_moment_is_still_the_one_that_decides() -> None:
    game = Play()
    game.settle()
    game.play(BridgesSeen((ALONE_BRIDGE,)))
    assert game.play(FilesSeen("second"), ALONE / 2) == ()
    game.play(BridgesSeen((LED,)))
    assert game.next()[1] == (Ask("br0", alone=False, learn=True),)
    game.answer()
    assert game.play(Tick(), 3 * ALONE) == ()


def test_wires_whose_ports_come_late_are_looked_for_a_few_times() -> None:
    game = Play()
    game.settle()
    game.play(SwitchDown("br0", "gone"))
    game.play(SwitchUp("br0"))
    game.answer(Answer("br0", 1, restored=True, waiting=2))
    assert "2 wires wait for their ports" in game.said[-1]
    for wait in LATE:
        assert game.next() == (wait, (Ask("br0", alone=True, learn=False),))
        game.answer(Answer("br0", waiting=2))
    assert game.wires.deadline is None
    game.play(SwitchDown("br0", "gone"))
    game.play(SwitchUp("br0"))
    game.answer(Answer("br0", 1, restored=True, waiting=2))
    game.next()
    game.answer(Answer("br0", 4))
    assert game.wires.deadline is None


def test_what_fails_is_told_once_and_tried_again_ever_more_slowly() -> None:
    game = Play()
    game.settle()
    game.play(SwitchDown("br0", "gone"))
    game.play(SwitchUp("br0"))
    waits = []
    for _ in range(12):
        game.answer(Answer("br0", error="bridge br0 refuses"))
        assert game.wires.status.problems == ("bridge br0 refuses",)
        waits.append(game.next()[0])
    assert waits[:3] == [RETRY_FIRST, 2 * RETRY_FIRST, 4 * RETRY_FIRST]
    assert waits[-1] == RETRY_LAST
    assert [text for text in game.said if not text.startswith("debug")] == [
        "error: bridge br0 refuses (next try in 0.1 s)"
    ]
    game.answer()
    assert game.wires.status.problems == ()
    assert game.wires.deadline is None


def test_collisions_are_told_once() -> None:
    game = Play(ALONE_BRIDGE)
    game.settle()
    for _ in range(3):
        game.next()
        game.answer(Answer("br0", collisions=("flow x is there already",)))
    assert game.said == ["error: flow x is there already"]
    assert game.wires.status.problems == ("flow x is there already",)


def test_a_switch_that_does_not_come_back_is_told_once() -> None:
    game = Play()
    game.settle()
    game.play(SwitchDown("br0", "ended"))
    game.play(SwitchDown("br0", "refused"), DOWN / 2)
    assert game.said == []
    assert game.next() == (DOWN / 2, ())
    assert game.said == ["error: bridge br0: its wires cannot be looked at: refused"]
    assert game.wires.status.problems == (game.said[0].removeprefix("error: "),)
    assert game.wires.deadline is None
    game.play(SwitchDown("br0", "no such file"), 100)
    assert len(game.said) == 1
    assert game.play(SwitchUp("br0")) == (Ask("br0", alone=False, learn=False),)
    assert game.wires.status.problems == ()
    assert game.said[1:] == ["info: bridge br0 answers again"]


def test_bridges_that_come_back_together_are_attended_to_together() -> None:
    game = Play(LED, BridgeSeen("br1", controlled=True), BridgeSeen("br2", controlled=True))
    game.play(SwitchUp("br0"))
    assert game.play(SwitchUp("br1")) == ()
    assert game.play(SwitchUp("br2")) == ()
    assert [ask.bridge for ask in game.answer()] == ["br1", "br2"]
    game.play(BridgesSeen((LED,)))
    assert game.answer(Answer("br1", 7, restored=True), Answer("br2")) == (), "they are gone meanwhile"
    assert game.wires.status.restores == 0


@pytest.mark.parametrize("event", [SwitchUp("other"), SwitchDown("other", "x"), Attended((Answer("other"),), 1.0)])
def test_a_bridge_that_is_not_netctls_is_none_of_its_business(event: WireEvent) -> None:
    game = Play()
    assert game.play(event) == ()
    assert game.said == []
    assert game.wires.deadline is None


def test_the_core_hands_it_its_events_and_writes_down_what_it_says() -> None:
    core = Core(None, "hv1", 0.0)
    assert core.handle(SwitchUp("br0"), 0.0)[:-1] == []
    core.handle(PolicyRead(loads("version: 1\nhosts: {hv1: {bridges: {br0: {}}}}\n")), 1.0)
    core.handle(FilesSeen("first"), 1.0)
    core.handle(BridgesSeen((LED,)), 1.0)
    assert core.handle(SwitchUp("br0"), 2.0) == [Attend("hv1", (Ask("br0", False, False),))]
    commands = core.handle(Attended((Answer("br0", 3, restored=True),), 0.1), 3.0)
    assert isinstance(commands[-1], WriteStatus)
    assert commands[-1].status.wires.restores == 1
    assert Attend("hv1", (Ask("br0", False, True),)) in commands
    assert core.deadline == 1.0 + FULL_CHECK, "the host is looked at as ever"
