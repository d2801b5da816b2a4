"""`netctl plan`, `apply` and `down` without a daemon."""

from __future__ import annotations

import json
import sys

import pytest

from tests.e2e.box import Box
from tests.e2e.lab import TWO_NAMESPACES, Lab


@pytest.fixture
def lab(box: Box) -> Lab:
    box.start_ovs()
    lab = Lab(box)
    lab.write(TWO_NAMESPACES)
    return lab


def left(lab: Lab) -> str:
    return lab.box.run("(ip -o link | grep -v ' lo: ') || true; ip netns list; ovs-vsctl list-br").stdout


def test_plan_touches_nothing_and_says_why(lab: Lab) -> None:
    done = lab.netctl("plan", lab.policy, "--exit-code", check=False)
    assert done.returncode == 1
    assert "+ netns ns1  (not there; /run/policy.yaml:8:7 guest ns1)" in done.stdout
    assert "+ bridge ovbr0" in done.stdout
    assert left(lab) == ""


def test_apply_then_the_second_plan_is_empty_then_down_leaves_nothing(lab: Lab) -> None:
    lab.netctl("apply", lab.policy)
    assert lab.ping("ns1", "10.99.1.2", within=1)
    done = lab.netctl("plan", lab.policy, "--exit-code", "--json")
    assert json.loads(done.stdout)["empty"]
    again = lab.netctl("apply", lab.policy)
    assert "Nothing to do" in again.stdout
    lab.netctl("down")
    assert left(lab) == ""
    assert "Nothing of netctl's was here" in lab.netctl("down").stdout


@pytest.mark.parametrize(
    "harm",
    [
        "ip link set ns1-eth0 mtu 1400",
        "ip link set ns1-eth0 down",
        "ip -n ns1 addr del 10.99.1.1/24 dev eth0",
        "ip -n ns1 link set eth0 down",
        "ip link del ns2-eth0",
        "ip netns del ns2",
        "ethtool -K ns1-eth0 tx on",
        "ovs-vsctl del-port ns1-eth0",
        "ovs-vsctl set-fail-mode ovbr0 standalone",
        "ovs-ofctl del-flows ovbr0",
        "ovs-ofctl -O OpenFlow13 --strict mod-flows ovbr0 priority=100,in_port=1,actions=drop",
        "ovs-vsctl del-br ovbr0",
    ],
)
def test_every_harm_is_seen_by_plan_and_mended_by_apply(lab: Lab, harm: str) -> None:
    lab.netctl("apply", lab.policy)
    lab.box.run(harm)
    done = lab.netctl("plan", lab.policy, "--exit-code", check=False)
    assert done.returncode == 1, done.stdout
    lab.netctl("apply", lab.policy)
    assert lab.netctl("plan", lab.policy, "--exit-code").returncode == 0
    assert lab.ping("ns1", "10.99.1.2", within=2)


def test_what_others_made_is_left_alone(lab: Lab) -> None:
    lab.netctl("apply", lab.policy)
    lab.box.run(
        "ip link add theirs type veth peer name theirs2; ip netns add theirns;"
        "ovs-vsctl add-br theirbr -- set bridge theirbr datapath_type=netdev;"
        "ovs-vsctl add-port ovbr0 theirs; ovs-ofctl add-flow ovbr0 cookie=5,priority=7,in_port=theirs,actions=drop"
    )
    assert lab.netctl("plan", lab.policy, "--exit-code").returncode == 0
    lab.write(TWO_NAMESPACES.replace("- [ns1-eth0, ns2-eth0]", "- [ns1-eth0, ovbr0/theirs]"))
    lab.netctl("apply", lab.policy)
    assert "cookie=0x5" in str(lab.flows())
    assert "netctl" not in lab.box.run("ovs-vsctl get port theirs external_ids").stdout
    lab.netctl("down")
    rest = left(lab)
    assert "theirs" in rest
    assert "theirns" in rest
    assert "theirbr" in rest
    assert "ns1" not in rest


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ("ip link add ns1-eth0 type veth peer name other", "veth ns1-eth0"),
        ("ip tuntap add ns1-eth0 mode tap", "ns1-eth0"),
        ("ovs-vsctl add-br ovbr0 -- set bridge ovbr0 datapath_type=netdev", "bridge ovbr0"),
    ],
)
def test_a_collision_is_named_and_nothing_is_changed(lab: Lab, before: str, name: str) -> None:
    lab.box.run(before)
    was = left(lab)
    done = lab.netctl("apply", lab.policy, check=False)
    assert done.returncode == 1
    assert name in done.stderr
    assert "netctl did not make it" in done.stderr
    assert left(lab) == was


def test_a_namespace_that_is_there_already_serves_and_stays(lab: Lab) -> None:
    lab.box.run("ip netns add ns1")
    lab.netctl("apply", lab.policy)
    assert lab.netctl("plan", lab.policy, "--exit-code").returncode == 0
    assert lab.ping("ns1", "10.99.1.2", within=2)
    lab.netctl("down")
    assert left(lab).split()[:1] == ["ns1"]
    assert len(left(lab).splitlines()) == 1


def test_a_step_that_fails_puts_everything_back(lab: Lab) -> None:
    lab.netctl("apply", lab.policy)
    was, flows = left(lab), lab.flows()
    lab.write(
        TWO_NAMESPACES.replace("ovbr0: {datapath: netdev}", "ovbr0: {datapath: netdev}\n      ovbr1: {}").replace(
            "wires:", "      vm1: {nics: {eth0: {device: tap, bridge: ovbr1}}}\nwires:"
        )
    )
    done = lab.netctl("apply", lab.policy, check=False)
    assert done.returncode == 1, done.stdout
    assert "datapath system needs the kernel module openvswitch" in done.stderr
    assert "everything was put back" in done.stderr
    assert left(lab) == was
    assert lab.flows() == flows


def test_without_open_vswitch_it_says_how_to_start_it(box: Box) -> None:
    lab = Lab(box)
    lab.write(TWO_NAMESPACES)
    for verb in ("plan", "apply"):
        done = lab.netctl(verb, lab.policy, check=False)
        assert done.returncode == 1
        assert "Open vSwitch is not running" in done.stderr
        assert "ovs-ctl start" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["plan", "apply", "confirm", "up", "down", "agent"])
def test_without_root_it_says_what_it_needs(lab: Lab, verb: str) -> None:
    arguments = [] if verb in ("confirm", "down") else [lab.policy] if verb != "agent" else ["--policy", lab.policy]
    done = lab.box.run(
        [
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"),
            *(sys.executable, "-m", "netctl.cli", verb, *arguments),
        ],
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "CAP_NET_ADMIN" in done.stderr
    assert "Traceback" not in done.stderr


def test_with_a_running_controller_apply_leaves_open_vswitch_to_it(lab: Lab) -> None:
    lab.controller()
    lab.box.wait_for(lambda: lab.status()["policy"]["digest"], 10)
    lab.netctl("apply", lab.policy)
    assert lab.ping("ns1", "10.99.1.2", within=1)
    other = lab.policy + ".other.yaml"
    lab.box.path(other).write_text(TWO_NAMESPACES.replace("ns2", "ns5"))
    done = lab.netctl("apply", other, check=False)
    assert done.returncode == 1
    assert "runs another policy" in done.stderr
