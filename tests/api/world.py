"""A small network as the controller would publish it: two hypervisors, one of them in trouble."""

from __future__ import annotations

from dataclasses import replace

from netctl.controller.snapshot import (
    BridgeView,
    HostView,
    LinkView,
    LldpCounts,
    NeighbourView,
    PolicyView,
    PortView,
    Problem,
    RateView,
    Snapshot,
    Station,
    SwitchPort,
    SwitchView,
    WireEnd,
    WireView,
)
from netctl.topology import lldp
from netctl.topology.announcement import Announcement
from tests.topology import frames

DPID = 0xAB
FAR = 0xFEDCBA9876543210
"""A switch that the policy does not know."""
LOCAL = 0xFFFFFFFE


def _port(bridge: str, name: str, number: int, wire: str | None, **more: object) -> PortView:
    port = PortView("hv1", bridge, name, number, f"fe:54:00:00:00:{number:02x}", True, wire, True)
    return replace(port, **more)  # type: ignore[arg-type]


def announcement(*tlvs: bytes) -> Announcement:
    said = lldp.decode(frames.frame(*tlvs))
    assert isinstance(said, Announcement)
    return said


GOOD = Snapshot(
    revision=7,
    policy=PolicyView("flows/lab.yaml", ("flows/lab.yaml",), "5f" * 32, 1_790_000_000.25),
    hosts=(HostView("hv1", "unix:/var/run/openvswitch/db.sock", True),),
    bridges=(BridgeView("hv1", "ovbr0", "netdev", "drop", DPID, True, 4),),
    ports=(
        _port("ovbr0", "vm1-eth1", 1, "vm1-eth1--vm2-eth1", lldp=LldpCounts(3, 1, 0, 0, "a TTL of 1 octets")),
        _port("ovbr0", "vm2-eth1", 2, "vm1-eth1--vm2-eth1"),
        _port("ovbr0", "sniffer0", 3, None, up=False),
    ),
    wires=(
        WireView(
            "vm1-eth1--vm2-eth1",
            (WireEnd("hv1", "ovbr0", "vm1-eth1"), WireEnd("hv1", "ovbr0", "vm2-eth1")),
            "up",
            said="flows/lab.yaml:12:5",
        ),
    ),
    switches=(
        SwitchView(
            DPID,
            (
                SwitchPort(1, "vm1-eth1", "fe:54:00:00:00:01", True),
                SwitchPort(2, "vm2-eth1", "fe:54:00:00:00:02", False),
                SwitchPort(0xFFFFFF00, "last", "fe:54:00:00:00:03", True),
                SwitchPort(LOCAL, "ovbr0", "fe:54:00:00:00:04", True),
            ),
        ),
        SwitchView(FAR, (SwitchPort(1, "eno2", "fe:54:00:00:00:05", True, speed=10_000_000),)),
    ),
    links=(
        LinkView(DPID, 0xFFFFFF00, FAR, 1, 1_790_000_005.0),
        LinkView(FAR, 1, DPID, 0xFFFFFF00, 1_790_000_005.5),
    ),
    stations=(
        Station("52:54:00:84:e3:62", ("10.0.0.1",), ("fe80::1", "fd00::1"), DPID, "vm1-eth1", "vm1"),
        Station("52:54:00:74:e2:c3", (), (), DPID, "gone"),
        Station("52:54:00:74:e2:c4", (), (), DPID, "ovbr0"),
    ),
    neighbours=(
        NeighbourView(
            *("hv1", "ovbr0", "vm1-eth1", "vm1-eth1--vm2-eth1"),
            *(1_790_000_010.5, 1_790_000_020.0),
            announcement(*frames.BASIC, frames.DOT1[0], frames.UNKNOWN),
        ),
    ),
    flow_changes=4,
)
"""Everything that its policy asks for is so."""

TROUBLED = replace(
    GOOD,
    revision=8,
    policy=replace(GOOD.policy, refused=(Problem("«wire» is unknown; write «wires»", "flows/lab.yaml:3:1"),)),
    hosts=(*GOOD.hosts, HostView("hv2", "tcp:192.0.2.2:6640", False, (Problem("connection refused"),))),
    bridges=(
        *GOOD.bridges,
        BridgeView("hv2", "ovbr0", "system", "normal", None, False, 0, ("add bridge ovbr0", "add port eno2")),
    ),
    ports=(
        *GOOD.ports,
        PortView("hv2", "ovbr0", "eno2", None, None, None, "core", False, "no network device eno2"),
    ),
    wires=(
        *GOOD.wires,
        WireView(
            "core",
            (WireEnd("hv2", "ovbr0", "eno2"), WireEnd("hv2", "ovbr0", "eno3")),
            "waiting",
            "hv2 is not connected",
            "flows/lab.yaml:14:5",
            (RateView("eno3", "10mbit", "", "not kept yet"),),
        ),
    ),
)
"""The newest policy file is refused, and a second hypervisor does not answer."""

EMPTY = Snapshot()
"""What is published before the first policy is read."""
