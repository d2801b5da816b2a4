"""Facts of a way in, explanations out. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netctl.path import passes
from netctl.path.facts import Device, Path, Side
from netctl.path.loss import Place
from netctl.path.passes import Held
from netctl.path.traits import Traits

_BEFORE: Place = "entry"
_NEAR: Place = "output"
_FAR: Place = "exit"

_MACVLANS = ("macvtap", "macvlan")

_CONFIG = "OpenFlow 1.3.5, 7.2.1: ofp_port_config"
_SPECIAL = "Open vSwitch, ofproto/ofproto-dpif-xlate.c: process_special"


@dataclass(frozen=True)
class Reason:
    """Why a frame goes no further, or what else a person should know about a way."""

    place: Place
    """Where on the way it takes effect; "unknown" for what is not about one frame."""
    why: str
    cure: str = ""
    source: str = ""

    def __str__(self) -> str:
        return f"{self.why}; {self.cure}" if self.cure else self.why

    def as_json(self) -> dict[str, Any]:
        return {"place": self.place, "why": self.why, "cure": self.cure, "source": self.source}


def reasons(path: Path, traits: Traits, sender: int) -> list[Reason]:
    """All that is known to hold back a frame that is put in at `path.sides[sender]` (0 or 1), in the order of its way.

    `traits` are those of the frame as it is outside the bridge.
    """
    here, there = path.sides[sender], path.sides[1 - sender]
    back = tuple(reversed(there.devices))
    found = [
        *_through(here.devices, path, traits, [_BEFORE] * len(here.devices), here.down),
        *_switch(path, here, there, traits),
        *_through(back, path, traits, [_NEAR if number < 2 else _FAR for number in range(len(back))], there.down),
    ]
    return list(dict.fromkeys(found))


def notes(path: Path) -> list[Reason]:
    """What is known about a way that holds back no single frame, and still matters to those who use it."""
    found = []
    nearest = [side.devices[0] for side in path.sides if side.devices]
    lazy = [device for device in nearest if device.tx_checksum]
    if lazy and path.datapath == "netdev":
        found.append(
            Reason(
                "unknown",
                f"TX checksum offload is on at {' and '.join(map(str, lazy))}, and the bridge's datapath is netdev: "
                "TCP will not connect, although all these frames cross",
                " and ".join(f"«{_inside(each, 'ip netns exec')}ethtool -K {each.name} tx off»" for each in lazy),
                "Open vSwitch, Documentation/intro/install/userspace.rst",
            )
        )
    for side in path.sides:
        if side.gap:
            found.append(Reason("unknown", side.gap))
        if side.policing:
            found.append(
                Reason(
                    "unknown",
                    f"port {side.port} takes in at most {side.policing} kbit/s (ingress_policing_rate)"
                    + (", which the netdev datapath does not enforce here" if path.datapath == "netdev" else ""),
                    f"«ovs-vsctl set interface {side.port} ingress_policing_rate=0»",
                    "ovs-vswitchd.conf.db(5), Interface, ingress_policing_rate",
                )
            )
        bridges = [device for device in side.devices if device.kind == "bridge"]
        for bridge in bridges:
            found.append(
                Reason(
                    "unknown",
                    f"the Linux bridge {bridge} is on the way to port {side.port}, with group_fwd_mask "
                    f"{bridge.group_fwd_mask:#x}: it is a learning switch, not a cable",
                    "",
                    "Linux, net/bridge/br_input.c: br_handle_frame",
                )
            )
        for device in side.devices:
            if device.kind in _MACVLANS:
                found.append(Reason("unknown", f"{device.kind} {device} is on the way, in mode {device.mode}"))
    return found


def _through(
    devices: Sequence[Device], path: Path, traits: Traits, places: Sequence[Place], port_down: bool
) -> Iterator[Reason]:
    """Devices in the order in which the frame meets them, and where it is lost that each of them holds back: what the
    peer of port B's veth does not take does not leave port B. With `port_down` that of the port needs no word more."""
    port = 0 if places[:1] == ["output"] else len(devices) - 1
    for number, (device, place) in enumerate(zip(devices, places, strict=False)):
        if not device.up:
            if not (port_down and number == port):
                cure = f"«ip {_inside(device, '-n')}link set {device.name} up»"
                yield Reason(place, f"{device} is down", cure, "ip-link(8)")
        elif not device.carrier and device.kind != "bridge":
            yield Reason(place, f"{device} has no carrier", "see that its other end is up and held", "ip-link(8)")
        if device.kind == "bridge":
            if number > 0:
                yield from _held(passes.linux_bridge(device, devices[number - 1], traits), place)
            yield from _held(passes.firewall(path.filtered, traits), place)
            if device.vlan_filtering and traits.tagged:
                yield Reason(
                    place,
                    f"the Linux bridge {device} filters VLANs and drops tags that its ports are no members of",
                    f"«bridge vlan» shows which; «ip link set {device.name} type bridge vlan_filtering 0»",
                    "Linux, net/bridge/br_vlan.c: __allowed_ingress",
                )
        if device.kind in _MACVLANS and port == 0:
            yield from _held(passes.macvtap(device, traits), place)
        yield from _held(passes.mtu(device, traits), place)


def _switch(path: Path, here: Side, there: Side, traits: Traits) -> Iterator[Reason]:
    ends: tuple[tuple[Side, Place], ...] = ((here, "entry"), (there, "output"))
    for side, place in ends:
        if side.error or side.number is None:
            yield Reason(
                place,
                f"{side.port} is no port of bridge {path.bridge}" + (f": {side.error}" if side.error else ""),
                "`netctl apply` or a running controller makes it one once its device is there",
            )
        if side.down:
            yield Reason(
                place,
                f"port {side.port} is administratively down in Open vSwitch",
                f"«ovs-ofctl -O OpenFlow13 mod-port {path.bridge} {side.port} up»; with `carrier: follow` "
                "its wire's other end may be what is down",
                _CONFIG,
            )
        if side.spanning:
            yield Reason(
                "output",
                f"port {side.port} is {side.spanning} in bridge {path.bridge}'s spanning tree, and forwards nothing",
                f"«ovs-vsctl set bridge {path.bridge} {'rstp' if path.rstp else 'stp'}_enable=false»",
                "ovs-vswitchd.conf.db(5), Port, status:stp_state",
            )
    if here.no_receive:
        yield Reason("output", f"port {here.port} is set not to receive", _mod_port(path, here, "receive"), _CONFIG)
    if there.no_forward:
        yield Reason("output", f"port {there.port} is set not to forward", _mod_port(path, there, "forward"), _CONFIG)
    if traits.protocol == "lldp" and here.lldp:
        yield Reason(
            "output",
            f"lldp:enable of interface {here.port}: Open vSwitch takes LLDP for itself there, also under a wire",
            f"«ovs-vsctl remove interface {here.port} lldp enable»",
            _SPECIAL,
        )
    if traits.reserved == 0 and (path.stp or path.rstp):
        kind = "stp_enable" if path.stp else "rstp_enable"
        yield Reason(
            "output",
            f"{kind} of bridge {path.bridge}: Open vSwitch takes BPDUs for itself, also under a wire",
            f"«ovs-vsctl set bridge {path.bridge} {kind}=false»",
            _SPECIAL,
        )
    if here.policing:
        yield Reason(
            "entry",
            f"port {here.port} takes in at most {here.policing} kbit/s (ingress_policing_rate)",
            f"«ovs-vsctl set interface {here.port} ingress_policing_rate=0»",
            "ovs-vswitchd.conf.db(5), Interface, ingress_policing_rate",
        )


def _mod_port(path: Path, side: Side, what: str) -> str:
    return f"«ovs-ofctl -O OpenFlow13 mod-port {path.bridge} {side.port} {what}»"


def _inside(device: Device, how: str) -> str:
    """What goes before a command's words to have it done where a device is."""
    return f"{how} {device.namespace} " if device.namespace else ""


def _held(held: Held | None, place: Place) -> Iterator[Reason]:
    if held is not None:
        yield Reason(place, held.why, held.cure, held.source)
