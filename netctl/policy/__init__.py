"""The policy language: what a policy may say, where it was said, what is wrong with it."""

from netctl.policy.guest import Guest, MacvtapNic, Nic, TapNic, VethNic
from netctl.policy.link import Link
from netctl.policy.load import Loaded, load, loads
from netctl.policy.model import Bridge, End, Host, Policy, Port, Queue, TapCopy, Uplink, Wire
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
