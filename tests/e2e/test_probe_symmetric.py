"""`netctl probe symmetric` on hosts with two NICs, before netctl sets them right and after."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.box import Box
from tests.e2e.lab import Lab
from tests.e2e.test_uplinks import BY_HAND, ONE_SUBNET, SWITCH, TWO_NETWORKS, TWO_SUBNETS, macs

HOUSE = """
for ns in house lan; do ip netns add $ns; ip -n $ns link set lo up; done
ip -n lan link add sw type bridge; ip -n lan link set sw up
for each in 1 2; do
  ip link add p$each netns lan type veth peer name eth$each netns house; ip -n lan link set p$each master sw up
  ip -n house link set eth$each up; ip -n house addr add 10.1.0.$each/24 dev eth$each
done
ip -n lan addr add 10.1.0.99/24 dev sw
"""

MORE = """
for each in 1 2 3; do
  ip netns add z$each; plug z$each nic$each
  ip -n z$each link set nic$each up; ip -n z$each addr add 192.168.1.10$each/24 dev nic$each
done
"""


def ask(box: Box, *arguments: str, code: int) -> dict[str, Any]:
    """The addresses by name."""
    done = Lab(box).netctl("probe", "symmetric", *arguments, "--json", check=False)
    assert done.returncode == code, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["clean"] == (code == 0)
    return {each["address"]: each for each in found["addresses"]}


def trial(found: dict[str, Any], address: str, origin: str) -> dict[str, Any]:
    (one,) = [each for each in found[address]["trials"] if each["from"] == origin]
    assert isinstance(one, dict)
    return one


def kinds(one: dict[str, Any]) -> list[str]:
    return [fault["kind"] for fault in one["faults"]]


def mend(box: Box, found: dict[str, Any], kind: str) -> None:
    """Run the commands that are told against a kind of fault, as they are printed."""
    remedies = {f["remedy"] for a in found.values() for t in a["trials"] for f in t["faults"] if f["kind"] == kind}
    assert remedies
    for each in sorted(remedies):
        box.run(each.split("`")[1])


def test_flux_in_one_subnet_is_seen_and_mended(box: Box) -> None:
    box.run(SWITCH + BY_HAND.format("192.168.1.253/24"))
    mac = macs(box)
    found = ask(box, code=1)
    client = trial(found, "192.168.1.253", "client")
    assert set(client["arp"]) == set(mac.values())
    assert kinds(client) == ["flux", "other NIC"]
    assert (client["asked_by"], client["left_by"], client["left_mac"]) == (["eth2"], ["eth0"], mac["eth0"])
    assert kinds(trial(found, "192.168.1.1", "client")) == ["flux"]
    for own, answers in (("./eth0", "eth2"), ("./eth2", "eth0")):
        address = "192.168.1.1" if own == "./eth0" else "192.168.1.253"
        assert trial(found, address, own)["arp"] == [mac[answers]]
        assert kinds(trial(found, address, own)) == ["flux"]
    box.run("sysctl -qw net.ipv4.conf.all.rp_filter=1")
    strict = ask(box, "--from", "client", "--address", "192.168.1.253", code=1)
    assert "dropped" in kinds(trial(strict, "192.168.1.253", "client"))
    assert "strict reverse path filtering (rp_filter=1) of eth2: the way back leads by eth0" in json.dumps(strict)
    mend(box, strict, "dropped")
    mend(box, found, "flux")
    assert set(trial(ask(box, code=0), "192.168.1.253", "client")["arp"]) == {mac["eth2"]}


def test_uplinks_in_one_subnet_are_clean(box: Box) -> None:
    box.run(SWITCH + MORE + BY_HAND.format("192.168.1.253/24"))
    lab = Lab(box)
    lab.apply(ONE_SUBNET)
    mac = macs(box)
    assert trial(ask(box, "--from", "z3", code=0), "192.168.1.1", "z3")["arrived"]
    found = ask(box, code=0)
    asking = [each["from"] for each in found["192.168.1.1"]["trials"]]
    assert asking == ["client", "z1", "z2", "./eth0", "./eth2"], "three of a network are enough"
    for address, nic in (("192.168.1.1", "eth0"), ("192.168.1.253", "eth2")):
        one = trial(found, address, "client")
        assert (one["arp"], one["left_by"], one["left_mac"], one["arrived"]) == ([mac[nic]], [nic], mac[nic], True)
        assert trial(found, address, f"./{nic}")["arp"] == [], "nobody else answers what the NIC itself asks"
    text = lab.netctl("probe", "symmetric").stdout
    assert "2 of 2 addresses that could be asked answer from their own NIC." in text


@pytest.mark.parametrize("strictness", [0, 1])
def test_two_subnets_are_asked_through_a_router(box: Box, strictness: int) -> None:
    box.run(TWO_NETWORKS)
    box.run(f"{BY_HAND.format('192.168.2.1/24')}; sysctl -qw net.ipv4.conf.all.rp_filter={strictness}")
    found = ask(box, code=1)
    client = trial(found, "192.168.2.1", "client")
    assert not client["near"]
    assert client["asked_by"] == ["eth2"]
    if strictness:
        assert (kinds(client), client["left_by"]) == (["dropped"], [])
    else:
        assert (kinds(client), client["left_by"], client["arrived"]) == (["other NIC"], ["eth0"], True)
    box.run(client["faults"][0]["remedy"].split("`")[1].replace("GATEWAY", "192.168.2.254"))
    assert trial(ask(box, "--from", "client", code=0), "192.168.2.1", "client")["left_by"] == ["eth2"]
    box.run("ip rule del pref 11010; ip rule del pref 11000; ip route del default")
    box.run("ip addr flush dev eth0; ip addr flush dev eth2")
    Lab(box).apply(TWO_SUBNETS)
    box.wait_for(lambda: "tentative" not in box.run("ip -6 addr").stdout, 5, "the IPv6 addresses to be good")
    found = ask(box, code=0)
    for address, nic in (("192.168.1.1", "eth0"), ("192.168.2.1", "eth2"), ("2001:db8:2::1", "eth2")):
        for origin in ("client", "side", "router"):
            assert trial(found, address, origin)["left_by"] == [nic], (address, origin)


def test_a_host_that_is_a_namespace_and_an_address_that_is_somebody_elses_too(box: Box) -> None:
    box.run(HOUSE)
    found = ask(box, "--of", "house", code=1)
    flux = [each for each in trial(found, "10.1.0.1", "lan")["faults"] if each["kind"] == "flux"]
    assert "`ip netns exec house sysctl -w net.ipv4.conf.eth1.arp_ignore=1 " in flux[0]["remedy"]
    mend(box, found, "flux")
    mend(box, found, "other NIC")
    box.run(
        "ip netns add guest; ip link add g0 netns house type veth peer name eth0 netns guest;"
        "ip -n house link set g0 up; ip -n house addr add 10.2.0.1/24 dev g0;"
        "ip -n guest link set eth0 up; ip -n guest addr add 10.2.0.9/24 dev eth0;"
        "ip -n guest route add default via 10.2.0.1"
    )
    found = ask(box, "--of", "house", code=0)
    assert trial(found, "10.1.0.1", "guest")["asked_by"] == ["g0"], "the host is its router"
    box.run(
        "ip netns add thief; ip link add p3 netns lan type veth peer name eth0 netns thief;"
        "ip -n lan link set p3 master sw up; ip -n thief link set eth0 up; ip -n thief addr add 10.1.0.2/32 dev eth0"
    )
    found = ask(box, "--of", "house", "--from", "lan", code=1)
    assert kinds(trial(found, "10.1.0.2", "lan")) == ["taken"]
    assert kinds(trial(found, "10.1.0.1", "lan")) == []
    box.run("ip netns exec house sysctl -qw net.ipv4.icmp_echo_ignore_all=1")
    found = ask(box, "--of", "house", "--address", "10.1.0.1", code=1)
    (fault,) = trial(found, "10.1.0.1", "lan")["faults"]
    assert (fault["kind"], fault["because"]) == ("dropped", "it answers no echo requests")
    box.run("ip -n house link set eth2 down")
    for arguments, said in (
        (("--of", "mouse"), "there is guest, house, lan, thief"),
        (("--of", "house", "--address", "10.1.0.7"), "it has 10.1.0.1, 10.1.0.2, 10.2.0.1"),
        (("--of", "house", "--address", "10.1"), "this is no address"),
        (("--of", "house", "--from", "cellar"), "there is guest, lan, thief, ., ./eth1, ./g0"),
    ):
        done = Lab(box).netctl("probe", "symmetric", *arguments, check=False)
        assert done.returncode == 2
        assert said in done.stderr
