"""Why a MAC is what it is, and the writers of the picture."""

from __future__ import annotations

import json

import pytest

from netctl.cli import host_view
from netctl.desired import link as kinds
from netctl.desired.link import Link
from netctl.desired.mac import guest_mac, stable_mac, tap_mac
from netctl.desired.routing import Route, Rule
from netctl.desired.survey import Asked, Leading, Standing, Survey, Switching
from netctl.export import Known, known, view
from netctl.export.draft import Guest
from netctl.export.view import mac_why
from netctl.policy import loads

GUEST = Guest("vm1", "eth1", "52:54:00:84:e3:62")
LOW = "00:16:3e:00:00:01"


def tap(mac: str) -> Link:
    return kinds.Tap(name="t0", mac=mac, mtu=1500)


@pytest.mark.parametrize(
    ("link", "kind", "pinned", "guest", "why"),
    [
        (tap("fe:54:00:84:e3:62"), "tap", True, GUEST, "the guest's 52:54:00:84:e3:62 with fe in front"),
        (tap(GUEST.mac), "tap", True, GUEST, "its guest's own: the host takes"),
        (tap(tap_mac(stable_mac("tap", "hv1", "t0"))), "tap", True, None, "made up by netctl, with fe in front"),
        (tap("fe:00:00:00:00:01"), "tap", True, None, "with fe in front"),
        (tap(LOW), "tap", None, None, "not fe in front"),
        (kinds.Macvtap(name="m", lower="e", mode="vepa", mac=GUEST.mac), "macvtap", True, GUEST, "the guest's own"),
        (kinds.Macvtap(name="m", lower="e", mode="vepa", mac=LOW), "macvtap", True, GUEST, "not the guest's"),
        (kinds.Bridge(name="br", mac=stable_mac("bridge", "hv1", "br")), "bridge", True, None, "made up by netctl"),
        (kinds.Bridge(name="br", mac=LOW), "bridge", True, None, "that of its port low, pinned"),
        (kinds.Bridge(name="br", mac="02:00:00:00:00:09"), "bridge", True, None, "given to it, pinned"),
        (kinds.Bridge(name="br", mac=LOW), "bridge", False, None, "not pinned: the lowest of its ports', low's"),
        (kinds.Bridge(name="br", mac="02:00:00:00:00:09"), "bridge", False, None, "not pinned: it follows"),
        (kinds.Vlan(name="low.7", link="low", id=7, mac=LOW), "vlan", None, None, "that of low"),
        (kinds.Nic(name="eth0", mac=LOW), "", False, None, "its hardware's"),
        (kinds.Nic(name="eth0", mac=LOW), "", True, None, "given to it"),
        (kinds.Dummy(name="d", mac=LOW), "dummy", False, None, "the kernel's choice"),
        (kinds.Dummy(name="d", mac=LOW), "dummy", None, None, ""),
        (
            kinds.Veth(name="eth0", netns="ns1", peer="x", mac=guest_mac("hv1", "ns1", "eth0")),
            "veth",
            None,
            None,
            "made up by netctl, the same after",
        ),
    ],
)
def test_why_a_mac_is_what_it_is(link: Link, kind: str, pinned: bool | None, guest: Guest | None, why: str) -> None:
    here = Standing(link, kind, "hv1", pinned=pinned)
    port = Standing(kinds.Dummy(name="low", master="br", mac=LOW), "dummy", "hv1")
    said = mac_why(here, Survey(devices=(here, port)), "hv1", guest)
    assert said.startswith(why)
    assert bool(said) is bool(why)


HOSTILE = 'a"];#<b>'


INNER = kinds.Veth(name="in", netns="ns1", peer="out", addresses=("10.0.0.1/24",), mtu=9000)


def host() -> Survey:
    return Survey(
        {"ns1": "hv1"},
        (
            Standing(kinds.Bridge(name="br1", mac=LOW, mtu=1500), "bridge", "hv1", pinned=True),
            Standing(kinds.Veth(name="out", master="br1", peer="in", peer_netns="ns1", mtu=1500), "veth", "hv1"),
            Standing(INNER, "veth", "hv1"),
            Standing(kinds.Tap(name=HOSTILE, mac=LOW, up=False, mtu=1500), "tap", None),
            Standing(kinds.Macvtap(name="vm1-eth1", lower="br1", mode="vepa", mac=LOW, mtu=1500), "macvtap", "hv2"),
        ),
        routes=(Leading(Route("10.0.0.0/8", "out", "10.0.0.9", table=77), 4),),
        rules=(Asked(Rule(500, 77, source="10.0.0.1"), 110),),
    )


POLICY = loads(
    "version: 1\nhosts: {hv1: {guests: {vm1: {nics: {eth1: {device: macvtap, lower: eth0}}}},"
    " bridges: {b: {ports: [x, y]}}}}\nwires: [[x, y]]"
)


def test_a_policy_knows_guests_and_the_names_of_wires() -> None:
    found = known(POLICY, "hv1")
    assert found.guests["vm1-eth1"] == Guest("vm1", "eth1", guest_mac("hv1", "vm1", "eth1"))
    assert list(found.names.values()) == ["x--y"]
    assert known(loads("nonsense"), "hv1") == Known()


def test_the_tree_tells_what_hangs_on_what_and_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    host_view.show(view(host(), Switching(), "hv1", known(POLICY, "hv1")))
    lines = [line.strip(" │├└─") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "host hv1"
    assert lines[1] == "Linux bridge br1  netctl's"
    assert lines[2].startswith(f"MAC {LOW}: given to it, pinned")
    assert lines[3] == "out  veth  <-> ns1/in  netctl's"
    assert "namespace ns1  netctl's" in lines
    assert "in  veth  <-> out  MTU 9000  10.0.0.1/24  netctl's" in lines
    assert f"{HOSTILE}  tap  down  somebody else's" in lines
    assert "vm1-eth1  macvtap  vepa  on br1  netctl's, for the host hv2" in lines
    assert "guest vm1, NIC eth1" in lines
    assert "500: from 10.0.0.1 lookup 77  netctl's" in lines
    assert lines[-2:] == ["table 77", "10.0.0.0/8 dev out via 10.0.0.9  by hand"]
    assert len([line for line in lines if line.startswith("out ")]) == 1, "each device once"


def test_graphs_tie_it_together_and_no_name_gets_out_of_its_quotes() -> None:
    drawn = view(host(), Switching(), "hv1", known(POLICY, "hv1"))
    dot = host_view.dot(drawn)
    assert '\\"];#<b>' in dot
    assert "d1 -- d0 [color=gray]" in dot, "a port and its bridge"
    assert "d4 -- d0 [style=dotted]" in dot, "a macvtap and what it is on"
    mermaid = host_view.mermaid(drawn)
    assert "#quot;];#35;#lt;b>" in mermaid
    assert 'd0[["br1 · bridge' in mermaid
    assert "d2 === d1" in mermaid or "d1 === d2" in mermaid, "both ends of a veth"
    assert 'subgraph s1["namespace ns1"]' in mermaid


def test_json_has_all_of_it() -> None:
    said = json.loads(json.dumps(view(host(), Switching(), "hv1", Known()).as_json()))
    assert {each["name"] for each in said["devices"]} == {"br1", "out", "in", HOSTILE, "vm1-eth1"}
    assert said["tables"][""]["77"][0]["by"] == "by hand"
    assert said["rules"][""][0]["by"] == "netctl"
