"""What a host has, held against what the policy of it wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netctl.desired import link as kinds
from netctl.desired.device import Device, plan_host
from netctl.desired.host import devices
from netctl.desired.link import BridgePort, Link
from netctl.desired.mac import guest_mac, stable_mac, tap_mac
from netctl.desired.routing import Address, Route, Rule, Sysctl
from netctl.desired.survey import Asked, Leading, Standing, Survey, Switching
from netctl.export import Draft, Scope, draft, write
from netctl.plan import Found
from netctl.policy import loads

MAC = "02:00:00:00:00:01"
PLAIN: dict[str, Any] = {"mtu": 1500, "mac": MAC, "txqueuelen": 1000, "tx_checksum": True}
BRIDGE = PLAIN | {"forward_delay": 15, "ageing": 300, "group_fwd_mask": 0}
"""As the kernel makes one."""


FREE = BridgePort(group_fwd_mask=0, hairpin=False, isolated=False)
PORT = BridgePort(group_fwd_mask=0, hairpin=True, isolated=False, pvid=5, vlans=(7, 9))
MASKED = {"group_fwd_mask": 0x4010, "ageing": 20}
MADE_UP = tap_mac(stable_mac("tap", "hv1", "t0"))


def standing(link: Link, owner: str | None = "hv1", **more: object) -> Standing:
    return Standing(link, link.kind, owner, **more)  # type: ignore[arg-type]


def said(survey: Survey, everything: bool = False, **more: object) -> tuple[Draft, str]:
    made = draft(Scope(survey, Switching(), "hv1", everything, **more))  # type: ignore[arg-type]
    return made, write(made).text


def plan_of(text: str, survey: Survey) -> list[str]:
    loaded = loads(text)
    assert loaded.policy is not None, (loaded.problems, text)
    found: list[Found[Device]] = [Found(each.link, each.owner == "hv1") for each in survey.devices]
    found += [Found(each.route, each.ours) for each in survey.routes]
    found += [Found(each.rule, each.ours) for each in survey.rules]
    found += [Found(each) for each in survey.addresses]
    found += [Found(each) for each in survey.settings]
    wanted = [want for want in devices(loaded, "hv1") if want.item.key[0] not in ("netns", "dropin")]
    there = {each.item.key: each for each in found}
    plan = plan_host(wanted, list(there.values()))
    return [f"{step.verb} {step.key} {step.changes}" for step in plan.steps] + list(map(str, plan.collisions))


def test_a_host_of_all_kinds_is_said_so_that_nothing_differs() -> None:
    survey = Survey(
        {"ns1": "hv1"},
        (
            standing(kinds.Bridge(name="br1", **(BRIDGE | {"mac": stable_mac("bridge", "hv1", "br1")}))),
            standing(kinds.Bridge(name="br2", stp=True, vlan_filtering=True, **(BRIDGE | MASKED))),
            standing(kinds.Dummy(name="d0", master="br2", port=PORT, **PLAIN)),
            standing(kinds.Tap(name="t0", owner=0, group=-1, **(PLAIN | {"mac": MADE_UP}))),
            standing(kinds.Tap(name="t1", owner=7, group=8, multi_queue=True, up=False, **PLAIN)),
            standing(kinds.Tap(name="t2", owner=-1, group=8, promisc=True, **PLAIN)),
            standing(kinds.Macvlan(name="m0", lower="d0x", mode="bridge", **PLAIN)),
            standing(kinds.Vlan(name="br1.7", link="br1", id=7, protocol="802.1ad", **PLAIN)),
            standing(kinds.Vxlan(name="x0", id=9, remote="192.0.2.1", learning=False, **PLAIN)),
            standing(kinds.Bond(name="b0", mode="active-backup", miimon=50, hash_policy="layer2", **PLAIN)),
            standing(kinds.Dummy(name="p0", master="b0", primary=True, **PLAIN)),
            standing(kinds.Dummy(name="p1", master="b0", primary=False, **PLAIN)),
            standing(kinds.Veth(name="ns1-eth0", peer="eth0", peer_netns="ns1", master="br1", port=FREE, **PLAIN)),
            standing(
                kinds.Veth(
                    name="eth0",
                    netns="ns1",
                    peer="ns1-eth0",
                    addresses=("10.0.0.1/24",),
                    **(PLAIN | {"mac": guest_mac("hv1", "ns1", "eth0")}),
                )
            ),
        ),
        routes=(Leading(Route("10.9.0.0/16", "eth0", "10.0.0.9", netns="ns1", metric=5), 110),),
        settings=(Sysctl("net.ipv4.ip_forward", "1"), Sysctl("net.ipv4.ip_forward", "0", "ns1")),
    )
    made, text = said(survey)
    assert plan_of(text, survey) == []
    assert not made.left
    assert made.links["br1"].value == {"kind": "bridge"}, "what netctl would make up is not said"
    assert made.links["t0"].value == {"kind": "tap"}
    assert made.links["t2"].value == {"kind": "tap", "group": 8, "mac": MAC, "promisc": True}
    assert made.links["br2"].value["group_fwd_mask"] == 0x4010
    assert made.links["d0"].value["port"] == {"hairpin": True, "pvid": 5, "vlans": [7, 9]}
    assert made.guests["ns1"].value["nics"]["eth0"] == {
        "device": "veth",
        "master": "br1",
        "addresses": ["10.0.0.1/24"],
        "routes": [{"to": "10.9.0.0/16", "via": "10.0.0.9", "metric": 5}],
    }


def test_a_veth_that_is_no_plain_nic_of_a_namespace_is_two_links() -> None:
    outer = kinds.Veth(name="out", peer="in", peer_netns="ns1", addresses=("10.0.0.9/24",), **PLAIN)
    inner = kinds.Veth(name="in", netns="ns1", peer="out", **PLAIN)
    survey = Survey({"ns1": "hv1"}, (standing(outer), standing(inner)))
    made, text = said(survey)
    assert set(made.links) == {"out", "in"}
    assert plan_of(text, survey) == []


def test_tables_and_rules_are_the_uplink_that_they_come_from() -> None:
    wanted = loads(
        "version: 1\nhosts: {hv1: {uplinks: {eth0: {address: 192.168.1.1/24, gateway: 192.168.1.254, table: 100},"
        " eth1: {address: [192.168.2.1/24, 'fd00::1/64'], gateway: [192.168.2.254, 'fd00::9'], table: 200}}}}"
    )
    items = [want.item for want in devices(wanted, "hv1")]
    nic = kinds.Nic(name="eth0", kept=False, addresses=("192.168.1.1/24",), **PLAIN)
    other = kinds.Nic(name="eth1", kept=False, addresses=("192.168.2.1/24", "fd00::1/64"), **PLAIN)
    survey = Survey(
        devices=(standing(nic, None), standing(other, None)),
        addresses=tuple(item for item in items if isinstance(item, Address)),
        routes=tuple(Leading(item, 110) for item in items if isinstance(item, Route)),
        rules=tuple(Asked(item, 110) for item in items if isinstance(item, Rule)),
        settings=tuple(item for item in items if isinstance(item, Sysctl)),
    )
    made, text = said(survey)
    assert not made.links
    assert not made.left
    assert list(made.uplinks) == ["eth0", "eth1"]
    assert plan_of(text, survey) == []

    made, text = said(survey, without={("uplinks", "eth1"): "it is not wanted"})
    assert list(made.uplinks) == ["eth0"]
    assert "it is not wanted" in text


def test_what_others_made_is_said_only_when_it_is_asked_for() -> None:
    theirs = kinds.Bridge(name="br9", **BRIDGE)
    routes = (Leading(Route("10.0.0.0/8", "br9"), 3),)
    survey = Survey({"ns9": None}, (standing(theirs, None, pinned=False),), routes=routes)
    made, text = said(survey)
    assert not any(made.sections.values())
    assert loads(text).policy is not None
    made, text = said(survey, everything=True)
    assert made.links["br9"].value == {"kind": "bridge", "mac": MAC, "routes": [{"to": "10.0.0.0/8"}]}
    assert "ns9: {namespace: true}" in text
    assert "not pinned" in text


def test_a_bridge_of_others_that_has_a_port_of_ours_is_said_for_it() -> None:
    survey = Survey(
        devices=(
            standing(kinds.Bridge(name="br9", **BRIDGE), None),
            standing(kinds.Dummy(name="d0", master="br9", port=FREE, **PLAIN)),
        )
    )
    made, text = said(survey)
    assert set(made.links) == {"br9", "d0"}
    assert plan_of(text, survey) == []


def test_a_name_twice_and_what_has_no_words_are_told_of() -> None:
    survey = Survey(
        {"ns1": None, "ns2": None},
        (
            standing(kinds.Dummy(name="d0", netns="ns1", **PLAIN), None),
            standing(kinds.Dummy(name="d0", netns="ns2", **PLAIN), None),
            standing(kinds.Tap(name="t0", owner=-1, group=-1, **PLAIN), None),
            standing(kinds.Tap(name="t1", owner=0, group=-1, **PLAIN), None, held=True),
            standing(kinds.Veth(name="v0", peer="", **PLAIN), None),
            standing(replace(kinds.Dummy(name="down", up=False, **PLAIN)), None),
        ),
        routes=(Leading(Route("10.0.0.0/8", "down"), 3),),
        rules=(Asked(Rule(500, 77, source="10.0.0.1"), 0),),
        unsaid=("route 10.66.0.0/16 table 254: it has no device, or several",),
    )
    made, text = said(survey, everything=True)
    assert plan_of(text, survey) == []
    taps = ("tap t0: everybody", "tap t1: it goes")
    for each in (*taps, "ns2/d0: its name", "veth v0: its other", "down is down", "rule 500", "10.66"):
        assert any(each in left for left in made.left), each


def test_long_entries_and_strange_text_stay_right() -> None:
    many = tuple(sorted(f"10.{n}.0.1/24" for n in range(40)))
    survey = Survey(devices=(standing(kinds.Dummy(name="yes", addresses=many, **PLAIN)),))
    _, text = said(survey)
    assert plan_of(text, survey) == []
