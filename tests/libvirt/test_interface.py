"""The <interface> elements of a guest."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from netctl.desired.mac import guest_mac
from netctl.libvirt.interface import NoInterface, interfaces
from netctl.policy import loads
from tests.libvirt.test_guests import POLICY


def of(guest: str, policy: str = POLICY) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(each) for each in interfaces(loads(policy), "hv1", guest, queues=4)]


def test_a_tap_on_the_userspace_datapath() -> None:
    """libvirt finds the tap and does not make it; frames are complete as they leave the guest."""
    element = of("vm1")[0]
    assert element.get("type") == "ethernet"
    found = {each.tag: each.attrib for each in element}
    assert found == {
        "mac": {"address": "52:54:00:84:e3:62"},
        "target": {"dev": "vm1-eth1", "managed": "no"},
        "model": {"type": "virtio"},
        "driver": {"queues": "4"},
        "mtu": {"size": "9000"},
    }
    off = {each.tag: each.attrib for each in element.iterfind("driver/*")}
    assert off == {
        "host": dict.fromkeys(("csum", "gso", "tso4", "tso6", "ecn", "ufo"), "off"),
        "guest": dict.fromkeys(("csum", "tso4", "tso6", "ecn", "ufo"), "off"),
    }


def test_a_tap_on_a_linux_bridge_keeps_its_offloads() -> None:
    found = {each.tag: each.attrib for each in of("vm1")[1]}
    assert found == {
        "mac": {"address": guest_mac("hv1", "vm1", "eth2")},
        "target": {"dev": "vm1-eth2", "managed": "no"},
        "model": {"type": "virtio"},
    }


def test_a_macvtap_over_a_port_of_the_userspace_datapath_keeps_its_offloads() -> None:
    (element,) = of("vm2", POLICY.replace("lower: up_a.7", "lower: up_a"))
    assert {each.tag: each.attrib for each in element} == {
        "mac": {"address": guest_mac("hv1", "vm2", "eth1")},
        "target": {"dev": "vm2-eth1", "managed": "no"},
        "model": {"type": "virtio"},
    }


@pytest.mark.parametrize(
    ("guest", "told"),
    [
        ("vm7", "no guest 'vm7' on hv1; it has: vm1, vm2"),
        ("ns1", "is a network namespace"),
    ],
)
def test_guests_that_are_not_for_libvirt_are_refused(guest: str, told: str) -> None:
    with pytest.raises(NoInterface, match=told):
        of(guest)
