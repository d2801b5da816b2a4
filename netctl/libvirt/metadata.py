"""The devices of a guest that no policy names, from the metadata of its domain.

    <metadata>
      <netctl:nics xmlns:netctl="urn:netctl:libvirt">
        <netctl:nic name="vm9-eth0" device="tap" master="br1"/>
        <netctl:nic name="vm9-eth1" device="macvtap" lower="eno2" mode="vepa" allmulticast="yes"/>
      </netctl:nics>
    </metadata>

MAC, MTU and queues are those of the <interface> whose target is called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from netctl.desired.link import Macvtap, Tap
from netctl.desired.mac import tap_mac
from netctl.libvirt.domain import BadDomain, Domain, Interface

MODES = ("vepa", "bridge", "private", "passthru")
YES_NO = {"yes": True, "no": False}
ATTRIBUTES = {
    "tap": ("name", "device", "master", "checksum"),
    "macvtap": ("name", "device", "lower", "mode", "allmulticast", "promisc"),
}
_NAME = re.compile(r"[!-$&-.0-9;-~]{1,15}", re.ASCII)
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", re.ASCII)


def devices(domain: Domain) -> Iterator[Tap | Macvtap]:
    """Raises BadDomain."""
    for nic in domain.nics:
        yield _device(domain, nic)


def _device(domain: Domain, nic: Mapping[str, str]) -> Tap | Macvtap:
    device = _one_of(nic, "device", tuple(ATTRIBUTES))
    for attribute in nic:
        if attribute not in ATTRIBUTES[device]:
            raise _bad(nic, f"has no attribute {attribute!r}: a {device} takes {', '.join(ATTRIBUTES[device])}")
    name = _device_name(nic, "name")
    interface = domain.interface(name)
    if interface is None:
        raise _bad(nic, f"needs an <interface type='ethernet'> with <target dev='{name}' managed='no'/>")
    if not _MAC.fullmatch(interface.mac):
        raise _bad(nic, f"needs a unicast <mac address='…'/> in the <interface> of {name}")
    return _tap(nic, interface) if device == "tap" else _macvtap(nic, interface)


def _tap(nic: Mapping[str, str], interface: Interface) -> Tap:
    """Owned by root, as which libvirt opens it."""
    return Tap(
        name=interface.dev,
        mac=tap_mac(interface.mac),
        mtu=interface.mtu,
        tx_checksum=_one_of(nic, "checksum", ("on", "off"), "on") == "on",
        promisc=None,
        master=_device_name(nic, "master") if "master" in nic else None,
        owner=0,
        group=-1,
        multi_queue=interface.queues > 1,
    )


def _macvtap(nic: Mapping[str, str], interface: Interface) -> Macvtap:
    return Macvtap(
        name=interface.dev,
        mac=interface.mac,
        mtu=interface.mtu,
        lower=_device_name(nic, "lower"),
        mode=_one_of(nic, "mode", MODES, "vepa"),
        allmulticast=YES_NO[_one_of(nic, "allmulticast", tuple(YES_NO), "no")],
        promisc=YES_NO[_one_of(nic, "promisc", tuple(YES_NO), "no")],
    )


def _one_of(nic: Mapping[str, str], attribute: str, known: tuple[str, ...], default: str = "") -> str:
    value = nic.get(attribute, default)
    if value not in known:
        raise _bad(nic, f"needs {attribute}=\"{'|'.join(known)}\"" + (f", not {value!r}" if value else ""))
    return value


def _device_name(nic: Mapping[str, str], attribute: str) -> str:
    value = nic.get(attribute, "")
    if not _NAME.fullmatch(value) or value in (".", ".."):
        raise _bad(nic, f"needs {attribute}=\"…\", the name of a network device (at most 15 characters)")
    return value


def _bad(nic: Mapping[str, str], what: str) -> BadDomain:
    return BadDomain(f"the metadata element <netctl:nic name={nic.get('name', '')!r}> {what}")
