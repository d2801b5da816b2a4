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
from netctl.policy.patch import Patch
from netctl.policy.ports import AmbiguousPort, Path, PortError, PortRef, Ports, UnknownPort, host_side
from netctl.policy.position import Position, Problem
from netctl.policy.wiring import BadChange, Cable, Changed, Wiring

__all__ = [
    "AmbiguousPort",
    "BadChange",
    "Bridge",
    "Cable",
    "Changed",
    "End",
    "Guest",
    "Host",
    "Link",
    "Loaded",
    "MacvtapNic",
    "Nic",
    "Patch",
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
    "Wiring",
    "host_side",
    "load",
    "loads",
]
