"""Devices as those see them who look for what is wrong with one: with their counters, and what is behind them."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path as File
from types import TracebackType

from netctl.kernel import netns, offload
from netctl.kernel.errors import NamespaceMissing
from netctl.kernel.rtnl import IFF_UP, Rtnl, attributes, read_link
from netctl.path import Counters, Device

_PROMISC, _ALLMULTI = 0x100, 0x200
_FLAGS = struct.Struct("=8xI")
_STATS = struct.Struct("=8Q")
_MACVLAN_MODES = {1: "private", 2: "vepa", 4: "bridge", 8: "passthru", 16: "source"}
_FORWARDING = 3
_FILTERS = File("/proc/sys/net/bridge")
_HEAD = 16
"""Octets of a struct ifinfomsg."""


@dataclass(frozen=True)
class Seen:
    """A device and what it is tied to, by the kernel's numbers."""

    device: Device
    counters: Counters
    index: int
    lower: int
    """The index of the device under this one, or of a veth's peer; 0 for none."""
    lower_nsid: int | None
    """The namespace in which `lower` counts, by its ID in this one's; None for the same."""
    master: int
    """The index of the bridge or bond that it is a port of; 0 for none."""


class Sight:
    """Looks at this machine's devices and at those in named namespaces. A context manager; sockets are kept."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._sockets: dict[str, Rtnl | None] = {}

    def __enter__(self) -> Sight:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._sockets.clear()

    def device(self, name: str, namespace: str = "") -> Seen | None:
        """None where there is none. Raises OSError."""
        rtnl = self._socket(namespace)
        bodies = rtnl.described(name) if rtnl is not None else []
        return self._read(bodies[0], namespace) if bodies else None

    def devices(self, namespace: str = "") -> list[Seen]:
        """All of a namespace; none where there is no such namespace. Raises OSError."""
        rtnl = self._socket(namespace)
        return [self._read(body, namespace) for body in rtnl.described()] if rtnl is not None else []

    def nsid(self, namespace: str) -> int | None:
        """The ID by which devices of this machine name a namespace; None where there is none such, or no ID."""
        outside = self._socket("")
        assert outside is not None
        with suppress(NamespaceMissing), netns.opened(namespace) as descriptor:
            return outside.nsid(descriptor)
        return None

    def counters(self, name: str, namespace: str = "") -> Counters:
        """Zero where there is no such device. Raises OSError."""
        rtnl = self._socket(namespace)
        bodies = rtnl.described(name) if rtnl is not None else []
        return read_counters(attributes(bodies[0], _HEAD)) if bodies else Counters()

    def _socket(self, namespace: str) -> Rtnl | None:
        if namespace not in self._sockets:
            self._sockets[namespace] = None
            if not namespace:
                self._sockets[namespace] = self._stack.enter_context(Rtnl())
            else:
                with suppress(NamespaceMissing), netns.opened(namespace) as descriptor:
                    self._sockets[namespace] = self._stack.enter_context(netns.rtnl(descriptor))
        return self._sockets[namespace]

    def _read(self, body: bytes, namespace: str) -> Seen:
        rtnl = self._socket(namespace)
        seen = read_seen(body, namespace)
        if rtnl is None or seen.device.kind not in ("veth", "tun"):
            return seen
        checksum = None
        with suppress(OSError):
            checksum = offload.tx_checksum(offload.requested(rtnl, seen.device.name))
        return replace(seen, device=replace(seen.device, tx_checksum=checksum))


def filtered() -> frozenset[str]:
    """What br_netfilter hands to the firewall: "iptables", "ip6tables", "arptables"; nothing where it is not loaded."""
    found = set()
    for table in ("iptables", "ip6tables", "arptables"):
        with suppress(OSError):
            if (_FILTERS / f"bridge-nf-call-{table}").read_text(encoding="ascii").strip() != "0":
                found.add(table)
    return frozenset(found)


def read_seen(body: bytes, namespace: str = "") -> Seen:
    """The device that the body of an RTM_NEWLINK describes."""
    link = read_link(body)
    (flags,) = _FLAGS.unpack_from(body)
    found = attributes(body, _HEAD)
    info = attributes(found.get(18, b""))
    data = attributes(info.get(2, b""))
    port = attributes(info.get(5, b"")) if info.get(4, b"").rstrip(b"\0") == b"bridge" else {}
    bridge = data if link.kind == "bridge" else {}
    macvlan = data if link.kind in ("macvlan", "macvtap") else {}
    carrier = found.get(33)
    device = Device(
        link.name,
        namespace,
        link.kind,
        link.mtu,
        bool(flags & IFF_UP),
        carrier is None or carrier[0] == 1,
        _MACVLAN_MODES.get(_number(macvlan, 1), ""),
        bool(flags & _PROMISC),
        bool(flags & _ALLMULTI),
        None,
        _number(bridge, 9),
        _number(port, 31),
        bool(_number(bridge, 5)),
        bool(_number(bridge, 7)),
        _number(port, 1) == _FORWARDING if 1 in port else True,
    )
    return Seen(device, read_counters(found), link.index, link.lower, link.lower_nsid, _number(found, 10))


def read_counters(found: Mapping[int, bytes]) -> Counters:
    """struct rtnl_link_stats64: packets, bytes, errors and drops, received and sent in turn."""
    stats = found.get(23, b"")
    if len(stats) < _STATS.size:
        return Counters()
    rx, tx, _, _, rx_errors, tx_errors, rx_dropped, tx_dropped = _STATS.unpack_from(stats)
    return Counters(rx, tx, rx_dropped, tx_dropped, rx_errors, tx_errors)


def _number(found: Mapping[int, bytes], kind: int) -> int:
    """An attribute of one, two or four octets; 0 where it is missing."""
    return int.from_bytes(found.get(kind, b"")[:4], sys.byteorder)
