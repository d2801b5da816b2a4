"""LLDP frames for tests: every TLV that netctl reads, each in a form or two."""

from __future__ import annotations

from netctl.topology import lldp
from netctl.topology.organisational import IEEE_8021, IEEE_8023, TIA

MAC = bytes.fromhex("020000000001")
CHASSIS = (4, MAC)
PORT = (5, b"eth0")


def organisational(oui: bytes, subtype: int, value: bytes) -> bytes:
    """`oui` has 3 octets, `value` at most 507."""
    return lldp.tlv(lldp.ORGANISATIONAL, oui + bytes((subtype,)) + value)


def org(oui: bytes, subtype: int, value: str) -> bytes:
    return organisational(oui, subtype, bytes.fromhex(value))


def said(oui: bytes, subtype: int, value: str) -> bytes:
    return organisational(oui, subtype, value.encode())


BASIC = (
    lldp.tlv(4, b"to the core"),
    lldp.tlv(5, b"sw-a"),
    lldp.tlv(6, "Debian GNU/Linux, Büro".encode()),
    lldp.tlv(7, bytes.fromhex("009c0094")),
    lldp.tlv(8, bytes.fromhex("05010a0101010200000003") + b"\0"),
    lldp.tlv(8, bytes.fromhex("110220010db8000000000000000000000001") + bytes.fromhex("020000000700")),
)
"""Port description, system name, system description, capabilities, two management addresses."""

DOT1 = (
    org(IEEE_8021, 1, "0064"),
    org(IEEE_8021, 2, "0600c8"),
    org(IEEE_8021, 2, "020000"),
    organisational(IEEE_8021, 3, b"\x00\x64\x04prod"),
    organisational(IEEE_8021, 3, b"\x00\x65\x03dev"),
    org(IEEE_8021, 4, "03888e01"),
)

DOT3 = (
    org(IEEE_8023, 1, "03" + "6c13" + "001e"),
    org(IEEE_8023, 2, "07" + "01" + "04" + "d2" + "0064" + "0078"),
    org(IEEE_8023, 3, "03" + "00000007"),
    org(IEEE_8023, 4, "05ee"),
)

BT = org(IEEE_8023, 2, "060105" + "d300640078" + "0064006500660067" + "4d94" + "05" + "03e8" + "00000000")
"""Power with all that IEEE 802.3bt added."""

COORDINATES = bytes.fromhex("01") + (
    (34 << 122) | (int(48.85667 * (1 << 25)) << 88) | (34 << 82) | (((1 << 34) - (3 << 25)) << 48)
    | (1 << 44) | (30 << 38) | (int(117.5 * 256) << 8) | 1
).to_bytes(16, "big")  # fmt: skip
"""48.85667 north, 3 west, 117.5 m."""

_ADDRESS = b"\x02FR\x00\x02fr\x03\x05Paris\x06\x05Rue X"
CIVIC = b"\x02" + bytes((len(_ADDRESS),)) + _ADDRESS

MED = (
    org(TIA, 1, "003f" + "02"),
    org(TIA, 2, "01" + "41f4" + "6e"),
    org(TIA, 2, "06" + "8001" + "40"),
    organisational(TIA, 3, COORDINATES),
    organisational(TIA, 3, CIVIC),
    said(TIA, 3, "\x03112"),
    org(TIA, 4, "52" + "0082"),
    said(TIA, 5, "hw 1"),
    said(TIA, 6, "fw 2"),
    said(TIA, 7, "sw 3"),
    said(TIA, 8, "sn 4"),
    said(TIA, 9, "maker"),
    said(TIA, 10, "model"),
    said(TIA, 11, "asset"),
)

UNKNOWN = org(bytes.fromhex("334455"), 254, "555555")

ALL = (*BASIC, *DOT1, *DOT3, *MED, UNKNOWN)


def frame(*tlvs: bytes, ttl: int = 120, chassis: tuple[int, bytes] = CHASSIS, port: tuple[int, bytes] = PORT) -> bytes:
    return lldp.build(MAC, chassis, port, ttl, tlvs)


def tagged(frame: bytes, *tags: str) -> bytes:
    """In tags of 8 hex digits each, the outermost first."""
    return frame[:12] + bytes.fromhex("".join(tags)) + frame[12:]
