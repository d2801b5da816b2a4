"""The rows of an Open_vSwitch database (RFC 7047; ovs-vswitchd.conf.db(5)) that netctl keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netctl.plan import Found, Key, Value

MARK = "netctl"
"""The key in `external_ids` of every row that netctl made; its value is the host's name in the policy."""

ORDER = ("bridge", "port")

ISOLATED = 4095
"""The access VLAN of a wired port on a bridge where ports without a wire learn (IEEE 802.1Q reserves it).

NORMAL never floods into it, explicit flows do not look at it, and setting it makes the switch forget what it
learned on the port.
"""


@dataclass(frozen=True)
class Bridge:
    """A Bridge row with its internal port, fail_mode secure, out-of-band, and one controller (or none)."""

    name: str
    datapath: str
    """"netdev" or "system"."""
    controller: str | None
    """The target of its Controller row, e.g. «tcp:127.0.0.1:6653»; None to leave alone what is there."""
    protocols: tuple[str, ...] = ()
    """In alphabetical order; none means all, so that `ovs-ofctl dump-flows BRIDGE` works as people type it."""
    fail_mode: str = "secure"
    """"secure", or what somebody made of it: changing it wipes the flows of the bridge."""
    disable_in_band: bool = True

    fixed: ClassVar[frozenset[str]] = frozenset({"datapath_type"})

    @property
    def key(self) -> Key:
        return ("bridge", self.name)

    def facts(self) -> Mapping[str, Value]:
        facts: dict[str, Value] = {
            "datapath_type": self.datapath,
            "fail_mode": self.fail_mode,
            "protocols": self.protocols,
            "disable_in_band": self.disable_in_band,
        }
        if self.controller is not None:
            facts["controller"] = self.controller
        return facts


@dataclass(frozen=True)
class Port:
    """A Port row with its one Interface row of type "" (a device of the host, whoever makes it)."""

    bridge: str
    name: str
    tag: int | None = None

    fixed: ClassVar[frozenset[str]] = frozenset({"bridge"})

    @property
    def key(self) -> Key:
        return ("port", self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"bridge": self.bridge, "tag": self.tag}


Row = Bridge | Port


@dataclass(frozen=True)
class BridgeState:
    """What Open vSwitch says of a bridge beyond what is configured."""

    dpid: int | None


@dataclass(frozen=True)
class PortState:
    """What Open vSwitch says of a port beyond what is configured."""

    bridge: str
    ofport: int | None = None
    """The OpenFlow port number; None while there is none."""
    error: str | None = None
    ifindex: int | None = None
    link_state: bool | None = None
    mac: str | None = None


@dataclass(frozen=True)
class Observed:
    """An Open_vSwitch database at one moment."""

    rows: tuple[Found[Row], ...] = ()
    bridges: Mapping[str, BridgeState] = field(default_factory=dict)
    ports: Mapping[str, PortState] = field(default_factory=dict)
    """By name; a port's name is unique in a database."""
