"""The <interface> elements of a guest of the policy (https://libvirt.org/formatdomain.html#generic-ethernet-connection)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from netctl.desired.host import devices
from netctl.desired.link import Link, Tap
from netctl.desired.mac import guest_mac
from netctl.policy import Loaded, host_side
from netctl.policy.guest import VethNic

ETHERNET_MTU = 1500
HOST_OFFLOADS = ("csum", "gso", "tso4", "tso6", "ecn", "ufo")
GUEST_OFFLOADS = ("csum", "tso4", "tso6", "ecn", "ufo")


class NoInterface(Exception):
    """The policy has no such guest, or not for libvirt; the message says what it has."""


def interfaces(loaded: Loaded, host: str, guest: str, queues: int) -> Iterator[str]:
    """The element of each NIC, in the order of the policy. `queues` is for taps that may be opened several times.

    Raises NoInterface.
    """
    assert loaded.policy is not None
    known = loaded.policy.hosts[host].guests
    if guest not in known:
        machines = sorted(name for name, each in known.items() if not each.namespace)
        raise NoInterface(f"the policy has no guest {guest!r} on {host}; it has: {', '.join(machines) or 'none'}")
    if known[guest].namespace:
        raise NoInterface(f"the guest {guest} is a network namespace, not a machine for libvirt")
    links = {each.item.place: each.item for each in devices(loaded, host) if isinstance(each.item, Link)}
    for name, nic in known[guest].nics.items():
        if isinstance(nic, VethNic):
            raise NoInterface(f"NIC {name} of {guest} is a veth, which libvirt cannot open: say device: tap or macvtap")
        device = links["", host_side(guest, name, nic)]
        yield _element(device, nic.mac or guest_mac(host, guest, name), queues)


def _element(device: Link, mac: str, queues: int) -> str:
    """On the userspace datapath of Open vSwitch every frame is to be complete as it leaves the guest: that does not
    finish what a virtio NIC leaves to the host, and TCP would never connect while ping works. Behind a macvtap the
    kernel does, in the device below."""
    plain = isinstance(device, Tap) and device.tx_checksum is False
    interface = Element("interface", type="ethernet")
    SubElement(interface, "mac", address=mac)
    SubElement(interface, "target", dev=device.name, managed="no")
    SubElement(interface, "model", type="virtio")
    several = {"queues": str(queues)} if isinstance(device, Tap) and device.multi_queue else {}
    if several or plain:
        driver = SubElement(interface, "driver", several)
        if plain:
            SubElement(driver, "host", dict.fromkeys(HOST_OFFLOADS, "off"))
            SubElement(driver, "guest", dict.fromkeys(GUEST_OFFLOADS, "off"))
    if device.mtu not in (None, ETHERNET_MTU):
        SubElement(interface, "mtu", size=str(device.mtu))
    ElementTree.indent(interface)
    return ElementTree.tostring(interface, encoding="unicode")
