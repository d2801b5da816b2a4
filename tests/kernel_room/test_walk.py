"""A walk from one policy to another, made up at random: each is reached by one plan, whatever was there before, and
again after somebody did harm to it."""

from __future__ import annotations

import json
import subprocess
from random import Random
from typing import Any

import pytest

from netctl.desired.device import Device, plan_host
from netctl.desired.host import devices
from netctl.desired.link import Ifb, Tap, Veth
from netctl.kernel import Host
from netctl.plan import Wanted
from netctl.policy import Loaded, loads
from tests.e2e.box import Box
from tests.kernel_room.test_host import sh

NAMES = ("a", "b", "c", "d", "e", "f")
NICS = ("hw0", "hw1")
STEPS = 15


def facts(random: Random, name: str, others: list[str]) -> dict[str, Any]:
    """Without an MTU where another device has a say in it."""

    def sometimes(share: float, **said: Any) -> dict[str, Any]:
        return said if random.random() < share else {}

    kind = random.choice(("veth", "veth", "tap", "bridge", "bridge", "macvlan", "macvtap", "vxlan", "ifb"))
    said: dict[str, Any] = {
        "kind": kind,
        **sometimes(0.3, netns=random.choice(("n1", "n2"))),
        **sometimes(0.3, mac=f"02:00:00:00:{random.randint(0, 3):02x}:{NAMES.index(name):02x}"),
        **sometimes(0.2, promisc=True),
        **sometimes(0.2, allmulticast=True),
        **sometimes(0.15, up=False),
        **sometimes(0.2, txqueuelen=random.choice((10, 20))),
        **sometimes(0.3, addresses=random.sample(["10.0.0.1/24", "10.0.1.1/24", "fd00::1/64"], 2)),
    }
    match kind:
        case "veth":
            said |= {"peer": random.choice([*others, f"p{name}"]), **sometimes(0.3, mtu=random.choice((1400, 9000)))}
        case "macvlan" | "macvtap":
            said |= {"lower": random.choice([*others, *NICS])}
            said |= {"mode": random.choice(("vepa", "bridge", "private", "passthru"))}
        case "vxlan":
            said |= {"id": NAMES.index(name) + 1, "remote": "10.0.0.9", **sometimes(0.3, ttl=5)}
            said |= sometimes(0.5, link=random.choice([*others, *NICS]))
        case "tap":
            said |= {**sometimes(0.3, owner=1), **sometimes(0.3, group=2), **sometimes(0.3, multi_queue=True)}
        case "bridge":
            said |= {**sometimes(0.3, stp=True), **sometimes(0.3, group_fwd_mask="lldp"), **sometimes(0.3, ageing=10)}
            said |= sometimes(0.3, mtu=1300)
    return said


def policy(random: Random) -> Loaded:
    """The next one that is right."""
    while True:
        names = random.sample(NAMES, random.randint(1, len(NAMES)))
        links = {name: facts(random, name, [each for each in names if each != name]) for name in names}
        for nic in NICS:
            if random.random() < 0.4:
                links[nic] = {"kind": "nic"} | ({"netns": "n1"} if random.random() < 0.3 else {})
        for said in links.values():
            if links.get(said.get("lower", ""), {}).get("kind") == "ifb":
                said["mode"] = "bridge"  # no other MAC for an ifb
            masters = [
                name
                for name, each in links.items()
                if each["kind"] == "bridge" and each.get("netns") == said.get("netns") and said["kind"] != "bridge"
            ]
            if masters and random.random() < 0.6:
                said["master"] = random.choice(masters)
                said["port"] = {"isolated": random.random() < 0.5}
        loaded = loads(json.dumps({"version": 1, "hosts": {"hv1": {"links": links}}}))
        if not loaded.problems:
            return loaded


def reach(loaded: Loaded) -> None:
    wanted: list[Wanted[Device]] = devices(loaded, "hv1")
    with Host("hv1") as host:
        made = plan_host(wanted, host.observe([want.item for want in wanted]))
        assert not made.collisions, made.collisions
        outcome = host.apply(made)
        assert outcome.ok, (outcome.error, made.steps)
        again = plan_host(wanted, host.observe([want.item for want in wanted]))
        assert not again, (again.steps, made.steps)


def harm(random: Random, loaded: Loaded) -> None:
    """What can be done to one of the devices."""
    links = [want.item for want in devices(loaded, "hv1") if want.item.key[0] not in ("netns", "nic")]
    if links:
        chosen = random.choice(links)
        name = chosen.key[-1]
        at = f"-n {chosen.key[1]}" if len(chosen.key) == 3 else ""
        commands = [
            f"ip {at} link del {name}",
            f"ip {at} link set {name} nomaster",
            f"ip {at} link set {name} down",
            f"ip {at} link set {name} down; ip {at} link set {name} name zz; ip {at} link set zz up",
            f"ip {at} link add foreign type bridge; ip {at} link set {name} master foreign",
        ]
        if isinstance(chosen, Veth | Tap | Ifb):  # others take what they stand on along, out of sight
            commands.append(f"ip {at} link set {name} netns other")
        command = random.choice(commands)
        subprocess.run(f"{command}; ip {at} link del foreign", shell=True, capture_output=True, check=False)


def walk(seed: int) -> None:
    random = Random(seed)
    for nic in NICS:
        sh(f"ip link add {nic} type veth peer name {nic}-far; ip link set {nic}-far up")
    sh("ip netns add other")
    for _ in range(STEPS):
        loaded = policy(random)
        reach(loaded)
        harm(random, loaded)
        reach(loaded)
    with Host("hv1") as host:
            assert host.apply(plan_host([], host.observe())).ok
    assert sorted(each["ifname"] for each in json.loads(sh("ip -j link"))) == ["hw0", "hw0-far", "hw1", "hw1-far", "lo"]


@pytest.mark.e2e
@pytest.mark.parametrize("seed", [2, 3, 8])
def test_every_policy_is_reached_from_every_other(box: Box, seed: int) -> None:
    box.python(f"from tests.kernel_room.test_walk import walk; walk({seed})")
