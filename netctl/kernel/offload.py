"""What a device computes for others, by ethtool's ioctl (SIOCETHTOOL).

What counts is what is asked of the device (`ethtool -K`), not what is in force: a tap has the offload only
while its guest does, and whoever opens it may ask anew.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable
from functools import lru_cache

from netctl.kernel.rtnl import Rtnl

SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM, ETHTOOL_GSTRINGS, ETHTOOL_GSSET_INFO = 0x17, 0x1B, 0x37
ETHTOOL_GFEATURES, ETHTOOL_SFEATURES = 0x3A, 0x3B
ETH_SS_FEATURES = 4
ETH_GSTRING_LEN = 32

_CHECKSUMS = 1 << 1 | 1 << 3 | 1 << 4
"""NETIF_F_IP_CSUM, NETIF_F_HW_CSUM, NETIF_F_IPV6_CSUM"""
_BLOCKS = 4
"""Words of 32 features that the answer has room for."""
_FEATURES = struct.pack(f"=II{16 * _BLOCKS}x", ETHTOOL_GFEATURES, _BLOCKS)
_WORDS = struct.Struct("=" + "IIIxxxx" * _BLOCKS)
"""Of each block the features that can be changed, those that are asked for, and those in force."""


class BadOffload(ValueError):
    """One that there is not, or that this device has for good: the message says which, and how to see what there is."""


def requested(rtnl: Rtnl, name: str) -> int:
    """The features that are asked of a device, one bit each, and those that it has anyway. Raises OSError."""
    words = _WORDS.unpack_from(_ethtool(rtnl, name, _FEATURES), 8)
    blocks = zip(words[::3], words[1::3], words[2::3], strict=True)
    return sum((asked & free | active & ~free) << 32 * number for number, (free, asked, active) in enumerate(blocks))


def tx_checksum(features: int) -> bool:
    """Whether the device may leave checksums of what it sends to whoever receives."""
    return bool(features & _CHECKSUMS)


def set_tx_checksum(rtnl: Rtnl, name: str, on: bool) -> None:
    """Raises OSError."""
    _ethtool(rtnl, name, struct.pack("=II", ETHTOOL_STXCSUM, on))


@lru_cache(maxsize=64)
def named(features: int, known: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    """Every feature by its name, on or off; sorted by name. `known` are the names by their bits."""
    return tuple(sorted((name, bool(features >> bit & 1)) for bit, name in enumerate(known) if name))


def names(rtnl: Rtnl, device: str) -> tuple[str, ...]:
    """What this kernel calls its features, by their bits: the same for every device. Raises OSError."""
    question = struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0)
    _, _, mask, count = struct.unpack("=IIQI", _ethtool(rtnl, device, question))
    if not mask:
        return ()
    question = struct.pack(f"=III{ETH_GSTRING_LEN * count}x", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count)
    strings = _ethtool(rtnl, device, question)[12:]
    return tuple(
        strings[at : at + ETH_GSTRING_LEN].partition(b"\0")[0].decode(errors="replace")
        for at in range(0, ETH_GSTRING_LEN * count, ETH_GSTRING_LEN)
    )


def set_offloads(rtnl: Rtnl, device: str, wanted: Iterable[tuple[str, bool]]) -> None:
    """Raises BadOffload and OSError."""
    known = {name: bit for bit, name in enumerate(names(rtnl, device))}
    valid = asked = 0
    for name, on in wanted:
        if name not in known:
            raise BadOffload(f"this kernel knows no offload {name!r}; `ethtool -k {device}` lists those it knows")
        valid |= 1 << known[name]
        asked |= on << known[name]
    if not valid:
        return
    blocks = (len(known) + 31) // 32
    words = [(value >> 32 * number) & 0xFFFF_FFFF for number in range(blocks) for value in (valid, asked)]
    _ethtool(rtnl, device, struct.pack(f"=II{len(words)}I", ETHTOOL_SFEATURES, blocks, *words))
    refused = (requested(rtnl, device) ^ asked) & valid
    if refused:
        said = " and ".join(name for name, bit in known.items() if refused >> bit & 1)
        raise BadOffload(f"{device} cannot change its offload {said}: `ethtool -k {device}` calls it fixed")


def _ethtool(rtnl: Rtnl, name: str, command: bytes) -> bytes:
    buffer = ctypes.create_string_buffer(command, len(command))
    request = struct.pack("16sP16x", name.encode(), ctypes.addressof(buffer))
    rtnl.ioctl(SIOCETHTOOL, bytearray(request))
    return buffer.raw
