"""Each kind of link that this kernel can make: made as it is wanted, put right in place where that can be, made again
where it must be with all that hangs on it, given back or removed; and what is said when it cannot be made."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from netctl.desired.device import Device, Namespace
from netctl.desired.link import (
    Bond,
    Bridge,
    BridgePort,
    Dummy,
    Ifb,
    Link,
    Macvlan,
    Macvtap,
    Nic,
    Tap,
    Veth,
    Vlan,
    Vxlan,
)
from netctl.kernel import Host
from netctl.kernel.errors import KernelError
from netctl.kernel.link import Raw, settle
from netctl.kernel.nic import NicKind
from netctl.kernel.rooms import Room
from netctl.kernel.rtnl import Rtnl, attributes
from tests.e2e.within import within
from tests.kernel_room.test_host import plan, reach, sh, verbs

A, B = Namespace("nsA"), Namespace("nsB")

PAIR = (Veth(name="v0", peer="v1"), Veth(name="v1", peer="v0"))
"""For others to stand on."""

EVERYWHERE: Mapping[str, set[str]] = {
    "ip {at} link set {name} mtu 1400": {"mtu"},
    "ip {at} link set {name} address 02:00:00:00:00:99": {"mac"},
    "ip {at} link set {name} down": {"up", "addresses"},
    "ip {at} link set {name} promisc on": {"promisc"},
    "ip {at} link set {name} allmulticast on": {"allmulticast"},
    "ip {at} link set {name} txqueuelen 7": {"txqueuelen"},
    "ip {at} addr add 10.99.0.1/24 dev {name}": {"addresses"},
    "ip {at} addr flush dev {name} scope global": {"addresses"},
}
"""What can be done to a device that is said all of, and which of its facts are then another's. One that goes down
loses its IPv6 addresses."""

FULL: dict[str, Any] = {
    "mtu": 1300,
    "mac": "02:00:00:00:00:42",
    "txqueuelen": 55,
    "addresses": ("10.1.0.1/24", "fd01::1/64"),
}


def shown(name: str, netns: str = "") -> dict[str, Any]:
    """A device as `ip -d -j` tells of it."""
    at = f"-n {netns}" if netns else ""
    (found,) = json.loads(sh(f"ip {at} -d -j link show {name}"))
    assert isinstance(found, dict)
    return found


def data(name: str, netns: str = "") -> dict[str, Any]:
    found: dict[str, Any] = shown(name, netns)["linkinfo"]["info_data"]
    return found


def mended(wanted: Iterable[Device], link: Link, damages: Mapping[str, set[str]]) -> None:
    """Each damage is seen, as these facts of `link` and nothing else, and put right in place."""
    wanted = tuple(wanted)
    index = shown(link.name, link.netns)["ifindex"]
    for damage, facts in damages.items():
        sh(damage.format(at=f"-n {link.netns}" if link.netns else "", name=link.name))
        with Host("hv1") as host:
            found = plan(host, wanted)
            assert [(step.verb, step.key) for step in found.steps] == [("change", link.key)], (damage, found.steps)
            differs = {change.fact for change in found.steps[0].changes}
            assert differs <= facts, (damage, differs)
            assert differs, damage
        reach(wanted)
    assert shown(link.name, link.netns)["ifindex"] == index


def harmed(*wanted: Link) -> None:
    """What can be done to every device, done to each of these."""
    for link in wanted:
        mended(wanted, link, EVERYWHERE)


def refused(*wanted: Device) -> KernelError:
    """Why these cannot be made; nothing of them is left."""
    before = sh("ip -br link | wc -l; ip netns list")
    with Host("hv1") as host:
        outcome = host.apply(plan(host, wanted))
        assert isinstance(outcome.error, KernelError), outcome
        assert host.observe() == []
    assert sh("ip -br link | wc -l; ip netns list") == before
    return outcome.error


def gone() -> None:
    reach([])
    assert sh("ip -br link | grep -vc '^lo ' || true; ip netns list").split() == ["0"]


@within
def test_veths_in_one_namespace() -> None:
    one = Veth(name="v0", peer="v1", **FULL)
    other = Veth(name="v1", peer="v0", **{**FULL, "mac": "02:00:00:00:00:43", "addresses": ("10.1.0.2/24",)})
    assert verbs(reach([one, other])) == [("add", "v0"), ("add", "v1")]
    found = shown("v0")
    assert (found["link"], found["mtu"], found["address"], found["txqlen"]) == ("v1", 1300, FULL["mac"], 55)
    harmed(one, other)
    sh("ip netns add other; ip link set v1 netns other")
    assert verbs(reach([other, one])) == [("replace", "v0"), ("add", "v1")]
    sh("ip netns del other; ip link set v1 name v9")
    assert verbs(reach([one, other])) == [("remove", "v9"), ("replace", "v0"), ("add", "v1")]
    again = replace(one, peer="v2"), replace(other, name="v2")
    assert verbs(reach(again)) == [("remove", "v1"), ("replace", "v0"), ("add", "v2")]
    sh("ip link del v2")
    assert verbs(reach(again)) == [("add", "v0"), ("add", "v2")]
    gone()


@within
def test_veths_between_two_other_namespaces() -> None:
    one = Veth(name="va", netns="nsA", peer="vb", peer_netns="nsB", **FULL)
    other = Veth(name="vb", netns="nsB", peer="va", peer_netns="nsA", addresses=("10.1.0.2/24",))
    made = (A, B, one, other)
    reach(made)
    assert shown("va", "nsA")["ifindex"] != shown("vb", "nsB")["ifindex"]
    sh("ip netns exec nsA ping -c1 -W1 10.1.0.2")
    mended(made, one, EVERYWHERE)
    sh("ip -n nsB link set vb netns nsA")
    assert ("replace", "nsA/va") in verbs(reach(made))
    home = (A, replace(one, peer_netns=""), replace(other, netns=""))
    assert verbs(reach(home)) == [
        ("remove", "nsB/vb"),
        ("remove", "nsB"),
        ("replace", "nsA/va"),
        ("add", "vb"),
    ]
    assert shown("vb")["link_netnsid"] == 0
    gone()


@within
def test_taps() -> None:
    tap = Tap(name="t0", owner=65534, group=5, multi_queue=True, vnet_hdr=True, **FULL)
    inside = Tap(name="t0", netns="nsA", mac="fe:54:00:00:00:02")
    reach([A, tap, inside])
    said = data("t0")
    assert (said["type"], said["pi"], said["persist"]) == ("tap", False, True)
    assert (said["vnet_hdr"], said["multi_queue"]) == (True, True)
    assert (said["user"], said["group"]) == ("nobody", "tty")
    said = data("t0", "nsA")
    assert (said["vnet_hdr"], said["multi_queue"], "user" in said) == (False, False, False)
    mended([A, tap, inside], tap, EVERYWHERE)
    for request, fact in ((0x400454CC, "owner"), (0x400454CE, "group")):
        handle = opened("t0", 0x5102)
        fcntl.ioctl(handle, request, 1)
        os.close(handle)
        mended([A, tap, inside], tap, {"true": {fact}})
    for taken_away in (replace(tap, owner=-1), replace(tap, group=-1)):
        assert verbs(reach([A, taken_away, inside])) == [("replace", "t0")]
        assert verbs(reach([A, tap, inside])) == [("change", "t0")]
    changed = replace(tap, multi_queue=False)
    assert verbs(reach([A, changed, inside])) == [("replace", "t0")]
    sh("ip -n nsA link del t0")
    assert verbs(reach([A, changed, inside])) == [("add", "nsA/t0")]
    gone()


@within
def test_what_a_tap_is_refused() -> None:
    error = refused(Tap(name="t0", owner="nobody-of-that-name"))
    assert "no user called nobody-of-that-name" in str(error)
    error = refused(Tap(name="t0", group="none-of-that-name"))
    assert "no group called none-of-that-name" in str(error)
    reach([Tap(name="t0")])
    handle = opened("t0", 0x1002)
    with Host("hv1") as host:
        outcome = host.apply(plan(host, [Tap(name="t0", owner=1)]))
    assert "stop the guest first" in str(outcome.error)
    os.close(handle)
    reach([Tap(name="t0", owner=1)])


@within
def test_second_macs_in_every_mode() -> None:
    for kind in (Macvlan, Macvtap):
        for number, mode in enumerate(("vepa", "bridge", "private", "source")):
            link = kind(name="m0", lower="v0", mode=mode, allmulticast=True, promisc=number % 2 == 1)
            outcome = reach([*PAIR, link])
            assert verbs(outcome)[-1] == ("change" if number else "add", "m0")
            assert data("m0")["mode"] == mode
            flags = shown("m0")["flags"]
            assert ("ALLMULTI" in flags, "PROMISC" in flags) == (True, number % 2 == 1)
        link = kind(name="m0", lower="v0", mode="passthru", mac="02:00:00:00:00:07")
        assert verbs(reach([*PAIR, link])) == [("replace", "m0")]
        assert shown("v0")["address"] == shown("m0")["address"] == "02:00:00:00:00:07"
        assert verbs(reach([*PAIR, replace(link, mode="vepa")])) == [("replace", "m0")]
        full = kind(name="m0", lower="v0", mode="vepa", **{**FULL, "mtu": 1500})
        reach([*PAIR, full])
        mended([*PAIR, full], full, EVERYWHERE)
        mended([*PAIR, full], full, {f"ip link set m0 type {kind.kind} mode bridge": {"mode"}})
        reach(PAIR)
    gone()


@within
def test_second_macs_whose_lower_device_is_elsewhere() -> None:
    out = Macvlan(name="m0", netns="nsA", lower="v0", mode="bridge", addresses=("10.0.0.9/24",))
    tap = Macvtap(name="m1", netns="nsA", lower="va", lower_netns="nsB", mode="vepa")
    made = (A, B, *PAIR, *veths_in(B), out, tap)
    reach(made)
    assert shown("m0", "nsA")["link_netnsid"] is not None
    mended(made, out, {"ip {at} link set {name} down": {"up"}, "ip {at} addr flush dev m0": {"addresses"}})
    sh("ip -n nsB link del va")
    assert sorted(verbs(reach(made))) == [("add", "nsA/m1"), ("add", "nsB/va"), ("add", "nsB/vb")]
    sh("ip -n nsA link set m0 netns nsB")
    assert verbs(reach(made)) == [("remove", "nsB/m0"), ("add", "nsA/m0")]
    gone()


def opened(name: str, flags: int) -> int:
    """A tap as a guest holds it."""
    handle = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(handle, 0x400454CA, struct.pack("16sH22x", name.encode(), flags))
    return handle


def veths_in(netns: Namespace) -> tuple[Veth, Veth]:
    one = Veth(name="va", netns=netns.name, peer="vb", peer_netns=netns.name)
    return one, replace(one, name="vb", peer="va")


@within
def test_without_its_lower_device_nothing_is_made() -> None:
    for kind in (Macvlan, Macvtap):
        error = refused(kind(name="m0", lower="eno9", mode="vepa"))
        assert "there is no device eno9" in str(error)
    assert "there is no device eno9" in str(refused(Vxlan(name="x0", id=5, link="eno9")))
    assert "there is no device br9" in str(refused(Tap(name="t0", master="br9")))
    assert "br9 in namespace nsA" in str(refused(A, Tap(name="t0", netns="nsA", master="br9")))


@within
def test_bridges() -> None:
    bridge = Bridge(
        name="br0", group_fwd_mask=0x4000, stp=True, forward_delay=7, ageing=100, **{**FULL, "mtu": None}
    )
    reach([bridge])
    said = data("br0")
    assert (said["group_fwd_mask"], said["stp_state"], said["forward_delay"], said["ageing_time"]) == (
        "0x4000",
        1,
        700,
        10000,
    )
    assert Path("/sys/class/net/br0/addr_assign_type").read_text().strip() == "3"
    ways = {damage: facts for damage, facts in EVERYWHERE.items() if "mtu" not in damage}
    mended([bridge], bridge, ways)
    mended(
        [bridge],
        bridge,
        {
            "ip link set br0 type bridge group_fwd_mask 0": {"group_fwd_mask"},
            "ip link set br0 type bridge stp_state 0": {"stp"},
            "ip link set br0 type bridge forward_delay 400": {"forward_delay"},
            "ip link set br0 type bridge ageing_time 500": {"ageing"},
        },
    )
    plain = Bridge(name="br0", mac="02:00:00:00:00:42", group_fwd_mask=0)
    assert verbs(reach([plain])) == [("change", "br0")]
    assert (data("br0")["group_fwd_mask"], data("br0")["stp_state"]) == ("0", 0)
    gone()


@within
def test_ports_of_bridges() -> None:
    bridge = Bridge(name="br0", mac="02:00:00:00:01:00")
    port = BridgePort(group_fwd_mask=0x4004, hairpin=True, isolated=True)
    one, other = replace(PAIR[0], master="br0", port=port), PAIR[1]
    tap = Tap(name="t0", mac="00:00:5e:00:53:01", master="br0", port=BridgePort(hairpin=False))
    made = (bridge, one, other, tap)
    reach(made)
    said = shown("v0")["linkinfo"]["info_slave_data"]
    assert (said["group_fwd_mask"], said["hairpin"], said["isolated"]) == ("0x4004", True, True)
    assert shown("br0")["address"] == "02:00:00:00:01:00"
    mended(
        made,
        one,
        {
            "ip link set v0 type bridge_slave group_fwd_mask 0": {"port group_fwd_mask"},
            "ip link set v0 type bridge_slave hairpin off": {"hairpin"},
            "ip link set v0 type bridge_slave isolated off": {"isolated"},
            "ip link set v0 nomaster": {"master", "port group_fwd_mask", "hairpin", "isolated"},
            "ip link add br9 type bridge; ip link set v0 master br9": {
                "master",
                "port group_fwd_mask",
                "hairpin",
                "isolated",
            },
        },
    )
    sh("ip link del br9; ip link del br0")
    assert sorted(verbs(reach(made))) == [("add", "br0"), ("change", "t0"), ("change", "v0")]
    elsewhere = Bridge(name="br1", mac="02:00:00:00:01:01")
    moved = (elsewhere, replace(one, master="br1"), other, replace(tap, master="", port=BridgePort()))
    outcome = reach(moved)
    assert sorted(verbs(outcome)) == [("add", "br1"), ("change", "t0"), ("change", "v0"), ("remove", "br0")]
    assert shown("v0")["master"] == "br1"
    assert "master" not in shown("t0")
    gone()


@within
def test_a_bridge_has_the_mac_of_its_nic() -> None:
    sh("ip link add eno1 type veth peer name far; ip link set eno1 address 02:00:00:00:00:77")
    bridge = Bridge(name="br0", mac_of="eno1")
    nic = Nic(name="eno1", master="br0", lends=True, promisc=None, allmulticast=None, addresses=None)
    tap = Tap(name="t0", mac="00:00:5e:00:53:01", master="br0")
    made = (bridge, nic, tap)
    reach(made)
    assert shown("br0")["address"] == "02:00:00:00:00:77"
    mended(made, bridge, {"ip link set br0 address 02:00:00:00:00:99": {"mac_of"}})
    sh("ip link set eno1 address 02:00:00:00:00:78")
    reach(made)
    assert shown("br0")["address"] == "02:00:00:00:00:78"
    sh("ip link del t0; ip link set eno1 nomaster")
    reach(made)
    assert shown("br0")["address"] == "02:00:00:00:00:78"
    pinned = replace(bridge, mac_of=None, mac="02:00:00:00:01:00")
    reach([pinned, replace(nic, lends=False), tap])
    assert shown("br0")["address"] == "02:00:00:00:01:00"
    reach([])
    assert shown("eno1")["address"] == "02:00:00:00:00:78"
    assert "master" not in shown("eno1")


@within
def test_vxlans() -> None:
    below = replace(PAIR[0], addresses=("10.0.0.1/24",)), PAIR[1]
    vxlan = Vxlan(
        name="x0", id=77, link="v0", local="10.0.0.1", remote="10.0.0.2", dstport=4790, learning=False, ttl=9, **FULL
    )
    made = (*below, vxlan)
    reach(made)
    said = data("x0")
    assert (said["id"], said["link"], said["local"], said["remote"]) == (77, "v0", "10.0.0.1", "10.0.0.2")
    assert (said["port"], said["learning"], said["ttl"]) == (4790, False, 9)
    mended(made, vxlan, EVERYWHERE)
    mended(made, vxlan, {"ip link set x0 type vxlan id 77 ttl 3": {"ttl"}})
    for changed in (
        replace(vxlan, id=78),
        replace(vxlan, dstport=4789),
        replace(vxlan, learning=True),
        replace(vxlan, link=""),
        replace(vxlan, local="fd00::1", remote="fd00::2", link=""),
        replace(vxlan, remote="239.1.1.1"),
    ):
        assert verbs(reach([*below, changed])) == [("replace", "x0")], changed
    inside = replace(vxlan, netns="nsA", link_netns="")
    assert ("add", "nsA/x0") in verbs(reach([A, *below, inside]))
    assert data("x0", "nsA")["id"] == 77
    gone()


@within
def test_ifbs() -> None:
    ifb = Ifb(name="i0", **FULL)
    reach([ifb])
    assert shown("i0")["linkinfo"]["info_kind"] == "ifb"
    live = "ip {at} link set {name} address 02:00:00:00:00:99"
    mended([ifb], ifb, {damage: facts for damage, facts in EVERYWHERE.items() if damage != live})
    other = replace(ifb, mac="02:00:00:00:00:99")
    assert verbs(reach([other])) == [("replace", "i0")]
    inside = Ifb(name="i0", netns="nsA")
    assert verbs(reach([A, inside])) == [("remove", "i0"), ("add", "nsA"), ("add", "nsA/i0")]
    gone()


@within
def test_what_hangs_on_a_device_that_is_made_again_is_made_again_too() -> None:
    bridge = Bridge(name="br0", mac="02:00:00:00:01:00")
    pair = replace(PAIR[0], master="br0"), replace(PAIR[1], addresses=("10.0.0.1/24",))
    above = Macvlan(name="m0", lower="v1", mode="bridge", netns="nsA", addresses=("10.0.0.9/24",))
    vxlan = Vxlan(name="x0", id=5, link="v1", remote="10.0.0.2")
    made = (A, bridge, *pair, above, vxlan)
    reach(made)
    other = replace(pair[0], peer="v2"), replace(pair[1], name="v2")
    renamed = (A, bridge, *other, replace(above, lower="v2"), replace(vxlan, link="v2"))
    reach(renamed)
    assert data("x0")["link"] == "v2"
    sh("ip link set v2 name v3")
    outcome = reach(renamed)
    done = verbs(outcome)
    assert done.index(("replace", "v0")) < done.index(("add", "v2"))
    assert data("x0")["link"] == "v2"
    assert shown("v0")["master"] == "br0"
    tap = replace(Tap(name="t0", multi_queue=True), master="br0")
    reach([*renamed, tap])
    assert verbs(reach([*renamed, replace(tap, multi_queue=False)])) == [("replace", "t0")]
    assert shown("t0")["master"] == "br0"
    gone()


@within
def test_the_end_that_is_new_and_the_one_that_is_made_again_are_one_pair() -> None:
    """Whichever of the two comes first in the plan."""
    pe = Veth(name="pe", peer="e")
    reach([pe, Veth(name="e", peer="pe")])
    e = Veth(name="e", netns="nsA", peer="pe", promisc=True, **FULL)
    wanted = (A, e, replace(pe, peer_netns="nsA"))
    assert verbs(reach(wanted)) == [("remove", "e"), ("add", "nsA"), ("replace", "pe"), ("add", "nsA/e")]
    other = (A, replace(e, peer="pf"), replace(pe, name="pf", peer_netns="nsA"))
    assert ("replace", "nsA/e") in verbs(reach(other))
    sh("ip link add pe type bridge")
    with Host("hv1") as host:
        before = {each.item.key: each.item.facts() for each in host.observe()}
        made = plan(host, [*other, Ifb(name="zz")])
        sh("ip link add zz type bridge")
        assert not host.apply(made).ok
        assert {each.item.key: each.item.facts() for each in host.observe()} == before
    sh("ip link del pe; ip link del zz")
    gone()


@within
def test_offloads() -> None:
    tap = Tap(name="t0", offloads=(("tx-checksum-ip-generic", False), ("tx-tcp-segmentation", False)))
    veth = replace(PAIR[0], offloads=(("rx-gro", True), ("tx-scatter-gather", False)))

    def features(name: str) -> str:
        return sh(f"ethtool -k {name}")

    made = (tap, veth, PAIR[1])
    reach(made)
    assert "generic-receive-offload: on" in features("v0")
    assert "tx-scatter-gather: off" in features("v0")
    mended(
        made,
        veth,
        {
            "ethtool -K v0 gro off": {"offload rx-gro"},
            "ethtool -K v0 sg on": {"offload tx-scatter-gather", "offload tx-tcp-segmentation"},
        },
    )
    reach([])
    error = refused(replace(PAIR[0], offloads=(("tx-teleport", True),)), PAIR[1])
    assert "no offload 'tx-teleport'" in str(error)
    assert "ethtool -k v0" in str(error)


@within
def test_offloads_that_a_device_has_for_good() -> None:
    reach([replace(PAIR[0], offloads=(("rx-lro", False), ("rx-checksum", True))), PAIR[1]])
    assert "rx-lro: off [fixed]" in sh("ethtool -k v0").replace("large-receive-offload", "rx-lro")
    reach([])
    error = refused(replace(PAIR[0], offloads=(("rx-gro", False), ("rx-lro", True))), PAIR[1])
    assert "v0 cannot change its offload rx-lro: `ethtool -k v0`" in str(error)


@within
def test_mtus() -> None:
    """A bridge's stays where it is whatever its ports have; one that is more than a device takes is told."""
    for mtu, ports in ((1400, 1500), (1500, 9000), (9000, 1500), (68, 1500)):
        bridge = Bridge(name="br0", mac="02:00:00:00:01:00", mtu=mtu)
        made = (bridge, replace(PAIR[0], mtu=ports, master="br0"), replace(PAIR[1], mtu=ports))
        reach(made)
        sh("ip link set v0 nomaster")
        reach(made)
        assert shown("br0")["mtu"] == mtu
        gone()
    reach([Bridge(name="br0", mac="02:00:00:00:01:00"), replace(PAIR[0], mtu=1400, master="br0"), PAIR[1]])
    assert shown("br0")["mtu"] == 1400
    reach([])
    for link in (
        Macvtap(name="m0", lower="v0", mode="vepa", mtu=1501),
        Vxlan(name="m0", id=5, link="v0", remote="10.0.0.2", mtu=1451),
    ):
        error = refused(*PAIR, link)
        assert f"its mtu of {link.mtu} may be more than what is under it takes" in str(error)


@within
def test_a_nic_is_kept_and_given_back() -> None:
    sh("ip link add eno1 type veth peer name far; ip link set eno1 address 02:00:00:00:00:77")
    sh("ip link set eno1 mtu 1450; ip addr add 192.0.2.1/24 dev eno1")
    nic = Nic(name="eno1", promisc=None, allmulticast=None, up=None, master=None, addresses=None)
    reach([nic])
    assert shown("eno1")["altnames"] == ["netctl:hv1:eno1"]
    assert (shown("eno1")["mtu"], "UP" in shown("eno1")["flags"]) == (1450, False)
    said = replace(nic, up=True, mtu=1400, promisc=True, allmulticast=True, txqueuelen=77, mac="02:00:00:00:00:79")
    reach([said])
    mended(
        [said],
        said,
        {
            "ip link set eno1 mtu 1399": {"mtu"},
            "ip link set eno1 down": {"up"},
            "ip link set eno1 promisc off": {"promisc"},
            "ip link set eno1 allmulticast off": {"allmulticast"},
            "ip link set eno1 txqueuelen 78": {"txqueuelen"},
            "ip link set eno1 address 02:00:00:00:00:80": {"mac"},
            "ip link property del dev eno1 altname netctl:hv1:eno1": {"kept"},
        },
    )
    assert "192.0.2.1/24" in sh("ip addr show eno1")
    reach([])
    assert "altnames" not in shown("eno1")
    assert "192.0.2.1/24" in sh("ip addr show eno1")
    error = refused(Nic(name="eno9"))
    assert "there is no device eno9" in str(error)
    assert "not made by netctl" in str(error)


@within
def test_a_nic_moves_into_a_namespace_and_back() -> None:
    sh("ip link add eno1 type veth peer name far")
    nic = Nic(name="eno1", netns="nsA", promisc=None, allmulticast=None, master=None, addresses=None)
    bridge = Bridge(name="br0", netns="nsA", mac="02:00:00:00:01:00")
    reach([A, nic])
    assert "UP" in shown("eno1", "nsA")["flags"]
    inside = replace(nic, master="br0", port=BridgePort(isolated=True))
    reach([A, bridge, inside])
    assert shown("eno1", "nsA")["master"] == "br0"
    reach([A, nic, bridge])
    reach([A, nic])
    reach([])
    assert "altnames" not in shown("eno1")
    assert sh("ip netns list") == ""
    reach([A, nic])
    home = replace(nic, netns="")
    reach([home])
    assert shown("eno1")["altnames"] == ["netctl:hv1:eno1"]
    with Host(None) as host:
        assert host.apply(plan(host, [])).ok
    assert "altnames" not in shown("eno1")


@within
def test_what_this_kernel_cannot_make_is_named() -> None:
    """Where it can, it is made."""
    for link, module in (
        (Dummy(name="d0"), "dummy"),
        (Vlan(name="v0.5", link="v0", id=5), "8021q"),
        (Bond(name="bond0", mode="balance-rr"), "bonding"),
        (Bridge(name="br0", mac="02:00:00:00:01:00", vlan_filtering=True), "CONFIG_BRIDGE_VLAN_FILTERING"),
    ):
        with Host("hv1") as host:
            outcome = host.apply(plan(host, [*PAIR, link]))
            if not outcome.ok:
                assert module in str(outcome.error), outcome.error
                assert os.uname().release in str(outcome.error)
                assert [each.item.key for each in host.observe()] == []
        gone()


@within
def test_names_that_are_taken() -> None:
    sh("ip link add br0 type bridge; ip tuntap add m0 mode tap; ip link add far type veth peer name t0")
    sh("ip link add x0 type ifb; ip netns add theirs; ip -n theirs link add v1 type bridge")
    before = sh("ip -o link; ip -n theirs -o link")
    for wanted, name in (
        ((Tap(name="br0"),), "br0"),
        ((*PAIR, Macvlan(name="m0", lower="v0", mode="vepa")), "m0"),
        ((Bridge(name="t0", mac="02:00:00:00:01:00"),), "t0"),
        ((Vxlan(name="x0", id=5, remote="10.0.0.2"),), "x0"),
        ((Ifb(name="far"),), "far"),
    ):
        with Host("hv1") as host:
            made = plan(host, wanted)
            assert [collision.key[-1] for collision in made.collisions] == [name]
    with Host("hv1") as host:
        made = plan(host, [*PAIR, Macvlan(name="late", lower="v0", mode="vepa")])
        sh("ip link add late type bridge")
        outcome = host.apply(made)
        assert "late is taken by a bridge" in str(outcome.error)
        made = plan(host, [Veth(name="v5", peer="v1", peer_netns="theirs")])
        assert "v1 in namespace theirs is taken" in str(host.apply(made).error)
    sh("ip link del late")
    assert sh("ip -o link; ip -n theirs -o link") == before


class Proud:
    """A device that takes another MAC only while it is down, as most physical ones; no kernel's virtual ones do."""

    def __init__(self) -> None:
        self.up = True
        self.mac = "02:00:00:00:00:01"

    def ask(self, _kind: int, message: bytes) -> None:
        _, _, _, flags, mask = struct.unpack_from("=BxHiII", message)
        wanted = attributes(message, 16).get(1)
        if wanted is not None and self.up:
            raise OSError(errno.EBUSY, "busy")
        if wanted is not None:
            self.mac = wanted.hex(":")
        if mask & 1:
            self.up = bool(flags & 1)


def test_a_device_that_must_be_down_for_another_mac_goes_down_for_it() -> None:
    for up in (True, False, None):
        device = Proud()
        raw = Raw(3, "eno1", "", True, True, device.mac, 1500, "", 0, 0, None, False)
        nic = Nic(name="eno1", mac="02:00:00:00:00:02", up=up, master=None, addresses=None)
        room = Room("", cast(Rtnl, device), 0)
        settle(NicKind("hv1"), nic, raw, room, None, new=False)
        assert (device.mac, device.up) == (nic.mac, up is not False)
