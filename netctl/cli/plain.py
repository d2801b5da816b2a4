"""Text of others, who may have put anything in it, for a terminal or for a graph."""

from __future__ import annotations


def plain(text: str) -> str:
    """With a ? for all that a terminal does not show as it is."""
    return "".join(each if each.isprintable() else "?" for each in text)
