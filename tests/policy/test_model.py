"""What values become, however they were written."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from netctl.policy import Policy, loads
from netctl.policy.link import BridgeLink
from netctl.policy.model import Wire
from netctl.policy.rate import Amount, Rate


@pytest.mark.parametrize(
    ("written", "bits", "printed"),
    [
        ("2mbit", 2_000_000, "2mbit"),
        ("500 kbit", 500_000, "500kbit"),
        ("1.5Gbit", 1_500_000_000, "1.5gbit"),
        ("100Mbit/s", 100_000_000, "100mbit"),
        ("9600bit", 9600, "9.6kbit"),
        (" 1 tbit ", 10**12, "1tbit"),
        ("1bit", 1, "1bit"),
        ("1234567bit", 1234567, "1234.567kbit"),
    ],
)
def test_rates(written: str, bits: int, printed: str) -> None:
    rate = Rate.model_validate(written)
    assert (rate.bits, rate.percent) == (bits, None)
    assert str(rate) == printed
    assert Rate.model_validate(printed) == rate
    assert rate.model_dump() == printed


def test_a_share() -> None:
    rate = Rate.model_validate("12.5 %")
    assert (rate.bits, rate.percent, str(rate)) == (None, 12.5, "12.5%")


@pytest.mark.parametrize(
    "written",
    [
        "5",
        "5mb",
        "1MBps",
        "10Mbps",
        "1mibit",
        "1e6bit",
        "-1mbit",
        "mbit",
        "",
        "1 m bit",
        "0%",
        "2000tbit",
        "0.1bit",
        "1" + " " * 10**6 + "x" + " " * 10**6 + "y",
    ],
)
def test_no_rates(written: str) -> None:
    with pytest.raises(ValidationError):
        Rate.model_validate(written)


def test_a_long_text_is_refused_at_once() -> None:
    with pytest.raises(ValidationError):
        Rate.model_validate("1" + " " * 10**6 + "x" + " " * 10**6 + "y")


def test_amounts_are_bits_or_bytes() -> None:
    assert Amount.model_validate("800kbit") == Amount.model_validate("100kB") == Amount.model_validate("0.1MB")
    assert Amount.model_validate("100kB").bits == 800_000
    with pytest.raises(ValidationError):
        Amount.model_validate("100kb")


def test_short_forms_become_long() -> None:
    loaded = loads(
        "version: 1\n"
        "hosts: {hv1: {bridges: {ovbr0: {ports: [p]}}}}\n"
        "wires: [[p, hv1/ovbr0/q], {ends: [ovbr0/r, {port: ovbr0/s}]}]\n"
    )
    assert isinstance(loaded.policy, Policy)
    first, second = loaded.policy.wires
    assert (first.name, [end.port for end in first.ends]) == ("p--q", ["p", "hv1/ovbr0/q"])
    assert (second.name, [end.vlan for end in second.ends]) == ("r--s", [None, None])
    assert loaded.policy.hosts["hv1"].bridges["ovbr0"].ports[0].name == "p"
    assert loaded.policy.hosts["hv1"].bridges["ovbr0"].datapath == "system"


def test_one_rate_is_for_both_directions() -> None:
    wire = Wire.model_validate({"ends": ["a", "b"], "rate": "10mbit"})
    assert wire.rate is not None
    assert wire.rate.a_to_b == wire.rate.b_to_a == Rate.model_validate("10mbit")


def test_masks_by_name() -> None:
    for written in ("lldp", ["lldp"], 0x4000):
        assert BridgeLink.model_validate({"kind": "bridge", "group_fwd_mask": written}).group_fwd_mask == 0x4000


def test_nothing_changes_afterwards() -> None:
    wire = Wire.model_validate(["a", "b"])
    with pytest.raises(ValidationError):
        wire.name = "other"  # type: ignore[misc]
