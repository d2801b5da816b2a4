from __future__ import annotations

from netctl.controller.crowd import PER_PORT, TOTAL, Crowd


def test_a_storm_at_one_port_takes_no_place_of_another() -> None:
    crowd = Crowd()
    taken = [crowd.enter((1, 1)) for _ in range(100)]
    assert taken == [0] * PER_PORT + [None] * (100 - PER_PORT)
    assert crowd.enter((1, 2)) == 0
    crowd.clear()
    assert crowd.enter((1, 1)) == 100 - PER_PORT
    assert crowd.enter((1, 1)) == 0


def test_all_ports_together_are_bounded() -> None:
    crowd = Crowd()
    taken = [crowd.enter((1, port)) for port in range(2 * TOTAL)]
    assert taken.count(0) == TOTAL
    crowd.clear()
    assert crowd.enter((1, 2 * TOTAL - 1)) == 1
