"""What devices look at when they decide about a frame. Pure."""

from __future__ import annotations

from dataclasses import dataclass

TAGS = frozenset({b"\x81\x00", b"\x88\xa8"})
"""The EtherTypes of VLAN tags (IEEE 802.1Q)."""

RESERVED = bytes.fromhex("0180c20000")
CISCO = frozenset({bytes.fromhex("01000ccccccc"), bytes.fromhex("01000ccccccd")})
"""Where CDP and its relatives go."""

_PROTOCOLS = {b"\x08\x00": "ipv4", b"\x86\xdd": "ipv6", b"\x08\x06": "arp", b"\x88\xcc": "lldp"}


@dataclass(frozen=True)
class Traits:
    """A frame, as far as it matters on its way."""

    size: int
    """Octets of payload, as an MTU counts them: without the Ethernet header and the outermost tag."""
    reserved: int | None = None
    """X of the reserved multicast address 01-80-C2-00-00-0X (IEEE 802.1Q, 8.6.3) that it goes to."""
    cisco: bool = False
    """Whether it goes to an address of Cisco's that switches hold back."""
    group: bool = False
    """Whether it goes to several receivers, reserved addresses among them; broadcast is not meant."""
    stranger: bool = False
    """Whether it goes to one receiver that is not the far end itself."""
    protocol: str = ""
    """"ipv4", "ipv6", "arp" or "lldp" behind all tags; "" for others."""
    tagged: bool = False

    @classmethod
    def of(cls, frame: bytes, receiver: bytes) -> Traits:
        """Those of `frame` (from the destination address on, without check sequence) on its way to the NIC with the
        MAC `receiver` (6 octets)."""
        target, at = frame[:6], 12
        while frame[at : at + 2] in TAGS:
            at += 4
        group = bool(target[:1] and target[0] & 1)
        return cls(
            size=len(frame) - (18 if at > 12 else 14),
            reserved=target[5] if target[:5] == RESERVED and target[5] < 16 else None,
            cisco=target in CISCO,
            group=group and target != b"\xff" * 6,
            stranger=not group and target != receiver,
            protocol=_PROTOCOLS.get(frame[at : at + 2], ""),
            tagged=at > 12,
        )
