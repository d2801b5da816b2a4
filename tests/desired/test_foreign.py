"""What is wrong with the MAC of a tap that somebody else made."""

from __future__ import annotations

from netctl.desired.foreign import ForeignTap, guest_macs, linux_bridges, report, wrong
from netctl.policy import loads

GUEST = "52:54:00:00:00:01"


def mend(mac: str) -> str | None:
    steps = wrong([ForeignTap("vnet0", "br1", mac)], {GUEST, "fe:54:00:00:00:07"})
    return steps[0].item.mac if steps else None


def test_the_rule_of_libvirt() -> None:
    assert mend("fe:54:00:00:00:02") is None
    assert mend("fa:54:00:00:00:02") is None
    assert mend("52:54:00:00:00:02") == "fe:54:00:00:00:02", "it would move a bridge"
    assert mend("5a:00:00:00:00:02") == "fe:00:00:00:00:02", "as the kernel makes them up"
    assert mend(GUEST) == "fe:54:00:00:00:01", "it takes the guest's frames"
    assert mend("fe:54:00:00:00:07") == "fa:54:00:00:00:07", "the guest's own begins with fe"


def test_what_is_reported() -> None:
    (step,) = wrong([ForeignTap("vnet0", "br1", GUEST)], {GUEST})
    text = report(step)
    assert "tap vnet0" in text
    assert f"has the MAC {GUEST} (it is a guest's MAC" in text
    assert "bridge br1" in text
    assert "«ip link set dev vnet0 address fe:54:00:00:00:01» mends it" in text
    (step,) = wrong([ForeignTap("vnet0", "br1", GUEST)], set())
    assert "a bridge without a MAC of its own moves to it" in report(step)


def test_what_the_policy_has() -> None:
    loaded = loads("""
version: 1
hosts:
  hv1:
    links:
      br1: {kind: bridge}
      br2: {kind: bridge, netns: inside}
      t0: {kind: tap, master: br1}
    guests:
      vm1: {nics: {eth0: {device: tap, mac: "52:54:00:00:00:01"}, eth1: {device: tap}}}
""")
    assert loaded.policy is not None, loaded.problems
    assert linux_bridges(loaded, "hv1") == {"br1"}
    macs = guest_macs(loaded, "hv1")
    assert "52:54:00:00:00:01" in macs
    assert len(macs) == 2
