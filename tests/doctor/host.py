"""Healthy hosts as plain data, to be made ill in one respect."""

from __future__ import annotations

from netctl.desired.routing import MAIN, Route, Rule
from netctl.doctor.picture import Address, Interface, Link, Picture, Switch

NICS = (Link(name="eth0", mac="52:54:00:00:00:01"), Link(name="eth2", mac="52:54:00:00:00:02"))

KERNEL_RULES = (Rule(32766, MAIN), Rule(32766, MAIN, 6))

TWO_SUBNETS = Picture(
    links=NICS,
    addresses=(Address("", "eth0", "10.0.1.1/24"), Address("", "eth2", "10.0.2.1/24")),
    routes=(
        Route("10.0.1.0/24", "eth0"),
        Route("10.0.2.0/24", "eth2"),
        Route("0.0.0.0/0", "eth0", via="10.0.1.254"),
        Route("10.0.2.0/24", "eth2", table=200),
        Route("0.0.0.0/0", "eth2", via="10.0.2.254", table=200),
    ),
    rules=(*KERNEL_RULES, Rule(1100, 200, source="10.0.2.1")),
)
"""Two NICs with a gateway each; answers leave where the question came in."""

ONE_SUBNET = Picture(
    links=NICS,
    addresses=(Address("", "eth0", "10.0.1.1/24"), Address("", "eth2", "10.0.1.2/24")),
    routes=(Route("10.0.1.0/24", "eth0"), Route("10.0.1.0/24", "eth2")),
    rules=KERNEL_RULES,
    settings={("", "net.ipv4.conf.all.arp_ignore"): "1", ("", "net.ipv4.conf.all.arp_announce"): "2"},
)

BRIDGED = Picture(
    links=(
        Link(name="br0", kind="bridge", mac="02:00:00:00:00:99", pinned=True, group_fwd_mask=0x4000),
        Link(name="p1", kind="veth", mac="52:54:00:00:00:11", master="br0", lower=("n1", "eth0")),
        Link(name="t1", kind="tap", mac="fe:54:00:00:00:07", master="br0"),
        Link(name="eth0", netns="n1", kind="veth", lower=("", "p1")),
        Link(name="mt0", kind="macvtap", mode="passthru", allmulticast=True, lower=("", "lower")),
        Link(name="lower", kind="veth"),
    ),
)

PATCHED = Picture(
    links=(
        Link(name="p1", kind="veth", lower=("n1", "eth0"), tx_checksum=False),
        Link(name="eth0", netns="n1", kind="veth", lower=("", "p1"), tx_checksum=False),
        Link(name="t1", kind="tap", mac="fe:54:00:00:00:07", tx_checksum=False, vnet_hdr=True),
    ),
    switches=(Switch("ovbr0", "netdev", ours=True, interfaces=(Interface("p1"), Interface("t1"))),),
)

HEALTHY = {"two subnets": TWO_SUBNETS, "one subnet": ONE_SUBNET, "bridged": BRIDGED, "patched": PATCHED}
