"""Devices are made as they are wanted, seen as they are, changed, replaced, removed and left alone."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from netctl.desired.device import Device, Namespace, Stranger, plan_host
from netctl.desired.link import Tap, Veth
from netctl.kernel import Host, NameTaken, Outcome
from netctl.plan import Plan, Wanted
from tests.e2e.within import within

NS = Namespace("ns1")
VETH = Veth(name="ns1-eth0", peer="eth0", peer_netns="ns1", mtu=9000, tx_checksum=False)
INNER = Veth(
    name="eth0",
    netns="ns1",
    peer="ns1-eth0",
    mtu=9000,
    mac="02:00:00:00:00:01",
    addresses=("10.0.0.1/24", "fd00::1/64"),
    tx_checksum=False,
)
TAP = Tap(name="vm1-eth1", mac="fe:54:00:84:e3:62", mtu=9000, tx_checksum=False)
ALL = (NS, VETH, INNER, TAP)


def sh(command: str) -> str:
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


def plan(host: Host, wanted: Iterable[Device]) -> Plan[Device]:
    asked = [Wanted(item, "test") for item in wanted]
    return plan_host(asked, host.observe([each.item for each in asked]))


def reach(wanted: Iterable[Device], name: str = "hv1") -> Outcome:
    """Apply what is wanted, and see that a second plan is empty."""
    wanted = tuple(wanted)
    with Host(name) as host:
        outcome = host.apply(plan(host, wanted))
        assert outcome.ok, outcome.error
        again = plan(host, wanted)
        assert not again, again
    return outcome


def verbs(outcome: Outcome) -> list[tuple[str, str]]:
    return [(step.verb, "/".join(step.key[1:])) for step in outcome.done]


@within
def test_what_is_made_is_what_ip_and_ethtool_say() -> None:
    outcome = reach(ALL)
    assert verbs(outcome) == [("add", "ns1"), ("add", "ns1-eth0"), ("add", "ns1/eth0"), ("add", "vm1-eth1")]
    tap = sh("ip -d link show vm1-eth1")
    assert "mtu 9000" in tap
    assert "fe:54:00:84:e3:62" in tap
    assert "alias netctl:hv1" in tap
    assert "tun type tap pi off" in tap
    assert "persist on" in tap
    assert "UP" in tap.split(">")[0]
    host_end = sh("ip -d link show ns1-eth0")
    assert "alias netctl:hv1" in host_end
    assert "link-netns ns1" in host_end
    assert "state UP" in host_end
    inside = sh("ip -n ns1 addr show eth0")
    for part in ("mtu 9000", "02:00:00:00:00:01", "inet 10.0.0.1/24", "inet6 fd00::1/64", "state UP"):
        assert part in inside, part
    assert "UP" in sh("ip -n ns1 link show lo").split(">")[0]
    for where in ("ethtool -k vm1-eth1", "ethtool -k ns1-eth0", "ip netns exec ns1 ethtool -k eth0"):
        assert "tx-checksumming: off" in sh(where), where


@within
def test_with_the_offload_on_nothing_is_turned_off() -> None:
    reach(
        [
            NS,
            Veth(name="a0", peer="b0", peer_netns="ns1", tx_checksum=True),
            Veth(name="b0", netns="ns1", peer="a0", tx_checksum=True),
            Tap(name="t0", tx_checksum=True),
        ]
    )
    assert "tx-checksumming: on" in sh("ethtool -k a0")
    assert "tx-checksumming: on" in sh("ip netns exec ns1 ethtool -k b0")


@within
def test_everything_that_differs_is_seen_and_put_right() -> None:
    reach(ALL)
    for damage in (
        "ip link set vm1-eth1 down",
        "ip link set vm1-eth1 mtu 1500",
        "ip link set vm1-eth1 address fe:00:00:00:00:09",
        "ethtool -K vm1-eth1 tx on || true",
        "ip link set ns1-eth0 down",
        "ip link set ns1-eth0 mtu 1400",
        "ethtool -K ns1-eth0 tx on",
        "ip -n ns1 link set eth0 down",
        "ip -n ns1 link set eth0 mtu 1400",
        "ip -n ns1 link set eth0 address 02:00:00:00:00:09",
        "ip netns exec ns1 ethtool -K eth0 tx on",
        "ip -n ns1 addr del 10.0.0.1/24 dev eth0",
        "ip -n ns1 addr add 10.0.0.2/24 dev eth0",
        "ip -n ns1 link set lo down",
    ):
        sh(damage)
        outcome = reach(ALL)
        assert [step.verb for step in outcome.done] == ["change"], (damage, verbs(outcome))
        assert len(outcome.done[0].changes) in {1, 2}, (damage, outcome.done)
    sh("ip -n ns1 link set eth0 name eth9")
    assert verbs(reach(ALL)) == [("remove", "ns1/eth9"), ("replace", "ns1-eth0"), ("add", "ns1/eth0")]
    sh("ip netns add other; ip -n ns1 link set eth0 netns other")
    assert verbs(reach(ALL)) == [("replace", "ns1-eth0"), ("add", "ns1/eth0")]
    sh("ip link del vm1-eth1; ip link del ns1-eth0")
    assert verbs(reach(ALL)) == [("add", "ns1-eth0"), ("add", "ns1/eth0"), ("add", "vm1-eth1")]


@within
def test_a_device_that_a_wire_takes_down_is_made_up_and_then_left_to_the_wire() -> None:
    wires = (NS, replace(VETH, up=None), INNER, replace(TAP, up=None))
    assert verbs(reach(wires)) == [("add", "ns1"), ("add", "ns1-eth0"), ("add", "ns1/eth0"), ("add", "vm1-eth1")]

    def up(name: str) -> bool:
        return ",UP" in sh(f"ip link show {name}")

    assert (up("vm1-eth1"), up("ns1-eth0")) == (True, True)
    sh("ip link set vm1-eth1 down; ip link set ns1-eth0 down")
    assert verbs(reach(wires)) == []
    sh("ip link set vm1-eth1 mtu 1400; ip link set ns1-eth0 mtu 1400; ip -n ns1 link set eth0 down")
    with Host("hv1") as host:
        found = plan(host, wires)
        facts = {change.fact for step in found.steps for change in step.changes}
        assert facts == {"mtu", "up", "addresses"}, facts
    assert verbs(reach(wires)) == [("change", "ns1-eth0"), ("change", "ns1/eth0"), ("change", "vm1-eth1")]
    assert (up("vm1-eth1"), up("ns1-eth0")) == (False, False)
    assert verbs(reach(ALL)) == [("change", "ns1-eth0"), ("change", "vm1-eth1")]
    assert (up("vm1-eth1"), up("ns1-eth0")) == (True, True)


@within
def test_the_two_ends_of_a_pair_never_have_the_same_index() -> None:
    """In a fresh box both would be number 2."""
    pairs = [
        (replace(VETH, name=f"ns1-eth{n}", peer=f"eth{n}"), Veth(name=f"eth{n}", netns="ns1", peer=f"ns1-eth{n}"))
        for n in range(3)
    ]
    reach([NS, *(end for pair in pairs for end in pair)])
    for number in range(3):
        index, peer = re.findall(r"^(\d+): \S+@if(\d+):", sh(f"ip -o link show ns1-eth{number}"))[0]
        assert index != peer


@within
def test_a_pair_moves_to_another_namespace() -> None:
    reach(ALL)
    moved = replace(VETH, peer="eth5", peer_netns="ns2")
    inner = Veth(name="eth5", netns="ns2", peer="ns1-eth0", addresses=("10.0.0.1/24",))
    outcome = reach([NS, Namespace("ns2"), moved, inner, TAP])
    assert ("replace", "ns1-eth0") in verbs(outcome)
    assert "10.0.0.1/24" in sh("ip -n ns2 addr show eth5")


@within
def test_what_is_not_wanted_any_more_goes_and_nothing_else() -> None:
    sh("ip link add mine type veth peer name mine2; ip tuntap add dev theirs mode tap; ip netns add ours")
    before = sh("ip -o link show | wc -l; ip netns list")
    many = [Tap(name=f"t{number}") for number in range(20)]
    reach([*ALL, *many])
    reach([Tap(name="other")], name="hv2")
    reach(ALL)
    reach([])
    assert "netctl:hv2" in sh("ip link show other")
    reach([], name="hv2")
    assert sh("ip -o link show | wc -l; ip netns list") == before
    assert not Path("/run/netns/ns1").exists()


@within
def test_a_stranger_under_a_wanted_name_is_named_and_not_touched() -> None:
    sh("ip link add vm1-eth1 type veth peer name x; ip tuntap add dev ns1-eth0 mode tap")
    sh("ip link add br9 type bridge")
    before = sh("ip -o link show")
    with Host("hv1") as host:
        found = {each.item.key: each for each in host.observe([TAP, VETH, Tap(name="br9")])}
        assert found["tap", "vm1-eth1"].item == Stranger(("tap", "vm1-eth1"), "veth")
        assert found["tap", "br9"].item == Stranger(("tap", "br9"), "bridge")
        assert not any(each.ours for each in found.values())
        made = plan(host, ALL)
        assert [step.key for step in made.steps] == [NS.key, INNER.key]
        said = "\n".join(map(str, made.collisions))
        assert "tap vm1-eth1 is there already and netctl did not make it (kind veth -> tap" in said
        assert "veth ns1-eth0 is there already and netctl did not make it (kind tun -> veth" in said
    assert sh("ip -o link show") == before


@within
def test_a_foreign_device_that_is_as_wanted_is_left_to_its_owner() -> None:
    sh("ip tuntap add dev t0 mode tap; ip link set t0 up")
    with Host("hv1") as host:
        assert not plan(host, [Tap(name="t0")])
        assert plan(host, [Tap(name="t0", mtu=9000)]).collisions
    sh("ip netns add ns1; ip -n ns1 link set lo up")
    reach([NS, VETH, INNER])
    reach([])
    assert "ns1" in sh("ip netns list")


@within
def test_a_name_that_is_taken_after_the_look_fails_and_is_taken_back() -> None:
    with Host("hv1") as host:
        for steal, name in (
            ("ip tuntap add dev vm1-eth1 mode tap", "vm1-eth1"),
            ("ip link add vm1-eth1 type veth peer name x", "vm1-eth1"),
        ):
            made = plan(host, ALL)
            sh(steal)
            outcome = host.apply(made)
            assert isinstance(outcome.error, NameTaken)
            assert outcome.error.name == name
            assert outcome.failed
            assert outcome.failed.key == TAP.key
            assert [step.key for step in outcome.done] == [NS.key, VETH.key, INNER.key]
            assert outcome.undone == outcome.done[::-1]
            assert [each.item.key for each in host.observe()] == []
            assert name in sh("ip link")
            sh(f"ip link del {name}")
        sh("ip netns add ns1; ip -n ns1 link set lo up; ip -n ns1 link add eth0 type bridge")
        outcome = host.apply(plan(host, ALL))
        assert isinstance(outcome.error, NameTaken)
        assert "eth0 in namespace ns1" in str(outcome.error)


@within
def test_taking_back_brings_back_what_was_removed_and_what_was_changed() -> None:
    reach(ALL)
    with Host("hv1") as host:
        before = {each.item.key: each.item.facts() for each in host.observe()}
        changed = Tap(name="vm1-eth1", mac="fe:54:00:84:e3:99")
        made = plan(host, [NS, changed, Tap(name="zz")])
        assert [step.verb for step in made.steps] == ["remove", "remove", "change", "add"]
        sh("ip link add zz type bridge")
        outcome = host.apply(made)
        assert outcome.failed
        assert len(outcome.undone) == 3
        assert {each.item.key: each.item.facts() for each in host.observe()} == before


@within
def test_what_somebody_else_did_meanwhile_is_no_failure() -> None:
    with Host("hv1") as host:
        made = plan(host, ALL)
        assert host.apply(made).ok
        assert host.apply(made).ok
        change = plan(host, [NS, VETH, INNER, Tap(name="vm1-eth1", mac="fe:00:00:00:00:07")])
        sh("ip link del vm1-eth1")
        assert host.apply(change).ok
        assert "fe:00:00:00:00:07" in sh("ip link show vm1-eth1")
        away = plan(host, [])
        sh("ip link del vm1-eth1; ip link del ns1-eth0; ip netns del ns1")
        assert host.apply(away).ok
        assert not plan(host, [])


@within
def test_a_namespace_with_processes_goes_and_they_are_told_of_not_killed() -> None:
    reach(ALL)
    with subprocess.Popen(["ip", "netns", "exec", "ns1", "sleep", "60"]) as sleeper:
        while "sleep" not in Path(f"/proc/{sleeper.pid}/comm").read_text():
            pass
        outcome = reach([])
        assert outcome.notes
        assert "ns1" in outcome.notes[0]
        assert str(sleeper.pid) in outcome.notes[0]
        assert sleeper.poll() is None
        sleeper.kill()


@within
def test_a_guest_that_asks_for_the_offload_again_does_not_keep_it() -> None:
    reach([TAP])
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"vm1-eth1", 0x1002))
    fcntl.ioctl(tap, 0x400454D0, 1)
    assert "tx-checksumming: on" in sh("ethtool -k vm1-eth1")
    assert verbs(reach([TAP])) == [("change", "vm1-eth1")]
    assert "tx-checksumming: off" in sh("ethtool -k vm1-eth1")


@within
def test_a_tap_is_removed_and_made_again_while_a_guest_holds_it() -> None:
    reach([TAP])
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"vm1-eth1", 0x1002))
    reach([])
    reach([TAP])


@within
def test_the_stale_file_of_a_namespace_that_was_never_mounted_is_no_obstacle() -> None:
    Path("/run/netns/ns1").touch(0)
    assert verbs(reach(ALL))[0] == ("add", "ns1")


@within
def test_a_veth_whose_maker_died_before_it_had_its_alias_is_ours() -> None:
    reach([NS])
    sh("ip link add ns1-eth0 group 0x6e63746c type veth peer name eth0 netns ns1 group 0x6e63746c")
    assert verbs(reach(ALL)) == [("change", "ns1-eth0"), ("change", "ns1/eth0"), ("add", "vm1-eth1")]
    assert "netctl:hv1" in sh("ip link show ns1-eth0")


@within
def test_a_change_that_fails_halfway_is_taken_back_too() -> None:
    reach([NS, TAP])
    with Host("hv1") as host:
        before = {each.item.key: each.item.facts() for each in host.observe()}
        wanted = replace(TAP, mac="fe:54:00:84:e3:99", master="br9")
        outcome = host.apply(plan(host, [NS, wanted]))
        assert outcome.failed
        assert {each.item.key: each.item.facts() for each in host.observe()} == before
        wanted = replace(TAP, tx_checksum=True, offloads=(("no-such-thing", True),))
        outcome = host.apply(plan(host, [NS, wanted]))
        assert outcome.failed
        assert "no-such-thing" in str(outcome.error)
        assert {each.item.key: each.item.facts() for each in host.observe()} == before
