"""Policy -> the links of one host."""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from ipaddress import ip_interface
from typing import Any

from netctl.desired import link as kinds
from netctl.desired.carrier import follows
from netctl.desired.link import BridgePort, Link, Nic, Veth
from netctl.desired.mac import stable_mac, tap_mac
from netctl.policy import Loaded, PortRef
from netctl.policy import link as said
from netctl.policy.guest import MacvtapNic
from netctl.policy.model import Host
from netctl.policy.ports import Path


def links(loaded: Loaded, name: str, host: Host) -> Iterator[tuple[Link, Path]]:
    """What `links` asks for, each device with where it does: the other ends of veths and the ports of bonds too, where
    they have no entry of their own."""
    makers = _Makers(loaded, name, host)
    for each, link in host.links.items():
        path: Path = ("hosts", name, "links", each)
        yield makers.make(each, link), path
        if isinstance(link, said.VethLink) and link.peer not in host.links:
            yield makers.other_end(each, link), (*path, "peer")
        if isinstance(link, said.BondLink):
            for number, port in enumerate(link.ports):
                if port not in makers.known:
                    yield makers.bonded(link, port), (*path, "ports", number)


class _Makers:
    def __init__(self, loaded: Loaded, name: str, host: Host) -> None:
        self.loaded = loaded
        self.name = name
        self.host = host
        self.known: dict[str, said.Link] = dict(host.links)
        for link in host.links.values():
            if isinstance(link, said.VethLink):
                self.known.setdefault(link.peer, link)
        self.passed = set(passed(host))
        self.bond_of = {
            port: bond
            for bond, link in host.links.items()
            if isinstance(link, said.BondLink)
            for port in link.ports
        }

    def make(self, name: str, link: said.Link) -> Link:
        made = self._made(name, link)
        if name in self.passed and link.mac is None:
            made = replace(made, mac=None)
        return made

    def _made(self, name: str, link: said.Link) -> Link:
        common = self.common(name, link)
        match link:
            case said.VethLink():
                peer = self.host.links.get(link.peer)
                return Veth(**common, peer=link.peer, peer_netns=(peer.netns or "") if peer else "")
            case said.TapLink():
                common["mac"] = link.mac or tap_mac(stable_mac("tap", self.name, name))
                owner, group = openers(link.owner, link.group)
                return kinds.Tap(
                    **common,
                    owner=owner,
                    group=group,
                    multi_queue=link.multi_queue,
                    vnet_hdr=link.vnet_hdr,
                )
            case said.MacvlanLink() | said.MacvtapLink():
                kind = kinds.Macvlan if isinstance(link, said.MacvlanLink) else kinds.Macvtap
                lower_netns = self.place_of(link.lower, link.netns)
                return kind(**common, lower=link.lower, lower_netns=lower_netns, mode=link.mode)
            case said.BridgeLink():
                nic = self.nic_of.get(name) if link.mac is None else None
                if link.mac is None and nic is None:
                    common["mac"] = stable_mac("bridge", self.name, name)
                return kinds.Bridge(
                    **common,
                    mac_of=nic,
                    group_fwd_mask=link.group_fwd_mask or 0,
                    stp=link.stp,
                    forward_delay=link.forward_delay,
                    ageing=link.ageing,
                    vlan_filtering=link.vlan_filtering,
                )
            case said.VlanLink():
                carrier = self.place_of(link.link, link.netns)
                return kinds.Vlan(**common, link=link.link, link_netns=carrier, id=link.id, protocol=link.protocol)
            case said.BondLink():
                return kinds.Bond(
                    **common,
                    mode=link.mode,
                    miimon=link.miimon,
                    hash_policy=link.hash_policy,
                    lacp_rate=link.lacp_rate,
                )
            case said.VxlanLink():
                return kinds.Vxlan(
                    **common,
                    id=link.id,
                    link=link.link or "",
                    link_netns=self.place_of(link.link, link.netns) if link.link else "",
                    local=link.local or "",
                    remote=link.remote or "",
                    dstport=link.dstport,
                    learning=link.learning,
                    ttl=link.ttl,
                )
            case said.NicLink():
                return _left_alone(Nic(**common), link)
            case said.DummyLink():
                return kinds.Dummy(**common)
            case said.IfbLink():
                return kinds.Ifb(**common)

    def common(self, name: str, link: said.BaseLink) -> dict[str, Any]:
        master = link.master or self.bond_of.get(name, "")
        over = self.host.links.get(master)
        bond = over if isinstance(over, said.BondLink) else None
        common: dict[str, Any] = {
            "name": name,
            "netns": link.netns or "",
            "mtu": link.mtu,
            "mac": None if bond else link.mac,
            "up": link.up,
            "promisc": link.promisc,
            "allmulticast": link.allmulticast,
            "txqueuelen": link.txqueuelen,
            "offloads": tuple(sorted(link.offloads.items())),
            "master": master,
            "addresses": tuple(sorted(str(ip_interface(each)) for each in link.addresses)),
            "port": BridgePort(),
        }
        if bond is not None:
            common["up"] = None
            common["primary"] = bond.primary == name if bond.primary else None
        elif isinstance(over, said.BridgeLink):
            common["port"] = bridge_port(link.port)
            common["lends"] = over.mac is None and name == self.nic_of.get(master)
        return {**common, **self.switched(name, link)}

    def switched(self, name: str, link: said.BaseLink) -> dict[str, Any]:
        """What is otherwise for a port of an Open vSwitch bridge, and for the other end of a veth that is one.

        Its userspace datapath sets promisc on its ports itself."""
        if link.netns:
            return self.behind(name)
        switch = self.switch_of.get(name)
        if switch is None:
            return self.behind(name)
        ref = PortRef(self.name, switch, name)
        carried = follows(ref, self.loaded.wiring.at(ref))
        return {
            "master": None,
            "promisc": link.promisc or None,
            "up": None if carried and link.up else link.up,
            "tx_checksum": self.host.bridges[switch].datapath != "netdev",
        }

    def behind(self, name: str) -> dict[str, Any]:
        link = self.known.get(name)
        if not isinstance(link, said.VethLink):
            return {}
        switch = self.switch_of.get(link.peer if name in self.host.links else name)
        return {"tx_checksum": False} if switch and self.host.bridges[switch].datapath == "netdev" else {}

    def other_end(self, name: str, link: said.VethLink) -> Veth:
        """Of a veth whose other end has no entry: in the host's own namespace, up, without anything else."""
        plain = said.VethLink(kind="veth", peer=name, mtu=link.mtu)
        return Veth(**self.common(link.peer, plain), peer=name, peer_netns=link.netns or "")

    def bonded(self, bond: said.BondLink, port: str) -> Nic:
        """A port of a bond that the policy says nothing else of: a NIC that is there."""
        plain = said.NicLink(kind="nic", netns=bond.netns)
        return _left_alone(Nic(**self.common(port, plain)), plain)

    def place_of(self, name: str, netns: str | None) -> str:
        """In which namespace a device is that another one in `netns` stands on."""
        link = self.host.links.get(name)
        if link is not None:
            return link.netns or ""
        guest = self.host.guests.get(netns) if netns else None
        return netns or "" if guest is not None and name in guest.nics else ""

    @cached_property
    def switch_of(self) -> dict[str, str]:
        """The Open vSwitch bridge that a device is a port of."""
        found: dict[str, str] = {}
        for bridge, entry in self.host.bridges.items():
            for port in entry.ports:
                found.setdefault(port.name, bridge)
        return found

    @cached_property
    def nic_of(self) -> dict[str, str]:
        """Of each bridge the first NIC among its ports: one that is there without netctl, else a bond or VLAN."""
        found: dict[str, str] = {}
        for sort in (said.NicLink, (said.BondLink, said.VlanLink)):
            for name, link in self.host.links.items():
                if link.master is not None and isinstance(link, sort):
                    found.setdefault(link.master, name)
        return found


def passed(host: Host) -> Iterator[str]:
    """What macvlans and macvtaps in mode passthru sit on: the kernel gives it their MAC."""
    for link in host.links.values():
        if isinstance(link, said.MacvlanLink | said.MacvtapLink) and link.mode == "passthru":
            yield link.lower
    for guest in host.guests.values():
        for nic in guest.nics.values():
            if isinstance(nic, MacvtapNic) and nic.mode == "passthru":
                yield nic.lower


def bridge_port(given: said.BridgePort | None) -> BridgePort:
    """How a device behaves as a port of a Linux bridge."""
    port = given or said.BridgePort()
    tagged = port.pvid is not None or bool(port.vlans)
    return BridgePort(
        group_fwd_mask=port.group_fwd_mask or 0,
        hairpin=port.hairpin,
        isolated=port.isolated,
        pvid=(port.pvid or 0) if tagged else None,
        vlans=tuple(sorted(set(port.vlans) - {port.pvid})) if tagged else None,
    )


def _left_alone(nic: Nic, link: said.BaseLink) -> Nic:
    """What the policy leaves out about a NIC is its own business; addresses are items of their own there."""
    given = link.model_fields_set
    return replace(
        nic,
        up=nic.up if "up" in given or nic.master else None,
        promisc=link.promisc if "promisc" in given else None,
        allmulticast=link.allmulticast if "allmulticast" in given else None,
        master=nic.master or None,
        addresses=None,
    )


def openers(owner: int | str | None, group: int | str | None) -> tuple[int | str, int | str]:
    """The owner and group who may open a tap, by number: root alone when nothing is said, for one that is nobody's is
    everybody's."""
    if owner is None and group is None:
        owner = 0
    return (
        _number(owner, lambda user: pwd.getpwnam(user).pw_uid),
        _number(group, lambda group: grp.getgrnam(group).gr_gid),
    )


def _number(who: int | str | None, look_up: Callable[[str], int]) -> int | str:
    """-1 for nobody; a name that this machine does not know stays one."""
    if not isinstance(who, str):
        return -1 if who is None else who
    try:
        return look_up(who)
    except KeyError:
        return who
