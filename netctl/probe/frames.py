"""The kinds of frame that a cable must carry, one of each, recognisable and harmless to who gets it. Pure.

A frame is bytes from the destination address on, without the frame check sequence. Each carries a nonce in a
place where no protocol looks: padding, a payload, a reserved field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from netctl.probe.checksum import internet_checksum

NONCE = 16
"""Octets of a nonce."""

SHORTEST = 60
"""Octets of the shortest frame (IEEE 802.3, 4.4.2: 64 with the check sequence)."""

FOREIGN = bytes.fromhex("02005e10ffff")
"""A locally administered unicast MAC that is nobody's: what a container inside a guest would have."""

OURS, THEIRS = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
"""Addresses that belong to nobody (RFC 5737), so that nobody answers a probe or learns from it."""


@dataclass(frozen=True)
class Kind:
    """A kind of frame. `build(src, dst, nonce)` takes two MACs of 6 octets and a nonce of NONCE octets."""

    name: str
    build: Callable[[bytes, bytes, bytes], bytes]
    mtu: int = 1500
    """The MTU that both ends must have for it, in octets (IEEE 802.3 client data, a tag not counted)."""


def padded(frame: bytes) -> bytes:
    return frame.ljust(SHORTEST, b"\0")


def ipv4(payload: bytes, protocol: int) -> bytes:
    """A packet from OURS to THEIRS with TTL 1, so that no router passes it on (RFC 791)."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 1, protocol, 0)
    head += OURS.packed + THEIRS.packed
    return head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + payload


def echo(payload: bytes) -> bytes:
    """An ICMP echo request (RFC 792) in IPv4."""
    head = struct.pack("!BBHHH", 8, 0, 0, 0, 0)
    checksum = internet_checksum(head + payload)
    return ipv4(struct.pack("!BBHHH", 8, 0, checksum, 0, 0) + payload, 1)


def arp(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """A broadcast ARP probe (RFC 5227): without a sender's address nobody's cache changes."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + src + bytes(4) + bytes(6) + THEIRS.packed
    return padded(b"\xff" * 6 + src + b"\x08\x06" + body + nonce)


def icmp(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    return padded(dst + src + b"\x08\x00" + echo(nonce + bytes(40)))


def lldp(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """An LLDPDU to the nearest bridge (IEEE 802.1AB, 9.2.5) with TTL 0: who gets it remembers nothing."""

    def tlv(kind: int, value: bytes) -> bytes:
        return struct.pack("!H", kind << 9 | len(value)) + value

    chassis = tlv(1, b"\x07netctl")
    port = tlv(2, b"\x07" + nonce)
    body = chassis + port + tlv(3, bytes(2)) + tlv(0, b"")
    return padded(bytes.fromhex("0180c200000e") + src + b"\x88\xcc" + body)


def stp(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """A configuration BPDU (IEEE 802.1D, 9.3.1) from the worst bridge there is: no tree changes for it."""
    bridge = b"\xf0\x00" + b"\xff" * 6
    times = struct.pack("!HHHH", 0, 20 << 8, 2 << 8, 15 << 8)
    bpdu = bytes(5) + bridge + struct.pack("!I", 0xFFFF_FFFF) + bridge + b"\x80\x01" + times
    llc = b"\x42\x42\x03" + bpdu
    return bytes.fromhex("0180c2000000") + src + struct.pack("!H", len(llc)) + llc + nonce


def lacp(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """A LACPDU (IEEE 802.1AX, 6.4.2.3) of an individual link, which nobody can aggregate."""

    def party(kind: int, system: bytes) -> bytes:
        return struct.pack("!BBH", kind, 20, 0xFFFF) + system + struct.pack("!HHHB3x", 0, 0xFFFF, 0, 0)

    collector = struct.pack("!BBH12x", 3, 16, 0)
    reserved = struct.pack("!BB", 0, 0) + nonce.ljust(50, b"\0")
    body = b"\x01\x01" + party(1, src) + party(2, bytes(6)) + collector + reserved
    return bytes.fromhex("0180c2000002") + src + b"\x88\x09" + body


def tagged(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    """IPv4 in VLAN 100 with priority 5 (IEEE 802.1Q, 9.6)."""
    return dst + src + struct.pack("!HH", 0x8100, 5 << 13 | 100) + b"\x08\x00" + echo(nonce + bytes(40))


def jumbo(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    """An IPv4 packet of 9000 octets, a frame of 9014."""
    return dst + src + b"\x08\x00" + echo(nonce + bytes(9000 - 28 - NONCE))


def foreign(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """Unicast to a MAC that is not the far end's own, as for a container behind a bridge in a guest."""
    return icmp(src, FOREIGN, nonce)


KINDS = (
    Kind("ARP", arp),
    Kind("ICMP", icmp),
    Kind("LLDP", lldp),
    Kind("STP", stp),
    Kind("LACP", lacp),
    Kind("802.1Q tag", tagged),
    Kind("9000 bytes", jumbo, mtu=9000),
    Kind("foreign MAC", foreign),
)


def difference(sent: bytes, arrived: bytes) -> str:
    """What a wire changed, for a person; empty where it did what a cable does.

    A frame shorter than Ethernet's shortest may arrive padded to that with zeros.
    """
    if arrived == sent or (len(sent) < SHORTEST and arrived == padded(sent)):
        return ""
    if sent[12:14] in {b"\x81\x00", b"\x88\xa8"} and arrived == sent[:12] + sent[16:]:
        return "arrived without its VLAN tag"
    if arrived[12:14] in {b"\x81\x00", b"\x88\xa8"} and arrived[:12] + arrived[16:] == sent:
        return f"arrived with a VLAN tag added: {arrived[12:16].hex()}"
    if len(arrived) != len(sent):
        return f"sent {len(sent)} bytes, {len(arrived)} arrived"
    offset = next(at for at, (one, other) in enumerate(zip(sent, arrived, strict=True)) if one != other)
    return f"byte {offset} was {sent[offset]:02x} and arrived as {arrived[offset]:02x}"
