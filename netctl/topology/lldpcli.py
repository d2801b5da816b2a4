"""Neighbours as `lldpcli show neighbors details` prints them, and as its format json0 (lldpcli(8)) names them.

lldpcli prints one tree in either form; so does this. What lldpcli has no word for gets a word of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from netctl.topology.announcement import Announcement, Coordinates, Id, Med, MedPolicy, Phy, Power, PowerBt, RawTlv

_WIDTH = 14
"""Columns that a title takes."""

_YES = {"yes": True, "on": True, "no": False, "off": False}

_CAPABILITIES = {"WLAN": "Wlan", "Telephone": "Tel", "DOCSIS": "Docsis"}
_PRIORITIES = (
    "Best effort", "Background", "Excellent effort", "Critical applications", "Video", "Voice",
    "Internetwork control", "Network control",
)  # fmt: skip
"""By priority code point (IEEE 802.1Q-2018, table I-2)."""

_OFFERED = (
    ("10BASE-T", "10Base-T"),
    ("100BASE-TX", "100Base-TX"),
    ("100BASE-T2", "100Base-T2"),
    ("100BASE-T4", "100Base-T4"),
    ("1000BASE-X", "1000Base-X"),
    ("1000BASE-T", "1000Base-T"),
)

_MED_SOURCES = {
    "primary": "Primary Power Source",
    "backup": "Backup Power Source / Power Conservation Mode",
    "local": "Local",
    "PSE + local": "PSE + Local",
}
_POWER_SOURCES = {"primary": "Primary power source", "backup": "Backup source", "PSE + local": "PSE + Local"}


@dataclass(frozen=True)
class Tag:
    name: str
    """In json0."""
    title: str
    """In text."""
    attributes: tuple[tuple[str, str, str], ...] = ()
    """Name, title (may be empty) and value of each."""
    value: str | None = None
    children: tuple[Tag, ...] = ()


@dataclass(frozen=True)
class Heard:
    interface: str
    """Where, in a word."""
    announced: Announcement
    age: float
    """Seconds since it last changed."""
    where: tuple[tuple[str, str, str], ...] = ()
    """More attributes that say where: name, title and value of each."""


def tree(heard: Iterable[Heard]) -> list[Tag]:
    """A tag «interface» for each."""
    chassis: dict[Id, int] = {}
    return [_interface(each, chassis.setdefault(each.announced.chassis, len(chassis) + 1)) for each in heard]


def json0(tags: Iterable[Tag]) -> dict[str, Any]:
    return {"lldp": [_grouped(tags)] if (tags := list(tags)) else [{}]}


def lines(tags: Iterable[Tag]) -> Iterator[str]:
    """The text, line by line, as it is between the rulers."""
    for tag in tags:
        yield from _lines(tag, 0)


def _grouped(tags: Iterable[Tag]) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for tag in tags:
        groups.setdefault(tag.name, []).append(_object(tag))
    return groups


def _object(tag: Tag) -> dict[str, Any]:
    made: dict[str, Any] = {name: _YES.get(value, value) for name, _, value in tag.attributes}
    if tag.value is not None:
        made["value"] = tag.value
    return {**made, **_grouped(tag.children)}


def _lines(tag: Tag, depth: int) -> Iterator[str]:
    attributes = ", ".join(f"{title}: {value}" if title else value for _, title, value in tag.attributes)
    said = " ".join(each for each in (attributes, tag.value) if each)
    yield f"{'  ' * depth}{f'{tag.title}:':{_WIDTH - 1}} {said}".rstrip()
    for child in tag.children:
        yield from _lines(child, depth + 1)


def _flag(name: str, title: str, is_so: bool) -> tuple[str, str, str]:
    return name, title, "yes" if is_so else "no"


def _said(*tags: tuple[str, str, str | int | None]) -> Iterator[Tag]:
    """A tag for each name and title with a value."""
    for name, title, value in tags:
        if value is not None:
            yield Tag(name, title, value=str(value))


def _interface(heard: Heard, chassis: int) -> Tag:
    said = heard.announced
    attributes = (
        ("name", "", heard.interface),
        ("via", "via", "LLDP"),
        ("rid", "RID", str(chassis)),
        ("age", "Time", _age(heard.age)),
        *heard.where,
    )
    children = [_chassis(said), _port(said), *_vlans(said)]
    if said.med is not None:
        children.append(_med(said.med))
    if said.others:
        children.append(Tag("unknown-tlvs", "Unknown TLVs", children=tuple(map(_raw, said.others))))
    return Tag("interface", "Interface", attributes, children=tuple(children))


def _age(seconds: float) -> str:
    whole = max(int(seconds), 0)
    days, rest = divmod(whole, 86400)
    return f"{days} day{'s' if days > 1 else ''}, {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def _id(title: str, identity: Id) -> Tag:
    kind = "unhandled" if identity.type in ("component", "circuit") else identity.type
    return Tag("id", title, (("type", "", kind),), identity.value)


def _chassis(said: Announcement) -> Tag:
    children = [
        _id("ChassisID", said.chassis),
        *_said(("name", "SysName", said.system_name), ("descr", "SysDescr", said.system_description)),
    ]
    for each in said.addresses:
        is_ip = each.family in ("ipv4", "ipv6")
        children.append(
            Tag("mgmt-ip", "MgmtIP", value=each.address)
            if is_ip
            else Tag("mgmt-address", "MgmtAddress", (("family", "", each.family),), each.address)
        )
        if is_ip and each.interface_type == "ifindex" and each.interface:
            children.append(Tag("mgmt-iface", "MgmtIface", value=str(each.interface)))
        if each.oid:
            children.append(Tag("mgmt-oid", "MgmtOID", value=each.oid))
    for capability in said.capabilities:
        name = _CAPABILITIES.get(capability.type, capability.type)
        enabled = "on" if capability.enabled else "off"
        children.append(Tag("capability", "Capability", (("type", "", name), ("enabled", "", enabled))))
    return Tag("chassis", "Chassis", children=tuple(children))


def _port(said: Announcement) -> Tag:
    dot3 = said.dot3
    children = [
        _id("PortID", said.port),
        *_said(("descr", "PortDescr", said.port_description), ("ttl", "TTL", said.ttl), ("mfs", "MFS", dot3.max_frame)),
    ]
    for aggregation in (dot3.aggregation, said.dot1.aggregation):
        if aggregation is not None and aggregation.port:
            title = "Port is aggregated. PortAggregID"
            children.append(Tag("aggregation", title, value=str(aggregation.port)))
            break
    if dot3.phy is not None:
        children.append(_phy(dot3.phy))
    if dot3.power is not None:
        children.append(_power(dot3.power))
    return Tag("port", "Port", children=tuple(children))


def _phy(phy: Phy) -> Tag:
    children = []
    for name, title in _OFFERED if phy.autoneg_enabled else ():
        half, full = f"{name} HD" in phy.advertised, f"{name} FD" in phy.advertised
        if half or full:
            duplex = (_flag("hd", "HD", half), _flag("fd", "FD", full))
            children.append(Tag("advertised", "Adv", (("type", "", title), *duplex)))
        elif name in phy.advertised:
            children.append(Tag("advertised", "Adv", (("type", "", title),)))
    if phy.mau:
        children.append(Tag("current", "MAU oper type", value=phy.mau_name or str(phy.mau)))
    attributes = (
        _flag("supported", "supported", phy.autoneg_supported),
        _flag("enabled", "enabled", phy.autoneg_enabled),
    )
    return Tag("auto-negotiation", "PMD autoneg", attributes, children=tuple(children))


def _power(power: Power) -> Tag:
    attributes = (
        _flag("supported", "supported", power.supported),
        _flag("enabled", "enabled", power.enabled),
        _flag("paircontrol", "pair control", power.pair_control),
    )
    number = None if power.power_class is None else f"class {power.power_class}"
    children = [
        *_said(
            ("device-type", "Device type", power.device),
            ("pairs", "Power pairs", power.pairs),
            ("class", "Class", number),
        )
    ]
    if power.type is not None:
        children += _said(
            ("power-type", "Power type", power.type),
            ("source", "Power Source", _POWER_SOURCES.get(power.source, power.source)),
            ("priority", "Power Priority", power.priority),
            ("requested", "PD requested power Value", power.requested),
            ("allocated", "PSE allocated power Value", power.allocated),
        )
    if power.bt is not None:
        children += _power_bt(power.bt)
    return Tag("power", "MDI Power", attributes, children=tuple(children))


def _power_bt(bt: PowerBt) -> Iterator[Tag]:
    return _said(
        ("requested-a", "Requested mode A", bt.requested_a),
        ("requested-b", "Requested mode B", bt.requested_b),
        ("allocated-a", "Allocated alternative A", bt.allocated_a),
        ("allocated-b", "Allocated alternative B", bt.allocated_b),
        ("pse-powering-status", "PSE powering status", bt.pse_status),
        ("pd-powering-status", "PD powering status", bt.pd_status),
        ("power-pairs-ext", "Power pairs extra", bt.pairs),
        ("power-class-ext-a", "Class extra A", bt.class_a),
        ("power-class-ext-b", "Class extra B", bt.class_b),
        ("power-class-ext", "Class extra", bt.power_class),
        ("power-type-ext", "Power type extra", bt.type),
        ("pd-load", "PD load", "isolated" if bt.isolated else "not isolated"),
        ("max-power", "PSE maximum available power", bt.maximum),
    )


def _vlans(said: Announcement) -> Iterator[Tag]:
    dot1 = said.dot1
    for vlan in dot1.vlans:
        attributes = (("vlan-id", "", str(vlan.vlan)), _flag("pvid", "pvid", vlan.vlan == dot1.pvid))
        yield Tag("vlan", "VLAN", attributes, vlan.name)
    if dot1.pvid and all(vlan.vlan != dot1.pvid for vlan in dot1.vlans):
        yield Tag("vlan", "VLAN", (("vlan-id", "", str(dot1.pvid)), _flag("pvid", "pvid", True)))
    for each in dot1.protocol_vlans:
        number = (("value", "", str(each.vlan)),) if each.vlan else ()
        flags = (_flag("supported", "supported", each.supported), _flag("enabled", "enabled", each.enabled))
        yield Tag("ppvid", "PPVID", (*number, *flags))
    for protocol in dot1.protocols:
        yield Tag("pi", "PI", value=bytes.fromhex(protocol).hex(" "))
    yield from _said(
        ("vid-digest", "VID usage digest", dot1.vid_digest), ("management-vid", "Management VID", dot1.management_vid)
    )


def _med(med: Med) -> Tag:
    children = [*_said(("device-type", "Device Type", med.device or None))]
    for capability in med.capabilities:
        children.append(Tag("capability", "Capability", (("type", "", capability), _flag("available", "", True))))
    children += map(_policy, med.policies)
    if med.coordinates is not None:
        children.append(_coordinates(med.coordinates))
    if med.address is not None:
        elements = [(each.name.lower().replace(" ", "-"), each.name, each.value) for each in med.address.elements]
        children.append(
            Tag(
                "location",
                _LOCATION,
                (("type", "Type", "Civic address"),),
                children=tuple(_said(("country", "Country", med.address.country), *elements)),
            )
        )
    if med.elin is not None:
        elin = Tag("ecs", "ECS ELIN", value=med.elin)
        children.append(Tag("location", _LOCATION, (("type", "Type", "ELIN"),), children=(elin,)))
    if med.power is not None:
        power = _said(
            ("device-type", "Power Type & Source", med.power.device),
            ("source", "Power Source", _MED_SOURCES.get(med.power.source, med.power.source)),
            ("priority", "Power priority", med.power.priority),
            ("power", "Power Value", med.power.power),
        )
        children.append(Tag("poe", "Extended Power-over-Ethernet", children=tuple(power)))
    told = tuple(
        _said(
            ("hardware", "Hardware Revision", med.inventory.hardware),
            ("software", "Software Revision", med.inventory.software),
            ("firmware", "Firmware Revision", med.inventory.firmware),
            ("serial", "Serial Number", med.inventory.serial),
            ("manufacturer", "Manufacturer", med.inventory.manufacturer),
            ("model", "Model", med.inventory.model),
            ("asset", "Asset ID", med.inventory.asset),
        )
    )
    if told:
        children.append(Tag("inventory", "Inventory", children=told))
    return Tag("lldp-med", "LLDP-MED", children=tuple(children))


_LOCATION = "LLDP-MED Location Identification"


def _policy(policy: MedPolicy) -> Tag:
    children = []
    if policy.tagged:
        number = {0: "priority", 4095: "reserved"}.get(policy.vlan, str(policy.vlan))
        children.append(Tag("vlan", "VLAN", (("vid", "", number),)))
    children += _said(
        ("priority", "Priority", _PRIORITIES[policy.priority]),
        ("pcp", "PCP", policy.priority),
        ("dscp", "DSCP Value", policy.dscp),
    )
    attributes = (("apptype", "", policy.application), _flag("defined", "Defined", policy.defined))
    return Tag("policy", "LLDP-MED Network Policy for", attributes, children=tuple(children))


def _coordinates(place: Coordinates) -> Tag:
    children = (
        Tag("lat", "Latitude", value=f"{_decimal(abs(place.latitude), 5)}{'NS'[place.latitude < 0]}"),
        Tag("lon", "Longitude", value=f"{_decimal(abs(place.longitude), 5)}{'EW'[place.longitude < 0]}"),
        Tag("altitude", "Altitude", (("unit", "", place.altitude_unit),), _decimal(place.altitude, 2)),
    )
    attributes = (("type", "Type", "Coordinates"), ("geoid", "Geoid", place.datum))
    return Tag("location", _LOCATION, attributes, children=children)


def _decimal(number: float, digits: int) -> str:
    return f"{number:.{digits}f}".rstrip("0").rstrip(".")


def _raw(tlv: RawTlv) -> Tag:
    value = bytes.fromhex(tlv.value)
    attributes: tuple[tuple[str, str, str], ...] = (("len", "Len", str(len(value))),)
    if tlv.oui is None:
        attributes = (("type", "Type", str(tlv.type)), *attributes)
    else:
        oui = tlv.oui.upper().replace(":", ",")
        attributes = (("oui", "OUI", oui), ("subtype", "SubType", str(tlv.subtype)), *attributes)
    if tlv.why:
        attributes += (("malformed", "malformed", tlv.why),)
    return Tag("unknown-tlv", "TLV", attributes, value.hex(",").upper() or None)
