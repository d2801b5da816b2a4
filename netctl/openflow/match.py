"""OXM matches (OpenFlow 1.3.5, 7.2.2): what a flow looks at.

A Match has the fields that netctl writes. Every other field found on a switch is kept as text,
«name=hex» or «name=hex/mask», from which the same bytes come back: so a delete can name such a flow.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache

from netctl.desired.flow import UNTAGGED, Match
from netctl.openflow.frame import DecodeError

BASIC = 0x8000
"""OFPXMC_OPENFLOW_BASIC."""

FIELDS = (
    "in_port", "in_phy_port", "metadata", "eth_dst", "eth_src", "eth_type", "vlan_vid", "vlan_pcp",
    "ip_dscp", "ip_ecn", "ip_proto", "ipv4_src", "ipv4_dst", "tcp_src", "tcp_dst", "udp_src", "udp_dst",
    "sctp_src", "sctp_dst", "icmpv4_type", "icmpv4_code", "arp_op", "arp_spa", "arp_tpa", "arp_sha",
    "arp_tha", "ipv6_src", "ipv6_dst", "ipv6_flabel", "icmpv6_type", "icmpv6_code", "ipv6_nd_target",
    "ipv6_nd_sll", "ipv6_nd_tll", "mpls_label", "mpls_tc", "mpls_bos", "pbb_isid", "tunnel_id",
    "ipv6_exthdr",
)  # fmt: skip
"""OFPXMT_OFB_*, by number."""

_NUMBERS = {name: number for number, name in enumerate(FIELDS)}
_IN_PORT = 0
_ETH_DST = 3
_ETH_TYPE = 5
_VLAN_VID = 6
_PRESENT = 0x1000
"""OFPVID_PRESENT."""
_NONE = 0
"""OFPVID_NONE."""

_HEAD = struct.Struct("!HH")
_TLV = struct.Struct("!HBB")
_PORT_TLV = struct.Struct("!HBBI")
_ADDRESS_TLV = struct.Struct("!HBB6s")
_SHORT_TLV = struct.Struct("!HBBH")
_STANDARD = 1
"""OFPMT_OXM."""

PORT_HEAD = _HEAD.pack(_STANDARD, 12) + _TLV.pack(BASIC, _IN_PORT << 1, 4)
"""What a match of an input port and nothing else begins with; its number and 4 octets follow."""
PORT_VLAN_HEAD = _HEAD.pack(_STANDARD, 18) + _TLV.pack(BASIC, _IN_PORT << 1, 4)
VLAN_HEAD = _TLV.pack(BASIC, _VLAN_VID << 1, 2)
PORT = struct.Struct("!8sI4x")
PORT_VLAN = struct.Struct("!8sI4sH6x")


def vlan_field(vlan: int) -> bytes:
    """The vlan_vid of a frame that has a tag, or of one that is UNTAGGED, as an OXM field of 6 octets."""
    return _SHORT_TLV.pack(BASIC, _VLAN_VID << 1, 2, _NONE if vlan == UNTAGGED else vlan | _PRESENT)


def pack(match: Match, others: tuple[str, ...] = ()) -> bytes:
    """An ofp_match, padded to 64 bits. `others` are fields as `unpack` gave them.

    Raises ValueError for a field or an address that is none.
    """
    in_port, vlan, eth_type, eth_dst = match
    if in_port is not None and eth_type is None and eth_dst is None and not others:
        if vlan is None:
            return PORT.pack(PORT_HEAD, in_port)
        if vlan != UNTAGGED:
            return PORT_VLAN.pack(PORT_VLAN_HEAD, in_port, VLAN_HEAD, vlan | _PRESENT)
    body = b""
    if in_port is not None:
        body += _PORT_TLV.pack(BASIC, _IN_PORT << 1, 4, in_port)
    if eth_dst is not None:
        body += _ADDRESS_TLV.pack(BASIC, _ETH_DST << 1, 6, _octets(eth_dst))
    if eth_type is not None:
        body += _SHORT_TLV.pack(BASIC, _ETH_TYPE << 1, 2, eth_type)
    if vlan is not None:
        body += vlan_field(vlan)
    body += b"".join(map(_from_text, others))
    length = _HEAD.size + len(body)
    return _HEAD.pack(_STANDARD, length) + body + bytes(-length % 8)


def unpack(buffer: bytes, at: int, end: int) -> tuple[Match, tuple[str, ...], int]:
    """The match that begins at `at`, its other fields as text, and where what follows it begins."""
    if end - at < _HEAD.size:
        raise DecodeError("a flow without a match")
    kind, length = _HEAD.unpack_from(buffer, at)
    stop, after = at + length, at + (length + 7) // 8 * 8
    if kind != _STANDARD or length < _HEAD.size or after > end:
        raise DecodeError(f"a match of type {kind} and {length} bytes")
    in_port = vlan = eth_type = eth_dst = None
    others = []
    for oxm_class, field, masked, value in _fields(buffer, at + _HEAD.size, stop):
        if oxm_class == BASIC and not masked:
            if field == _IN_PORT and len(value) == 4 and in_port is None:
                in_port = int.from_bytes(value, "big")
                continue
            if field == _ETH_DST and len(value) == 6 and eth_dst is None:
                eth_dst = value.hex(":")
                continue
            if field == _ETH_TYPE and len(value) == 2 and eth_type is None:
                eth_type = int.from_bytes(value, "big")
                continue
            if field == _VLAN_VID and len(value) == 2 and vlan is None:
                vid = int.from_bytes(value, "big")
                if vid == _NONE or vid & ~0xFFF == _PRESENT:
                    vlan = vid & 0xFFF if vid else UNTAGGED
                    continue
        others.append(_text(oxm_class, field, masked, value))
    return Match(in_port, vlan, eth_type, eth_dst), tuple(others), after


def _fields(buffer: bytes, at: int, end: int) -> Iterator[tuple[int, int, bool, bytes]]:
    while at < end:
        if end - at < _TLV.size:
            raise DecodeError("a match that ends within a field")
        oxm_class, field, length = _TLV.unpack_from(buffer, at)
        at += _TLV.size
        if length > end - at:
            raise DecodeError("a match field longer than its match")
        yield oxm_class, field >> 1, bool(field & 1), buffer[at : at + length]
        at += length


@lru_cache(64)
def _octets(address: str) -> bytes:
    try:
        octets = bytes.fromhex(address.replace(":", ""))
    except ValueError:
        octets = b""
    if len(octets) != 6:
        raise ValueError(f"«{address}» is no Ethernet address")
    return octets


def _text(oxm_class: int, field: int, masked: bool, value: bytes) -> str:
    named = oxm_class == BASIC and field < len(FIELDS)
    name = FIELDS[field] if named else f"oxm_{oxm_class:x}_{field}"
    if masked and len(value) % 2 == 0:
        half = len(value) // 2
        return f"{name}={value[:half].hex()}/{value[half:].hex()}"
    return f"{name}={value.hex()}"


def _from_text(text: str) -> bytes:
    name, _, written = text.partition("=")
    value, slash, mask = written.partition("/")
    try:
        if name in _NUMBERS:
            oxm_class, field = BASIC, _NUMBERS[name]
        else:
            _oxm, hexadecimal, number = name.split("_")
            oxm_class, field = int(hexadecimal, 16), int(number)
        payload = bytes.fromhex(value + mask)
        return _TLV.pack(oxm_class, field << 1 | bool(slash), len(payload)) + payload
    except (ValueError, struct.error):
        raise ValueError(f"«{text}» is no match field") from None
