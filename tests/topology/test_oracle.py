"""The same frames read by netctl and by lldpd, written by other people."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from netctl.topology import lldp, lldpcli
from netctl.topology.announcement import Announcement
from netctl.topology.names import MAU
from netctl.topology.organisational import IEEE_8023, TIA
from tests.conftest import need
from tests.e2e.box import Box
from tests.topology import frames

pytestmark = pytest.mark.e2e

SEND = """
import json, socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
for frame in json.load(sys.stdin):
    wire.send(bytes.fromhex(frame))
"""

CATCH = """
import json, socket, subprocess, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88CC))
wire.bind(("eth0", 0x88CC))
wire.settimeout(10)
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
caught = []
while sum(b"sw-a" in each for each in caught) < 1:
    caught.append(wire.recv(2000))
print(json.dumps([each.hex() for each in caught if b"sw-a" in each]))
"""

TWO = """
mkdir -p /run/lldpd
for each in mouth ear; do ip netns add $each; done
ip link add name eth0 netns mouth type veth peer name eth0 netns ear
for each in mouth ear; do ip -n $each link set lo up; ip -n $each link set eth0 address $1 up; done
""".replace("address $1 ", "")


@pytest.fixture(scope="module")
def lab(module_box: Box) -> Box:
    need("lldpd", "lldpcli")
    module_box.run(TWO)
    listen(module_box, "ear", "-r")
    return module_box


def listen(box: Box, namespace: str, *more: str) -> None:
    socket = f"/run/{namespace}.sock"
    box.popen(["ip", "netns", "exec", namespace, "lldpd", "-d", "-u", socket, "-I", "eth0", "-L", "", *more])
    box.wait_for(lambda: lldpcli_of(box, namespace, "show", "interfaces"), 10, f"lldpd in {namespace}")


def lldpcli_of(box: Box, namespace: str, *arguments: str) -> Any:
    done = box.run(["lldpcli", "-u", f"/run/{namespace}.sock", "-f", "json0", *arguments], check=False)
    return json.loads(done.stdout)["lldp"] if done.returncode == 0 and done.stdout.strip() else None


def neighbours(box: Box, namespace: str = "ear") -> list[dict[str, Any]]:
    said = lldpcli_of(box, namespace, "show", "neighbors", "details")
    return said[0].get("interface", []) if said else []


def heard(box: Box, *sent: bytes) -> list[dict[str, Any]]:
    """What lldpd makes of frames, each of another chassis, in their order; the frames go before."""
    ids = [read(each).chassis.value for each in sent]
    code = ["ip", "netns", "exec", "mouth", sys.executable, "-c", SEND]
    box.run(code, input=json.dumps([each.hex() for each in sent]))

    def all_there() -> list[dict[str, Any]]:
        by_id = {each["chassis"][0]["id"][0].get("value"): each for each in neighbours(box)}
        return [by_id[each] for each in ids if each in by_id]

    try:
        return box.wait_for(lambda: found if len(found := all_there()) == len(ids) else [], 5)
    finally:
        box.run(code, input=json.dumps([shutdown(each).hex() for each in sent]))
        box.wait_for(lambda: not all_there(), 5, "lldpd to forget")


def shutdown(frame: bytes) -> bytes:
    """A frame of the same chassis and port that says that it goes."""
    chassis, port, _ = tlvs(frame)[:3]
    return lldp.build(frames.MAC, (chassis[0], chassis[1:]), (port[0], port[1:]), 0)


def tlvs(frame: bytes) -> list[bytes]:
    at, values = 14, []
    while at < len(frame):
        length = int.from_bytes(frame[at : at + 2], "big") & 0x1FF
        values.append(frame[at + 2 : at + 2 + length])
        at += 2 + length
    return values


def read(frame: bytes) -> Announcement:
    said = lldp.decode(frame)
    assert isinstance(said, Announcement), said
    return said


def ours(frame: bytes) -> dict[str, Any]:
    made = lldpcli.json0(lldpcli.tree([lldpcli.Heard("eth0", read(frame), 0)]))
    interface: dict[str, Any] = made["lldp"][0]["interface"][0]
    return interface


def comparable(interface: dict[str, Any]) -> dict[str, Any]:
    """Without what says when, in an order of its own, and with numbers that are rounded alike."""
    made = copy.deepcopy(interface)
    for each in ("age", "rid"):
        made.pop(each)
    for capabilities in (made["chassis"][0].get("capability", []),):
        capabilities.sort(key=lambda each: each["type"])
    for phy in made["port"][0].get("auto-negotiation", []):
        for each in phy.get("current", []):
            each["value"] = mau(each["value"])
    for place in made.get("lldp-med", [{}])[0].get("location", []):
        for name in ("lat", "lon", "altitude"):
            for each in place.get(name, []):
                each["value"] = rounded(each["value"])
    return made


def mau(text: str) -> str:
    """lldpd's names have a description, and letters of either case."""
    return text.partition(" - ")[0].lower().replace("-", "").replace(" ", "").replace("gig", "g").replace("/1g", "g1g")


def rounded(text: str) -> str:
    """lldpd cuts digits off where netctl rounds."""
    number, side = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return f"{float(number):.1f}{side}"


def numbered(make: Callable[[tuple[int, bytes]], bytes], count: int) -> list[bytes]:
    return [make((4, b"\x02\x00\x00\x00\x01" + bytes((number,)))) for number in range(count)]


@pytest.mark.parametrize("tlvs", ["BASIC", "DOT1", "DOT3", "MED", "ALL"])
def test_every_field_that_lldpd_reads(lab: Box, tlvs: str) -> None:
    said = getattr(frames, tlvs)
    (frame,) = numbered(lambda chassis: frames.frame(*said, chassis=chassis), 1)
    (theirs,) = heard(lab, frame)
    assert comparable(ours(frame)) == comparable(theirs)
    if tlvs == "ALL":
        assert set(theirs) == {
            "name", "via", "rid", "age", "chassis", "port", "vlan", "ppvid", "pi", "lldp-med", "unknown-tlvs",
        }  # fmt: skip


def test_every_mau_type(lab: Box) -> None:
    different = []
    for first in range(1, len(MAU), 24):
        types = range(first, min(first + 24, len(MAU)))
        sent = [
            frames.frame(frames.org(IEEE_8023, 1, f"0000000{0}{kind:04x}"[:6] + f"{kind:04x}"), chassis=chassis)
            for kind, chassis in zip(types, chassis_numbers(), strict=False)
        ]
        for kind, frame, theirs in zip(types, sent, heard(lab, *sent), strict=True):
            named = mau(theirs["port"][0]["auto-negotiation"][0]["current"][0]["value"])
            phy = read(frame).dot3.phy
            assert phy is not None
            if mau(phy.mau_name) != SAME.get(named, named):
                different.append((kind, phy.mau_name, named))
    assert different == []


SAME = {
    "10basefldf": "10baseflfd",
    "2p5gt": "2.5gbaset",
    "5gt": "5gbaset",
    "2p5gbasekx": "2.5gbasekx",
    "2p5gbasex": "2.5gbasex",
}
"""Where lldpd spells a name in another way."""


def chassis_numbers() -> list[tuple[int, bytes]]:
    return [(4, b"\x02\x00\x00\x00\x02" + bytes((number,))) for number in range(24)]


@pytest.mark.parametrize(
    ("chassis", "port"),
    [
        ((4, frames.MAC), (3, frames.MAC)),
        ((5, b"\x01\x0a\x00\x00\x01"), (4, b"\x01\x0a\x00\x00\x02")),
        ((5, b"\x02" + bytes(range(16))), (4, b"\x02" + bytes(range(16)))),
        ((6, b"eth7"), (5, b"eth0")),
        ((2, b"rack 4"), (1, "Büro".encode())),
        ((7, b"dpid:00000000000000ab"), (7, b"\x00\x00\x00\x01"[3:])),
    ],
)
def test_every_kind_of_name(lab: Box, chassis: tuple[int, bytes], port: tuple[int, bytes]) -> None:
    frame = frames.frame(chassis=chassis, port=port)
    (theirs,) = heard(lab, frame)
    if not port[1].isascii() or port[1].isalnum() or port[0] in (3, 4):
        assert comparable(ours(frame)) == comparable(theirs)
    else:
        assert ours(frame)["chassis"] == theirs["chassis"]


@pytest.mark.parametrize("device", [0x00, 0x10, 0x20, 0x40, 0x50, 0x60, 0x70])
@pytest.mark.parametrize("priority", [0, 1, 2, 3])
def test_power_of_med(lab: Box, device: int, priority: int) -> None:
    (frame,) = numbered(
        lambda chassis: frames.frame(
            frames.org(TIA, 1, "003f01"), frames.org(TIA, 4, f"{device | priority:02x}0082"), chassis=chassis
        ),
        1,
    )
    (theirs,) = heard(lab, frame)
    mine, other = comparable(ours(frame)), comparable(theirs)
    if device & 0x30 == 0:
        assert mine["lldp-med"][0]["poe"][0].pop("source") == [{"value": "unknown"}]
        other["lldp-med"][0]["poe"][0].pop("source", None)
    assert mine == other


def test_what_lldpd_refuses(lab: Box) -> None:
    """A frame whose first TLVs or lengths are wrong is none for either."""
    good = frames.frame(*frames.BASIC)
    head = good[:14]
    chassis, port, ttl = lldp.tlv(1, b"\x04" + frames.MAC), lldp.tlv(2, b"\x05eth0"), lldp.tlv(3, b"\0\x78")
    end = lldp.tlv(0, b"")
    bad = [
        head + port + chassis + ttl + end,
        head + chassis + ttl + port + end,
        head + chassis + port + end,
        head + chassis + port + ttl + chassis + end,
        head + chassis + port + ttl + ttl + end,
        head + lldp.tlv(1, b"\x04") + port + ttl + end,
        head + lldp.tlv(1, b"\x00" + frames.MAC) + port + ttl + end,
        head + lldp.tlv(1, b"\x08" + frames.MAC) + port + ttl + end,
        head + chassis + lldp.tlv(2, b"\x08eth0") + ttl + end,
        head + chassis + port + lldp.tlv(3, b"\x01") + end,
        head + chassis + port + ttl + b"\x0a\xffabc",
        head + chassis + port + ttl + lldp.tlv(0, b"x"),
        b"\x01\x80\xc2\x00\x00\x0f" + good[6:],
        good[:12] + b"\x88\xb5" + good[14:],
    ]
    for each in bad:
        assert not isinstance(lldp.decode(each), Announcement), each.hex()
    marked = frames.frame(chassis=(4, b"\x02\x00\x00\x00\x03\x01"))
    code = ["ip", "netns", "exec", "mouth", sys.executable, "-c", SEND]
    lab.run(code, input=json.dumps([each.ljust(60, b"\0").hex() for each in bad]))
    assert [each["chassis"][0]["id"][0]["value"] for each in heard(lab, marked)] == ["02:00:00:00:03:01"]
    assert neighbours(lab) == []


def test_frames_of_lldpd(box: Box) -> None:
    """What a real lldpd sends, with all that it can be told to say."""
    need("lldpd", "lldpcli")
    box.run(TWO + "ip -n mouth addr add 10.1.1.1/24 dev eth0")
    listen(box, "ear", "-r")
    listen(box, "mouth", "-C", "eth0", "-M", "2", "-S", "Descr A ü")
    told = """
        configure lldp portidsubtype local hello
        configure lldp portdescription "port d"
        configure lldp custom-tlv oui 33,44,55 subtype 254 oui-info 55,55,55
        configure med location coordinate latitude 48.85667N longitude 2.2014E altitude 117.47 m datum WGS84
        configure med location address country FR language fr city Paris street "Rue X"
        configure med location elin 112
        configure med policy application voice vlan 500 priority voice dscp 46
        configure med policy application streaming-video unknown tagged
        configure med power pd source pse priority high value 5000
        configure dot3 power pse supported enabled powerpairs spare class class-3
        configure inventory hardware-revision "hw"
        configure inventory asset "asset"
        configure system hostname sw-a
    """
    lines = [line.strip() for line in told.strip().splitlines()]
    for line in lines:
        box.run(f"lldpcli -u /run/mouth.sock {line}", check="inventory" not in line)
    update = ["lldpcli", "-u", "/run/mouth.sock", "update"]
    caught = json.loads(
        box.run(["ip", "netns", "exec", "ear", sys.executable, "-c", CATCH, *update]).stdout
    )
    frame = bytes.fromhex(caught[-1])

    (theirs,) = box.wait_for(lambda: [each for each in neighbours(box) if "asset" in json.dumps(each)], 5)
    assert comparable(ours(frame)) == comparable(theirs)
    start = time.monotonic()
    for _ in range(1000):
        lldp.decode(frame)
    assert time.monotonic() - start < 1, "a thousand frames take over a second to read"
