"""Wires that end in VLANs, on real Open vSwitch: what crosses, byte for byte, and what does not."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.box import Box
from tests.e2e.frames import MARK, Put, frame, one, play
from tests.e2e.lab import Lab

GUESTS = ["n1", "n2", "n3", "n4"]

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev, unpatched: UNPATCHED}
    guests:
      n1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
      n2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
      n3: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
      n4: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
wires:
"""

RETAG = "  - {name: trunk, ends: [{port: n1-eth0, vlan: 100}, {port: n2-eth0, vlan: 200}]}\n"
ACCESS = "  - {name: access, ends: [{port: n1-eth0, vlan: 100}, n2-eth0]}\n"
SEVERAL = """\
  - {name: retag, ends: [{port: n1-eth0, vlan: 100}, {port: n2-eth0, vlan: 200}]}
  - {name: cross, ends: [{port: n1-eth0, vlan: 200}, {port: n2-eth0, vlan: 100}]}
  - {name: same, ends: [{port: n1-eth0, vlan: 300}, {port: n2-eth0, vlan: 300}]}
  - {name: access, ends: [n3-eth0, {port: n1-eth0, vlan: 400}]}
"""
HAIRPIN = "  - {name: hairpin, ends: [{port: n1-eth0, vlan: 100}, {port: n1-eth0, vlan: 200}]}\n"

FULL = bytes(1514 - 14 - len(MARK))
"""Makes a frame of 1514 octets without its tags."""

LLDP = bytes.fromhex("0180c200000e")


@pytest.fixture(scope="module")
def lab(module_box: Box) -> Lab:
    module_box.start_ovs()
    return Lab(module_box)


def apply(lab: Lab, wires: str, unpatched: str = "drop") -> None:
    lab.apply(POLICY.replace("UNPATCHED", unpatched) + wires)


def test_the_flows_are_what_they_should_be(lab: Lab) -> None:
    apply(lab, ACCESS)
    text = "\n".join(lab.flows())
    off = re.search(r"priority=100,in_port=(\d),dl_vlan=100 actions=pop_vlan,output:(\d)\n?", text)
    assert off
    here, there = off.groups()
    assert f"priority=100,in_port={there} actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:{here}" in text
    assert len(lab.flows()) == 3


def test_a_tag_is_rewritten_and_all_else_stays(lab: Lab) -> None:
    """Priority 5, 802.1Q and 802.1ad, one to four tags, LLDP inside, a full frame."""
    apply(lab, RETAG)
    puts = []
    for sender, receiver, came, leaves in (("n1", "n2", "064", "0c8"), ("n2", "n1", "0c8", "064")):
        for inner in ([], ["8100002a"], ["8100e0c8", "81000064"], ["88a80001", "81000002", "81000003"]):
            for head in ("8100a", "81000", "88a8a"):
                sent = frame(head + came, *inner)
                puts.append(one(sender, sent, **{receiver: frame(head + leaves, *inner)}))
        sent, out = frame("8100a" + came, dst=LLDP), frame("8100a" + leaves, dst=LLDP)
        puts.append(one(sender, sent, **{receiver: out}))
        sent, out = frame("81000" + came, body=FULL), frame("81000" + leaves, body=FULL)
        puts.append(one(sender, sent, **{receiver: out}))
    play(lab.box, GUESTS, puts)


def test_towards_a_whole_port_the_tag_comes_off_and_from_it_one_is_put_on(lab: Lab) -> None:
    """Whatever the frame carries already: nothing, a tag of the same VLAN, of another, of none, two, three."""
    apply(lab, ACCESS)
    puts = []
    for inner in ([], ["81000064"], ["8100a02a"], ["81000000"], ["88a80064"], ["8100002a", "8100402b"],
                  ["88a80001", "81000002", "81006003"]):  # fmt: skip
        puts.append(one("n1", frame("81000064", *inner), n2=frame(*inner)))
        puts.append(one("n1", frame("8100a064", *inner), n2=frame(*inner)))
        puts.append(one("n2", frame(*inner), n1=frame("81000064", *inner)))
    puts.append(one("n2", frame(dst=LLDP), n1=frame("81000064", dst=LLDP)))
    puts.append(one("n2", frame(body=FULL), n1=frame("81000064", body=FULL)))
    puts.append(one("n1", frame("81000064", body=FULL), n2=frame(body=FULL)))
    play(lab.box, GUESTS, puts)


def no_wire_takes(guest: str, *wired: str) -> list[Put]:
    """Frames of no wire of a port whose VLANs `wired` are: they come out nowhere."""
    others = {"064", "0c8", "12c", "190", "001", "000", "ffe", "fff"}.difference(wired)
    inner = [frame("81000" + other, "81000" + each) for other in sorted(others) for each in wired[:1]]
    return [one(guest, each) for each in (frame(), *inner, *(frame("81000" + other) for other in sorted(others)))]


@pytest.mark.parametrize("unpatched", ["drop", "normal"])
def test_the_wires_of_a_port_keep_apart_and_the_rest_goes_nowhere(lab: Lab, unpatched: str) -> None:
    apply(lab, SEVERAL, unpatched)
    play(
        lab.box,
        GUESTS,
        [
            one("n1", frame("8100a064"), n2=frame("8100a0c8")),
            one("n2", frame("8100a0c8"), n1=frame("8100a064")),
            one("n1", frame("810000c8"), n2=frame("81000064")),
            one("n2", frame("81000064"), n1=frame("810000c8")),
            one("n1", frame("8100012c"), n2=frame("8100012c")),
            one("n2", frame("8100012c"), n1=frame("8100012c")),
            one("n1", frame("81000190"), n3=frame()),
            one("n3", frame(), n1=frame("81000190")),
            one("n3", frame("81000064"), n1=frame("81000190", "81000064")),
            *no_wire_takes("n1", "064", "0c8", "12c", "190"),
            *no_wire_takes("n2", "064", "0c8", "12c"),
        ],
    )


def test_on_a_learning_bridge_nothing_flooded_reaches_a_port_with_a_vlan_wire(lab: Lab) -> None:
    """And nothing that such a port sent before is remembered: unicast to it stays away too."""
    apply(lab, RETAG, "normal")
    there, back = bytes.fromhex("02aaaaaaaa01"), b"\xff" * 6
    play(
        lab.box,
        GUESTS,
        [
            one("n3", frame(dst=back), n4=frame(dst=back)),
            one("n1", frame(dst=back)),
            one("n2", frame(dst=there)),
            *no_wire_takes("n1", "064"),
            one("n3", frame("81000064", dst=back), n4=frame("81000064", dst=back)),
            one("n3", frame("81000fff", dst=back)),
            one("n1", frame("81000064"), n2=frame("810000c8")),
        ],
    )


def test_two_vlans_of_one_port(lab: Lab) -> None:
    apply(lab, HAIRPIN)
    assert "IN_PORT" in "\n".join(lab.flows())
    play(
        lab.box,
        GUESTS,
        [
            one("n1", frame("8100a064", "8100002a"), n1=frame("8100a0c8", "8100002a")),
            one("n1", frame("810000c8"), n1=frame("81000064")),
            one("n1", frame()),
        ],
    )


def test_a_thousand_frames_at_once_arrive_in_order(lab: Lab) -> None:
    apply(lab, RETAG)
    tagged = {tag: [frame(tag, body=b"%06d" % number) for number in range(1000)] for tag in ("81000064", "810000c8")}
    play(
        lab.box,
        GUESTS,
        [
            one("n1", frame("81000064"), n2=frame("810000c8")),
            Put("n1", tagged["81000064"], {"n2": tagged["810000c8"]}),
            Put("n2", tagged["810000c8"], {"n1": tagged["81000064"]}),
        ],
    )


def test_from_whole_to_vlan_and_back_and_gone(lab: Lab) -> None:
    apply(lab, "  - {name: trunk, ends: [n1-eth0, n2-eth0]}\n")
    play(lab.box, GUESTS, [one("n1", frame("81000064"), n2=frame("81000064"))])
    apply(lab, RETAG)
    play(lab.box, GUESTS, [one("n1", frame("81000064"), n2=frame("810000c8")), one("n1", frame())])
    apply(lab, "  []\n")
    play(lab.box, GUESTS, [one("n1", frame("81000064")), one("n2", frame("810000c8"))])


def test_every_frame_class_crosses_and_netctl_says_so(lab: Lab) -> None:
    apply(lab, SEVERAL)
    done = lab.netctl("wire", "check", "--policy", lab.policy, "--json", check=False)
    checked = json.loads(done.stdout)
    rows = [row for each in checked for row in each["frames"]]
    assert len(checked) == 4
    outside = [row for row in rows if row["kind"] in ("untagged", "VLAN 2")]
    assert {row["outcome"] for row in outside} == {"kept out"}
    assert len(outside) == 2 * 7, "seven ends are VLANs"
    inside = [row for row in rows if row not in outside]
    assert {row["outcome"] for row in inside if row["kind"] != "9000 bytes"} == {"crossed"}
    assert {row["outcome"] for row in inside if row["kind"] == "9000 bytes"} == {"not testable"}
    assert done.returncode == 0, done.stdout


def test_the_daemons_keep_it(box: Box, engine_python: str) -> None:
    box.start_ovs()
    lab = Lab(box, engine_python)
    lab.write(POLICY.replace("UNPATCHED", "drop") + SEVERAL)
    lab.controller()
    lab.agent()
    lab.converged()
    wires = lab.read("/api/v1/wires")
    assert {wire["name"]: wire["state"] for wire in wires} == dict.fromkeys(("retag", "cross", "same", "access"), "up")
    assert [end["vlan"] for end in wires[0]["ends"]] == [100, 200]
    assert [port["name"] for port in lab.read("/api/v1/ports?wire=cross")] == ["n1-eth0", "n2-eth0"]
    changes = lab.status()["flow_changes"]
    play(box, GUESTS, [one("n1", frame("81000190"), n3=frame()), one("n2", frame("81000064"), n1=frame("810000c8"))])
    before = lab.flows()
    box.run("ovs-ofctl del-flows ovbr0 dl_vlan=100")
    box.wait_for(lambda: lab.flows() == before, 15, "the flow to come back")
    box.wait_for(lambda: lab.status()["flow_changes"] == changes + 2, 5, "just these changes to be counted")
