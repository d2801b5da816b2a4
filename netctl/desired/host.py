"""Policy -> the devices of one host."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from netctl.desired.carrier import follows
from netctl.desired.device import Device, Namespace
from netctl.desired.link import BridgePort, Link, Macvtap, Tap, Veth
from netctl.desired.links import bridge_port, links, openers
from netctl.desired.mac import guest_mac, tap_mac
from netctl.desired.routes import routing
from netctl.plan import Wanted
from netctl.policy import Loaded, Policy, PortRef, host_side
from netctl.policy.guest import MacvtapNic, Nic, TapNic
from netctl.policy.model import Host


class NoSuchHost(Exception):
    """The policy has no entry for this machine; the message says which it has."""


def choose_host(policy: Policy, name: str | None, hostname: str) -> str:
    """Which `hosts:` entry is this machine's: `name` where given, else the hostname, else the only one there is.

    Raises NoSuchHost.
    """
    hosts = sorted(policy.hosts)
    if name is not None:
        if name in policy.hosts:
            return name
        raise NoSuchHost(f"the policy has no host {name!r}; it has: {', '.join(hosts) or 'none'}")
    for candidate in (hostname, hostname.partition(".")[0]):
        if candidate in policy.hosts:
            return candidate
    if len(hosts) == 1:
        return hosts[0]
    if not hosts:
        raise NoSuchHost("the policy names no host; add one under hosts:")
    raise NoSuchHost(
        f"none of the policy's hosts is called {hostname!r}; say which one this is with --host: "
        f"{', '.join(hosts)}"
    )


def devices(loaded: Loaded, host: str) -> list[Wanted[Device]]:
    """What the policy wants on `host`: a namespace for each guest that is one, both ends of every NIC, the links, and
    what `routing` says.

    `loaded.policy` must be valid. A host that the policy does not name has nothing.
    """
    assert loaded.policy is not None
    entry = loaded.policy.hosts.get(host)
    if entry is None:
        return []
    wanted: list[Wanted[Device]] = []
    namespaces: set[str] = set()
    for guest_name, guest in entry.guests.items():
        where = loaded.where(("hosts", host, "guests", guest_name))
        if guest.namespace:
            namespaces.add(guest_name)
            wanted.append(Wanted(Namespace(guest_name), f"{where} guest {guest_name}"))
        for nic_name, nic in guest.nics.items():
            where = loaded.where(("hosts", host, "guests", guest_name, "nics", nic_name))
            why = f"{where} guest {guest_name}, NIC {nic_name}"
            wanted += [Wanted(link, why) for link in _nic(loaded, host, entry, guest_name, nic_name, nic)]
    for link, path in links(loaded, host, entry):
        why = f"{loaded.where(path)} link {link.name}"
        if link.netns and link.netns not in namespaces:
            namespaces.add(link.netns)
            wanted.append(Wanted(Namespace(link.netns), f"{why}, netns"))
        wanted.append(Wanted(link, why))
    wanted.extend(Wanted(each.item, each.why) for each in routing(loaded, host))
    return wanted


def _nic(loaded: Loaded, host: str, entry: Host, guest: str, name: str, nic: Nic) -> Iterator[Link]:
    """The devices of a guest's NIC: the host's side, and the guest's where that is a namespace."""
    outside = host_side(guest, name, nic)
    mac = nic.mac or guest_mac(host, guest, name)
    addresses = tuple(sorted(str(ip_interface(each)) for each in nic.addresses))
    if isinstance(nic, MacvtapNic):
        lower = entry.links.get(nic.lower)
        yield Macvtap(
            name=outside,
            lower=nic.lower,
            lower_netns=(lower.netns or "") if lower else "",
            mode=nic.mode,
            mac=mac,
            mtu=nic.mtu if "mtu" in nic.model_fields_set else None,
            allmulticast=nic.allmulticast,
            promisc=nic.promisc,
        )
        return
    bridge = entry.bridges.get(nic.bridge) if nic.bridge else None
    checksum = bridge is None or bridge.datapath != "netdev"
    ref = PortRef(host, nic.bridge, outside) if nic.bridge else None
    up = None if ref is not None and follows(ref, loaded.wiring.at(ref)) else True
    master, promisc = (nic.master or "", False) if bridge is None else (None, None)
    port = bridge_port(nic.port) if nic.master else BridgePort()
    if isinstance(nic, TapNic):
        owner, group = openers(nic.owner, nic.group)
        yield Tap(
            name=outside,
            mac=tap_mac(mac),
            mtu=nic.mtu,
            tx_checksum=checksum,
            up=up,
            promisc=promisc,
            master=master,
            port=port,
            owner=owner,
            group=group,
            multi_queue=nic.multi_queue,
        )
        return
    yield Veth(
        name=outside,
        peer=name,
        peer_netns=guest,
        mtu=nic.mtu,
        tx_checksum=checksum,
        up=up,
        promisc=promisc,
        master=master,
        port=port,
    )
    yield Veth(
        name=name,
        netns=guest,
        peer=outside,
        mac=mac,
        mtu=nic.mtu,
        tx_checksum=checksum,
        addresses=addresses,
        master=None,
    )
