"""Every policy of flows/examples does what its header says, for real."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import need
from tests.e2e import guest
from tests.e2e.box import ROOT, Box
from tests.e2e.frames import frame, one, play
from tests.e2e.guest import Nic
from tests.e2e.lab import Lab
from tests.e2e.test_neighbours import lldpd, said_by, seen_by, shown

EXAMPLES = sorted((ROOT / "flows/examples").glob("*.yaml"))


def example(start: str) -> str:
    (path,) = [each for each in EXAMPLES if each.name.startswith(start)]
    return path.read_text()


def left(box: Box) -> str:
    return box.run("ip -br link | sort; ip netns list; ip rule; ip -6 rule; ovs-vsctl list-br || true").stdout


@pytest.fixture
def lab(box: Box) -> Iterator[Lab]:
    """Whatever a test put there, `netctl down` leaves nothing of."""
    lab = Lab(box)
    box.start_ovs()
    before = left(box)
    yield lab
    lab.netctl("down")
    assert left(box) == before


def change(lab: Lab, text: str) -> None:
    """Another version of an example; `apply` has looked whether a second plan is empty."""
    lab.write(text)
    lab.netctl("apply", lab.policy)


@contextmanager
def hardware(box: Box, *names: str) -> Iterator[None]:
    """NICs that are there already, each a veth whose other end, NAME-far, is where its cable leads."""
    for name in names:
        box.run(f"ip link add {name} type veth peer name {name}-far; ip link set {name}-far up; ip link set {name} up")
    try:
        yield
    finally:
        for name in names:
            box.run(f"ip link del {name}")


def test_every_example_is_right_and_told_of(lab: Lab) -> None:
    for path in EXAMPLES:
        lab.netctl("check", str(path))
        head = path.read_text().partition("\nversion:")[0]
        assert all(line.startswith("#") for line in head.splitlines())
        assert re.search(rf"^#   netctl (apply|up) flows/examples/{path.name}", head, re.MULTILINE), path
        assert f"(../flows/examples/{path.name})" in (ROOT / "docs/examples.md").read_text(), path
    assert "(docs/examples.md)" in (ROOT / "README.md").read_text()


def test_every_setup_has_an_example() -> None:
    assert {int(path.name[:2]) for path in EXAMPLES} == set(range(1, 11))


VM1 = "52:54:00:74:e2:c3"
VM2 = "52:54:00:ab:0d:1a"
TWO = (Nic("vm1", "eth1", VM1, "vm1-eth1"), Nic("vm2", "eth1", VM2, "vm2-eth1"))


def furnish(box: Box, number: int) -> None:
    """In each of two guests a bridge with its NIC, with an address, and a container behind it with its own."""
    for side in (1, 2):
        vm, inner = f"vm{side}", f"c{side}"
        box.run(
            f"ip -n {vm} link add br0 type bridge; ip -n {vm} link set eth1 master br0; ip -n {vm} link set br0 up\n"
            f"ip -n {vm} link set br0 address $(ip netns exec {vm} cat /sys/class/net/eth1/address)\n"
            f"ip -n {vm} addr add 10.{number}.0.{side}/24 dev br0\n"
            f"ip netns add {inner}; ip -n {vm} link add {inner} type veth peer name eth0 netns {inner}\n"
            f"ip -n {vm} link set {inner} up master br0; ip -n {inner} link set eth0 up\n"
            f"ip -n {inner} addr add 10.{number}.0.1{side}/24 dev eth0"
        )


def unfurnish(box: Box) -> None:
    box.run("ip netns del c1; ip netns del c2")


def see_each_other(box: Box) -> None:
    """By LLDP, of two lldpd of their own."""
    need("lldpd", "lldpcli")
    daemons = [lldpd(box, vm, "eth1") for vm in ("vm1", "vm2")]
    for vm, other in (("vm1", "vm2"), ("vm2", "vm1")):
        (heard,) = box.wait_for(
            lambda vm=vm: [each for each in seen_by(box, vm) if "unknown-tlvs" in each],  # type: ignore[misc]
            10,
            f"{vm} to hear {other}",
        )
        assert heard["chassis"][0]["name"][0]["value"] == other
        assert {"lldp-med", "unknown-tlvs"} <= heard.keys()
    for daemon in daemons:
        daemon.terminate()
        daemon.wait(10)


def knows(box: Box, namespace: str, address: str) -> str:
    """The MAC by which a namespace knows an address; "" when nobody answered."""
    said = box.run(["ip", "-n", namespace, "neigh", "show", address]).stdout
    found = re.search(r"lladdr (\S+)", said)
    return found[1] if found else ""


def test_01_macvtaps_on_a_veth_pair_carry_lldp_and_lose_what_is_for_a_mac_behind_a_guest(lab: Lab) -> None:
    box, text = lab.box, example("01")
    lab.apply(text)
    with guest.running(box, *TWO):
        furnish(box, 1)
        see_each_other(box)
        assert lab.ping("vm1", "10.1.0.2", within=5)
        for more in ("", "ip link set vm1-eth1 promisc on; ip link set veth0_a promisc on"):
            box.run(more)
            assert not lab.ping("c1", "10.1.0.12")
            assert knows(box, "c2", "10.1.0.11"), "the request crosses"
            assert not knows(box, "c1", "10.1.0.12"), "the reply does not"
        unfurnish(box)
    change(lab, text.replace("mode: vepa", "mode: passthru"))
    with guest.running(box, *TWO):
        furnish(box, 1)
        see_each_other(box)
        assert lab.ping("vm1", "10.1.0.2", within=5)
        assert lab.ping("c1", "10.1.0.12", within=5)
        assert knows(box, "c1", "10.1.0.12")
        unfurnish(box)


def test_01_without_allmulticast_no_lldp_reaches_a_macvtap(lab: Lab) -> None:
    lab.apply(example("01").replace(", allmulticast: true", ""))
    lldp = bytes.fromhex("0180c200000e")
    with guest.running(lab.box, *(Nic(each.guest, "eth0", each.mac, each.device) for each in TWO)):
        sent = frame(dst=b"\xff" * 6)
        play(lab.box, ["vm1", "vm2"], [one("vm1", frame(dst=lldp)), one("vm1", sent, vm2=sent)])
        change(lab, example("01"))
        play(lab.box, ["vm1", "vm2"], [one("vm1", frame(dst=lldp), vm2=frame(dst=lldp))])


def test_02_over_a_patch_panel_lldp_arp_and_icmp_go_end_to_end(lab: Lab) -> None:
    box = lab.box
    lab.apply(example("02"))
    with guest.running(box, *TWO):
        furnish(box, 2)
        see_each_other(box)
        assert lab.ping("vm1", "10.2.0.2", within=5)
        assert lab.ping("c1", "10.2.0.12", within=5)
        assert knows(box, "c1", "10.2.0.12")
        unfurnish(box)
    actions = {each.partition("actions=")[2] for each in lab.flows("panel0")}
    assert {"output:1", "output:2"} <= actions
    assert not any("NORMAL" in each for each in actions)


def test_03_netctl_shows_all_that_two_guests_say_of_themselves(lab: Lab) -> None:
    need("lldpd", "lldpcli")
    box = lab.box
    nics = [Nic(f"vm{side}", "eth0", f"52:54:00:03:00:0{side}", f"vm{side}-eth0") for side in (1, 2)]
    lab.write(example("03"))
    controller, agent = lab.controller(), lab.agent()
    lab.converged()
    with guest.running(box, *nics):
        daemons = [lldpd(box, nic.guest) for nic in nics]
        netctl = shown(lab, "vm1", "vm2")
        for vm, other in (("vm1", "vm2"), ("vm2", "vm1")):
            (theirs,) = box.wait_for(
                lambda vm=vm: [each for each in seen_by(box, vm) if "unknown-tlvs" in each],  # type: ignore[misc]
                10,
            )
            mine = netctl[other]
            assert (mine["name"], mine["bridge"], mine["wire"]) == (f"{other}-eth0", "hv1/lldp0", "core")
            assert said_by(mine) == said_by(theirs)
            assert {"chassis", "port", "lldp-med", "unknown-tlvs"} <= mine.keys()
        text = lab.netctl("show", "neighbours").stdout
        for words in ("SysName:      vm1", "SysName:      vm2", "LLDP-MED:", "MAU oper type:", "Voice", "33,44,55"):
            assert words in text, text
        for each in daemons:
            each.terminate()
            each.wait(10)
    for each in (controller, agent):
        each.terminate()
        each.wait(10)


def macs_announced(said: str, bridge: str) -> set[str]:
    """Of all that `ip -o monitor link` tells of a bridge."""
    return {found[1] for found in re.finditer(rf"^\d+: {bridge}: .*?link/ether (\S+)", said, re.MULTILINE)}


def test_04_taps_are_high_and_bridges_stay_where_they_are(lab: Lab) -> None:
    box, text = lab.box, example("04")

    def mac(device: str) -> str:
        return box.run(f"cat /sys/class/net/{device}/address").stdout.strip()

    with hardware(box, "eno1"):
        lab.apply(text)
        assert mac("vm1-eth0") == "fe:54:00:84:e3:62"
        assert mac("vm2-eth0") == "fa:16:3e:00:00:02"
        assert mac("br0") == mac("eno1") != mac("br1")
        for bridge in ("br0", "br1"):
            assert box.run(f"cat /sys/class/net/{bridge}/addr_assign_type").stdout.strip() == "3", bridge
        nics = {"vm1": "52:54:00:84:e3:62", "vm2": "fe:16:3e:00:00:02"}
        with guest.running(box, *(Nic(vm, "eth0", mac, f"{vm}-eth0") for vm, mac in nics.items())):
            box.run("ip -n vm1 addr add 10.4.0.1/24 dev eth0; ip -n vm2 addr add 10.4.0.2/24 dev eth0")
            assert lab.ping("vm1", "10.4.0.2", within=5)
            assert lab.ping("vm1", "10.4.0.254", within=5)
            assert knows(box, "vm1", "10.4.0.254") == mac("eno1")
        lab.netctl("down")


def test_04_a_hundred_guests_come_and_go(lab: Lab) -> None:
    """Beside two of netctl's bridges, one that nobody pinned shows that this would move it."""
    box, text = lab.box, example("04")
    hundred = [Nic("crowd", f"eth{n}", f"52:54:00:04:64:{n:02x}", f"c{n}-eth0") for n in range(100)]
    more = "".join(
        f"      c{n}: {{nics: {{eth0: {{mac: '{nic.mac}', device: tap, master: br{n % 2}}}}}}}\n"
        for n, nic in enumerate(hundred)
    )

    def mac(device: str) -> str:
        return box.run(f"cat /sys/class/net/{device}/address").stdout.strip()

    def heard(log: str, line: str) -> str:
        said = box.path(log).read_text()
        return said if re.search(line, said) else ""

    with hardware(box, "eno1"):
        lab.apply(text)
        before = {bridge: mac(bridge) for bridge in ("br0", "br1")}
        box.run("ip link add byhand type bridge; ip link set byhand up")
        with open(box.path("/run/monitor"), "w") as log:
            monitor = box.popen("exec ip -o monitor link", stdout=log)
        lo = "ip link set lo mtu 65000; ip link set lo mtu 65536"
        box.wait_for(lambda: (box.run(lo), box.path("/run/monitor").read_text())[1], 5, "the monitor")
        change(lab, text.replace("    links:\n", more + "    links:\n"))
        with guest.running(box, *hundred):
            assert box.run("ip -br link | grep -c '^c.*-eth0 .*LOWER_UP'").stdout.strip() == "100"
        change(lab, text)
        assert "c1-eth0" not in box.run("ip -br link").stdout
        box.run(
            "for n in $(seq 19 -1 10); do for b in br0 br1 byhand; do ip tuntap add t$n$b mode tap;"
            " ip link set t$n$b address 00:00:5e:00:53:$n; ip link set t$n$b up master $b; done; done\n"
            "for n in $(seq 10 19); do for b in br0 br1 byhand; do ip link del t$n$b; done; done"
        )
        box.run("ip link set byhand mtu 1400")
        said = box.wait_for(lambda: heard("/run/monitor", "byhand: .* mtu 1400 "), 5, "the monitor")
        monitor.terminate()
        for bridge, was in before.items():
            assert mac(bridge) == was
            assert macs_announced(said, bridge) <= {was}
        assert len(macs_announced(said, "byhand")) > 10
        box.run("ip link del byhand")
        lab.netctl("down")


def test_08_three_bridges_in_a_row(lab: Lab) -> None:
    box, text = lab.box, example("08")
    lab.apply(text)
    assert lab.ping("ns1", "10.120.1.12", within=2)
    for namespace, ports in (("ns1", ("br1-veth1", "veth-br2-br1", "veth-br3-br2")), ("ns2", ())):
        mac = box.run(f"ip netns exec {namespace} cat /sys/class/net/eth0/address").stdout.strip()
        for port in ports:
            assert mac in box.run(f"bridge fdb show brport {port}").stdout, port


GROUPS = {"stp": "0", "pause": "1", "lacp": "2", "eapol": "3", "lldp": "e"}
"""The last digit of 01-80-C2-00-00-0X."""


def test_08_what_masks_let_through(lab: Lab) -> None:
    box, text = lab.box, example("08")
    everybody = ["ns1", "ns2"]
    reserved = {name: frame(dst=bytes.fromhex(f"0180c200000{last}")) for name, last in GROUPS.items()}

    def passes(names: set[str]) -> None:
        play(
            box,
            everybody,
            [one("ns1", sent, **({"ns2": sent} if name in names else {})) for name, sent in reserved.items()],
        )

    lab.apply(text)
    passes({"stp", "lldp"})
    change(lab, text.replace(", group_fwd_mask: lldp", ""))
    passes({"stp"})
    ports = re.sub(r"(master: br\d)", r"\1, port: {group_fwd_mask: [lacp, eapol]}", text)
    change(lab, ports)
    passes({"stp", "lldp", "lacp", "eapol"})
    change(lab, text.replace("group_fwd_mask: lldp", "group_fwd_mask: lldp, stp: true, forward_delay: 2"))
    box.wait_for(lambda: lab.ping("ns1", "10.120.1.12"), 15, "the spanning tree")
    play(box, everybody, [one("ns1", reserved["stp"]), one("ns1", reserved["lldp"], ns2=reserved["lldp"])])
