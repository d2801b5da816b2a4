"""A name for a wire of which a switch keeps no more than 32 bits."""

from __future__ import annotations

from zlib import crc32

PREFIX = "wire-"
LETTERS = 12
"""Of eight kinds each: some more bits than are asked for."""
_PLAIN = ord("a")
_BITS = (2, 4, 8)
"""Set in «a» they make the letters a, c, e, g, i, k, m, o."""


def named(check: int) -> str:
    """The name that begins with PREFIX and whose CRC-32 (as of zlib) is `check`.

    To change a bit of a text changes the same bits of its CRC whatever the rest is: so it is a matter of which of
    LETTERS * 3 bits to set, a system of linear equations in the field of two elements.
    """
    base = crc32(_text(0))
    basis: dict[int, tuple[int, int]] = {}
    for bit in range(LETTERS * len(_BITS)):
        effect, chosen = _reduced(crc32(_text(1 << bit)) ^ base, 1 << bit, basis)
        if effect:
            basis[effect.bit_length()] = effect, chosen
    left, chosen = _reduced(check ^ base, 0, basis)
    assert not left, "the letters reach every CRC"
    return _text(chosen).decode("ascii")


def _reduced(effect: int, chosen: int, basis: dict[int, tuple[int, int]]) -> tuple[int, int]:
    while effect and (found := basis.get(effect.bit_length())):
        effect, chosen = effect ^ found[0], chosen ^ found[1]
    return effect, chosen


def _text(chosen: int) -> bytes:
    letters = bytearray([_PLAIN] * LETTERS)
    for number in range(LETTERS):
        for place, bit in enumerate(_BITS):
            if chosen >> (number * len(_BITS) + place) & 1:
                letters[number] ^= bit
    return PREFIX.encode("ascii") + letters
