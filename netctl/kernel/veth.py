"""Veth pairs (veth(4)): one end on the host, the other inside a namespace."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

from netctl.desired.device import Veth
from netctl.kernel import netns
from netctl.kernel.errors import DeviceMissing, ModuleMissing, NameTaken, Refused
from netctl.kernel.mark import GROUP, mark, ours
from netctl.kernel.netns import Inside
from netctl.kernel.offload import set_tx_checksum, tx_checksum
from netctl.kernel.rtnl import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    Link,
    Rtnl,
    change_link,
)
from netctl.plan import Value
from netctl.plan.model import show

_INDEX_TRIES = 100


@dataclass(frozen=True)
class SeenVeth(Veth):
    """A pair as it was found. What Veth says of both ends is the host's here, and `peer_*` is the other's."""

    up: bool = True
    peer_up: bool = True
    peer_mtu: int = 1500
    peer_tx_checksum: bool = True

    def facts(self) -> Mapping[str, Value]:
        return {
            **super().facts(),
            "netns": self.netns or None,
            "peer": self.peer or None,
            "mtu": _both(self.mtu, self.peer_mtu),
            "tx_checksum": _both(self.tx_checksum, self.peer_tx_checksum),
            "up": _both(self.up, self.peer_up),
            "peer_up": self.peer_up,
        }


def _both(host: Value, peer: Value) -> Value:
    """A fact of the two ends: once where they agree, else «host's/peer's»."""
    return host if host == peer else f"{show(host)}/{show(peer)}"


def seen(link: Link, rtnl: Rtnl, insides: Iterable[Inside]) -> SeenVeth | None:
    """The pair of which a link is the host's end; None when it is gone.

    With a peer that is in none of `insides` it has no `netns` and no `peer`.
    """
    try:
        checksum = tx_checksum(rtnl, link.name)
    except OSError:
        return None
    for inside in insides:
        if link.lower_nsid is None or inside.nsid != link.lower_nsid:
            continue
        for peer in inside.links:
            if peer.index == link.lower:
                return SeenVeth(
                    name=link.name,
                    netns=inside.namespace.item.name,
                    peer=peer.name,
                    mtu=link.mtu,
                    peer_mac=peer.mac,
                    addresses=inside.addresses.get(peer.index, ()),
                    tx_checksum=checksum,
                    up=link.up,
                    peer_up=peer.up,
                    peer_mtu=peer.mtu,
                    peer_tx_checksum=inside.tx_checksum.get(peer.index, checksum),
                )
    return SeenVeth(
        name=link.name,
        netns="",
        peer="",
        mtu=link.mtu,
        tx_checksum=checksum,
        up=link.up,
        peer_mtu=link.mtu,
        peer_tx_checksum=checksum,
    )


def make(veth: Veth, rtnl: Rtnl, host: str) -> None:
    """Make the pair with its peer inside the namespace; one of ours that is there is put right.

    Raises NamespaceMissing, ModuleMissing, NameTaken, Refused.
    """
    with netns.opened(veth.netns) as namespace:
        try:
            _make_pair(veth, rtnl, namespace)
            made = rtnl.link(veth.name)
            if made is not None and made.index == made.lower:
                _make_again(made.index, veth, rtnl, namespace)
        except OSError as error:
            if error.errno in {errno.EOPNOTSUPP, errno.ENODEV}:
                raise ModuleMissing("veth") from error
            if error.errno != errno.EEXIST:
                raise Refused(f"making the veth {veth.name}", error) from error
            if rtnl.link(veth.name) is None:
                raise NameTaken(veth.peer, "device", veth.netns) from error
    alter(veth, rtnl, host)


def _make_again(index: int, veth: Veth, rtnl: Rtnl, namespace: int) -> None:
    """Make a pair again of which both ends have the same index.

    By that alone the kernel tells a device that hangs on another, and announces at once when such a one loses
    carrier; for the others it takes up to a second (net/core/link_watch.c, linkwatch_urgent_event).
    """
    rtnl.ask(RTM_DELLINK, change_link(index))
    for peer_index in range(index + 1, index + _INDEX_TRIES):
        try:
            _make_pair(veth, rtnl, namespace, index, peer_index)
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
    _make_pair(veth, rtnl, namespace)


def _make_pair(veth: Veth, rtnl: Rtnl, namespace: int, index: int = 0, peer_index: int = 0) -> None:
    """0 leaves the index of either to the kernel."""
    peer = change_link(peer_index, ifname=veth.peer, mtu=veth.mtu, address=veth.peer_mac, net_ns_fd=namespace)
    data = {"attrs": [("VETH_INFO_PEER", peer)]}
    link = change_link(
        index,
        ifname=veth.name,
        mtu=veth.mtu,
        group=GROUP,
        linkinfo={"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]},
    )
    rtnl.ask(RTM_NEWLINK, link, NLM_F_CREATE | NLM_F_EXCL)


def alter(veth: Veth, rtnl: Rtnl, host: str) -> None:
    """Give both ends everything that `veth` says; the host's comes up last, for a wire that has it only at first.

    Raises DeviceMissing, NamespaceMissing, NameTaken, Refused.
    """
    link = rtnl.link(veth.name)
    if link is None:
        raise DeviceMissing(veth.name)
    if not ours(link, host) or link.kind != "veth":
        raise NameTaken(veth.name, link.kind)
    up = None if veth.carried and link.alias else True
    try:
        with netns.opened(veth.netns) as namespace, netns.rtnl(namespace) as inside:
            peer = inside.link(veth.peer)
            if peer is None:
                raise DeviceMissing(veth.peer, veth.netns)
            if peer.index != link.lower or rtnl.nsid(namespace) != link.lower_nsid:
                raise NameTaken(veth.peer, peer.kind, veth.netns)
            set_tx_checksum(rtnl, veth.name, veth.tx_checksum)
            set_tx_checksum(inside, veth.peer, veth.tx_checksum)
            inside.ask(RTM_NEWLINK, change_link(peer.index, up=True, mtu=veth.mtu, address=veth.peer_mac))
            _set_addresses(inside, peer.index, veth.addresses)
        rtnl.ask(
            RTM_NEWLINK, change_link(link.index, up=up, mtu=veth.mtu, ifalias=mark(host), group=GROUP)
        )
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise DeviceMissing(veth.name) from error
        raise Refused(f"the veth {veth.name} with {veth.peer} in {veth.netns}", error) from error


def _set_addresses(inside: Rtnl, index: int, wanted: tuple[str, ...]) -> None:
    there = {each.text for each in inside.addresses() if each.index == index and each.configured}
    for text in sorted(there - set(wanted)):
        inside.ask(RTM_DELADDR, _address(index, text))
    for text in wanted:
        if text not in there:
            inside.ask(RTM_NEWADDR, _address(index, text), NLM_F_CREATE | NLM_F_REPLACE)


def _address(index: int, text: str) -> ifaddrmsg:
    interface = ip_interface(text)
    message = ifaddrmsg()
    message["family"] = 2 if interface.version == 4 else 10
    message["prefixlen"] = interface.network.prefixlen
    message["index"] = index
    message["attrs"] = [("IFA_LOCAL", str(interface.ip)), ("IFA_ADDRESS", str(interface.ip))]
    return message
