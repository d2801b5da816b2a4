"""Copies of wires on real Open vSwitch: what a monitor port sees, and that the wire does not notice."""

from __future__ import annotations

import pytest

from tests.e2e.box import Box
from tests.e2e.frames import Put, frame, one, play
from tests.e2e.lab import Lab

GUESTS = ["n1", "n2", "n3", "n4", "m1", "m2"]

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
      m1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
      m2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}
"""

CORE = "wires:\n  - {name: core, ends: [n1-eth0, n2-eth0]}\n"
ACCESS = "wires:\n  - {name: core, ends: [{port: n1-eth0, vlan: 100}, n2-eth0]}\n"
RETAG = "wires:\n  - {name: core, ends: [{port: n1-eth0, vlan: 100}, {port: n2-eth0, vlan: 200}]}\n"
TAP = "taps:\n  - {of: core, to: m1-eth0}\n"

ALL = b"\xff" * 6
LLDP = bytes.fromhex("0180c200000e")


@pytest.fixture(scope="module")
def lab(module_box: Box) -> Lab:
    module_box.start_ovs()
    return Lab(module_box)


def apply(lab: Lab, wires: str, unpatched: str = "drop") -> None:
    lab.apply(POLICY.replace("UNPATCHED", unpatched) + wires)


@pytest.mark.parametrize("unpatched", ["drop", "normal"])
def test_both_directions_are_seen_and_what_a_monitor_sends_goes_nowhere(lab: Lab, unpatched: str) -> None:
    apply(lab, CORE + TAP, unpatched)
    puts = []
    for sent in (frame(), frame(dst=LLDP), frame(dst=ALL), frame("81000064"), frame("88a8a064", "8100002a")):
        puts.append(one("n1", sent, n2=sent, m1=sent))
        puts.append(one("n2", sent, n1=sent, m1=sent))
        puts.append(one("m1", sent))
    play(lab.box, GUESTS, puts)


def test_a_monitor_on_a_learning_bridge_gets_nothing_flooded(lab: Lab) -> None:
    apply(lab, CORE + TAP, "normal")
    sent = frame(dst=ALL)
    play(
        lab.box,
        GUESTS,
        [
            one("n3", sent, n4=sent, m2=sent),
            one("m1", sent),
            one("n3", frame("81000fff", dst=ALL)),
            one("n1", sent, n2=sent, m1=sent),
        ],
    )


def test_the_copy_has_the_tag_that_the_frame_came_in_with(lab: Lab) -> None:
    """Priority and EtherType with it, on either side and with any number of tags; the wire gets what it should."""
    apply(lab, ACCESS + TAP)
    puts = []
    for inner in ([], ["8100002a"], ["81006001", "81000002"]):
        for head in ("8100a064", "88a8a064"):
            sent = frame(head, *inner)
            puts.append(one("n1", sent, n2=frame(*inner), m1=sent))
        sent = frame(*inner)
        puts.append(one("n2", sent, n1=frame("81000064", *inner), m1=sent))
    puts += [one("n1", frame("81000065")), one("n1", frame())]
    play(lab.box, GUESTS, puts)
    apply(lab, RETAG + TAP)
    puts = []
    for inner in ([], ["8100002a"], ["81006001", "81000002"]):
        for head in ("8100a", "88a8a"):
            one_side, other = frame(head + "064", *inner), frame(head + "0c8", *inner)
            puts.append(one("n1", one_side, n2=other, m1=one_side))
            puts.append(one("n2", other, n1=one_side, m1=other))
    play(lab.box, GUESTS, puts)


def test_several_taps_of_a_wire_and_several_wires_to_a_monitor(lab: Lab) -> None:
    wires = CORE + "  - {name: second, ends: [n3-eth0, n4-eth0]}\n"
    apply(lab, wires + TAP + "  - {of: core, to: m2-eth0}\n  - {of: second, to: m1-eth0}\n")
    sent = frame()
    play(
        lab.box,
        GUESTS,
        [
            one("n1", sent, n2=sent, m1=sent, m2=sent),
            one("n2", sent, n1=sent, m1=sent, m2=sent),
            one("n3", sent, n4=sent, m1=sent),
            one("n4", sent, n3=sent, m1=sent),
            one("m1", sent),
            one("m2", sent),
        ],
    )


@pytest.mark.parametrize("wires", [CORE, ACCESS], ids=["whole", "vlan"])
def test_a_thousand_frames_at_once_lose_nothing(lab: Lab, wires: str) -> None:
    apply(lab, wires + TAP)
    tags = ["81000064"] if wires == ACCESS else []
    there = [frame(*tags, body=b"%06d" % number) for number in range(1000)]
    here = [frame(body=b"%06d" % number) for number in range(1000)]
    warm = one("n1", there[0], n2=here[0], m1=there[0])
    play(
        lab.box,
        GUESTS,
        [warm, Put("n1", there, {"n2": here, "m1": there}), Put("n2", here, {"n1": there, "m1": here})],
    )


def test_a_tap_comes_and_goes_and_the_wire_stays(lab: Lab) -> None:
    apply(lab, CORE)
    sent = frame()
    play(lab.box, GUESTS, [one("n1", sent, n2=sent)])
    lab.write(POLICY.replace("UNPATCHED", "drop") + CORE + TAP)
    said = lab.netctl("plan", lab.policy).stdout
    changed = [each for each in said.splitlines() if each.strip().startswith(("+", "~", "!", "-"))]
    assert len(changed) == 2, said
    assert all("~ flow" in each and "actions output:" in each for each in changed), said
    apply(lab, CORE + TAP)
    play(lab.box, GUESTS, [one("n1", sent, n2=sent, m1=sent)])
    lab.box.run("ovs-vsctl set interface m1-eth0 admin_state=down; ip link set m1-eth0 down")
    play(lab.box, GUESTS, [one("n1", sent, n2=sent), one("n2", sent, n1=sent)])
    apply(lab, CORE)
    play(lab.box, GUESTS, [one("n1", sent, n2=sent), one("m1", sent)])


def test_a_tap_whose_monitor_is_missing_is_told(lab: Lab) -> None:
    lab.write(POLICY.replace("UNPATCHED", "drop") + CORE + "taps:\n  - {of: core, to: ovbr0/nobody}\n")
    done = lab.netctl("apply", lab.policy, check=False)
    assert done.returncode == 1
    assert "could not open network device nobody" in done.stdout + done.stderr
    said = lab.netctl("plan", lab.policy).stdout
    assert "+ tap ovbr0/core  (waits for port nobody; /run/policy.yaml:15:5 wire core)" in said
    assert "wire ovbr0" not in said


def test_the_daemons_keep_it(box: Box, engine_python: str) -> None:
    box.start_ovs()
    lab = Lab(box, engine_python)
    lab.write(POLICY.replace("UNPATCHED", "normal") + ACCESS + TAP)
    lab.controller()
    lab.agent()
    lab.converged()
    assert [wire["state"] for wire in lab.read("/api/v1/wires")] == ["up"]
    sent = frame("8100a064")
    play(box, GUESTS, [one("n1", sent, n2=frame(), m1=sent), one("n2", frame(), n1=frame("81000064"), m1=frame())])
    changes, before = lab.status()["flow_changes"], lab.flows()
    box.run("ovs-ofctl del-flows ovbr0 dl_vlan=100")
    box.wait_for(lambda: lab.flows() == before, 15, "the flow to come back")
    box.wait_for(lambda: lab.status()["flow_changes"] == changes + 1, 5, "just that one change to be counted")
    box.run("ip link del m1-eth0")
    lab.converged()
    lab.box.wait_for(lambda: lab.flows() == before, 15, "the monitor to come back")
    play(box, GUESTS, [one("n1", sent, n2=frame(), m1=sent)])
    lab.write(POLICY.replace("UNPATCHED", "normal") + "wires: []\n")
    box.wait_for(lambda: len(lab.flows()) == 2, 10, "all flows of the wire to go")
    lab.converged()
    play(box, GUESTS, [Put("m1", [frame(dst=ALL)], {guest: [frame(dst=ALL)] for guest in GUESTS if guest != "m1"})])
