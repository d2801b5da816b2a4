"""Messages that Open vSwitch 3.1 sent, by name, from captured.txt."""

from __future__ import annotations

from pathlib import Path


def _read() -> dict[str, bytes]:
    text = Path(__file__).with_suffix(".txt").read_text(encoding="ascii")
    entries = (entry.split("\n", 1) for entry in text.strip().split("\n\n"))
    return {name: bytes.fromhex(digits) for name, digits in entries}


CAPTURED = _read()
