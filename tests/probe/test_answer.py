"""What a played guest answers, asked and judged by another implementation of the protocols."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from netctl.probe.answer import Station

MINE, THEIRS = "52:54:00:00:00:01", "52:54:00:00:00:02"
STATION = Station(bytes.fromhex(MINE.replace(":", "")), ["10.0.0.1/24", "fd00::1/64"])


def ask(question: Packet) -> Packet | None:
    answer = STATION.answer(bytes(question))
    return None if answer is None else Ether(answer)


def checksums_are_good(packet: Packet) -> bool:
    again = packet.copy()
    for layer in (IP, ICMP):
        if layer in again:
            del again[layer].chksum
    for layer in (ICMPv6EchoReply, ICMPv6ND_NA):
        if layer in again:
            del again[layer].cksum
    return bytes(again) == bytes(packet)


def test_arp_for_its_address() -> None:
    question = ARP(hwsrc=THEIRS, psrc="10.0.0.2", pdst="10.0.0.1")
    reply = ask(Ether(src=THEIRS, dst="ff:ff:ff:ff:ff:ff") / question)
    assert reply is not None
    assert (reply.src, reply.dst, len(reply)) == (MINE, THEIRS, 60)
    arp = reply[ARP]
    assert (arp.op, arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == (2, MINE, "10.0.0.1", THEIRS, "10.0.0.2")


def test_ping_is_echoed_whole() -> None:
    ping = Ether(src=THEIRS, dst=MINE) / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(id=7, seq=9)
    reply = ask(ping / Raw(b"x" * 901))
    assert reply is not None
    assert checksums_are_good(reply)
    assert (reply[IP].src, reply[IP].dst, reply[ICMP].type) == ("10.0.0.1", "10.0.0.2", 0)
    assert (reply[ICMP].id, reply[ICMP].seq, reply[Raw].load) == (7, 9, b"x" * 901)


def test_ping6_is_echoed_whole() -> None:
    ping = Ether(src=THEIRS, dst=MINE) / IPv6(src="fd00::2", dst="fd00::1")
    reply = ask(ping / ICMPv6EchoRequest(id=7, data=b"odd"))
    assert reply is not None
    assert checksums_are_good(reply)
    assert (reply[IPv6].src, reply[IPv6].dst) == ("fd00::1", "fd00::2")
    assert (reply[ICMPv6EchoReply].id, reply[ICMPv6EchoReply].data) == (7, b"odd")


@pytest.mark.parametrize(
    ("asker", "to", "mac", "solicited"),
    [("fd00::2", "fd00::2", THEIRS, 1), ("::", "ff02::1", "33:33:00:00:00:01", 0)],
)
def test_neighbour_solicitation(asker: str, to: str, mac: str, solicited: int) -> None:
    question = Ether(src=THEIRS, dst="33:33:ff:00:00:01") / IPv6(src=asker, dst="ff02::1:ff00:1", hlim=255)
    reply = ask(question / ICMPv6ND_NS(tgt="fd00::1") / ICMPv6NDOptSrcLLAddr(lladdr=THEIRS))
    assert reply is not None
    assert checksums_are_good(reply)
    assert (reply.dst, reply[IPv6].dst, reply[IPv6].hlim) == (mac, to, 255)
    assert (reply[ICMPv6ND_NA].tgt, reply[ICMPv6ND_NA].S) == ("fd00::1", solicited)
    assert reply[ICMPv6NDOptDstLLAddr].lladdr == MINE


@pytest.mark.parametrize(
    "question",
    [
        Ether(src=THEIRS, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=THEIRS, psrc="10.0.0.2", pdst="10.0.0.9"),
        Ether(src=THEIRS, dst=MINE) / ARP(op=2, hwsrc=THEIRS, psrc="10.0.0.2", pdst="10.0.0.1"),
        Ether(src=THEIRS, dst=MINE) / IP(src="10.0.0.2", dst="10.0.0.9") / ICMP(),
        Ether(src=THEIRS, dst="52:54:00:00:00:09") / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(),
        Ether(src=THEIRS, dst=MINE) / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=0),
        Ether(src=THEIRS, dst=MINE) / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(chksum=1),
        Ether(src=THEIRS, dst=MINE) / IP(src="10.0.0.2", dst="10.0.0.1", flags="MF") / ICMP(),
        Ether(src=THEIRS, dst=MINE) / IPv6(src="fd00::2", dst="fd00::9") / ICMPv6EchoRequest(),
        Ether(src=THEIRS, dst=MINE) / IPv6(src="fd00::2", dst="fd00::1", hlim=9) / ICMPv6ND_NS(tgt="fd00::1"),
    ],
    ids=lambda question: question.summary(),
)
def test_what_is_not_for_it_gets_no_answer(question: Packet) -> None:
    assert ask(question) is None


@given(st.sampled_from([b"\x08\x06", b"\x08\x00", b"\x86\xdd", b"\x45\x00"]), st.binary(max_size=120))
def test_no_frame_makes_it_fail(kind: bytes, rest: bytes) -> None:
    for frame in (rest, bytes.fromhex(MINE.replace(":", "")) + b"\x02" * 6 + kind + rest):
        answer = STATION.answer(frame)
        assert answer is None or len(answer) >= 60


QUESTIONS = [
    bytes(Ether(src=THEIRS, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=THEIRS, psrc="10.0.0.2", pdst="10.0.0.1")),
    bytes(Ether(src=THEIRS, dst=MINE) / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP()),
    bytes(Ether(src=THEIRS, dst=MINE) / IPv6(src="fd00::2", dst="fd00::1") / ICMPv6EchoRequest()),
    bytes(Ether(src=THEIRS, dst=MINE) / IPv6(src="fd00::2", dst="fd00::1") / ICMPv6ND_NS(tgt="fd00::1")),
]


@given(st.sampled_from(QUESTIONS), st.integers(0, 90), st.integers(14, 80), st.integers(0, 255))
def test_no_damage_to_a_frame_makes_it_fail(frame: bytes, cut: int, at: int, octet: int) -> None:
    damaged = bytearray(frame)
    if at < len(damaged):
        damaged[at] = octet
    answer = STATION.answer(bytes(damaged[:cut]))
    assert answer is None or answer[6:12] == STATION.mac
