"""The language as a JSON Schema (2020-12), so that editors complete and check it.

`python -m netctl.policy.schema` writes it to schema.json, beside this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netctl.policy.model import Policy
from netctl.policy.value import Part

_NULL = {"type": "null"}
FILE = Path(__file__).with_name("schema.json")


def schema() -> dict[str, Any]:
    """Built from the models, short forms included."""
    generated = _plain(Policy.model_json_schema(mode="validation"))
    definitions = generated["$defs"]
    for part in Part.__subclasses__():
        if part.short is not None:
            definitions[part.__name__] = {"anyOf": [part.short, definitions[part.__name__]]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netctl policy",
        **generated,
    }


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """Without the titles that only repeat the names, and without null: what has no value is left out."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        if _NULL in value.get("anyOf", ()):
            value = {key: inside for key, inside in value.items() if key not in ("anyOf", "default")} | _some(value)
        return {
            key: _named(inside) if key in ("properties", "$defs") else _plain(inside)
            for key, inside in value.items()
            if key != "title"
        }
    return value


def _some(value: dict[str, Any]) -> dict[str, Any]:
    members = [each for each in value["anyOf"] if each != _NULL]
    return members[0] if len(members) == 1 else {"anyOf": members}


def _named(value: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(each) for name, each in value.items()}


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
