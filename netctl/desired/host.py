"""Policy -> the devices of one host."""

from __future__ import annotations

from ipaddress import ip_interface

from netctl.desired.carrier import follows
from netctl.desired.device import Device, Namespace, Tap, Veth
from netctl.desired.mac import guest_mac, tap_mac
from netctl.plan import Wanted
from netctl.policy import Loaded, Policy, PortRef, host_side


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
    """What the policy wants on `host`: a namespace for each guest that is one, and the host side of every NIC.

    `loaded.policy` must be valid. A host that the policy does not name has nothing.
    """
    assert loaded.policy is not None
    entry = loaded.policy.hosts.get(host)
    if entry is None:
        return []
    wanted: list[Wanted[Device]] = []
    for guest_name, guest in entry.guests.items():
        where = loaded.where(("hosts", host, "guests", guest_name))
        if guest.namespace:
            wanted.append(Wanted(Namespace(guest_name), f"{where} guest {guest_name}"))
        for nic_name, nic in guest.nics.items():
            where = loaded.where(("hosts", host, "guests", guest_name, "nics", nic_name))
            why = f"{where} guest {guest_name}, NIC {nic_name}"
            name = host_side(guest_name, nic_name, nic)
            mac = nic.mac or guest_mac(host, guest_name, nic_name)
            bridge = entry.bridges.get(nic.bridge) if nic.bridge else None
            checksum = bridge is None or bridge.datapath != "netdev"
            ref = PortRef(host, nic.bridge, name) if nic.bridge else None
            carried = ref is not None and follows(ref, loaded.wiring.at(ref))
            device: Device
            if nic.device == "veth":
                device = Veth(
                    name=name,
                    netns=guest_name,
                    peer=nic_name,
                    mtu=nic.mtu,
                    peer_mac=mac,
                    addresses=tuple(sorted(str(ip_interface(each)) for each in nic.addresses)),
                    tx_checksum=checksum,
                    carried=carried,
                )
            elif nic.device == "tap":
                device = Tap(name=name, mac=tap_mac(mac), mtu=nic.mtu, tx_checksum=checksum, carried=carried)
            else:
                raise AssertionError(f"{why}: {nic.device} passed the policy's checks")
            wanted.append(Wanted(device, why))
    return wanted
