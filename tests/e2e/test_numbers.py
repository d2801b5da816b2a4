"""The OpenFlow numbers of ports stay, and a port that comes back is wired again, whatever happens to it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e.box import Box
from tests.e2e.lab import TWO_NAMESPACES, Lab

FOUR = TWO_NAMESPACES.replace(
    "wires:\n",
    "      ns3: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.2.1/24]}}}\n"
    "      ns4: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.2.2/24]}}}\n"
    "wires:\n  - [ns3-eth0, ns4-eth0]\n",
)
NAMES = [f"ns{number}-eth0" for number in range(1, 5)]


def numbers(lab: Lab) -> list[int | None]:
    """Of the four ports, in the order of the policy."""
    there = {port["name"]: port["number"] for port in lab.read("/api/v1/ports")}
    return [there.get(name) for name in NAMES]


@pytest.fixture
def lab(box: Box) -> Lab:
    box.start_ovs()
    lab = Lab(box)
    lab.write(FOUR)
    lab.controller()
    lab.agent()
    lab.converged()
    assert numbers(lab) == [1, 2, 3, 4]
    return lab


def restart_the_switch(lab: Lab) -> None:
    lab.box.stop_vswitchd()
    lab.box.start_vswitchd()


def delete_a_port(lab: Lab) -> None:
    lab.box.run("ovs-vsctl del-port ns2-eth0")


def delete_two_ports(lab: Lab) -> None:
    lab.box.run("ovs-vsctl del-port ns3-eth0 -- del-port ns2-eth0")


def delete_a_device(lab: Lab) -> None:
    lab.box.run("ip link del ns2-eth0")


def delete_two_devices(lab: Lab) -> None:
    lab.box.run("ip link del ns4-eth0; ip link del ns2-eth0")


@pytest.mark.parametrize(
    "harm", [restart_the_switch, delete_a_port, delete_two_ports, delete_a_device, delete_two_devices]
)
def test_numbers_stay_and_what_comes_back_is_wired(lab: Lab, harm: Callable[[Lab], None]) -> None:
    assert lab.ping("ns1", "10.99.1.2", within=2)
    before = lab.flows()
    start = time.monotonic()
    harm(lab)
    lab.box.wait_for(
        lambda: not lab.box.run("ip netns exec ns1 ping -c1 -W0.2 10.99.1.2", check=False).returncode, 15, "the wire"
    )
    print(f"{harm.__name__}: wired again after {time.monotonic() - start:.2f} s")
    lab.converged()
    lab.box.wait_for(lambda: numbers(lab) == [1, 2, 3, 4], 5, "the numbers as they were")
    assert lab.flows() == before
    assert lab.ping("ns3", "10.99.2.2", within=2)


def test_numbers_survive_a_port_that_went_while_nobody_looked(box: Box) -> None:
    """Deleted by hand with the controller away, while a lower number is free."""
    box.start_ovs()
    lab = Lab(box)
    lab.write(FOUR)
    controller = lab.controller()
    lab.agent()
    lab.converged()
    lab.write(FOUR.replace("  - [ns1-eth0, ns2-eth0]\n", "").replace("      ns1:", "      ns5:"))
    lab.box.wait_for(lambda: "ns1-eth0" not in box.run("ovs-vsctl list-ports ovbr0").stdout, 5, "the port to go")
    lab.converged()
    assert numbers(lab)[1:] == [2, 3, 4]
    controller.kill()
    controller.wait()
    box.run("ovs-vsctl del-port ns5-eth0 -- del-port ns4-eth0 -- del-port ns2-eth0")
    lab.controller()
    lab.converged()
    assert numbers(lab)[1:] == [2, 3, 4]
    lab.write(FOUR)
    lab.box.wait_for(lambda: numbers(lab) == [1, 2, 3, 4], 10, "the lowest number that is free")
