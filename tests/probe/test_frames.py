"""The frames are what they are called, by the judgement of another implementation."""

from __future__ import annotations

import pytest
from scapy.contrib.lacp import LACP, SlowProtocol
from scapy.contrib.lldp import LLDPDUChassisID, LLDPDUTimeToLive
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, LLC, STP, Dot1Q, Ether
from scapy.packet import Packet

from netctl.probe.frames import FOREIGN, KINDS, NONCE, SHORTEST, difference

SRC, DST = bytes.fromhex("525400000001"), bytes.fromhex("525400000002")
BY_NAME = {kind.name: kind for kind in KINDS}


def build(name: str, nonce: bytes = b"n" * NONCE) -> bytes:
    return BY_NAME[name].build(SRC, DST, nonce)


def good_ip(packet: Packet) -> bool:
    """Whether scapy computes the same two checksums."""
    again = IP(bytes(packet[IP]))
    del again.chksum, again[ICMP].chksum
    return bytes(again) == bytes(packet[IP])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_carries_its_nonce_once_and_its_sender(kind) -> None:
    nonce = bytes(range(100, 100 + NONCE))
    frame = kind.build(SRC, DST, nonce)
    assert frame.count(nonce) == 1
    assert len(frame) >= SHORTEST
    assert frame[6:12] == SRC
    assert frame != kind.build(SRC, DST, nonce[::-1])


def test_unicast_goes_to_the_far_end_and_foreign_does_not() -> None:
    assert all(build(name)[:6] == DST for name in ("ICMP", "802.1Q tag", "9000 bytes"))
    assert build("foreign MAC")[:6] == FOREIGN
    assert FOREIGN[0] & 3 == 2


def test_arp_is_a_probe_that_no_cache_learns_from() -> None:
    packet = Ether(build("ARP"))
    assert (packet.dst, packet[ARP].op, packet[ARP].psrc) == ("ff:ff:ff:ff:ff:ff", 1, "0.0.0.0")


@pytest.mark.parametrize("name", ["ICMP", "802.1Q tag", "9000 bytes", "foreign MAC"])
def test_ip_packets_have_good_checksums(name: str) -> None:
    assert good_ip(Ether(build(name)))


def test_the_tag_is_vlan_100_priority_5() -> None:
    tag = Ether(build("802.1Q tag"))[Dot1Q]
    assert (tag.vlan, tag.prio, tag.type) == (100, 5, 0x0800)


def test_jumbo_is_9000_octets_of_ip_and_9014_of_ethernet() -> None:
    frame = build("9000 bytes")
    assert (len(frame), Ether(frame)[IP].len) == (9014, 9000)
    assert BY_NAME["9000 bytes"].mtu == 9000


def test_lldp_goes_to_the_nearest_bridge_and_is_forgotten_at_once() -> None:
    packet = Ether(build("LLDP"))
    assert (packet.dst, packet.type) == ("01:80:c2:00:00:0e", 0x88CC)
    assert packet[LLDPDUChassisID].id == b"netctl"
    assert packet[LLDPDUTimeToLive].ttl == 0


def test_stp_is_a_bpdu_inferior_to_every_other() -> None:
    packet = Ether(build("STP"))
    assert (packet.dst, packet[LLC].dsap, packet[LLC].ctrl) == ("01:80:c2:00:00:00", 0x42, 3)
    assert (packet.len, packet[STP].bpdutype) == (38, 0)
    assert (packet[STP].rootid, packet[STP].rootmac) == (0xF000, "ff:ff:ff:ff:ff:ff")


def test_lacp_is_a_lacpdu_of_full_length() -> None:
    frame = build("LACP")
    packet = Ether(frame)
    assert (packet.dst, packet[SlowProtocol].subtype) == ("01:80:c2:00:00:02", 1)
    assert packet[LACP].actor_system == "52:54:00:00:00:01"
    assert (packet[LACP].actor_type, packet[LACP].partner_type, packet[LACP].collector_type) == (1, 2, 3)
    assert len(frame) == 14 + 110


def test_difference_lets_only_padding_pass() -> None:
    frame = build("ICMP")
    assert not difference(frame, frame)
    assert not difference(frame[:30], frame[:30] + bytes(30))
    assert difference(frame[:30], frame[:30] + bytes(29) + b"x") == "sent 30 bytes, 60 arrived"
    assert difference(frame, frame + b"\0") == f"sent {len(frame)} bytes, {len(frame) + 1} arrived"
    assert difference(frame, frame[:22] + b"\x40" + frame[23:]) == "byte 22 was 01 and arrived as 40"


def test_difference_tells_about_tags() -> None:
    frame = build("802.1Q tag")
    bare = frame[:12] + frame[16:]
    assert difference(frame, bare) == "arrived without its VLAN tag"
    assert difference(bare, frame) == "arrived with a VLAN tag added: 8100a064"
    assert difference(frame, frame[:14] + b"\0\x64" + frame[16:]) == "byte 14 was a0 and arrived as 00"
