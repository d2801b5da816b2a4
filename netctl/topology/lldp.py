"""LLDP frames (IEEE 802.1AB-2016): read without ever raising, and built.

The first three TLVs and every length must be right, or the frame is malformed (9.2.7.7.1). Of what follows, a TLV
that cannot be read, or that nobody here knows, is kept as it came (9.2.7.7.2) and the rest is read all the same.
What comes after the end TLV is padding. Reading takes time in proportion to the frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from netctl.topology import organisational
from netctl.topology.announcement import Announcement, Capability, Id, Malformed, ManagementAddress, RawTlv
from netctl.topology.draft import Draft, mac_text, text

ETHERTYPE = 0x88CC

NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
GROUPS = frozenset((NEAREST_BRIDGE, bytes.fromhex("0180c2000003"), bytes.fromhex("0180c2000000")))
"""Whom LLDP is addressed to (7.1): the nearest bridge, the nearest one that is no two-port relay, and the nearest
customer's."""

MAX_DATA = 1500
"""Octets of TLVs that a frame may have; a longer one is malformed."""
MAX_TLVS = 128
"""A frame with more is malformed."""
MAX_TAGS = 2

TOO_SHORT = "too short"
"""Why a TLV is kept as it came that ends before its fields do."""

_ETHERTYPE = ETHERTYPE.to_bytes(2, "big")
_TPIDS = frozenset((b"\x81\x00", b"\x88\xa8", b"\x91\x00"))

END, CHASSIS, PORT, TTL = range(4)
PORT_DESCRIPTION, SYSTEM_NAME, SYSTEM_DESCRIPTION, CAPABILITIES, MANAGEMENT = range(4, 9)
ORGANISATIONAL = 127

_MIN_FRAME = 60
"""Octets that a frame without its check sequence has at least (IEEE 802.3-2018, 4.2.3.3)."""

CHASSIS_MAC, CHASSIS_LOCAL = 4, 7
PORT_LOCAL = 7

_CHASSIS_TYPES = {1: "component", 2: "ifalias", 3: "component", 4: "mac", 5: "ip", 6: "ifname", 7: "local"}
_PORT_TYPES = {1: "ifalias", 2: "component", 3: "mac", 4: "ip", 5: "ifname", 6: "circuit", 7: "local"}

_CAPABILITIES = (
    "Other", "Repeater", "Bridge", "WLAN", "Router", "Telephone", "DOCSIS", "Station", "CVLAN", "SVLAN", "TPMR",
)  # fmt: skip
"""By bit (table 8-4)."""

_INTERFACES = {2: "ifindex", 3: "port"}


def decode(frame: bytes) -> Announcement | Malformed:
    """Read a whole Ethernet frame, without its check sequence and in up to two VLAN tags."""
    tags: tuple[int, ...] = ()
    at = 12
    while frame[at : at + 2] in _TPIDS and len(tags) < MAX_TAGS and len(frame) >= at + 4:
        tags += (int.from_bytes(frame[at + 2 : at + 4], "big") & 0xFFF,)
        at += 4
    if frame[at : at + 2] != _ETHERTYPE:
        return Malformed(f"not LLDP: EtherType 0x{frame[at : at + 2].hex() or 'none'}")
    destination = frame[:6]
    if destination not in GROUPS:
        return Malformed(f"sent to {mac_text(destination)}, which is no LLDP group")
    at += 2
    draft = Draft(mac_text(frame[6:12]), mac_text(destination), tags)
    why = _tlvs(draft, frame, at)
    if why:
        return Malformed(why)
    return draft.announcement()


def _tlvs(draft: Draft, frame: bytes, at: int) -> str:
    """What is wrong with the TLVs that begin at `at`; empty for nothing."""
    end = len(frame)
    if end - at > MAX_DATA + _MIN_FRAME:
        return f"{end - at} octets of TLVs; {MAX_DATA} are the most"
    count = 0
    while at < end:
        if end - at < 2:
            return "it ends within a TLV's head"
        head = frame[at] << 8 | frame[at + 1]
        kind, length = head >> 9, head & 0x1FF
        at += 2
        if length > end - at:
            return f"TLV {kind} of {length} octets where {end - at} are left"
        if kind == END:
            if length:
                return f"an end of {length} octets"
            break
        value = frame[at : at + length]
        at += length
        count += 1
        if count > MAX_TLVS:
            return f"more than {MAX_TLVS} TLVs"
        if count <= 3 or kind <= TTL:
            if kind != count:
                return f"TLV {kind} in place {count}; the first three are chassis, port and TTL, once each"
            why = _mandatory(draft, kind, value)
            if why:
                return why
            continue
        if kind == ORGANISATIONAL:
            _organisational(draft, value)
        else:
            _basic(draft, kind, value)
    return "" if count >= 3 else f"it ends after {count} TLVs; chassis, port and TTL must be there"


def _mandatory(draft: Draft, kind: int, value: bytes) -> str:
    if kind == TTL:
        if len(value) < 2:
            return f"a TTL of {len(value)} octets"
        draft.ttl = value[0] << 8 | value[1]
        return ""
    name, types = ("chassis", _CHASSIS_TYPES) if kind == CHASSIS else ("port", _PORT_TYPES)
    if not 2 <= len(value) <= 256:
        return f"a {name} ID of {len(value)} octets; 2 to 256 are right"
    if value[0] not in types:
        return f"a {name} ID of the reserved subtype {value[0]}"
    identity = _id(types[value[0]], value[1:])
    if kind == CHASSIS:
        draft.chassis = identity
    else:
        draft.port = identity
    return ""


def _id(kind: str, value: bytes) -> Id:
    if kind == "mac":
        return Id("mac", mac_text(value))
    if kind == "ip":
        family, address = _address(value[0], value[1:])
        return Id("ip", address if family in ("ipv4", "ipv6", "mac") else mac_text(value))
    if kind in ("component", "circuit"):
        return Id(kind, mac_text(value))  # type: ignore[arg-type]
    return Id(kind, name_text(value))  # type: ignore[arg-type]


def name_text(value: bytes) -> str:
    """A name as text, where it is printable; else in hex with ":" between the octets."""
    try:
        read = value.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return mac_text(value)
    return read if read and read.isprintable() else mac_text(value)


@lru_cache(1024)
def _address(family: int, octets: bytes) -> tuple[str, str]:
    """The family's name, or its number (IANA's), and the address."""
    if family == 1 and len(octets) == 4:
        return "ipv4", str(IPv4Address(octets))
    if family == 2 and len(octets) == 16:
        return "ipv6", str(IPv6Address(octets))
    if family == 6 and len(octets) == 6:
        return "mac", mac_text(octets)
    return str(family), mac_text(octets)


def _basic(draft: Draft, kind: int, value: bytes) -> None:
    read = _BASIC.get(kind)
    why = ""
    if read is not None:
        try:
            read(draft, value)
            return
        except ValueError as error:
            why = f"{error}"
        except (IndexError, struct.error):
            why = TOO_SHORT
    draft.others.append(RawTlv(kind, None, None, value.hex(), why))


def _organisational(draft: Draft, value: bytes) -> None:
    if len(value) < 4:
        draft.others.append(RawTlv(ORGANISATIONAL, None, None, value.hex(), TOO_SHORT))
        return
    why = ""
    try:
        if organisational.read(draft, value):
            return
    except ValueError as error:
        why = f"{error}"
    except (IndexError, struct.error):
        why = TOO_SHORT
    draft.others.append(RawTlv(ORGANISATIONAL, mac_text(value[:3]), value[3], value[4:].hex(), why))


def _port_description(draft: Draft, value: bytes) -> None:
    draft.port_description = text(value)


def _system_name(draft: Draft, value: bytes) -> None:
    draft.system_name = text(value)


def _system_description(draft: Draft, value: bytes) -> None:
    draft.system_description = text(value)


def _capabilities(draft: Draft, value: bytes) -> None:
    draft.capabilities = _named(*struct.unpack_from("!HH", value))


@lru_cache(256)
def _named(system: int, enabled: int) -> tuple[Capability, ...]:
    return tuple(
        Capability(name, bool(enabled >> bit & 1)) for bit, name in enumerate(_CAPABILITIES) if system >> bit & 1
    )


def _management(draft: Draft, value: bytes) -> None:
    length = value[0]
    if not 2 <= length <= 32:
        raise ValueError(f"a management address of {length - 1} octets; 1 to 31 are right")
    kind, interface, oid = struct.unpack_from("!BIB", value, 1 + length)
    family, address = _address(value[1], value[2 : 1 + length])
    managed = value[7 + length : 7 + length + oid]
    if len(managed) != oid:
        raise ValueError(f"an object identifier of {oid} octets where {len(managed)} are left")
    draft.addresses.append(
        ManagementAddress(family, address, _INTERFACES.get(kind, "unknown"), interface, _oid(managed))  # type: ignore[arg-type]
    )


def _oid(octets: bytes) -> str:
    """An object identifier, as in ITU-T X.690, 8.19; empty for none. Arcs that do not end are left out."""
    arcs: list[int] = []
    arc = 0
    for each in octets:
        arc = arc << 7 | each & 0x7F
        if not each & 0x80:
            if not arcs:
                arcs.append(min(arc // 40, 2))
                arc -= 40 * arcs[0]
            arcs.append(arc)
            arc = 0
    return ".".join(map(str, arcs))


_BASIC: dict[int, Callable[[Draft, bytes], None]] = {
    PORT_DESCRIPTION: _port_description,
    SYSTEM_NAME: _system_name,
    SYSTEM_DESCRIPTION: _system_description,
    CAPABILITIES: _capabilities,
    MANAGEMENT: _management,
}


def tlv(kind: int, value: bytes) -> bytes:
    """ValueError where the value has more than 511 octets."""
    if len(value) > 511:
        raise ValueError(f"a TLV has at most 511 octets, this one would have {len(value)}")
    return (kind << 9 | len(value)).to_bytes(2, "big") + value


def build(
    source: bytes,
    chassis: tuple[int, bytes],
    port: tuple[int, bytes],
    ttl: int,
    tlvs: Iterable[bytes] = (),
    destination: bytes = NEAREST_BRIDGE,
) -> bytes:
    """A whole Ethernet frame, padded. `chassis` and `port` are a subtype (table 8-2, table 8-3) and the ID, 1 to 255
    octets; `ttl` is in seconds, 0 to 65535; `tlvs` follow as they are. ValueError for what no frame can say."""
    for name, (subtype, identity) in (("chassis", chassis), ("port", port)):
        if not (1 <= subtype <= 7 and 1 <= len(identity) <= 255):
            raise ValueError(f"a {name} ID of subtype {subtype} and {len(identity)} octets")
    if not 0 <= ttl <= 0xFFFF:
        raise ValueError(f"a TTL of {ttl} s")
    data = b"".join(
        (
            tlv(CHASSIS, bytes((chassis[0],)) + chassis[1]),
            tlv(PORT, bytes((port[0],)) + port[1]),
            tlv(TTL, ttl.to_bytes(2, "big")),
            *tlvs,
            tlv(END, b""),
        )
    )
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} octets of TLVs; {MAX_DATA} are the most")
    return (destination + source + _ETHERTYPE + data).ljust(_MIN_FRAME, b"\0")
