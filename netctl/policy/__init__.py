"""The policy language: what a policy may say, where it was said, what is wrong with it."""

from netctl.policy.load import Loaded, load, loads
from netctl.policy.model import (
    Bridge,
    End,
    Guest,
    Host,
    Link,
    MacvtapNic,
    Nic,
    Policy,
    Port,
    Queue,
    TapCopy,
    TapNic,
    Uplink,
    VethNic,
    Wire,
)
from netctl.policy.ports import AmbiguousPort, Path, PortError, PortRef, Ports, UnknownPort, host_side
from netctl.policy.position import Position, Problem
from netctl.policy.wiring import Cable, cables

__all__ = [
    "AmbiguousPort",
    "Bridge",
    "Cable",
    "End",
    "Guest",
    "Host",
    "Link",
    "Loaded",
    "MacvtapNic",
    "Nic",
    "Path",
    "Policy",
    "Port",
    "PortError",
    "PortRef",
    "Ports",
    "Position",
    "Problem",
    "Queue",
    "TapCopy",
    "TapNic",
    "UnknownPort",
    "Uplink",
    "VethNic",
    "Wire",
    "cables",
    "host_side",
    "load",
    "loads",
]
