"""What has been read of a frame so far, and how its octets read as text."""

from __future__ import annotations

from typing import Any

from netctl.topology.announcement import (
    Announcement,
    Capability,
    CivicAddress,
    Coordinates,
    Dot1,
    Dot3,
    Id,
    Inventory,
    ManagementAddress,
    Med,
    MedPolicy,
    MedPower,
    ProtocolVlan,
    RawTlv,
    VlanName,
)

_NO_DOT1, _NO_DOT3 = Dot1(), Dot3()


class Draft:
    """An Announcement in the making. Of a TLV that may be there once, the last counts."""

    __slots__ = (
        "address",
        "addresses",
        "capabilities",
        "chassis",
        "coordinates",
        "destination",
        "dot1",
        "dot3",
        "elin",
        "inventory",
        "med_capabilities",
        "med_device",
        "med_power",
        "med_said",
        "others",
        "policies",
        "port",
        "port_description",
        "protocol_vlans",
        "protocols",
        "source",
        "system_description",
        "system_name",
        "tags",
        "ttl",
        "vlans",
    )

    def __init__(self, source: str, destination: str, tags: tuple[int, ...]) -> None:
        self.source = source
        self.destination = destination
        self.tags = tags
        self.chassis: Id
        self.port: Id
        self.ttl: int
        self.port_description: str | None = None
        self.system_name: str | None = None
        self.system_description: str | None = None
        self.capabilities: tuple[Capability, ...] = ()
        self.addresses: list[ManagementAddress] = []
        self.others: list[RawTlv] = []
        self.dot1: dict[str, Any] = {}
        """Fields of Dot1 that are no lists."""
        self.dot3: dict[str, Any] = {}
        self.protocol_vlans: list[ProtocolVlan] = []
        self.vlans: list[VlanName] = []
        self.protocols: list[str] = []
        self.med_said = False
        """Whether there is anything of LLDP-MED."""
        self.med_device = ""
        self.med_capabilities: tuple[str, ...] = ()
        self.policies: list[MedPolicy] = []
        self.coordinates: Coordinates | None = None
        self.address: CivicAddress | None = None
        self.elin: str | None = None
        self.med_power: MedPower | None = None
        self.inventory: dict[str, str] = {}

    def announcement(self) -> Announcement:
        """What was read; chassis, port and TTL must have been."""
        return Announcement(
            self.source,
            self.destination,
            self.tags,
            self.chassis,
            self.port,
            self.ttl,
            self.port_description,
            self.system_name,
            self.system_description,
            self.capabilities,
            tuple(self.addresses),
            self._dot1(),
            Dot3(**self.dot3) if self.dot3 else _NO_DOT3,
            self._med() if self.med_said else None,
            tuple(self.others),
        )

    def _dot1(self) -> Dot1:
        if not (self.dot1 or self.vlans or self.protocol_vlans or self.protocols):
            return _NO_DOT1
        return Dot1(
            protocol_vlans=tuple(self.protocol_vlans),
            vlans=tuple(self.vlans),
            protocols=tuple(self.protocols),
            **self.dot1,
        )

    def _med(self) -> Med:
        return Med(
            self.med_device,
            self.med_capabilities,
            tuple(self.policies),
            self.coordinates,
            self.address,
            self.elin,
            self.med_power,
            Inventory(**self.inventory),
        )


def mac_text(octets: bytes) -> str:
    """In hex with ":" between them."""
    return octets.hex(":")


def text(value: bytes) -> str | None:
    """UTF-8 up to a NUL; None for nothing."""
    return value.partition(b"\0")[0].decode("utf-8", "replace") or None
