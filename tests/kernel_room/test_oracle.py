"""What netctl reads from the kernel is what pyroute2 reads, device by device and address by address."""

from __future__ import annotations

import socket
import subprocess
from ipaddress import ip_interface

from pyroute2 import IPRoute

from netctl.kernel.rtnl import IFF_ALLMULTI, IFF_PROMISC, IFF_UP, Rtnl
from tests.e2e.within import within

DEVICES = """
ip link add br0 type bridge; ip link set br0 up promisc on
ip link add v0 mtu 1400 txqueuelen 77 type veth peer name v1; ip link set v0 master br0 alias theirs group 5 up
ip link set v1 up allmulticast on; ip link property add dev v1 altname second altname third
ip netns add room; ip link add out type veth peer name in netns room; ip link set out up
ip link add mv0 link v1 type macvlan mode vepa; ip link add vx0 type vxlan id 7 remote 192.0.2.1 dstport 4789
ip tuntap add dev t0 mode tap multi_queue; ip tuntap add dev t1 mode tun; ip link add ifb9 type ifb
ip addr add 10.0.0.1/24 dev v1; ip addr add 10.0.0.2/24 dev v1 valid_lft 900 preferred_lft 900
ip addr add 10.0.1.1/24 peer 10.0.1.2 dev br0
ip addr add fd00::1/64 dev v1 nodad; ip addr add 192.0.2.9/32 dev lo
"""


@within
def test_every_device_is_read_as_pyroute2_reads_it() -> None:
    subprocess.run(["bash", "-e"], input=DEVICES, text=True, check=True)
    with Rtnl() as rtnl, IPRoute() as oracle:
        ours = {link.index: link for link in rtnl.links()}
        theirs = {each["index"]: each for each in oracle.get_links()}
        assert ours.keys() == theirs.keys()
        assert len(ours) >= 10
        for index, each in theirs.items():
            link = ours[index]
            info = each.get_attr("IFLA_LINKINFO")
            properties = each.get_attr("IFLA_PROP_LIST")
            said = {
                "name": each.get_attr("IFLA_IFNAME"),
                "kind": (info.get_attr("IFLA_INFO_KIND") or "") if info else "",
                "up": bool(each["flags"] & IFF_UP),
                "promisc": bool(each["flags"] & IFF_PROMISC),
                "allmulticast": bool(each["flags"] & IFF_ALLMULTI),
                "mac": each.get_attr("IFLA_ADDRESS") or "",
                "mtu": each.get_attr("IFLA_MTU"),
                "txqueuelen": each.get_attr("IFLA_TXQLEN"),
                "alias": each.get_attr("IFLA_IFALIAS") or "",
                "group": each.get_attr("IFLA_GROUP"),
                "lower": each.get_attr("IFLA_LINK") or 0,
                "lower_nsid": each.get_attr("IFLA_LINK_NETNSID"),
                "master": each.get_attr("IFLA_MASTER") or 0,
                "port_kind": (info.get_attr("IFLA_INFO_SLAVE_KIND") or "") if info else "",
                "altnames": tuple(properties.get_attrs("IFLA_ALT_IFNAME")) if properties else (),
            }
            assert {name: getattr(link, name) for name in said} == said
            alone = rtnl.link(link.name)
            assert alone
            assert (alone.index, alone.name, alone.mac) == (index, link.name, link.mac)


@within
def test_every_address_is_read_as_pyroute2_reads_it() -> None:
    subprocess.run(["bash", "-e"], input=DEVICES, text=True, check=True)
    with Rtnl() as rtnl, IPRoute() as oracle:

        def text(each: object) -> str:
            own = each.get_attr("IFA_LOCAL") if each["family"] == socket.AF_INET else each.get_attr("IFA_ADDRESS")
            return str(ip_interface(f"{own}/{each['prefixlen']}"))

        theirs = {(each["index"], text(each)): each for each in oracle.get_addr()}
        ours = {(each.index, each.text): each for each in rtnl.addresses()}
        assert ours.keys() == theirs.keys()
        assert {text for _, text in ours} >= {"10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/32", "fd00::1/64", "192.0.2.9/32"}
        for key, each in theirs.items():
            assert ours[key].permanent == bool((each.get_attr("IFA_FLAGS") or each["flags"]) & 0x80), key
        for index in {index for index, _ in ours}:
            of_one = {(each.index, each.text) for each in rtnl.addresses(index)}
            assert of_one == {key for key in ours if key[0] == index}
