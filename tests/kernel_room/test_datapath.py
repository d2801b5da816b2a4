"""Dead ports on a real userspace datapath: found, forgotten, attached again under the number that they had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from netctl.ovsdb import datapath
from tests.e2e.within import within


def sh(command: str) -> str:
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


OVS = """
ovsdb-tool create $OVS_DBDIR/conf.db /usr/share/openvswitch/vswitch.ovsschema
D="--pidfile --detach --no-chdir --log-file -vconsole:off"
ovsdb-server $OVS_DBDIR/conf.db --remote=punix:$OVS_RUNDIR/db.sock $D
ovs-vsctl --no-wait init
ovs-vswitchd $D
ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure
ip netns add n1
ip netns add n2
"""
VETH = "ip link add v{0} type veth peer name eth0 netns n{0}; ip link set v{0} up; ip -n n{0} link set eth0 up; "
VETH += "ip -n n{0} addr add 10.0.0.{0}/24 dev eth0; ip netns exec n{0} ethtool -K eth0 tx off"
WIRE = """
ovs-vsctl add-port br0 v1 -- add-port br0 v2
ovs-ofctl add-flow br0 in_port=v1,actions=output:v2
ovs-ofctl add-flow br0 in_port=v2,actions=output:v1
"""
PING = "ip netns exec n1 ping -c1 -W0.3 10.0.0.2"


def index(*names: str) -> dict[str, int]:
    return {name: int(Path(f"/sys/class/net/{name}/ifindex").read_text()) for name in names}


def passes(within_seconds: float) -> bool:
    end = time.monotonic() + within_seconds
    while True:
        if subprocess.run(PING, shell=True, check=False, capture_output=True).returncode == 0:
            return True
        if time.monotonic() > end:
            return False


@within
def test_without_open_vswitch_there_is_nothing_to_forget() -> None:
    assert datapath.ports() == []
    assert not datapath.forget("v1")
    assert datapath.forget_dead(index("lo")) == []
    Path(os.environ["OVS_RUNDIR"], "ovs-vswitchd.pid").write_text("junk")
    assert not datapath.forget("v1")


@within
def test_a_port_whose_device_was_made_again_is_deaf_until_it_is_revived() -> None:
    sh(OVS + VETH.format(1) + "\n" + VETH.format(2) + WIRE)
    assert passes(2)
    number = sh("ovs-vsctl get interface v1 ofport")
    assert {"v1", "v2"} <= set(datapath.ports())
    assert datapath.forget_dead(index("v1", "v2")) == []
    sh("ip link del v1; " + VETH.format(1))
    assert not passes(1)
    assert datapath.forget_dead(index("v1", "v2", "lo")) == ["v1"]
    sh("ip link set v1 alias touched")
    assert passes(1)
    assert sh("ovs-vsctl get interface v1 ofport") == number
    assert datapath.forget_dead(index("v1", "v2")) == []


@within
def test_forgotten_before_it_is_made_again_it_just_works() -> None:
    sh(OVS + VETH.format(1) + "\n" + VETH.format(2) + WIRE)
    assert passes(2)
    sh("ip link del v1")
    assert datapath.forget("v1")
    assert not datapath.forget("v1")
    assert datapath.forget_all(["v1", "nothing"]) == []
    sh(VETH.format(1))
    assert passes(1)


@within
def test_an_open_vswitch_in_another_network_or_that_does_not_answer_is_left_alone() -> None:
    sh(OVS + VETH.format(1) + "\n" + VETH.format(2) + WIRE)
    code = "from netctl.ovsdb import datapath; print(datapath.ports())"
    assert "'v1'" in sh(f'{sys.executable} -c "{code}"')
    assert sh(f'ip netns exec n1 {sys.executable} -c "{code}"') == "[]\n"
    pid = int(Path(os.environ["OVS_RUNDIR"], "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    assert not datapath.forget("v1")
    assert time.monotonic() - start < 2 * datapath.TIMEOUT
    os.kill(pid, signal.SIGCONT)
