"""The organisationally specific TLVs of IEEE 802.1, IEEE 802.3 and LLDP-MED (IEEE 802.1AB-2016, 8.6)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache

from netctl.topology.announcement import (
    Aggregation,
    CivicAddress,
    CivicElement,
    Coordinates,
    MedPolicy,
    MedPower,
    Phy,
    Power,
    PowerBt,
    ProtocolVlan,
    VlanName,
)
from netctl.topology.draft import Draft, text
from netctl.topology.names import (
    ADVERTISED,
    CIVIC,
    DATUMS,
    MAU,
    MED_APPLICATIONS,
    MED_CAPABILITIES,
    MED_DEVICES,
    PD_STATUS,
    PSE_STATUS,
    SINGLE,
)

IEEE_8021 = bytes.fromhex("0080c2")
IEEE_8023 = bytes.fromhex("00120f")
TIA = bytes.fromhex("0012bb")

Reader = Callable[[Draft, bytes], None]
"""Takes what follows the subtype. ValueError, IndexError or struct.error where that is wrong."""


def read(draft: Draft, value: bytes) -> bool:
    """Read a TLV that begins with its OUI and subtype. False for one that nobody here knows."""
    reader = _READERS.get(value[:4])
    if reader is None:
        return False
    reader(draft, value[4:])
    return True


def _exactly(value: bytes, at: int, length: int) -> bytes:
    """`length` octets from `at`, all of them there."""
    found = value[at : at + length]
    if len(found) != length:
        raise ValueError(f"{length} octets where {len(found)} are left")
    return found


# IEEE 802.1Q-2018, annex D


def _pvid(draft: Draft, value: bytes) -> None:
    draft.dot1["pvid"] = struct.unpack_from("!H", value)[0]


def _protocol_vlan(draft: Draft, value: bytes) -> None:
    flags, vlan = struct.unpack_from("!BH", value)
    draft.protocol_vlans.append(ProtocolVlan(vlan, bool(flags & 2), bool(flags & 4)))


def _vlan_name(draft: Draft, value: bytes) -> None:
    vlan, length = struct.unpack_from("!HB", value)
    draft.vlans.append(VlanName(vlan, text(_exactly(value, 3, length)) or ""))


def _protocol(draft: Draft, value: bytes) -> None:
    draft.protocols.append(_exactly(value, 1, value[0]).hex())


def _vid_digest(draft: Draft, value: bytes) -> None:
    draft.dot1["vid_digest"] = _exactly(value, 0, 4).hex()


def _management_vid(draft: Draft, value: bytes) -> None:
    draft.dot1["management_vid"] = struct.unpack_from("!H", value)[0]


def _aggregation(value: bytes) -> Aggregation:
    flags, port = struct.unpack_from("!BI", value)
    return Aggregation(bool(flags & 1), bool(flags & 2), port)


def _aggregation_1(draft: Draft, value: bytes) -> None:
    draft.dot1["aggregation"] = _aggregation(value)


# IEEE 802.3-2018, 79.3


def _aggregation_3(draft: Draft, value: bytes) -> None:
    draft.dot3["aggregation"] = _aggregation(value)


def _phy(draft: Draft, value: bytes) -> None:
    flags, offered, mau = struct.unpack_from("!BHH", value)
    name = MAU[mau] if mau < len(MAU) else ""
    draft.dot3["phy"] = Phy(bool(flags & 1), bool(flags & 2), _advertised(offered), mau, name)


@lru_cache(256)
def _advertised(offered: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(ADVERTISED) if offered >> (15 - bit) & 1)


def _max_frame(draft: Draft, value: bytes) -> None:
    draft.dot3["max_frame"] = struct.unpack_from("!H", value)[0]


_PRIORITIES = ("unknown", "critical", "high", "low")
_PSE_SOURCES = ("unknown", "primary", "backup", "reserved")
_PD_SOURCES = ("unknown", "PSE", "local", "PSE + local")


def _power(draft: Draft, value: bytes) -> None:
    """The basic fields, those of IEEE 802.3at where there are 5 octets more, and those of IEEE 802.3bt."""
    flags, pairs, number = struct.unpack_from("!BBB", value)
    at: tuple[int | None, str, str, int | None, int | None] = (None, "", "", None, None)
    if len(value) >= 8:
        kind, requested, allocated = struct.unpack_from("!BHH", value, 3)
        sources = _PD_SOURCES if kind & 0x40 else _PSE_SOURCES
        at = (
            1 if kind & 0x80 else 2,
            sources[kind >> 4 & 3],
            _PRIORITIES[kind & 3],
            requested * 100,
            allocated * 100,
        )
    draft.dot3["power"] = Power(
        "PSE" if flags & 1 else "PD",
        bool(flags & 2),
        bool(flags & 4),
        bool(flags & 8),
        {1: "signal", 2: "spare"}.get(pairs, f"{pairs}"),
        number - 1 if 1 <= number <= 5 else None,
        *at,
        _power_bt(value[8:]) if len(value) >= 25 else None,
    )


_BT_PAIRS = ("unknown", "alternative A", "alternative B", "both alternatives")
_BT_TYPES = (
    "type 3 PSE", "type 4 PSE", "type 3 single-signature PD", "type 3 dual-signature PD",
    "type 4 single-signature PD", "type 4 dual-signature PD", "reserved", "reserved",
)  # fmt: skip


def _power_bt(value: bytes) -> PowerBt:
    requested_a, requested_b, allocated_a, allocated_b, status, setup, maximum = struct.unpack_from("!HHHHHBH", value)
    return PowerBt(
        requested_a * 100,
        requested_b * 100,
        allocated_a * 100,
        allocated_b * 100,
        PSE_STATUS[status >> 14],
        PD_STATUS[status >> 12 & 3],
        _BT_PAIRS[status >> 10 & 3],
        _signature_class(status >> 7 & 7),
        _signature_class(status >> 4 & 7),
        _power_class(status & 15),
        _BT_TYPES[setup >> 1 & 7],
        bool(setup & 1),
        maximum * 100,
    )


def _signature_class(number: int) -> str:
    return f"class {number}" if 1 <= number <= 5 else SINGLE if number == 7 else "unknown"


def _power_class(number: int) -> str:
    return f"class {number}" if 1 <= number <= 8 else "dual-signature PD" if number == 15 else "unknown"


# ANSI/TIA-1057


def _med_capabilities(draft: Draft, value: bytes) -> None:
    capabilities, device = struct.unpack_from("!HB", value)
    draft.med_capabilities = tuple(name for bit, name in enumerate(MED_CAPABILITIES) if capabilities >> bit & 1)
    draft.med_device = MED_DEVICES.get(device, f"{device}")


def _policy(draft: Draft, value: bytes) -> None:
    (word,) = struct.unpack_from("!I", value)
    application = word >> 24
    draft.policies.append(
        MedPolicy(
            MED_APPLICATIONS.get(application, f"{application}"),
            not word & 0x80_0000,
            bool(word & 0x40_0000),
            word >> 9 & 0xFFF,
            word >> 6 & 7,
            word & 0x3F,
        )
    )


def _location(draft: Draft, value: bytes) -> None:
    kind, data = value[0], value[1:]
    if kind == 1:
        draft.coordinates = _coordinates(_exactly(data, 0, 16))
    elif kind == 2:
        draft.address = _civic(_exactly(data, 1, data[0]))
    elif kind == 3:
        draft.elin = text(data) or ""
    else:
        raise ValueError(f"a location of the unknown format {kind}")


def _coordinates(data: bytes) -> Coordinates:
    """16 octets: 6 bits of resolution and 34 of latitude, the same of longitude; 4 bits that say what the altitude
    counts, 6 of resolution, 30 of altitude; the datum."""
    whole = int.from_bytes(data, "big")
    return Coordinates(
        _signed(whole >> 88, 34) / (1 << 25),
        _signed(whole >> 48, 34) / (1 << 25),
        _signed(whole >> 8, 30) / (1 << 8),
        {1: "m", 2: "floor"}.get(whole >> 44 & 15, ""),
        DATUMS.get(whole & 0xFF, f"{whole & 0xFF}"),
        whole >> 122 & 63,
        whole >> 82 & 63,
        whole >> 38 & 63,
    )


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _civic(data: bytes) -> CivicAddress:
    what, country = data[0], _exactly(data, 1, 2)
    elements = []
    at = 3
    while at < len(data):
        kind, length = struct.unpack_from("!BB", data, at)
        value = _exactly(data, at + 2, length)
        elements.append(CivicElement(kind, CIVIC.get(kind, f"{kind}"), text(value) or ""))
        at += 2 + length
    return CivicAddress(what, text(country) or "", tuple(elements))


_MED_POWER_SOURCES = {
    0: ("unknown", "primary", "backup", "reserved"),
    1: ("unknown", "PSE", "local", "PSE + local"),
}


def _med_power(draft: Draft, value: bytes) -> None:
    flags, power = struct.unpack_from("!BH", value)
    device, priority = flags >> 6, flags & 15
    sources = _MED_POWER_SOURCES.get(device)
    draft.med_power = MedPower(
        ("PSE", "PD", "reserved", "reserved")[device],
        sources[flags >> 4 & 3] if sources else "reserved",
        _PRIORITIES[priority] if priority < len(_PRIORITIES) else "unknown",
        power * 100,
    )


def _inventory(field: str) -> Reader:
    def read(draft: Draft, value: bytes) -> None:
        said = text(value)
        if said is not None:
            draft.inventory[field] = said

    return read


def _med(reader: Reader) -> Reader:
    def read(draft: Draft, value: bytes) -> None:
        reader(draft, value)
        draft.med_said = True

    return read


_DOT1 = {
    1: _pvid,
    2: _protocol_vlan,
    3: _vlan_name,
    4: _protocol,
    5: _vid_digest,
    6: _management_vid,
    7: _aggregation_1,
}
_DOT3 = {1: _phy, 2: _power, 3: _aggregation_3, 4: _max_frame}
_MED = {
    1: _med_capabilities,
    2: _policy,
    3: _location,
    4: _med_power,
    5: _inventory("hardware"),
    6: _inventory("firmware"),
    7: _inventory("software"),
    8: _inventory("serial"),
    9: _inventory("manufacturer"),
    10: _inventory("model"),
    11: _inventory("asset"),
}

_READERS: dict[bytes, Reader] = {
    **{IEEE_8021 + bytes((subtype,)): reader for subtype, reader in _DOT1.items()},
    **{IEEE_8023 + bytes((subtype,)): reader for subtype, reader in _DOT3.items()},
    **{TIA + bytes((subtype,)): _med(reader) for subtype, reader in _MED.items()},
}
