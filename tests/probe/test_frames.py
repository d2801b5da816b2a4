"""The frames are what they are called, by the judgement of another implementation."""

from __future__ import annotations

import pytest
from scapy.contrib.cdp import CDPMsgDeviceID, CDPv2_HDR
from scapy.contrib.lacp import LACP, SlowProtocol
from scapy.contrib.lldp import LLDPDUChassisID, LLDPDUTimeToLive
from scapy.layers.eap import EAPOL
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, LLC, STP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet
from scapy.utils import checksum

from netctl.probe.frames import FOREIGN, KINDS, NONCE, SHORTEST, STRANGER, difference, kind_of, with_tag

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
    assert frame[6:12] == (STRANGER if kind.name == "foreign MACs" else SRC)
    assert frame != kind.build(SRC, DST, nonce[::-1])


def test_unicast_goes_to_the_far_end_and_foreign_does_not() -> None:
    assert all(build(name)[:6] == DST for name in ("IPv4 ICMP", "IPv6 ICMP", "802.1Q tag", "QinQ", "60 bytes"))
    assert build("foreign MACs")[:12] == FOREIGN + STRANGER
    assert {FOREIGN[0] & 3, STRANGER[0] & 3} == {2}


def test_arp_is_a_probe_that_no_cache_learns_from() -> None:
    packet = Ether(build("ARP"))
    assert (packet.dst, packet[ARP].op, packet[ARP].psrc) == ("ff:ff:ff:ff:ff:ff", 1, "0.0.0.0")


@pytest.mark.parametrize("name", ["IPv4 ICMP", "802.1Q tag", "QinQ", "1500 bytes", "9000 bytes", "foreign MACs"])
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
    frame = build("IPv4 ICMP")
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


def test_pause_is_of_no_time() -> None:
    frame = build("PAUSE")
    assert frame[:6].hex() == "0180c2000001"
    assert frame[12:18].hex() == "880800010000"


def test_eapol_is_a_key_of_no_known_kind() -> None:
    packet = Ether(build("EAPOL"))
    assert (packet.dst, packet.type, packet[EAPOL].type) == ("01:80:c2:00:00:03", 0x888E, 3)
    assert packet[EAPOL].len == 1 + NONCE
    assert bytes(packet[EAPOL].payload)[0] == 0, "no descriptor type"


def test_cdp_is_forgotten_at_once_and_has_a_good_checksum() -> None:
    frame = build("CDP")
    packet = Ether(frame)
    assert (packet.dst, packet[CDPv2_HDR].vers, packet[CDPv2_HDR].ttl) == ("01:00:0c:cc:cc:cc", 2, 0)
    assert packet[CDPMsgDeviceID].val == b"n" * NONCE
    header = packet[CDPv2_HDR]
    given = header.cksum
    del header.cksum
    assert CDPv2_HDR(bytes(header)[: 8 + NONCE]).cksum == given


def test_igmp_is_a_report_for_a_group_of_the_documentation() -> None:
    packet = Ether(build("IGMP"))
    assert (packet.dst, packet[IP].dst, packet[IP].ttl) == ("01:00:5e:7c:00:01", "233.252.0.1", 1)
    head = packet[IP].ihl * 4
    report = bytes(packet[IP])[head : packet[IP].len]
    assert (report[0], report[4:8]) == (0x16, bytes([233, 252, 0, 1]))
    assert (checksum(report), checksum(bytes(packet[IP])[:head])) == (0, 0)


def test_neighbour_discovery_asks_as_one_without_an_address() -> None:
    packet = Ether(build("IPv6 ND"))
    assert (packet.dst, packet[IPv6].src, packet[IPv6].hlim) == ("33:33:ff:00:00:02", "::", 255)
    assert (packet[IPv6].dst, packet[ICMPv6ND_NS].tgt) == ("ff02::1:ff00:2", "2001:db8::2")


@pytest.mark.parametrize("name", ["IPv6 ICMP", "IPv6 ND"])
def test_ipv6_packets_have_good_checksums(name: str) -> None:
    packet = Ether(build(name))
    layer = packet[ICMPv6EchoRequest if name == "IPv6 ICMP" else ICMPv6ND_NS]
    again = IPv6(bytes(packet[IPv6]))
    del again[type(layer)].cksum
    assert bytes(again) == bytes(packet[IPv6])


def test_qinq_has_a_service_tag_outside() -> None:
    packet = Ether(build("QinQ"))
    assert (packet[Dot1AD].vlan, packet[Dot1AD].prio, packet[Dot1Q].vlan) == (200, 3, 100)
    assert packet.type == 0x88A8


def test_sizes_are_what_they_are_called() -> None:
    assert len(build("60 bytes")) == SHORTEST
    assert (len(build("1500 bytes")), Ether(build("1500 bytes"))[IP].len) == (1514, 1500)


def test_a_tag_is_put_in_front_of_those_that_are_there() -> None:
    frame = build("802.1Q tag")
    assert with_tag(frame, 0x8100, 7) == frame[:12] + b"\x81\x00\x00\x07" + frame[12:]


@pytest.mark.parametrize(
    ("text", "name"),
    [("lldp", "LLDP"), ("802.1q", "802.1Q tag"), ("IPv6 ND", "IPv6 ND"), ("9", "9000 bytes")],
)
def test_a_kind_is_found_by_what_a_person_types(text: str, name: str) -> None:
    assert kind_of(text).name == name


@pytest.mark.parametrize(
    ("text", "hint"), [("ldp", "did you mean lldp?"), ("ipv6", "ipv6-icmp or ipv6-nd?"), ("", "there are: foreign")]
)
def test_what_is_no_kind_is_said(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match="no kind of frame") as failed:
        kind_of(text)
    assert hint in str(failed.value)
