"""A probe is an LLDP frame like any other, and its token is nobody else's."""

from __future__ import annotations

import pytest
from scapy.contrib.lldp import LLDPDU, LLDPDUChassisID, LLDPDUPortID, LLDPDUTimeToLive
from scapy.layers.l2 import Ether

from netctl.topology import lldp
from netctl.topology.announcement import Announcement, Id
from netctl.topology.probe import Mint, Probe, is_probe

MINT = Mint(b"key", b"epoch")
FRAME = MINT.probe(MINT.head(0x1F, 0xFFFFFF00, bytes.fromhex("020000000007"), 5), 0xDEADBEEF)


def test_it_is_lldp_as_ryu_says_it() -> None:
    read = lldp.decode(FRAME)
    assert isinstance(read, Announcement)
    assert (read.source, read.destination) == ("02:00:00:00:00:07", "01:80:c2:00:00:0e")
    assert read.chassis == Id("local", "dpid:000000000000001f")
    assert read.port == Id("component", "ff:ff:ff:00")
    assert read.ttl == 5
    (other,) = read.others
    assert (other.oui, other.subtype, other.why) == ("6e:63:74", 1, "")
    assert len(FRAME) >= 60


def test_another_decoder_reads_the_same() -> None:
    read = Ether(FRAME)
    assert read[LLDPDUChassisID].subtype == 7
    assert bytes(read[LLDPDUChassisID].id) == b"dpid:000000000000001f"
    assert (read[LLDPDUPortID].subtype, bytes(read[LLDPDUPortID].id)) == (2, b"\xff\xff\xff\x00")
    assert read[LLDPDUTimeToLive].ttl == 5
    assert isinstance(read[LLDPDU], LLDPDU)


def test_ryus_own_parser_takes_it() -> None:
    """The application that finds links with os-ken, or with Ryu, understands who sent it."""
    switches = pytest.importorskip("os_ken.topology.switches")
    assert switches.LLDPPacket.lldp_parse(FRAME) == (0x1F, 0xFFFFFF00)


def test_it_is_read_by_who_made_it_and_nobody_else() -> None:
    assert is_probe(FRAME)
    assert MINT.read(FRAME) == Probe(0x1F, 0xFFFFFF00, 0xDEADBEEF)
    assert MINT.read(FRAME + b"padding") == Probe(0x1F, 0xFFFFFF00, 0xDEADBEEF)
    assert MINT.read(FRAME[:-3]) is None
    assert Mint(b"key", b"another epoch").read(FRAME) is None
    assert Mint(b"another key", b"epoch").read(FRAME) is None


def test_other_lldp_is_no_probe() -> None:
    theirs = lldp.build(bytes(6), (7, b"dpid:000000000000001f"), (2, b"\0\0\0\1"), 120)
    assert not is_probe(theirs)
    assert not is_probe(b"")
