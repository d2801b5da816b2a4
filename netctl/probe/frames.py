"""The kinds of frame that a cable must carry, one of each, recognisable and harmless to who gets it. Pure.

A frame is bytes from the destination address on, without the frame check sequence. Each carries a nonce in a
place where no protocol looks: padding, a payload, a reserved field.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address

from netctl.probe.answer import pseudo
from netctl.probe.checksum import internet_checksum

NONCE = 16
"""Octets of a nonce."""

SHORTEST = 60
"""Octets of the shortest frame (IEEE 802.3, 4.4.2: 64 with the check sequence)."""

FOREIGN = bytes.fromhex("02005e10ffff")
STRANGER = bytes.fromhex("02005e10fffe")
"""Locally administered unicast MACs that are nobody's: what containers inside two guests would have."""

OURS, THEIRS = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
OURS6, THEIRS6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
"""Addresses that belong to nobody (RFC 5737, RFC 3849), so that nobody answers a probe or learns from it."""

GROUP = IPv4Address("233.252.0.1")
"""A multicast group that is for documentation (RFC 6676)."""

EXPERIMENTAL = b"\x88\xb5"
"""An EtherType that no product may use (IEEE 802, 9.2.4)."""


@dataclass(frozen=True)
class Kind:
    """A kind of frame. `build(src, dst, nonce)` takes two MACs of 6 octets and a nonce of NONCE octets."""

    name: str
    build: Callable[[bytes, bytes, bytes], bytes]
    mtu: int = 1500
    """The MTU that both ends must have for it, in octets (IEEE 802.3 client data, a tag not counted)."""

    @property
    def slug(self) -> str:
        """The name as an option's value: «802.1Q tag» is 802.1q-tag."""
        return self.name.lower().replace(" ", "-")


def padded(frame: bytes) -> bytes:
    return frame.ljust(SHORTEST, b"\0")


def ipv4(payload: bytes, protocol: int, target: IPv4Address = THEIRS, options: bytes = b"") -> bytes:
    """A packet from OURS with TTL 1, so that no router passes it on (RFC 791). `options` come in fours."""
    length = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 0, 0x4000, 1, protocol, 0)
    head += OURS.packed + target.packed + options
    return head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + payload


def echo(payload: bytes) -> bytes:
    """An ICMP echo request (RFC 792) in IPv4."""
    head = struct.pack("!BBHHH", 8, 0, 0, 0, 0)
    checksum = internet_checksum(head + payload)
    return ipv4(struct.pack("!BBHHH", 8, 0, checksum, 0, 0) + payload, 1)


def icmpv6(source: bytes, target: bytes, hops: int, kind: int, body: bytes) -> bytes:
    """An ICMPv6 message (RFC 4443) of code 0 in IPv6 (RFC 8200)."""
    empty = struct.pack("!BBH", kind, 0, 0) + body
    checksum = internet_checksum(pseudo(source, target, empty) + empty)
    message = struct.pack("!BBH", kind, 0, checksum) + body
    return struct.pack("!IHBB", 6 << 28, len(message), 58, hops) + source + target + message


def foreign(_src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """Unicast between two MACs that are not the ends' own, as of containers behind bridges in two guests."""
    return icmp(STRANGER, FOREIGN, nonce)


def arp(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """A broadcast ARP probe (RFC 5227): without a sender's address nobody's cache changes."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + src + bytes(4) + bytes(6) + THEIRS.packed
    return padded(b"\xff" * 6 + src + b"\x08\x06" + body + nonce)


def icmp(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    return padded(dst + src + b"\x08\x00" + echo(nonce + bytes(40)))


def ping6(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    """An ICMPv6 echo request with hop limit 1."""
    return dst + src + b"\x86\xdd" + icmpv6(OURS6.packed, THEIRS6.packed, 1, 128, bytes(4) + nonce + bytes(40))


def solicitation(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """A neighbour solicitation of one that has no address yet (RFC 4862, 5.4.2), with a nonce option (RFC 3971,
    5.3.2): nobody has the address that it asks about, and nobody's cache changes."""
    wanted = THEIRS6.packed
    target = IPv6Address("ff02::1:ff00:0").packed[:13] + wanted[13:]
    body = bytes(4) + wanted + b"\x0e\x03" + nonce.ljust(22, b"\0")
    return b"\x33\x33" + target[12:] + src + b"\x86\xdd" + icmpv6(bytes(16), target, 255, 135, body)


def igmp(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """A membership report (RFC 2236) for a group in which nobody sends. Receivers do not look behind its 8 octets."""
    report = struct.pack("!BBH", 0x16, 0, 0) + GROUP.packed + nonce
    report = report[:2] + struct.pack("!H", internet_checksum(report)) + report[4:]
    low = int(GROUP) & 0x7F_FFFF
    mac = (0x0100_5E00_0000 | low).to_bytes(6, "big")
    return padded(mac + src + b"\x08\x00" + ipv4(report, 2, GROUP, b"\x94\x04\0\0"))


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


def pause(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """A PAUSE of no time at all (IEEE 802.3, 31B): who is not pausing does not begin to."""
    return padded(bytes.fromhex("0180c2000001") + src + b"\x88\x08\x00\x01\0\0" + nonce)


def eapol(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """An EAPOL-Key of the reserved descriptor type 0 (IEEE 802.1X, 11.9), which nobody can act on."""
    body = b"\0" + nonce
    return padded(bytes.fromhex("0180c2000003") + src + b"\x88\x8e\x02\x03" + struct.pack("!H", len(body)) + body)


def cdp(src: bytes, _dst: bytes, nonce: bytes) -> bytes:
    """A Cisco Discovery Protocol announcement of version 2 with TTL 0: who gets it remembers nothing."""
    device = struct.pack("!HH", 1, 4 + NONCE) + nonce
    packet = b"\x02\0\0\0" + device
    packet = packet[:2] + struct.pack("!H", internet_checksum(packet)) + packet[4:]
    llc = b"\xaa\xaa\x03\x00\x00\x0c\x20\x00" + packet
    return padded(bytes.fromhex("01000ccccccc") + src + struct.pack("!H", len(llc)) + llc)


def tagged(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    """IPv4 in VLAN 100 with priority 5 (IEEE 802.1Q, 9.6)."""
    return dst + src + struct.pack("!HH", 0x8100, 5 << 13 | 100) + b"\x08\x00" + echo(nonce + bytes(40))


def double_tagged(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    """IPv4 in VLAN 100 inside the service VLAN 200 of priority 3 (IEEE 802.1ad: an outer tag of 0x88a8)."""
    tags = struct.pack("!HHHH", 0x88A8, 3 << 13 | 200, 0x8100, 100)
    return dst + src + tags + b"\x08\x00" + echo(nonce + bytes(40))


def shortest(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    return padded(dst + src + EXPERIMENTAL + nonce)


def full(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    """An IPv4 packet of 1500 octets, a frame of 1514."""
    return dst + src + b"\x08\x00" + echo(nonce + bytes(1500 - 28 - NONCE))


def jumbo(src: bytes, dst: bytes, nonce: bytes) -> bytes:
    """An IPv4 packet of 9000 octets, a frame of 9014."""
    return dst + src + b"\x08\x00" + echo(nonce + bytes(9000 - 28 - NONCE))


KINDS = (
    Kind("foreign MACs", foreign),
    Kind("ARP", arp),
    Kind("IPv4 ICMP", icmp),
    Kind("IPv6 ICMP", ping6),
    Kind("IPv6 ND", solicitation),
    Kind("IGMP", igmp),
    Kind("LLDP", lldp),
    Kind("STP", stp),
    Kind("LACP", lacp),
    Kind("PAUSE", pause),
    Kind("EAPOL", eapol),
    Kind("CDP", cdp),
    Kind("802.1Q tag", tagged),
    Kind("QinQ", double_tagged),
    Kind("60 bytes", shortest),
    Kind("1500 bytes", full),
    Kind("9000 bytes", jumbo, mtu=9000),
)


def kind_of(text: str) -> Kind:
    """The kind that a person means: by its slug, or the beginning of just one. Raises ValueError."""
    wanted = text.lower().replace(" ", "-").replace("_", "-")
    by_slug = {kind.slug: kind for kind in KINDS}
    found = [kind for slug, kind in by_slug.items() if slug.startswith(wanted)] if wanted else []
    exact = by_slug.get(wanted) or (found[0] if len(found) == 1 else None)
    if exact is not None:
        return exact
    near = [kind.slug for kind in found] or get_close_matches(wanted, by_slug, n=1)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(by_slug)}"
    raise ValueError(f"no kind of frame is called {text!r}; {hint}")


def with_tag(frame: bytes, tpid: int, vlan: int) -> bytes:
    """The frame with a tag of priority 0 in front of those it has."""
    return frame[:12] + struct.pack("!HH", tpid, vlan) + frame[12:]


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
