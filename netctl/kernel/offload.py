"""TX checksum offload, by ethtool's ioctl.

What counts is what is asked of the device (`ethtool -K`), not what is in force: a tap has the offload only
while its guest does, and whoever opens it may ask anew.
"""

from __future__ import annotations

import ctypes
import struct

from netctl.kernel.rtnl import Rtnl

SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM, ETHTOOL_GFEATURES = 0x17, 0x3A

_CHECKSUMS = 1 << 1 | 1 << 3 | 1 << 4
"""NETIF_F_IP_CSUM, NETIF_F_HW_CSUM, NETIF_F_IPV6_CSUM"""
_BLOCKS = 4
"""Words of 32 features that the answer has room for."""


def tx_checksum(rtnl: Rtnl, name: str) -> bool:
    """Whether the device may leave checksums of what it sends to whoever receives. Raises OSError."""
    answer = _ethtool(rtnl, name, struct.pack(f"=II{16 * _BLOCKS}x", ETHTOOL_GFEATURES, _BLOCKS))
    _, requested, _, _ = struct.unpack_from("=IIII", answer, 8)
    return bool(requested & _CHECKSUMS)


def set_tx_checksum(rtnl: Rtnl, name: str, on: bool) -> None:
    """Raises OSError."""
    _ethtool(rtnl, name, struct.pack("=II", ETHTOOL_STXCSUM, on))


def _ethtool(rtnl: Rtnl, name: str, command: bytes) -> bytes:
    buffer = ctypes.create_string_buffer(command, len(command))
    request = struct.pack("16sP16x", name.encode(), ctypes.addressof(buffer))
    rtnl.ioctl(SIOCETHTOOL, bytearray(request))
    return buffer.raw
