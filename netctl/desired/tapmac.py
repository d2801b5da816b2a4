"""The MAC of the host side of a guest's tap."""


def tap_mac(guest: str) -> str:
    """The guest's MAC with the first octet 0xFE, or 0xFA where the guest's own begins with 0xFE.

    A Linux bridge without an address of its own takes the numerically lowest MAC of its ports, so a tap must
    be higher than any NIC's, or the bridge's MAC moves as guests come and go. And the tap's MAC must not be
    the guest's: the host would take frames for the guest as its own. The rule is libvirt's, so that taps made
    here and there look alike.
    """
    rest = guest.lower()[2:]
    return ("fa" if guest.lower().startswith("fe") else "fe") + rest
