"""Which hosts are at which port."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netctl.topology.hosts import (
    ADDRESSES,
    AGE_SECONDS,
    Appeared,
    Changed,
    Gone,
    Host,
    Hosts,
    Place,
    Sighting,
    sight,
)
from tests.conftest import missing

try:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import (
        ICMPv6EchoRequest,
        ICMPv6ND_NA,
        ICMPv6ND_NS,
        ICMPv6NDOptDstLLAddr,
        ICMPv6NDOptSrcLLAddr,
        IPv6,
    )
    from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
except ImportError as error:
    missing(f"needs {error.name} (pip install netctl[test])")

MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
HERE, THERE = Place(0xAB, 1), Place(0xAB, 2)
ETHER = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff")


def said(frame: object) -> tuple[str, str | None] | None:
    seen = sight(bytes(frame))  # type: ignore[call-overload]
    return (seen.mac, str(seen.address) if seen.address is not None else None) if seen else None


@pytest.mark.parametrize(
    ("frame", "tells"),
    [
        (ETHER / ARP(op=1, hwsrc=MAC, psrc="10.0.0.1", pdst="10.0.0.2"), (MAC, "10.0.0.1")),
        (ETHER / ARP(op=2, hwsrc=MAC, psrc="10.0.0.1", pdst="10.0.0.2"), (MAC, "10.0.0.1")),
        (ETHER / ARP(op=1, hwsrc=MAC, psrc="10.0.0.1", pdst="10.0.0.1"), (MAC, "10.0.0.1")),
        (ETHER / Dot1Q(vlan=7) / ARP(hwsrc=MAC, psrc="10.0.0.1"), (MAC, "10.0.0.1")),
        (ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=8) / ARP(hwsrc=MAC, psrc="10.0.0.1"), (MAC, "10.0.0.1")),
        (ETHER / ARP(op=1, hwsrc=MAC, psrc="0.0.0.0", pdst="10.0.0.2"), (MAC, None)),
        (ETHER / ARP(op=1, hwsrc=OTHER, psrc="10.0.0.1"), (MAC, None)),
        (ETHER / ARP(op=1, hwsrc=MAC, psrc="255.255.255.255"), (MAC, None)),
        (ETHER / ARP(op=1, hwsrc=MAC, psrc="224.0.0.1"), (MAC, None)),
        (ETHER / ARP(op=1, hwsrc=MAC, psrc="127.0.0.1"), (MAC, None)),
        (ETHER / ARP(hwtype=6, hwsrc=MAC, psrc="10.0.0.1"), None),
        (
            ETHER / IPv6(src="fe80::1", dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt="fe80::2"),
            (MAC, "fe80::1"),
        ),
        (
            ETHER / IPv6(src="fd00::1", dst="fd00::2", hlim=255)
            / ICMPv6ND_NS(tgt="fd00::2") / ICMPv6NDOptSrcLLAddr(lladdr=MAC),
            (MAC, "fd00::1"),
        ),
        (ETHER / IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"), (MAC, None)),
        (
            ETHER / IPv6(src="fe80::1", dst="fe80::2", hlim=255) / ICMPv6ND_NA(tgt="fd00::1"),
            (MAC, "fd00::1"),
        ),
        (
            ETHER / IPv6(src="fe80::1", dst="fe80::2", hlim=255)
            / ICMPv6ND_NA(tgt="fd00::1") / ICMPv6NDOptDstLLAddr(lladdr=MAC),
            (MAC, "fd00::1"),
        ),
        (
            ETHER / IPv6(src="fe80::1", dst="fe80::2", hlim=255)
            / ICMPv6ND_NA(tgt="fd00::1") / ICMPv6NDOptDstLLAddr(lladdr=OTHER),
            (MAC, None),
        ),
        (ETHER / IPv6(src="fe80::1", dst="fe80::2", hlim=64) / ICMPv6ND_NA(tgt="fd00::1"), None),
        (ETHER / IPv6(src="fe80::1", dst="fe80::2", hlim=255) / ICMPv6EchoRequest(data=b"x" * 32), None),
        (ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(), None),
        (Ether(src="01:00:00:00:00:01") / ARP(hwsrc="01:00:00:00:00:01", psrc="10.0.0.1"), None),
        (Ether(src="00:00:00:00:00:00") / ARP(psrc="10.0.0.1"), None),
    ],
)  # fmt: skip
def test_what_a_frame_tells_of_its_sender(frame: object, tells: tuple[str, str | None] | None) -> None:
    assert said(frame) == tells


@given(st.binary(max_size=100))
def test_octets_of_any_kind(frame: bytes) -> None:
    sight(frame)
    sight(b"\xff" * 6 + bytes.fromhex("020000000001") + frame)
    sight(b"\xff" * 6 + bytes.fromhex("0200000000010806") + frame)
    sight(b"\xff" * 6 + bytes.fromhex("02000000000186dd") + frame)


@pytest.mark.parametrize("cut", range(0, 90, 3))
def test_frames_that_end_early(cut: int) -> None:
    whole = ETHER / IPv6(src="fe80::1", dst="fe80::2", hlim=255) / ICMPv6ND_NA(tgt="fd00::1")
    assert said(bytes(whole)[:cut]) in (None, (MAC, "fd00::1"))
    assert said(bytes(ETHER / ARP(hwsrc=MAC, psrc="10.0.0.1"))[:cut]) in (None, (MAC, "10.0.0.1"))


def seen(mac: str = MAC, address: str | None = None) -> Sighting:
    from ipaddress import ip_address

    return Sighting(mac, ip_address(address) if address else None)


def test_a_life() -> None:
    hosts = Hosts()
    (there,) = hosts.hear(HERE, seen(), 0, 1000)
    assert there == Appeared(Host(MAC, (), (), HERE, 1000))
    (named,) = hosts.hear(HERE, seen(address="10.0.0.1"), 1, 1001)
    assert named == Changed(Host(MAC, (), (), HERE, 1000), Host(MAC, ("10.0.0.1",), (), HERE, 1000))
    assert hosts.hear(HERE, seen(address="10.0.0.1"), 2, 1002) == []
    hosts.hear(HERE, seen(address="fe80::1"), 3, 1003)
    (moved,) = hosts.hear(THERE, seen(), 4, 1004)
    assert isinstance(moved, Changed)
    assert moved.host == Host(MAC, ("10.0.0.1",), ("fe80::1",), THERE, 1000)
    assert list(hosts) == [moved.host]
    assert hosts.forget(*HERE) == []
    assert hosts.forget(*THERE) == [Gone(moved.host, "port")]
    assert len(hosts) == 0


def test_ageing_of_hosts_and_of_addresses() -> None:
    hosts = Hosts()
    hosts.hear(HERE, seen(address="10.0.0.1"), 0, 1000)
    hosts.hear(HERE, seen(address="10.0.0.2"), 100, 1100)
    assert hosts.age(AGE_SECONDS - 1) == []
    (changed,) = hosts.age(AGE_SECONDS)
    assert isinstance(changed, Changed)
    assert changed.host.ipv4 == ("10.0.0.2",)
    hosts.hear(HERE, seen(), 200, 1200)
    (changed,) = hosts.age(AGE_SECONDS + 100)
    assert isinstance(changed, Changed)
    assert changed.host.ipv4 == ()
    (gone,) = hosts.age(AGE_SECONDS + 200)
    assert gone == Gone(changed.host, "aged")


def test_nobody_fills_the_table_for_others() -> None:
    hosts = Hosts(per_place=3, total=5)
    for number in range(10):
        hosts.hear(HERE, seen(f"02:00:00:00:01:{number:02x}"), 0, 0)
    assert (len(hosts), hosts.refused) == (3, 7)
    assert hosts.hear(THERE, seen(OTHER), 0, 0) != []
    assert hosts.hear(HERE, seen(OTHER), 0, 0) == []
    assert [host.place for host in hosts if host.mac == OTHER] == [THERE]
    hosts.hear(THERE, seen("02:00:00:00:02:01"), 0, 0)
    assert hosts.hear(THERE, seen("02:00:00:00:02:02"), 0, 0) == []
    hosts.forget(*HERE)
    assert hosts.hear(THERE, seen("02:00:00:00:02:02"), 0, 0) != []


def test_a_host_has_so_many_addresses_and_the_newest_stay() -> None:
    hosts = Hosts()
    for number in range(ADDRESSES + 5):
        hosts.hear(HERE, seen(address=f"10.0.0.{number}"), number, 0)
        hosts.hear(HERE, seen(address=f"fd00::{number + 1:x}"), number, 0)
    (host,) = hosts
    assert host.ipv4 == tuple(f"10.0.0.{number}" for number in range(5, ADDRESSES + 5))
    assert len(host.ipv6) == ADDRESSES


def test_a_switch_that_goes_takes_its_hosts_with_it() -> None:
    hosts = Hosts()
    hosts.hear(HERE, seen(), 0, 0)
    hosts.hear(Place(0xCD, 1), seen(OTHER), 0, 0)
    assert [change.host.mac for change in hosts.forget(0xAB) if isinstance(change, Gone)] == [MAC]
    assert [change.why for change in hosts.forget(0xCD, 1, "fabric") if isinstance(change, Gone)] == ["fabric"]


@pytest.mark.parametrize("seed", range(10))
def test_what_changes_adds_up_to_what_there_is(seed: int) -> None:
    dice, hosts, known, now = random.Random(seed), Hosts(per_place=4, total=6), {}, 0.0
    for _ in range(500):
        now += dice.choice([0, 1, 60])
        place = Place(dice.randrange(2), dice.randrange(3))
        if dice.random() < 0.8:
            address = dice.choice([None, "10.0.0.1", "10.0.0.2", "fe80::1"])
            changes = hosts.hear(place, seen(f"02:00:00:00:00:{dice.randrange(8):02x}", address), now, now)
        elif dice.random() < 0.5:
            changes = hosts.age(now)
        else:
            changes = hosts.forget(place.dpid, dice.choice([None, place.port]))
        for change in changes:
            if isinstance(change, Appeared):
                assert change.host.mac not in known
            else:
                before = change.before if isinstance(change, Changed) else change.host
                assert known.pop(before.mac) == before
            if not isinstance(change, Gone):
                known[change.host.mac] = change.host
        assert {host.mac: host for host in hosts} == known
        at = [host.place for host in hosts]
        assert all(at.count(each) <= 4 for each in at)
        assert len(at) <= 6
