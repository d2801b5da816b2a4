"""The MAC addresses that netctl gives: why they are what they are."""

import hashlib


def stable_mac(*names: str) -> str:
    """A locally administered unicast MAC (IEEE 802, 8.2: second-lowest bit of the first octet set, lowest clear)
    that depends on nothing but `names`."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return ":".join(f"{octet:02x}" for octet in b"\x02" + digest[:5])


def guest_mac(host: str, guest: str, nic: str) -> str:
    """The MAC of a guest's NIC that the policy gives none: the same after every restart, so that ARP caches,
    leases and neighbours stay right."""
    return stable_mac("guest", host, guest, nic)


def tap_mac(guest: str) -> str:
    """The guest's MAC with the first octet 0xFE, or 0xFA where the guest's own begins with 0xFE.

    A Linux bridge without an address of its own takes the numerically lowest MAC of its ports, so a tap must
    be higher than any NIC's, or the bridge's MAC moves as guests come and go. And the tap's MAC must not be
    the guest's: the host would take frames for the guest as its own. The rule is libvirt's, so that taps made
    here and there look alike.
    """
    rest = guest.lower()[2:]
    return ("fa" if guest.lower().startswith("fe") else "fe") + rest
