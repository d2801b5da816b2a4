"""LLDP frames read and built; what is wrong with one is said, and never raised."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netctl.topology import lldp
from netctl.topology.announcement import Aggregation, Announcement, Id, Malformed, ManagementAddress, RawTlv
from netctl.topology.organisational import IEEE_8021, IEEE_8023, TIA
from tests.topology import frames
from tests.topology.frames import frame, org

HEAD = frame()[:14]
CHASSIS, PORT, TTL = lldp.tlv(1, b"\x04" + frames.MAC), lldp.tlv(2, b"\x05eth0"), lldp.tlv(3, b"\0\x78")
END = lldp.tlv(0, b"")


def read(data: bytes) -> Announcement:
    said = lldp.decode(data)
    assert isinstance(said, Announcement), said
    return said


def wrong(data: bytes) -> str:
    said = lldp.decode(data)
    assert isinstance(said, Malformed), said
    return said.why


def test_all_of_it() -> None:
    said = read(frame(*frames.ALL))
    assert (said.source, said.destination, said.tags) == ("02:00:00:00:00:01", "01:80:c2:00:00:0e", ())
    assert (said.chassis, said.port, said.ttl) == (Id("mac", "02:00:00:00:00:01"), Id("ifname", "eth0"), 120)
    assert said.system_description == "Debian GNU/Linux, Büro"
    assert said.addresses[0] == ManagementAddress("ipv4", "10.1.1.1", "ifindex", 3, "")
    assert said.dot1.pvid == 100
    assert [vlan.name for vlan in said.dot1.vlans] == ["prod", "dev"]
    assert said.dot3.phy is not None
    assert said.dot3.phy.mau_name == "1000BASE-T FD"
    assert said.dot3.aggregation == Aggregation(True, True, 7)
    assert said.dot3.max_frame == 1518
    assert said.med is not None
    assert said.med.inventory.serial == "sn 4"
    assert said.others == (RawTlv(127, "33:44:55", 254, "555555"),)


def test_power_of_802_3bt() -> None:
    power = read(frame(frames.BT)).dot3.power
    assert power is not None
    assert power.bt is not None
    assert (power.type, power.source, power.requested) == (1, "PSE", 10000)
    assert (power.bt.requested_b, power.bt.class_a, power.bt.maximum) == (10100, "class 3", 100_000)


def test_what_lldpd_does_not_know() -> None:
    said = read(frame(org(IEEE_8021, 5, "01020304"), org(IEEE_8021, 6, "0005"), org(IEEE_8021, 7, "0100000009")))
    assert (said.dot1.vid_digest, said.dot1.management_vid) == ("01020304", 5)
    assert said.dot1.aggregation == Aggregation(True, False, 9)
    oid = lldp.tlv(8, bytes.fromhex("0706020000000001" + "0300000001" + "082b06010201020201"))
    (address,) = read(frame(oid)).addresses
    assert address == ManagementAddress("mac", "02:00:00:00:00:01", "port", 1, "1.3.6.1.2.1.2.2.1")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not LLDP: EtherType 0xnone"),
        (HEAD[:12] + b"\x88\xb5" + CHASSIS, "not LLDP: EtherType 0x88b5"),
        (b"\x01\x80\xc2\x00\x00\x0f" + HEAD[6:] + CHASSIS, "sent to 01:80:c2:00:00:0f, which is no LLDP group"),
        (HEAD, "it ends after 0 TLVs; chassis, port and TTL must be there"),
        (HEAD + CHASSIS + PORT + END, "it ends after 2 TLVs; chassis, port and TTL must be there"),
        (HEAD + PORT + CHASSIS + TTL, "TLV 2 in place 1; the first three are chassis, port and TTL, once each"),
        (HEAD + CHASSIS + PORT + TTL + TTL, "TLV 3 in place 4; the first three are chassis, port and TTL, once each"),
        (HEAD + CHASSIS + PORT + lldp.tlv(3, b"\x01"), "a TTL of 1 octets"),
        (HEAD + lldp.tlv(1, b"\x04") + PORT + TTL, "a chassis ID of 1 octets; 2 to 256 are right"),
        (HEAD + lldp.tlv(1, b"\x07" + bytes(256)), "a chassis ID of 257 octets; 2 to 256 are right"),
        (HEAD + CHASSIS + lldp.tlv(2, b"\x08abc") + TTL, "a port ID of the reserved subtype 8"),
        (HEAD + CHASSIS + PORT + TTL + b"\x0a", "it ends within a TLV's head"),
        (HEAD + CHASSIS + PORT + TTL + b"\x0a\x05abc", "TLV 5 of 5 octets where 3 are left"),
        (HEAD + CHASSIS + PORT + TTL + lldp.tlv(0, b"x"), "an end of 1 octets"),
        (HEAD + CHASSIS + PORT + TTL + lldp.tlv(9, b"") * 126, "more than 128 TLVs"),
        (HEAD + CHASSIS + PORT + TTL + bytes(2000), "2020 octets of TLVs; 1500 are the most"),
    ],
)
def test_malformed(data: bytes, why: str) -> None:
    assert wrong(data) == why


def test_a_frame_may_end_without_an_end() -> None:
    assert read(HEAD + CHASSIS + PORT + TTL).ttl == 120
    assert read(HEAD + CHASSIS + PORT + TTL + lldp.tlv(5, b"sw")).system_name == "sw"


def test_what_follows_the_end_is_padding() -> None:
    assert read(HEAD + CHASSIS + PORT + TTL + END + b"\xff" * 40).others == ()


@pytest.mark.parametrize(
    ("tlv", "raw"),
    [
        (lldp.tlv(7, b"\x01"), RawTlv(7, None, None, "01")),
        (lldp.tlv(8, b""), RawTlv(8, None, None, "")),
        (lldp.tlv(8, b"\x21\x01" + bytes(40)), RawTlv(8, None, None, "2101" + "00" * 40)),
        (lldp.tlv(8, bytes.fromhex("05010a0101010200000003" + "04" + "2b")), RawTlv(8, None, None, "")),
        (lldp.tlv(127, b"\0\x12"), RawTlv(127, None, None, "0012")),
        (lldp.tlv(126, b"abc"), RawTlv(126, None, None, "616263")),
        (org(IEEE_8021, 1, "64"), RawTlv(127, "00:80:c2", 1, "64")),
        (org(IEEE_8021, 3, "0064" + "05" + "61"), RawTlv(127, "00:80:c2", 3, "00640561")),
        (org(IEEE_8021, 4, "02aa"), RawTlv(127, "00:80:c2", 4, "02aa")),
        (org(IEEE_8023, 2, "07"), RawTlv(127, "00:12:0f", 2, "07")),
        (org(TIA, 3, "01" + "00" * 15), RawTlv(127, "00:12:bb", 3, "01" + "00" * 15)),
        (org(TIA, 3, "02" + "05" + "0246520361"), RawTlv(127, "00:12:bb", 3, "02050246520361")),
        (org(TIA, 3, "09"), RawTlv(127, "00:12:bb", 3, "09")),
        (org(TIA, 200, "aa"), RawTlv(127, "00:12:bb", 200, "aa")),
    ],
)
def test_a_tlv_that_cannot_be_read_is_kept_and_the_rest_is_read(tlv: bytes, raw: RawTlv) -> None:
    said = read(frame(tlv, lldp.tlv(5, b"sw")))
    assert said.system_name == "sw"
    (kept,) = said.others
    assert (kept.type, kept.oui, kept.subtype) == (raw.type, raw.oui, raw.subtype)
    assert kept.value == (raw.value or tlv[2:].hex())
    known = raw.type in (7, 8) or (raw.oui is not None and raw.subtype != 200) or raw.value == "0012"
    assert bool(kept.why) == known
    assert "unpack" not in kept.why
    assert said.med is None


@pytest.mark.parametrize("ethertype", ["8100", "88a8", "9100"])
def test_tags_are_taken_off(ethertype: str) -> None:
    bare = frame(*frames.BASIC)
    assert read(frames.tagged(bare, f"{ethertype}a064")).tags == (100,)
    double = read(frames.tagged(bare, f"{ethertype}0064", "81002002"))
    assert double.tags == (100, 2)
    assert double.system_name == "sw-a"
    assert wrong(frames.tagged(bare, f"{ethertype}0064", "81000002", "81000003")) == "not LLDP: EtherType 0x8100"
    assert wrong(frames.tagged(bare, f"{ethertype}0064")[:15]) == f"not LLDP: EtherType 0x{ethertype}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"eth0", "eth0"),
        (b"eth0\0", "eth0"),
        ("Büro".encode(), "Büro"),
        (b"\x00\x00\x00\x01", "00:00:00:01"),
        (b"a\x1b[31m", "61:1b:5b:33:31:6d"),
        (b"\xff\xfe", "ff:fe"),
    ],
)
def test_names_are_printable(value: bytes, text: str) -> None:
    assert read(frame(port=(7, value))).port == Id("local", text)


names = st.tuples(st.integers(1, 7), st.binary(min_size=1, max_size=255))
some_tlvs = st.lists(
    st.one_of(
        st.sampled_from(frames.ALL),
        st.builds(lldp.tlv, st.integers(4, 127), st.binary(max_size=60)),
        st.builds(
            frames.organisational,
            st.sampled_from([IEEE_8021, IEEE_8023, TIA]),
            st.integers(0, 12),
            st.binary(max_size=40),
        ),
    ),
    max_size=12,
)


@given(names, names, st.integers(0, 0xFFFF), some_tlvs)
def test_what_is_built_is_read(
    chassis: tuple[int, bytes], port: tuple[int, bytes], ttl: int, tlvs: list[bytes]
) -> None:
    said = read(lldp.build(frames.MAC, chassis, port, ttl, tlvs))
    assert said.ttl == ttl
    assert said.port.value
    count = len(said.others) + len(said.addresses) + len(said.dot1.vlans) + len(said.dot1.protocols)
    assert count <= len(tlvs)
    for each in said.others:
        bytes.fromhex(each.value)


@given(st.binary(max_size=200))
@example(b"")
def test_any_octets(data: bytes) -> None:
    assert isinstance(lldp.decode(data), Malformed)
    said = lldp.decode(HEAD + CHASSIS + PORT + TTL + data)
    assert isinstance(said, Announcement | Malformed)


@settings(max_examples=500)
@given(some_tlvs, st.data())
def test_a_frame_with_octets_changed(tlvs: list[bytes], data: st.DataObject) -> None:
    good = bytearray(frame(*tlvs))
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(good[: data.draw(st.integers(0, len(good)))])
    for each in (bytes(good), cut):
        said = lldp.decode(each)
        assert isinstance(said, Announcement | Malformed)


def test_time_grows_with_the_frame_and_no_faster() -> None:
    """The dearest octets there are: a long frame of any one TLV takes at most ten times a short one's time each."""

    def cost(count: int, tlv: bytes) -> float:
        data = HEAD + CHASSIS + PORT + TTL + tlv * count
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(20):
                read(data)
            best = min(best, time.perf_counter() - start)
        return best / count

    for tlv in frames.ALL:
        most = min(125, 1400 // len(tlv))
        assert cost(most, tlv) < 10 * cost(max(most // 8, 1), tlv), tlv.hex()


def test_what_no_frame_can_say() -> None:
    for build in (
        lambda: frame(chassis=(0, b"x")),
        lambda: frame(port=(8, b"x")),
        lambda: frame(port=(7, b"")),
        lambda: frame(port=(7, bytes(256))),
        lambda: frame(ttl=65536),
        lambda: frame(*[lldp.tlv(5, bytes(500))] * 3),
        lambda: lldp.tlv(5, bytes(512)),
    ):
        with pytest.raises(ValueError, match=r".+"):
            build()


def test_a_frame_is_long_enough_for_ethernet() -> None:
    assert len(frame()) == 60


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\x01\x0a\x00\x00\x01", "10.0.0.1"),
        (b"\x02" + bytes(15) + b"\x01", "::1"),
        (b"\x06" + frames.MAC, "02:00:00:00:00:01"),
        (b"\x01\x0a\x00", "01:0a:00"),
        (b"\x04", "04"),
    ],
)
def test_network_addresses(value: bytes, text: str) -> None:
    assert read(frame(chassis=(5, value))).chassis == Id("ip", text)
