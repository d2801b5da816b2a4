"""Facts of a way in, explanations out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netctl.path import Device, Grown, Path, Side, Step, Traits, notes, place, reasons
from netctl.path.way import way
from netctl.probe.frames import KINDS

NEAR, FAR = bytes.fromhex("525400000001"), bytes.fromhex("525400000002")

NIC = {name: Device("eth0", name, "veth", mtu=9000, tx_checksum=False) for name in ("ns1", "ns2")}
PORT = {name: Device(f"{name}-eth0", "", "veth", mtu=9000, tx_checksum=False) for name in ("ns1", "ns2")}
ONE, OTHER = (
    Side(f"{name}-eth0", (NIC[name], PORT[name]), number=number) for number, name in enumerate(("ns1", "ns2"), 1)
)
GOOD = Path("br0", (ONE, OTHER), "netdev")


def traits(name: str) -> Traits:
    (kind,) = [kind for kind in KINDS if kind.name == name]
    return Traits.of(kind.build(NEAR, FAR, bytes(16)), FAR)


def told(path: Path, name: str, sender: int = 0) -> list[tuple[str, str]]:
    return [(reason.place, str(reason)) for reason in reasons(path, traits(name), sender)]


def one(path: Path = GOOD, **changed: object) -> Path:
    return replace(path, sides=(replace(path.sides[0], **changed), path.sides[1]))  # type: ignore[arg-type]


def other(path: Path = GOOD, **changed: object) -> Path:
    return replace(path, sides=(path.sides[0], replace(path.sides[1], **changed)))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("sender", [0, 1])
def test_on_a_good_way_nothing_is_held_back(kind, sender: int) -> None:
    assert told(GOOD, kind.name, sender) == []
    assert notes(GOOD) == []


def test_lldp_enable_eats_lldp_that_comes_in_there_and_nothing_else() -> None:
    path = one(lldp=True)
    ((place, why),) = told(path, "LLDP")
    assert (place, why) == (
        "output",
        "lldp:enable of interface ns1-eth0: Open vSwitch takes LLDP for itself there, also under a wire; "
        "«ovs-vsctl remove interface ns1-eth0 lldp enable»",
    )
    assert told(path, "LLDP", 1) == []
    assert told(path, "STP") == []


@pytest.mark.parametrize("kind", ["stp", "rstp"])
def test_a_spanning_tree_eats_bpdus(kind: str) -> None:
    path = replace(GOOD, **{kind: True})
    for sender in (0, 1):
        ((place, why),) = told(path, "STP", sender)
        assert place == "output"
        assert f"«ovs-vsctl set bridge br0 {kind}_enable=false»" in why
    assert told(path, "LLDP") == []


def test_a_port_that_listens_forwards_nothing() -> None:
    ((place, why),) = told(one(replace(GOOD, stp=True), spanning="listening"), "ARP")
    assert place == "output"
    assert "ns1-eth0 is listening" in why


def test_mtu_is_named_where_the_frame_meets_it() -> None:
    """What the guest's own NIC does not take is refused by its veth peer, which is port B: it is lost at the output."""
    small = other(devices=(replace(NIC["ns2"], mtu=1500), PORT["ns2"]))
    ((place, why),) = told(small, "9000 bytes")
    assert place == "output"
    assert why.startswith("MTU 1500 of eth0 in namespace ns2, and the frame carries 9000 bytes; «ip -n ns2 link set")
    assert told(small, "1500 bytes") == []
    assert [place for place, _ in told(small, "9000 bytes", 1)] == ["entry"]


def test_a_port_that_is_down_is_named_once() -> None:
    path = other(down=True, devices=(replace(NIC["ns2"], carrier=False), replace(PORT["ns2"], up=False)))
    whys = told(path, "ARP")
    assert [place for place, _ in whys] == ["output", "output"]
    assert "port ns2-eth0 is administratively down in Open vSwitch" in whys[0][1]
    assert whys[1][1].startswith("eth0 in namespace ns2 has no carrier")
    assert {place for place, _ in told(path, "ARP", 1)} == {"entry"}


def test_port_settings_of_openflow() -> None:
    assert "«ovs-ofctl -O OpenFlow13 mod-port br0 ns1-eth0 receive»" in told(one(no_receive=True), "ARP")[0][1]
    assert "«ovs-ofctl -O OpenFlow13 mod-port br0 ns2-eth0 forward»" in told(other(no_forward=True), "ARP")[0][1]
    assert told(one(no_forward=True), "ARP") == []


def test_a_missing_port_says_what_open_vswitch_says() -> None:
    ((place, why),) = told(other(number=None, error="could not open network device ns2-eth0"), "ARP")
    assert place == "output"
    assert "ns2-eth0 is no port of bridge br0: could not open network device ns2-eth0" in why


def between(*bridge: Device) -> Path:
    """A Linux bridge between a guest and port A: NIC, its peer q1, the bridge, q2, port."""
    near, far = Device("q1", kind="veth", mtu=9000), Device("q2", kind="veth", mtu=9000)
    return one(devices=(NIC["ns1"], near, *bridge, far, PORT["ns1"]))


def test_a_linux_bridge_on_the_way_is_known_and_suspected() -> None:
    path = between(Device("lbr", kind="bridge", mtu=9000))
    assert told(path, "ARP") == []
    ((place, why),) = told(path, "LLDP")
    assert place == "entry"
    assert "Linux bridge lbr keeps LLDP to itself (group_fwd_mask 0x0)" in why
    assert [place for place, _ in told(path, "LLDP", 1)] == ["exit"]
    (note,) = notes(path)
    assert "the Linux bridge lbr is on the way to port ns1-eth0" in note.why


def test_the_mask_of_the_port_that_a_frame_enters_counts() -> None:
    path = between(Device("lbr", kind="bridge", mtu=9000))
    nic, near, *rest = path.sides[0].devices
    opened = one(path, devices=(nic, replace(near, port_group_fwd_mask=0x4000), *rest))
    assert told(opened, "LLDP") == []
    assert told(opened, "LLDP", 1) != []


def test_the_firewall_is_suspected_on_linux_bridges_only() -> None:
    assert told(replace(GOOD, filtered=frozenset({"iptables"})), "IPv4 ICMP") == []
    path = replace(between(Device("lbr", kind="bridge", mtu=9000)), filtered=frozenset({"iptables"}))
    assert "br_netfilter" in told(path, "IPv4 ICMP")[0][1]


def test_a_macvtap_holds_back_what_comes_out_and_nothing_that_goes_in() -> None:
    tap = Device("mt0", "ns1", "macvtap", mtu=9000, mode="vepa")
    path = one(devices=(tap, PORT["ns1"]))
    assert told(path, "foreign MACs") == []
    assert "unicast for its own MAC only" in told(path, "foreign MACs", 1)[0][1]
    assert [note.why for note in notes(path)] == ["macvtap mt0 in namespace ns1 is on the way, in mode vepa"]


def test_checksum_offload_matters_on_netdev() -> None:
    path = one(devices=(replace(NIC["ns1"], tx_checksum=True), PORT["ns1"]))
    (note,) = notes(path)
    assert "TX checksum offload is on at eth0 in namespace ns1" in note.why
    assert note.cure == "«ip netns exec ns1 ethtool -K eth0 tx off»"
    assert notes(replace(path, datapath="system")) == []


def test_policing_is_said_and_that_netdev_does_not_do_it() -> None:
    (note,) = notes(one(policing=1000))
    assert "at most 1000 kbit/s" in note.why
    assert "does not enforce" in note.why
    assert "does not enforce" not in notes(replace(one(policing=1000), datapath="system"))[0].why


def grown(before: int, after: int, flow: int | None = None) -> Grown:
    return Grown(16, (Step("nic", 16), Step("A", before)), (Step("B", after), Step("far nic", 0)), flow)


@pytest.mark.parametrize(
    ("growth", "answer"),
    [
        (grown(0, 0), "entry"),
        (grown(15, 0), "entry"),
        (grown(16, 0), "unknown"),
        (grown(16, 0, 0), "flow"),
        (grown(16, 0, 16), "output"),
        (grown(20, 1, 18), "output"),
        (grown(16, 16), "exit"),
        (grown(16, 16, 16), "exit"),
        (Grown(16), "unknown"),
    ],
)
def test_counters_tell_where(growth: Grown, answer: str) -> None:
    assert place(growth) == answer


def test_the_way_is_the_shortest() -> None:
    assert way([(1, 2), (2, 3), (3, 4), (1, 4), (5, 6)], 1, 4) == [1, 4]
    assert way([(1, 2), (3, 2), (4, 3)], 1, 4) == [1, 2, 3, 4]
    assert way([(1, 2)], 1, 5) == []
    assert way([], 1, 1) == [1]
