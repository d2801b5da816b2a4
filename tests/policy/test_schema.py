"""The JSON Schema and the reference say what the models say, and policies keep to the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from netctl.policy import loads, reference, schema
from netctl.policy.document import read

ROOT = Path(__file__).parents[2]
FLOWS = sorted(ROOT.glob("flows/**/*.yaml"))
CASES = ROOT / "tests/policy/cases"


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(schema.schema())
    return jsonschema.Draft202012Validator(schema.schema())


def test_the_schema_is_current() -> None:
    assert schema.FILE.read_text() == schema.text(), "python -m netctl.policy.schema writes it anew"


def test_the_reference_is_current() -> None:
    said = (ROOT / "docs/policy.md").read_text()
    assert said == reference.text(), "python -m netctl.policy.reference > docs/policy.md writes it anew"


def test_the_reference_s_example_is_right() -> None:
    assert loads(reference.EXAMPLE).problems == ()


@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.stem)
def test_flows_are_right_and_keep_to_the_schema(file: Path, validator: Any) -> None:
    assert loads(file.read_bytes()).problems == ()
    validator.validate(read(file.read_bytes(), 0).value)


@pytest.mark.parametrize("name", ["right-short-and-long", "right-yaml-1.2", "not-yet"])
def test_right_policies_keep_to_the_schema(name: str, validator: Any) -> None:
    validator.validate(read((CASES / f"{name}.yaml").read_bytes(), 0).value)


@pytest.mark.parametrize(
    "text",
    [
        "hosts: {}",
        "{version: 2}",
        "{version: 1, wire: []}",
        "{version: 1, wires: [[a]]}",
        "{version: 1, wires: [[a, b, c]]}",
        "{version: 1, wires: [{name: a}]}",
        "{version: 1, wires: [{ends: [a, b], carrier: }]}",
        "{version: 1, hosts: {h: {bridges: {a-bridge-too-long: {}}}}}",
        "{version: 1, hosts: {h: {guests: {g: {nics: {eth0: {device: tap, mac: '53:00:00:00:00:01'}}}}}}}",
        "{version: 1, hosts: {h: {guests: {g: {nics: {eth0: {device: tap, lower: x}}}}}}}",
        "{version: 1, queues: {q: {max: 50}}}",
    ],
)
def test_wrong_policies_do_not(text: str, validator: Any) -> None:
    assert not validator.is_valid(read(text.encode(), 0).value)
