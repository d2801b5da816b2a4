"""Rates and amounts as people write them: `100mbit`, `1.5 Gbit`, `10%`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(.*?)\s*", re.ASCII | re.DOTALL)
_SCALE = {"": 0, "k": 3, "m": 6, "g": 9, "t": 12}
_LONGEST = 40
"""Characters of a rate or an amount."""
_MOST = 10**15
"""A petabit: more than any wire carries, and what arithmetic in 64 bits still holds."""

_RATE_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*(%|[kKmMgGtT]?[bB][iI][tT](/[sS])?)\s*$"
_AMOUNT_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtT]?([bB][iI][tT]|B))\s*$"


class Rate(BaseModel):
    """How fast: bits per second, or a share of the port's speed. One of the two is None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bits: int | None = None
    percent: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        number, unit = _split(value, "a rate", "500kbit or 100mbit")
        if unit == "%":
            if not 0 < number <= 100:
                raise ValueError(f"a share is more than 0% and at most 100%, not {_show(value)}")
            return {"percent": float(number)}
        scale = re.fullmatch(r"([kmgt]?)bit(?:/s)?", unit, re.IGNORECASE)
        if scale is None:
            raise ValueError(_wrong_unit(value, number, unit))
        return {"bits": _bits(number.scaleb(_SCALE[scale[1].lower()]), value)}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "pattern": _RATE_PATTERN,
            "title": "Rate",
            "description": "How fast, in bits per second with a unit (bit, kbit, mbit, gbit), or in percent.",
            "examples": ["100mbit", "1.5gbit", "10%"],
        }

    @model_serializer
    def __str__(self) -> str:
        if self.bits is None:
            return f"{self.percent:g}%"
        return as_written(self.bits)


class Amount(BaseModel):
    """How much at once: a number of bits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bits: int

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        number, unit = _split(value, "an amount", "800kbit or 100kB")
        scale = re.fullmatch(r"([kmgtKMGT]?)([bB][iI][tT]|B)", unit)
        if scale is None:
            raise ValueError(f"{_show(value)} has no unit that netctl knows: write bits as 800kbit, bytes as 100kB")
        each = 8 if scale[2] == "B" else 1
        return {"bits": _bits(number.scaleb(_SCALE[scale[1].lower()]) * each, value)}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "pattern": _AMOUNT_PATTERN,
            "title": "Amount",
            "description": "How much, in bits (800kbit) or bytes (100kB).",
            "examples": ["800kbit", "100kB"],
        }

    @model_serializer
    def __str__(self) -> str:
        return as_written(self.bits)


def _split(value: Any, what: str, example: str) -> tuple[Decimal, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{what} needs its unit: write {example}, not {_show(value)}")
    if not isinstance(value, str):
        raise ValueError(f"{what} is a number with a unit, such as {example}")
    found = _NUMBER.fullmatch(value) if len(value) <= _LONGEST else None
    if found is None:
        raise ValueError(f"{_show(value)} is not {what}: write a number with a unit, such as {example}")
    if not found[2]:
        raise ValueError(f"{what} needs its unit: write {example}, not {_show(value)}")
    return Decimal(found[1]), found[2]


def _wrong_unit(value: Any, number: Decimal, unit: str) -> str:
    per_second = re.fullmatch(r"([kmgt]?)(?:i?b(?:it|yte)?s?)(?:ps|/s)?", unit, re.IGNORECASE)
    if per_second is None:
        return f"{_show(value)} has no unit that netctl knows: write bit, kbit, mbit, gbit or %"
    prefix = per_second[1].lower()
    return (
        f"{_show(value)} is bytes to some and bits to others: "
        f"write {number:f}{prefix}bit, or {number * 8:f}{prefix}bit if bytes were meant"
    )


def _bits(number: Decimal, value: Any) -> int:
    bits = int(number)
    if not 0 < bits <= _MOST:
        raise ValueError(f"{_show(value)} is not between 1bit and 1000tbit")
    return bits


def as_written(bits: int) -> str:
    """A rate or an amount in bits as a policy writes it, exactly: «1.5mbit»."""
    for prefix in ("t", "g", "m", "k"):
        scale = 10 ** _SCALE[prefix]
        if bits >= scale and bits * 1000 % scale == 0:
            return f"{(Decimal(bits) / scale).normalize():f}{prefix}bit"
    return f"{bits}bit"


def _show(value: Any) -> str:
    text = str(value)
    return repr(text[:40]) if isinstance(value, str) else text[:40]
