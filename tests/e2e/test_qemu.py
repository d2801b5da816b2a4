"""Guests under QEMU, wired as the first two examples say: what reaches them, and what a nested switch gets of it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from xml.etree import ElementTree

import pytest

from tests.conftest import need
from tests.e2e.box import ROOT, Box
from tests.e2e.lab import Lab
from tests.e2e.qemu import Guest, Nic, running, write_initramfs

MACVTAPS = (ROOT / "flows/examples/01-macvtap-veth.yaml").read_text()
PANEL = (ROOT / "flows/examples/02-patch-panel.yaml").read_text()

NESTED = "02:00:00:00:be:01"
"""The MAC of a bridge inside a guest, as a container behind it would have one."""


@pytest.fixture
def lab(box: Box) -> Lab:
    need("qemu-system-x86_64", "lldpd", "lldpcli")
    return Lab(box)


def nics(lab: Lab, guest: str) -> list[Nic]:
    """As `netctl libvirt xml` has them."""
    said = lab.netctl("libvirt", "xml", guest, lab.policy).stdout
    return [Nic.of(each) for each in ElementTree.fromstring(f"<all>{said}</all>")]


def two(lab: Lab) -> AbstractContextManager[list[Guest]]:
    initrd = write_initramfs(lab.box, "lldpd", "lldpcli")
    return running(lab.box, initrd, vm1=nics(lab, "vm1"), vm2=nics(lab, "vm2"))


def address(guest: Guest, text: str, device: str = "eth0") -> None:
    guest.run(f"ip link set {device} up; ip addr add {text} dev {device}")


def neighbours(guest: Guest) -> list[str]:
    """The names that lldpd in a guest has heard of."""
    said = guest.run("lldpcli -u /run/lldpd.socket -f json0 show neighbors")
    found = [
        chassis["name"][0]["value"]
        for lldp in json.loads(said)["lldp"]
        for interface in lldp.get("interface", ())
        for chassis in interface["chassis"]
    ]
    return sorted(found)


def hear_each_other(lab: Lab, vm1: Guest, vm2: Guest) -> None:
    """lldpd runs in both, and each has the other for its neighbour."""
    for guest in (vm1, vm2):
        guest.run(f"hostname {guest.name}; lldpd -u /run/lldpd.socket -I eth0 -L ''")

    def heard() -> bool:
        for guest in (vm1, vm2):
            guest.run("lldpcli -u /run/lldpd.socket update")
        return (neighbours(vm1), neighbours(vm2)) == (["vm2"], ["vm1"])

    lab.box.wait_for(heard, 40, "LLDP of either guest in the other", interval=0.3)


def nest(guest: Guest, text: str) -> None:
    """A bridge inside a guest, with a MAC of its own, and the NIC for its port."""
    guest.run(
        "ip addr flush dev eth0; brctl addbr br0; brctl setfd br0 0; brctl addif br0 eth0; "
        f"ip link set br0 address {NESTED}; ip link set br0 up; ip addr add {text} dev br0"
    )


def nested(lab: Lab) -> dict[str, list[str]]:
    """The devices at which the doctor sees the answers to nested MACs lost, each with the commands that mend it."""
    said = json.loads(lab.netctl("doctor", lab.policy, "--json", check=False).stdout)
    return {each["subject"]: each["mend"] for each in said["findings"] if each["check"] == "nested-macs"}


def test_macvtaps_on_a_veth_pass_lldp_and_lose_the_answers_to_nested_macs(lab: Lab) -> None:
    lab.apply(MACVTAPS)
    with two(lab) as (vm1, vm2):
        address(vm1, "10.1.0.1/24")
        address(vm2, "10.1.0.2/24")
        assert vm1.pings("10.1.0.2")
        assert vm2.pings("10.1.0.1")
        hear_each_other(lab, vm1, vm2)
        nest(vm1, "10.1.0.11/24")
        assert not vm1.pings("10.1.0.2", tries=3)
        assert NESTED in vm2.run("cat /proc/net/arp"), "the request should have come: it is the reply that is lost"
        assert nested(lab).keys() == {"vm1-eth1", "vm2-eth1"}


def test_passthru_gives_nested_macs_their_answers(lab: Lab) -> None:
    """By the commands that the doctor prints; it is what the policy makes of `mode: passthru` too."""
    lab.apply(MACVTAPS)
    for commands in nested(lab).values():
        lab.box.run("\n".join(commands))
    assert not nested(lab)
    lab.write(MACVTAPS.replace("mode: vepa", "mode: passthru"))
    plan = json.loads(lab.netctl("plan", lab.policy, "--json").stdout)
    assert plan["empty"], plan
    with two(lab) as (vm1, vm2):
        address(vm2, "10.1.0.2/24")
        vm1.run("ip link set eth0 up")
        hear_each_other(lab, vm1, vm2)
        nest(vm1, "10.1.0.11/24")
        assert vm1.pings("10.1.0.2")
        assert NESTED in vm2.run("cat /proc/net/arp")


def test_taps_on_a_wire_pass_everything(lab: Lab) -> None:
    """TCP too, in both directions: `netctl libvirt xml` turns off what the userspace datapath does not finish."""
    lab.box.start_ovs()
    lab.apply(PANEL)
    assert [nic.plain for nic in nics(lab, "vm1")] == [True]
    with two(lab) as (vm1, vm2):
        address(vm2, "10.2.0.2/24")
        address(vm1, "10.2.0.1/24")
        assert vm1.pings("10.2.0.2")
        hear_each_other(lab, vm1, vm2)
        nest(vm1, "10.2.0.11/24")
        assert vm1.pings("10.2.0.2")
        assert not nested(lab)
        for server, client, at in ((vm1, vm2, "10.2.0.11"), (vm2, vm1, "10.2.0.2")):
            server.run("mkdir /tmp/www; dd if=/dev/urandom of=/tmp/www/a bs=1024 count=256; httpd -p 80 -h /tmp/www")
            sent = server.run("sha1sum </tmp/www/a")
            got = client.run(f"timeout 30 wget -q -O - http://{at}/a | sha1sum", timeout=60)
            assert got == sent
