"""The policies of flows/examples that need VLANs or bonds do what their headers say."""

from __future__ import annotations

import time
from pathlib import Path

from tests.lab.host import Host

EXAMPLES = Path(__file__).resolve().parents[2] / "flows" / "examples"


def example(name: str) -> str:
    return (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")


def test_09_vlans_on_ports(host: Host) -> None:
    host.apply(example("09-vlan-ports"))
    assert host.data("br1-veth31.300")["id"] == 300
    assert host.ping("ns11", "10.120.1.12")
    assert host.ping("ns11", "10.120.1.31")
    host.mends("ip link set br1-veth12.100 nomaster", "ip link del br1-veth31.300")
    assert host.ping("ns11", "10.120.1.12")
    assert host.ping("ns11", "10.120.1.31")
    host.down()


def test_09_vlans_kept_apart_by_the_bridge(host: Host) -> None:
    host.apply(example("09-vlan-filtering"))
    assert host.ping("ns11", "10.120.1.12")
    assert host.ping("ns11", "10.120.1.1")
    assert host.ping("ns31", "10.120.3.1")
    assert not host.ping("ns11", "10.120.1.31", within=0)
    host.down()


def test_09_vlans_inside_namespaces_with_routes(host: Host) -> None:
    host.apply(example("09-vlan-inside"))
    assert host.ping("ns11", "10.120.1.12")
    assert host.ping("ns13", "10.120.2.21")
    assert not host.ping("ns11", "10.120.1.13", within=0)
    host.mends("ip -n ns13 route del 10.120.2.0/24", "ip -n ns21 link del veth21.200")
    assert host.ping("ns13", "10.120.2.21")
    host.down()


def test_09_vlans_on_the_bridge_itself(host: Host) -> None:
    host.apply(example("09-vlan-bridge"))
    assert host.ping("ns21", "10.120.2.1")
    assert host.ping("ns11", "10.120.1.12")
    assert not host.ping("ns21", "10.120.1.12", within=0)
    host.mends("ip link del br1.100")
    assert host.ping("ns11", "10.120.1.12")
    host.down()


def test_09_vlans_moved_into_namespaces(host: Host) -> None:
    host.apply(example("09-vlan-moved"))
    assert host.ping("ns11", "10.120.1.12")
    assert {link["ifname"] for link in host.links("ns11")} == {"lo", "veth11.100"}
    assert "veth11.100" not in host.left()
    host.mends("ip -n ns12 link del veth12.100")
    assert host.ping("ns11", "10.120.1.12")
    host.down()


SERVER = "172.16.60.1"
PORTS = ("veth17", "veth19")
CLIENTS = {"ns03": "veth10", "mynet2": "veth12"}
PINGS = 20


def mii_status(port: str) -> str:
    """What the bond thinks of a port: it gives no client to one that it has not looked at yet."""
    return Path("/sys/class/net", port, "bonding_slave", "mii_status").read_text().strip()


def server_mac(host: Host, client: str) -> str:
    """The MAC at which a client has found the server."""
    return host.sh(f"ip -n {client} neigh show {SERVER}").partition("lladdr ")[2].split()[0]


def shares(host: Host, client: str) -> dict[str, tuple[float, float]]:
    """Of a run of a client's pings: for each port of the bond, how much of them came in by it, and went out."""
    before = {port: host.counters(port) for port in PORTS}
    host.sh(f"ip netns exec {client} ping -q -c{PINGS} -i0.02 -W1 {SERVER}")
    after = {port: host.counters(port) for port in PORTS}
    return {
        port: ((after[port][0] - before[port][0]) / PINGS, (after[port][1] - before[port][1]) / PINGS)
        for port in PORTS
    }


def test_10_each_client_has_a_port_of_the_bond(host: Host) -> None:
    host.apply(example("10-bond-alb"))
    assert Path("/sys/class/net/bond2/bonding/slaves").read_text().split() == [*PORTS]
    assert host.wait_for(lambda: all(mii_status(port) == "up" for port in PORTS), 5)
    assert all(host.ping(client, SERVER) for client in CLIENTS)
    macs = {host.link(port)["address"]: port for port in PORTS}
    assert host.link("bond2")["address"] == host.link("veth17")["address"]

    def ports() -> dict[str, str]:
        return {client: macs[server_mac(host, client)] for client in CLIENTS}

    # A client that the bond has asked for its address first knows it by the first port, until the bond tells it better.
    assert host.wait_for(lambda: sorted(ports().values()) == [*PORTS], 20), f"one MAC for both: {ports()}"
    port_of = ports()

    def by_its_own(client: str) -> bool:
        own = port_of[client]
        return all(
            (came >= 1 and left >= 1) if port == own else (came < 0.5 and left < 0.5)
            for port, (came, left) in shares(host, client).items()
        )

    def each_by_its_own() -> bool:
        """What goes out is shared out anew every ten seconds: who is heard first gets the port with less load. Which
        that is depends on what else went out, so each client is in turn the one that is heard most."""
        busy, other = sorted(CLIENTS, reverse=int(time.monotonic() / 11) % 2 == 1)
        *_, last = [by_its_own(busy) for _ in range(4)]
        return last and by_its_own(other)

    assert host.wait_for(each_by_its_own, 90), {client: shares(host, client) for client in CLIENTS}
    assert port_of == ports()

    host.sh("ip link set veth18 down")
    assert all(host.ping(client, SERVER) for client in CLIENTS), "the other port carries both"
    host.mends()
    host.down()
