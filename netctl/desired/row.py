"""The rows of an Open_vSwitch database (RFC 7047; ovs-vswitchd.conf.db(5)) that netctl keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from netctl.desired.queue import Orphan, Shaper
from netctl.plan import Found, Key, Value

MARK = "netctl"
"""The key in `external_ids` of every row that netctl made; its value is the host's name in the policy."""

ADOPTED = "netctl-adopted"
"""The key in `external_ids` of a bridge that somebody else made and netctl took over, beside MARK: its value is
"true", and when netctl leaves the bridge stays."""

NUMBERED = "netctl-port-"
"""Together with a port's name the key in its bridge's `external_ids` that remembers its OpenFlow number, for when
somebody deletes the port's row."""

CONTROLLER: Mapping[str, str | int] = {
    "connection_mode": "out-of-band",
    "max_backoff": 1000,
    "inactivity_probe": 5000,
    "controller_rate_limit": 200,
    "controller_burst_limit": 100,
    "controller_queue_size": 512,
}
"""Columns of netctl's Controller rows (ovs-vswitchd.conf.db(5)), of a bridge where no links are looked for.

Out of band, because in-band control adds hidden flows that learn. A controller that comes back is found within
`max_backoff` milliseconds, one that is silent for `inactivity_probe` is asked for a sign of life.

So many packets a second the switch sends to the controller, whoever's flow it is that sends them: what comes of a
storm is not worth mentioning. `controller_burst_limit` may come at once, and as many wait, fairly between ports; the
rest is dropped in the switch. 512 packets, the most that it can, wait for a controller that is slow to read.
"""

PROBED = 20
"""Packets a second more for each port where links are looked for: twice what comes of probes at the shortest
interval."""

MOST = 2000
"""Packets a second at the most: twice what 1 000 ports take that are probed once a second, 6 % of a core."""


def settings(probed: int = 0) -> tuple[str, ...]:
    """The columns of netctl's Controller row of a bridge where links are looked for at so many ports."""
    rate = min(int(CONTROLLER["controller_rate_limit"]) + PROBED * probed, MOST)
    columns = {**CONTROLLER, "controller_rate_limit": rate, "controller_burst_limit": rate // 2}
    return tuple(f"{column}={value}" for column, value in columns.items())


QUIET = settings()

ORDER = ("bridge", "port", "shaper", "qos", "queue")

ISOLATED = 4095
"""The access VLAN of a wired port on a bridge where ports without a wire learn (IEEE 802.1Q reserves it).

NORMAL never floods into it, explicit flows do not look at it, and setting it makes the switch forget what it
learned on the port.
"""


@dataclass(frozen=True)
class Bridge:
    """A Bridge row with its internal port, fail_mode secure, out-of-band, and one controller (or none).

    One that is `adopted` is somebody else's: netctl is its controller and puts ports on it, and nothing else about
    it is wanted.
    """

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
    adopted: bool = False
    settings: tuple[str, ...] = QUIET
    """Of its Controller row, if there is one: «column=value» in the order of CONTROLLER."""
    strangers: tuple[str, ...] = ()
    """The targets of controllers that somebody else gave to a bridge that netctl did not make."""

    fixed: ClassVar[frozenset[str]] = frozenset({"datapath_type"})

    @property
    def key(self) -> Key:
        return ("bridge", self.name)

    def facts(self) -> Mapping[str, Value]:
        facts: dict[str, Value] = {"adopted": self.adopted}
        if not self.adopted:
            facts |= {
                "datapath_type": self.datapath,
                "fail_mode": self.fail_mode,
                "protocols": self.protocols,
                "disable_in_band": self.disable_in_band,
            }
        if self.controller is not None:
            facts["controller"] = self.controller
        facts["controller_settings"] = self.settings
        return facts

    @property
    def columns(self) -> dict[str, str | int]:
        """Of its Controller row, by `settings`."""
        pairs = (setting.partition("=")[::2] for setting in self.settings)
        return {column: int(value) if value.isdigit() else value for column, value in pairs}


@dataclass(frozen=True)
class Port:
    """A Port row with its one Interface row of type "" (a device of the host, whoever makes it)."""

    bridge: str
    name: str
    tag: int | None = None
    number: int | None = None
    """The OpenFlow number that is asked for (`ofport_request`), 1 to 65279; None to leave alone what is there."""

    fixed: ClassVar[frozenset[str]] = frozenset({"bridge"})

    @property
    def key(self) -> Key:
        return ("port", self.name)

    def facts(self) -> Mapping[str, Value]:
        facts: dict[str, Value] = {"bridge": self.bridge, "tag": self.tag}
        if self.number is not None:
            facts["number"] = self.number
        return facts


Row = Bridge | Port | Shaper | Orphan


@dataclass(frozen=True)
class BridgeState:
    """What Open vSwitch says of a bridge beyond what is configured."""

    dpid: int | None
    controlled: bool = False
    """Whether a controller is connected to it. It is up to five seconds old: ovs-vswitchd writes it so often."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """The OpenFlow numbers that it remembers, by name of port, whether the port is there or not."""
    held: frozenset[int] = frozenset()
    """The OpenFlow numbers that devices have which are a port together (a bond)."""


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
    kind: str = ""
    """The type of its Interface, "" for a device of the host; or «bond», which has several."""


@dataclass(frozen=True)
class Observed:
    """An Open_vSwitch database at one moment."""

    rows: tuple[Found[Row], ...] = ()
    bridges: Mapping[str, BridgeState] = field(default_factory=dict)
    ports: Mapping[str, PortState] = field(default_factory=dict)
    """By name; a port's name is unique in a database."""
    problems: tuple[str, ...] = ()
    """What keeps the switch behind the database from working, each with what to do about it."""
