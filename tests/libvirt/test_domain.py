"""What is read in a domain's XML, and the devices that its metadata asks for."""

from __future__ import annotations

import pytest

from netctl.desired.link import Macvtap, Tap
from netctl.libvirt.domain import BadDomain, Interface, parse
from netctl.libvirt.metadata import devices

DOMAIN = """
<domain type='kvm' id='3'>
  <name>vm 9</name>
  <metadata>
    <other:thing xmlns:other='urn:other'><nic name='no'/></other:thing>
    <netctl:nics xmlns:netctl='urn:netctl:libvirt'>NICS</netctl:nics>
  </metadata>
  <devices>
    <interface type='ethernet'>
      <mac address='52:54:00:00:09:0A'/><target dev='vm9-eth0' managed='no'/>
      <driver queues='4'><host csum='off'/></driver><mtu size='9000'/>
    </interface>
    <interface type='ethernet'><mac address='fe:54:00:00:09:0b'/><target dev='vm9-eth1' managed='no'/></interface>
    <interface type='ethernet'><mac address='52:54:00:00:09:0c'/><target dev='libvirts' managed='yes'/></interface>
    <interface type='network'><mac address='52:54:00:00:09:0d'/><source network='default'/></interface>
    <interface type='ethernet'><target dev='bare' managed='no'/></interface>
  </devices>
</domain>
"""
TAP = "<netctl:nic name='vm9-eth0' device='tap' "
MACVTAP = "<netctl:nic name='vm9-eth1' device='macvtap' "


def test_the_interfaces_that_libvirt_does_not_make_are_read() -> None:
    domain = parse(DOMAIN.replace("NICS", ""))
    assert domain.name == "vm 9"
    assert domain.interfaces == (
        Interface("vm9-eth0", "52:54:00:00:09:0a", queues=4, mtu=9000),
        Interface("vm9-eth1", "fe:54:00:00:09:0b"),
        Interface("bare"),
    )
    assert list(devices(domain)) == []


def test_metadata_asks_for_taps_and_macvtaps() -> None:
    nics = f"{TAP}master='br1' checksum='off'/>{MACVTAP}lower='eno2' mode='bridge' allmulticast='yes'/>"
    tap, macvtap = devices(parse(DOMAIN.replace("NICS", nics)))
    assert tap == Tap(
        name="vm9-eth0",
        mac="fe:54:00:00:09:0a",
        mtu=9000,
        master="br1",
        promisc=None,
        tx_checksum=False,
        owner=0,
        group=-1,
        multi_queue=True,
    )
    assert macvtap == Macvtap(
        name="vm9-eth1", mac="fe:54:00:00:09:0b", lower="eno2", mode="bridge", allmulticast=True
    )


def test_a_tap_of_a_guest_whose_mac_begins_with_fe_is_another() -> None:
    (tap,) = devices(parse(DOMAIN.replace("NICS", "<netctl:nic name='vm9-eth1' device='tap'/>")))
    assert (tap.mac, tap.master) == ("fa:54:00:00:09:0b", None)


@pytest.mark.parametrize(
    ("nic", "told"),
    [
        ("<netctl:nic device='tap'/>", "needs name="),
        ("<netctl:nic name='vm9-eth0'/>", 'needs device="tap|macvtap"'),
        ("<netctl:nic name='vm9-eth0' device='veth'/>", "not 'veth'"),
        ("<netctl:nic name='gone' device='tap'/>", "needs an <interface type='ethernet'>"),
        ("<netctl:nic name='libvirts' device='tap'/>", "managed='no'"),
        ("<netctl:nic name='bare' device='tap'/>", "unicast <mac"),
        (f"{TAP}lower='eno2'/>", "has no attribute 'lower': a tap takes name, device, master, checksum"),
        (f"{TAP}checksum='maybe'/>", "not 'maybe'"),
        (f"{TAP}master='a name'/>", "needs master="),
        (f"{MACVTAP}/>", "needs lower="),
        (f"{MACVTAP}lower='eno2' mode='source'/>", "not 'source'"),
        (f"{MACVTAP}lower='eno2' allmulticast='1'/>", "not '1'"),
    ],
)
def test_what_is_wrong_with_metadata_is_told(nic: str, told: str) -> None:
    with pytest.raises(BadDomain) as error:
        list(devices(parse(DOMAIN.replace("NICS", nic))))
    assert told in str(error.value)


@pytest.mark.parametrize("text", ["", "<domain>", "no XML", "<hookData><network/></hookData>"])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(BadDomain):
        parse(text)


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(BadDomain, match="driver queues='many'"):
        parse(DOMAIN.replace("queues='4'", "queues='many'"))
