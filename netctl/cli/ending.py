"""How a program that changes the host ends when it is asked to: not in the middle."""

from __future__ import annotations

import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Interrupted(Exception):
    """Somebody asked the program to end."""


def heed(*signals: signal.Signals) -> None:
    """Have signals, or all that end programs, raise Interrupted."""
    for sign in signals or SIGNALS:
        signal.signal(sign, _interrupt)


def deaf() -> None:
    """What is begun from here on is ended, whoever asks."""
    for sign in SIGNALS:
        signal.signal(sign, signal.SIG_IGN)


def _interrupt(sign: int, _frame: FrameType | None) -> None:
    raise Interrupted(f"ended by {signal.Signals(sign).name}")
