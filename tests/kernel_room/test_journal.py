"""What is written down of a change, and what is taken back of one that was broken off at any point."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest

from netctl import rundir
from netctl.agent import undo
from netctl.desired import link, routing
from netctl.desired.device import Device, Namespace, plan_host
from netctl.desired.flow import (
    Action,
    Clone,
    Flow,
    GotoTable,
    Match,
    Metered,
    Output,
    PopVlan,
    PushVlan,
    SetVlan,
    ToController,
)
from netctl.desired.link import Bridge, BridgePort, Ifb, Macvlan, Nic, Tap, Veth, Vxlan
from netctl.desired.queue import shaper
from netctl.desired.routing import Address, DropIn, Route, Rule, Sysctl, Waiting, signature
from netctl.desired.row import Bridge as BridgeRow
from netctl.desired.row import Port
from netctl.kernel import Host, journal
from netctl.kernel.journal import Broken, Journal, NotWritten, SwitchPast, UnderWay
from netctl.kernel.netns import SeenNamespace
from netctl.kernel.past import Past, remember, return_to
from netctl.kernel.ways import Way
from netctl.plan import Wanted
from tests.e2e.within import within

COMMON: dict[str, Any] = {
    "netns": "ns1",
    "mtu": 9000,
    "mac": "02:00:00:00:00:01",
    "up": None,
    "promisc": True,
    "txqueuelen": 7,
    "tx_checksum": False,
    "offloads": (("rx", True), ("tso", False)),
    "master": "br0",
    "port": BridgePort(hairpin=True, pvid=5, vlans=(5, 6)),
    "addresses": ("10.0.0.1/24", "fd00::1/64"),
}
PARTICULAR: dict[str, dict[str, Any]] = {
    "veth": {"peer": "b", "peer_netns": "ns2"},
    "tap": {"owner": "libvirt-qemu", "group": 107, "vnet_hdr": True},
    "macvlan": {"lower": "eth0", "mode": "vepa"},
    "macvtap": {"lower": "eth0", "mode": "passthru"},
    "bridge": {"mac_of": "eth0", "group_fwd_mask": 16384, "vlan_filtering": True},
    "vlan": {"link": "eth0", "id": 100, "protocol": "802.1ad"},
    "bond": {"mode": "802.3ad", "miimon": 100, "lacp_rate": "fast"},
    "vxlan": {"id": 42, "local": "10.0.0.1", "remote": "10.0.0.2"},
    "nic": {"kept": False},
}
DEVICES: tuple[Device, ...] = (
    Namespace("ns1"),
    SeenNamespace("ns2", loopback_up=False),
    *(kind(name="a", **COMMON, **PARTICULAR.get(name, {})) for name, kind in link.KINDS.items()),
    *(kind(name="a", **PARTICULAR.get(name, {})) for name, kind in link.KINDS.items()),
    Address("eth0", "10.0.0.1/24", "ns1"),
    Route("0.0.0.0/0", "eth0", via="10.0.0.254", src="10.0.0.1", table=100, copies=2),
    Route("2001:db8::/32", "eth0", metric=5),
    Rule(1000, 100, 6, "2001:db8::1", suppress_prefixlength=0, more="and more"),
    Sysctl("net.ipv4.conf.eth0/100.rp_filter", "1"),
    DropIn("/etc/x.conf", signature("hv1") + "\nä\n"),
)
ACTIONS: tuple[Action, ...] = (
    *(Metered(3), Output(1), PushVlan(), SetVlan(5), PopVlan(), ToController(), ToController(128)),
    *(Clone((PopVlan(), PushVlan(), Output(2))), GotoTable(1)),
)
FLOWS = (
    Flow("ovbr0", 7, Match(1, 5, 0x88CC, "01:80:c2:00:00:0e"), ACTIONS, 5, 3, "eth_src=1/2"),
    Flow("ovbr0", 0, Match()),
)
SWITCHES = SwitchPast(
    "unix:/run/db.sock",
    (BridgeRow("ovbr0", "netdev", None, ("OpenFlow13",)), Port("ovbr0", "a", 4095, 7), shaper("ovbr0", "a", 10**6)),
    {"ovbr0": FLOWS},
    {"ovbr0": ("a", "b")},
)


def test_everything_comes_back_from_the_file_as_it_went_in() -> None:
    told = {type(item) for item in DEVICES}
    assert told >= {*link.KINDS.values(), *(set(get_args(routing.Routing)) - {Waiting}), Namespace}
    assert {type(action) for action in ACTIONS} >= {Metered, Output, PushVlan, SetVlan, PopVlan, ToController, Clone}
    ways = (Way("route", "ns1", "eth0", 7, "00ff"),)
    past = Past(DEVICES, DEVICES[::-1], ways, {"ns1 net.x": {"host": "hv1", "before": "0", "set": "1"}})
    for switches in (None, SWITCHES):
        for deadline in (None, 12.5):
            written = Journal("hv1", "netctl apply x", past, switches, confirm_by=deadline)
            read = journal.parse(journal.text(written))
            assert read == written
            assert list(map(type, read.past.before)) == list(map(type, DEVICES))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    monkeypatch.setenv("NETCTL_RUN_DIR", str(tmp_path))
    return tmp_path


def test_it_is_root_s_alone_and_there_is_one(folder: Any) -> None:
    first = Journal("hv1", "first", Past(DEVICES))
    journal.begin(first)
    assert stat.S_IMODE((folder / journal.NAME).stat().st_mode) == 0o600
    with pytest.raises(UnderWay, match="first"):
        journal.begin(Journal("hv1", "second", Past()))
    journal.rewrite(replace(first, confirm_by=journal.now() + 60))
    found = journal.read()
    assert found is not None
    assert 59 < found.seconds_left <= 60
    assert [each.name for each in folder.iterdir()] == [journal.NAME]
    journal.remove()
    assert journal.read() is None


@pytest.mark.parametrize("harm", ["cut", "not JSON", "a kind of tomorrow's", "another version", "a field is missing"])
def test_one_that_cannot_be_read_is_named_and_nothing_begins(folder: Any, harm: str) -> None:
    journal.begin(Journal("hv1", "first", Past(DEVICES), SWITCHES))
    text = (folder / journal.NAME).read_text()
    harmed = {
        "cut": text[:200],
        "not JSON": "\0" * 50,
        "a kind of tomorrow's": text.replace('"Tap"', '"Tap9"'),
        "another version": text.replace('"version": 1', '"version": 9'),
        "a field is missing": text.replace('"lower": "eth0", ', ""),
    }[harm]
    assert harmed != text
    (folder / journal.NAME).write_text(harmed)
    with pytest.raises(Broken, match=r"journal\.json"):
        journal.read()
    with pytest.raises(Broken):
        journal.begin(Journal("hv1", "second", Past()))


def test_of_a_process_that_is_gone_and_of_an_earlier_start_of_the_machine(folder: Any) -> None:
    child = subprocess.Popen(["sleep", "60"])
    theirs = Journal("hv1", "x", Past(), pid=child.pid, started=rundir.started(child.pid) or 0)
    assert theirs.alive
    assert not replace(theirs, started=theirs.started - 1).alive
    child.kill()
    child.wait()
    assert not theirs.alive
    before = replace(theirs, boot="another", confirm_by=journal.now() + 50)
    assert before.outlived
    assert before.seconds_left == 0


@within
def test_a_full_disk_leaves_everything_as_it_is() -> None:
    subprocess.run("mount -t tmpfs -o size=64k small /run/netctl", shell=True, check=True)
    with Host("hv1") as host:
        plan = plan_host([Wanted(Namespace(f"ns{n}"), "test") for n in range(300)], host.observe())
        with open("/run/netctl/filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        with pytest.raises(NotWritten, match=r"No space left on device.*NETCTL_RUN_DIR"):
            undo.apply(host, plan, "test")
    assert not any(os.scandir("/run/netns"))
    assert not os.path.exists("/run/netctl/journal.json")


SETUP = """
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0
ip link add eth1 type veth peer name far1; ip link set far1 up; ip link set eth1 up
ip addr add 198.51.100.1/24 brd + dev eth1
ip route add default via 192.0.2.254; ip route add 203.0.113.0/24 via 198.51.100.9 proto static
"""

BEFORE: tuple[Device, ...] = (
    Namespace("ns1"),
    Veth(name="ns1-eth0", peer="eth0", peer_netns="ns1", mtu=9000),
    Veth(name="eth0", netns="ns1", peer="ns1-eth0", mtu=9000, mac="02:00:00:00:00:01", addresses=("10.0.0.1/24",)),
    Bridge(name="br0", mac="02:00:00:00:00:02", addresses=("10.1.0.1/24",)),
    Tap(name="vm1", mac="fe:54:00:84:e3:62", master="br0"),
    Tap(name="vm2", mac="fe:54:00:84:e3:63", vnet_hdr=True),
    Macvlan(name="mv0", lower="eth1", mode="bridge", mac="02:00:00:00:00:03"),
    Route("10.9.0.0/16", "br0", via="10.1.0.9"),
    Rule(1000, 100, source="192.0.2.1"),
    Sysctl("net.ipv4.conf.eth0.arp_ignore", "1"),
)
FOREIGN = """
ip route add 10.8.0.0/16 via 10.1.0.8 proto static; ip -n ns1 route add default via 10.0.0.254
ip addr add 198.51.100.7/25 dev eth1 label eth1:old noprefixroute; ip addr add 198.51.100.8/24 dev eth1
ip route add 10.20.0.0/16 via 198.51.100.9 mtu 1400 advmss 1300 table 77; ip rule add from 198.51.100.8 lookup 77
ip route add 10.21.0.0/16 nexthop via 198.51.100.9 weight 2 nexthop via 198.51.100.10
ip route add 10.22.0.0/16 via 172.31.255.1 dev eth1 onlink metric 7 src 198.51.100.8
ip route append 10.22.0.0/16 via 198.51.100.11 dev eth1 metric 7
ip -6 addr add 2001:db8::1/64 dev eth1 nodad; ip -6 addr add 2001:db8::2/64 dev eth1 nodad noprefixroute
ip -6 route add default via 2001:db8::fe metric 99 pref high; ip -6 route add 2001:db8:7::/48 via 2001:db8::fd
ip -6 route append 2001:db8:7::/48 via 2001:db8::fc
"""
AFTER: tuple[Device, ...] = (
    Namespace("ns2"),
    Veth(name="ns2-eth0", peer="eth0", peer_netns="ns2", master="br0"),
    Veth(name="eth0", netns="ns2", peer="ns2-eth0", addresses=("10.0.0.2/24",)),
    Bridge(name="br0", mac="02:00:00:00:00:22", addresses=("10.1.0.2/24",), stp=True),
    Tap(name="vm1", mac="fe:54:00:84:e3:62", mtu=1400),
    Tap(name="vm2", mac="fe:54:00:84:e3:63", multi_queue=True),
    Macvlan(name="mv0", lower="eth1", mode="vepa", mac="02:00:00:00:00:33", up=False),
    Ifb(name="ifb7"),
    Vxlan(name="vx0", id=42, remote="192.0.2.7"),
    Nic(name="eth1", netns="ns2", mtu=1300),
    Address("eth0", "192.0.2.9/24"),
    Route("10.7.0.0/16", "br0", via="10.1.0.9"),
    Rule(1000, 200, source="192.0.2.1"),
    Sysctl("net.ipv4.conf.eth0.arp_ignore", "2"),
    Sysctl("net.ipv4.conf.eth0.arp_announce", "2"),
)

LOOKS = (
    *("ip -j -d link", "ip -j addr", "ip -j rule", "ip -j -6 rule", "ip -j route show table all"),
    *("ip -j -6 route show table all",),
)
GOES = {
    *("ifindex", "link_index", "link_netnsid", "expires"),
    *("gc_timer", "hello_timer", "tcn_timer", "topology_change_timer"),
}
"""What differs between a device and its like."""


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if key not in GOES}
    return [plain(each) for each in value if not of_itself(each)] if isinstance(value, list) else value


def of_itself(value: Any) -> bool:
    """Whether the kernel gives it to every device, a second or two after that came up."""
    if not isinstance(value, dict):
        return False
    return any(str(value.get(key, "")).startswith(("fe80:", "ff00:")) for key in ("dst", "local"))


def looks() -> dict[str, Any]:
    """All that `ip` says."""
    said: dict[str, Any] = {"namespaces": sorted(os.listdir("/run/netns"))}
    for where in ("", *said["namespaces"]):
        for look in LOOKS:
            command = [*(["ip", "netns", "exec", where] if where else []), *look.split()]
            text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            said[f"{where} {look}"] = sorted(map(json.dumps, plain(json.loads(text or "[]"))))
    said["sysctls"] = rundir.read_json("sysctls")
    said["set"] = subprocess.run(
        ["sysctl", "net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return said


def is_again(before: dict[str, Any], when: str) -> None:
    """The kernel takes a moment to see carrier, and to join groups."""
    end = time.monotonic() + 20
    while (now := looks()) != before and time.monotonic() < end:
        time.sleep(0.05)
    for look, was in before.items():
        missing = [each for each in was if each not in now[look]] if isinstance(was, list) else was
        more = [each for each in now[look] if each not in was] if isinstance(was, list) else now[look]
        assert now[look] == was, f"{when}: {look}\nmissing: {missing}\nmore: {more}"


def settled() -> dict[str, Any]:
    before = looks()
    while True:
        time.sleep(0.3)
        if (now := looks()) == before:
            return now
        before = now


def change(host: Host, wanted: Sequence[Device]) -> None:
    asked = [Wanted(item, "test") for item in wanted]
    plan = plan_host(asked, host.observe(wanted))
    outcome = undo.apply(host, plan, "test")
    assert outcome.ok, outcome.error


def stand() -> dict[str, Any]:
    """A host with devices of netctl's and of others'."""
    subprocess.run(["bash", "-ec", SETUP], check=True)
    with Host("hv1") as host:
        change(host, BEFORE)
    subprocess.run(["bash", "-ec", FOREIGN], check=True)
    return settled()


@within
def test_what_is_changed_comes_back_whole() -> None:
    before = stand()
    with Host("hv1") as host:
        plan = plan_host([Wanted(item, "test") for item in AFTER], host.observe(AFTER))
        verbs = {step.verb for step in plan.steps}
        assert verbs == {"add", "change", "replace", "remove"}
        past = remember(host, plan)
        outcome = host.apply(plan)
        assert outcome.ok, (outcome.failed, outcome.error)
        assert looks() != before
        past = journal.parse(journal.text(Journal("hv1", "x", past))).past
        _, left = return_to(host, past)
        assert not left, left
    is_again(before, "in the same process")


def never_finish(wanted: Sequence[Device]) -> None:
    """Make a change, and end without another word."""
    with Host("hv1") as host:
        plan = plan_host([Wanted(item, "test") for item in wanted], host.observe(wanted))
        journal.begin(Journal("hv1", "test", remember(host, plan)))
        assert host.apply(plan).ok
        os._exit(0)


def forked(wanted: Sequence[Device], kill_after: float = 60.0) -> tuple[bool, float]:
    """Begin a change in a process of its own, and kill that so many seconds after its journal is there: whether it was
    killed, and how many seconds it went on."""
    child = os.fork()
    if child == 0:
        try:
            never_finish(wanted)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    since: float | None = None
    while True:
        if since is None and os.path.exists("/run/netctl/journal.json"):
            since = time.perf_counter()
        went = time.perf_counter() - since if since is not None else 0.0
        if since is not None and went >= kill_after:
            os.kill(child, signal.SIGKILL)
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
            return os.WIFSIGNALED(status), went


@within
def test_killed_at_any_moment_it_is_taken_back_at_the_next_start() -> None:
    before = stand()
    _, took = forked(AFTER)
    assert looks() != before
    points = 16
    midway = 0
    for point in range(-1, points):
        if point >= 0:
            killed, _ = forked(AFTER, took * point / points)
            midway += killed
        said: list[str] = []
        found = undo.take_up(said.append)
        assert found is not None
        assert said == ["`test` was broken off: what it changed is taken back"], point
        is_again(before, f"killed at {point} of {points}")
        assert undo.take_up(said.append) is None
    assert midway > points / 2
