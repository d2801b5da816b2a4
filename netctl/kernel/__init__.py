"""This host's devices, by netlink: namespaces, veths, taps."""

from netctl.kernel.errors import (
    Busy,
    DeviceMissing,
    KernelError,
    ModuleMissing,
    NamespaceMissing,
    NameTaken,
    NotPermitted,
    Refused,
)
from netctl.kernel.host import Host, Outcome, lacks

__all__ = [
    "Busy",
    "DeviceMissing",
    "Host",
    "KernelError",
    "ModuleMissing",
    "NameTaken",
    "NamespaceMissing",
    "NotPermitted",
    "Outcome",
    "Refused",
    "lacks",
]
