"""What a neighbour says of itself by LLDP (IEEE 802.1AB-2016), every field that it filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Id:
    """What identifies a chassis or a port (8.5.2, 8.5.3)."""

    type: Literal["mac", "ip", "ifname", "ifalias", "local", "component", "circuit"]
    """What kind of name it is: «component» is of an entity MIB (RFC 6933), «circuit» of DHCP's agent (RFC 3046)."""
    value: str
    """As text; octets that are none, in hex with ":" between them."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What a system can be (8.5.8), e.g. «Bridge»."""

    type: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class ManagementAddress:
    """Where the system is managed (8.5.9)."""

    family: str
    """«ipv4», «ipv6», «mac», or the number that IANA gave the address family."""
    address: str
    """Of a family but those, its octets in hex with ":" between them."""
    interface_type: Literal["ifindex", "port", "unknown"]
    """How `interface` counts."""
    interface: int
    oid: str
    """The object (OID) that is managed there; empty for none."""


@dataclass(frozen=True, slots=True)
class VlanName:
    """A VLAN of the port (IEEE 802.1Q-2018, D.2.3)."""

    vlan: int
    name: str


@dataclass(frozen=True, slots=True)
class ProtocolVlan:
    """A port and protocol VLAN (D.2.2); `vlan` 0 is none in particular."""

    vlan: int
    supported: bool
    enabled: bool


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Whether the port is part of a link aggregation (IEEE 802.1AX-2014, F.1; before that IEEE 802.3)."""

    capable: bool
    aggregated: bool
    port: int
    """The aggregated port's number; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Dot1:
    """The TLVs of IEEE 802.1 (802.1Q-2018, annex D)."""

    pvid: int | None = None
    """The VLAN of untagged frames; 0 where the port has none."""
    protocol_vlans: tuple[ProtocolVlan, ...] = ()
    vlans: tuple[VlanName, ...] = ()
    protocols: tuple[str, ...] = ()
    """The protocols that the port speaks (D.2.4): how their frames begin, in hex."""
    vid_digest: str | None = None
    """The VID usage digest (D.2.5), 8 hex digits."""
    management_vid: int | None = None
    """0 where there is none (D.2.6)."""
    aggregation: Aggregation | None = None


@dataclass(frozen=True, slots=True)
class Phy:
    """MAC and PHY (IEEE 802.3-2018, 79.3.1)."""

    autoneg_supported: bool
    autoneg_enabled: bool
    advertised: tuple[str, ...]
    """What autonegotiation offers, e.g. «1000BASE-T FD»."""
    mau: int
    """The number of the operational MAU type (IANA-MAU-MIB)."""
    mau_name: str
    """Its name, e.g. «10GBASE-T»; empty for a number without one."""


@dataclass(frozen=True, slots=True)
class PowerBt:
    """What IEEE 802.3bt added to Power (79.3.2.7 and on). Powers in milliwatts."""

    requested_a: int
    requested_b: int
    allocated_a: int
    allocated_b: int
    pse_status: str
    pd_status: str
    pairs: str
    class_a: str
    class_b: str
    power_class: str
    type: str
    isolated: bool
    """A dual-signature powered device whose two loads are isolated from each other."""
    maximum: int
    """What the sourcing equipment has at most."""


@dataclass(frozen=True, slots=True)
class Power:
    """Power by the cable (IEEE 802.3-2018, 79.3.2). Powers in milliwatts."""

    device: Literal["PSE", "PD"]
    """Whether it gives power (PSE) or takes it (PD)."""
    supported: bool
    enabled: bool
    pair_control: bool
    pairs: str
    """«signal» or «spare»."""
    power_class: int | None
    """0 to 4."""
    type: int | None = None
    """1 or 2, and so on (IEEE 802.3at); None where it says nothing of that."""
    source: str = ""
    priority: str = ""
    requested: int | None = None
    allocated: int | None = None
    bt: PowerBt | None = None


@dataclass(frozen=True, slots=True)
class Dot3:
    """The TLVs of IEEE 802.3 (802.3-2018, 79.3)."""

    phy: Phy | None = None
    power: Power | None = None
    aggregation: Aggregation | None = None
    max_frame: int | None = None
    """Octets, the frame check sequence among them."""


@dataclass(frozen=True, slots=True)
class MedPolicy:
    """How an application's traffic is to be sent (ANSI/TIA-1057, 10.2.3)."""

    application: str
    """E.g. «Voice»; the number of one without a name."""
    defined: bool
    tagged: bool
    vlan: int
    priority: int
    dscp: int


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where the port is, on the globe (ANSI/TIA-1057, 10.2.4.3.1; RFC 3825)."""

    latitude: float
    """Degrees, north positive."""
    longitude: float
    """Degrees, east positive."""
    altitude: float
    altitude_unit: str
    """«m» or «floor»; empty for an unknown altitude."""
    datum: str
    latitude_bits: int
    longitude_bits: int
    altitude_bits: int
    """How many bits of each are meant."""


@dataclass(frozen=True, slots=True)
class CivicElement:
    """E.g. City, Paris."""

    type: int
    """CAtype (RFC 4776)."""
    name: str
    """Its name; the number of one without."""
    value: str


@dataclass(frozen=True, slots=True)
class CivicAddress:
    """Where the port is, as a letter would reach it (ANSI/TIA-1057, 10.2.4.3.2; RFC 4776)."""

    what: int
    """0: of the DHCP server, 1: of the network element, 2: of the client."""
    country: str
    elements: tuple[CivicElement, ...]


@dataclass(frozen=True, slots=True)
class MedPower:
    """Extended power by MDI (ANSI/TIA-1057, 10.2.5)."""

    device: str
    """«PSE», «PD» or «reserved»."""
    source: str
    priority: str
    power: int
    """Milliwatts."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the device is (ANSI/TIA-1057, 10.2.6); None for what it does not say."""

    hardware: str | None = None
    firmware: str | None = None
    software: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    asset: str | None = None


@dataclass(frozen=True, slots=True)
class Med:
    """LLDP-MED (ANSI/TIA-1057)."""

    device: str = ""
    """E.g. «Media Endpoint (Class II)»; empty where it says nothing of it."""
    capabilities: tuple[str, ...] = ()
    policies: tuple[MedPolicy, ...] = ()
    coordinates: Coordinates | None = None
    address: CivicAddress | None = None
    elin: str | None = None
    """The emergency call service's number."""
    power: MedPower | None = None
    inventory: Inventory = Inventory()


@dataclass(frozen=True, slots=True)
class RawTlv:
    """A TLV that netctl does not know, or cannot read, as it came."""

    type: int
    """0 to 127; 127 is organisationally specific."""
    oui: str | None
    """Of an organisationally specific one: whose it is, e.g. «00:80:c2»."""
    subtype: int | None
    """And which of theirs."""
    value: str
    """What follows, in hex."""
    why: str = ""
    """What is wrong with a known one; empty for an unknown one."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One LLDP frame."""

    source: str
    """The MAC that sent it."""
    destination: str
    """The group that it went to."""
    tags: tuple[int, ...]
    """The VLANs of the tags that it came in, the outermost first; empty for an untagged one."""
    chassis: Id
    port: Id
    ttl: int
    """Seconds that this holds; 0 says that the port shuts down."""
    port_description: str | None = None
    system_name: str | None = None
    system_description: str | None = None
    capabilities: tuple[Capability, ...] = ()
    addresses: tuple[ManagementAddress, ...] = ()
    dot1: Dot1 = Dot1()
    dot3: Dot3 = Dot3()
    med: Med | None = None
    others: tuple[RawTlv, ...] = ()
    """TLVs that are none of those."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame that is no LLDP frame."""

    why: str
