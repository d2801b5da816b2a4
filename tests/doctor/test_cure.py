"""Findings as a plan."""

from __future__ import annotations

from netctl.doctor import Finding
from netctl.doctor.cure import plan
from netctl.plan.text import line

MTU = Finding("mtu", "br0", "its MTU is wrong", "ssh hangs", ("ip link set dev br0 mtu 1500",))


def test_what_mends_itself_is_a_step_with_its_reason() -> None:
    (step,) = plan([MTU]).steps
    assert step.item.finding == MTU
    assert line(step) == "~ mtu br0: wrong yes -> no  (its MTU is wrong)"


def test_what_does_not_is_left() -> None:
    by_hand = Finding("nested-macs", "mt0", "", "", ("ip link del dev mt0",), "stop its guest first")
    advice = Finding("virtio-checksum", "t1", "", "", (), "in the guest")
    assert not plan([by_hand, advice])
