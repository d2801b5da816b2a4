"""`netctl apply --confirm` and `netctl confirm`; what would cut the operator's own session; changes broken off."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest

from tests.e2e.box import Box, Process
from tests.e2e.lab import TWO_NAMESPACES, Lab

NIC = """
version: 1
hosts:
  hv1:
    links:
      eth0: {{kind: nic, {said}}}
      spare: {{kind: bridge, mac: "02:00:00:00:00:77"}}
"""

LOOKS = (
    "ip -j -d link", "ip -j addr", "ip -j rule", "ip -j -6 rule", "ip -j route show table all",
    "ip -j -6 route show table all", "ip netns list",
)
GOES = {
    "ifindex", "link_index", "stats", "stats64", "expires", "valid_life_time", "preferred_life_time", "tentative",
    "age", "gc_timer", "hello_timer", "tcn_timer", "topology_change_timer", "cacheinfo", "users", "used",
}
"""What differs between two looks at the same thing, or between it and its like."""


def plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if key not in GOES}
    return [plain(each) for each in value if not comes_later(each)] if isinstance(value, list) else value


def comes_later(value: object) -> bool:
    """What IPv6 gives a device that is up by itself, some time after."""
    if not isinstance(value, dict):
        return False
    kernel = value.get("protocol") in ("kernel", "kernel_ll") and str(value.get("dst", "")).startswith(("fe80", "ff00"))
    return kernel or (value.get("family") == "inet6" and value.get("scope") == "link")


def looks(box: Box, namespaces: tuple[str, ...] = ()) -> dict[str, object]:
    """All that `ip` says of the host, and of namespaces."""
    said: dict[str, object] = {}
    for where in ("", *namespaces):
        for look in LOOKS:
            text = box.run(look.replace("ip ", f"ip -n {where} ", 1) if where else look).stdout
            found = plain(json.loads(text or "[]")) if "-j" in look else text
            said[f"{where} {look}"] = sorted(map(json.dumps, found)) if isinstance(found, list) else found
    return said


def is_again(box: Box, before: dict[str, object], namespaces: tuple[str, ...] = (), wait: float = 20.0) -> None:
    """The host is as it was, as soon as the kernel has settled."""
    end = time.monotonic() + wait
    while (now := looks(box, namespaces)) != before and time.monotonic() < end:
        time.sleep(0.1)
    for look, was in before.items():
        assert now[look] == was, look


@pytest.fixture
def lab(box: Box) -> Lab:
    """A host with a NIC that it is reached by, and a client who is logged in."""
    box.run(
        "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0;"
        "ip netns add far; ip link add eth0 type veth peer name eth0 netns far;"
        "ip -n far link set eth0 up; ip -n far addr add 192.0.2.99/24 dev eth0;"
        "ip addr add 192.0.2.1/24 brd + dev eth0; ip link set eth0 up;"
        "ip -6 addr add 2001:db8::1/64 dev eth0 nodad; ip route add default via 192.0.2.254;"
        "ip route add 203.0.113.0/24 via 192.0.2.99 metric 5 proto static;"
        "ip -6 route add default via 2001:db8::fe"
    )
    box.wait_for(lambda: json.loads(box.run("ip -j link show eth0").stdout)[0]["operstate"] == "UP")
    box.wait_for(lambda: "fe80" in box.run("ip -6 route show table local dev eth0").stdout)
    return Lab(box)


def ssh(lab: Lab, *arguments: str) -> Process:
    """A `netctl` that is typed in an SSH session from 192.0.2.99."""
    return lab.box.popen(
        [sys.executable, "-m", "netctl.cli", *arguments],
        env={"SSH_CONNECTION": "192.0.2.99 50000 192.0.2.1 22"},
        stdout=-1,
        stderr=-1,
    )


def typed(lab: Lab, *arguments: str) -> tuple[int, str]:
    process = ssh(lab, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


def reached(lab: Lab) -> bool:
    done = lab.box.run("ip netns exec far ping -c1 -W1 192.0.2.1", check=False)
    return done.returncode == 0


def test_a_change_that_would_cut_the_session_is_refused(lab: Lab) -> None:
    lab.write(NIC.format(said="up: false"))
    before = looks(lab.box)
    code, said = typed(lab, "apply", lab.policy)
    assert code == 1
    assert "would cut your own session (SSH from 192.0.2.99 to 192.0.2.1): it takes eth0 down" in said
    assert "~ nic eth0" in said
    assert "--confirm" in said
    assert looks(lab.box) == before
    code, said = typed(lab, "plan", lab.policy)
    assert code == 0
    assert "only with --confirm" in said


def test_unconfirmed_it_is_taken_back_with_the_routes_of_others(lab: Lab) -> None:
    lab.write(NIC.format(said="up: false"))
    before = looks(lab.box)
    lab.box.popen("ip -o monitor link dev eth0 > /run/seen")
    lab.box.wait_for(lambda: lab.box.path("/run/seen").exists())
    code, said = typed(lab, "apply", lab.policy, "--confirm", "2")
    assert code == 0, said
    assert "netctl confirm" in said
    lab.box.wait_for(lambda: not lab.box.path("/run/netctl/journal.json").exists(), 20)
    is_again(lab.box, before)
    assert " state DOWN " in lab.box.path("/run/seen").read_text()
    assert reached(lab)
    done = lab.netctl("confirm", check=False)
    assert done.returncode == 1
    assert "was not confirmed in time and was taken back" in done.stderr


@pytest.mark.parametrize("said", ["netns: ns1", "master: spare", 'mac: "02:00:00:00:00:99", mtu: 1400'])
def test_whatever_is_done_to_a_nic_can_be_taken_back_at_once(lab: Lab, said: str) -> None:
    lab.write(NIC.format(said=said))
    before = looks(lab.box)
    code, told = typed(lab, "apply", lab.policy)
    assert code == 1, told
    assert "would cut your own session" in told
    code, told = typed(lab, "apply", lab.policy, "--confirm", "60", "--json")
    assert code == 0, told
    assert json.loads(told)["confirm_within"] == 60
    assert looks(lab.box) != before
    assert "is taken back" in lab.netctl("confirm", "--cancel").stdout
    is_again(lab.box, before)
    assert lab.box.run("ls /run/netctl/*.pid /run/netctl/journal.json", check=False).stdout == ""


def test_confirmed_it_stays(lab: Lab) -> None:
    lab.write(NIC.format(said="mtu: 1400"))
    lab.netctl("apply", lab.policy, "--confirm", "60")
    for verb, words in (("apply", "waits to be confirmed"), ("plan", "waits to be confirmed")):
        done = lab.netctl(verb, lab.policy, check=False)
        assert words in done.stderr, verb
        assert done.returncode == (1 if verb == "apply" else 0)
    second = lab.netctl("apply", lab.policy, "--confirm", "5", check=False)
    assert second.returncode == 1
    assert "`netctl confirm` keeps what it did" in second.stderr
    after = looks(lab.box)
    assert "Confirmed" in lab.netctl("confirm").stdout
    assert lab.netctl("confirm", check=False).returncode == 1
    assert looks(lab.box) == after
    assert lab.box.run("ls /run/netctl/*.pid /run/netctl/journal.json", check=False).stdout == ""
    assert "Nothing to do" in lab.netctl("apply", lab.policy).stdout


def watchdog(lab: Lab) -> int:
    """The process that waits, as it is numbered in the box."""
    return int(lab.box.path("/run/netctl/confirm.pid").read_text().split()[0])


def test_a_killed_watchdog_is_noticed_by_the_next_netctl(lab: Lab) -> None:
    lab.write(NIC.format(said="up: false"))
    before = looks(lab.box)
    assert typed(lab, "apply", lab.policy, "--confirm", "60")[0] == 0
    lab.box.run(f"kill -9 {watchdog(lab)}")
    assert "was broken off" in lab.netctl("plan", lab.policy).stderr
    assert not reached(lab)
    lab.write(NIC.format(said="mtu: 1500"))
    done = lab.netctl("apply", lab.policy)
    assert "was not confirmed: what it changed is taken back" in done.stderr
    assert reached(lab)
    lab.netctl("down")
    is_again(lab.box, before)


def test_the_end_of_the_terminal_ends_nothing(lab: Lab) -> None:
    """The session is gone as soon as the NIC is down, and with it whoever typed it."""
    lab.write(NIC.format(said="up: false"))
    before = looks(lab.box)
    process = ssh(lab, "apply", lab.policy, "--confirm", "3")
    lab.box.wait_for(lambda: watchdog(lab), 10)
    process.send_signal(signal.SIGHUP)
    process.wait(10)
    lab.box.wait_for(lambda: not reached(lab), 10)
    is_again(lab.box, before)


def test_an_agent_waits_for_the_decision_and_an_apply_for_the_agent(lab: Lab) -> None:
    lab.write(NIC.format(said="mtu: 1400"))
    lab.netctl("apply", lab.policy, "--confirm", "60")
    lab.write(NIC.format(said="mtu: 1300"))
    agent = lab.agent()
    lab.box.wait_for(lambda: "waits to be confirmed" in str(lab.agent_status()["problems"]), 10)
    assert "mtu 1400" in lab.box.run("ip link show eth0").stdout
    lab.netctl("confirm", "--cancel")
    lab.box.wait_for(lambda: "mtu 1300" in lab.box.run("ip link show eth0").stdout, 40)
    refused = lab.netctl("apply", lab.policy, "--confirm", "5", check=False)
    assert refused.returncode == 1
    assert "the agent of hv1" in refused.stderr
    other = lab.policy + ".other.yaml"
    lab.box.path(other).write_text(NIC.format(said="mtu: 1200"))
    refused = lab.netctl("apply", other, check=False)
    assert refused.returncode == 1
    assert "runs another policy, from /run/policy.yaml" in refused.stderr
    agent.terminate()
    assert agent.wait(10) == 0


def test_the_session_is_found_under_sudo_and_behind_a_bridge(lab: Lab) -> None:
    """Of the ports of the bridge that has the address, the one behind which the client is counts."""
    lab.box.run(
        "ip link add br7 type bridge; ip link set br7 up; ip link add eth1 type veth peer name far1;"
        "ip link set eth1 up; ip link set far1 up; ip link set eth1 master br7; ip link set eth0 master br7;"
        "ip addr flush dev eth0; ip addr add 192.0.2.1/24 dev br7"
    )
    lab.box.wait_for(lambda: reached(lab), 40)
    lab.box.run("ping -c1 -W1 192.0.2.99")
    policy = NIC.format(said="promisc: true") + "      eth1: {kind: nic, up: false}\n"
    lab.write(policy)
    session = "SSH_CONNECTION='192.0.2.99 50000 192.0.2.1 22'"
    sudo = f"env -i PATH=$PATH PYTHONPATH=$PYTHONPATH NETCTL_RUN_DIR=/run/netctl {sys.executable} -m netctl.cli"
    done = lab.box.run(["bash", "-c", f"{session} bash -c '{sudo} plan {lab.policy}; true'"])
    assert "nic eth1" in done.stdout
    assert "would cut" not in done.stdout
    lab.write(policy.replace("up: false", "up: true").replace("promisc: true", "up: false"))
    done = lab.box.run(["bash", "-c", f"{session} bash -c '{sudo} plan {lab.policy} --json; true'"])
    assert "takes eth0 down" in json.loads(done.stdout)["cuts_session"]


def test_a_journal_that_cannot_be_read_stops_everything(lab: Lab) -> None:
    lab.write(NIC.format(said="mtu: 1400"))
    lab.box.path("/run/netctl/journal.json").write_text('{"version": 1}')
    before = looks(lab.box)
    for verb in ("plan", "apply"):
        done = lab.netctl(verb, lab.policy, check=False)
        assert done.returncode == 1
        assert "/run/netctl/journal.json of a change that was broken off cannot be read" in done.stderr
        assert "Traceback" not in done.stderr
    assert looks(lab.box) == before


def test_the_plan_tells_what_changes_in_place_and_what_is_made_again(lab: Lab) -> None:
    text = NIC.format(said="mtu: 1400") + "      t1: {kind: tap, mtu: 1500}\n      t2: {kind: tap}\n"
    lab.apply(text)
    lab.write(text.replace("mtu: 1500", "mtu: 1300").replace("t2: {kind: tap}", "t2: {kind: tap, multi_queue: true}"))
    steps = json.loads(lab.netctl("plan", lab.policy, "--json").stdout)["devices"]["steps"]
    assert {step["name"]: step["verb"] for step in steps} == {"t1": "change", "t2": "replace"}
    assert all(step["why"] and step["changes"] for step in steps)
    said = lab.netctl("plan", lab.policy).stdout
    assert "~ tap t1: mtu 1500 -> 1300" in said
    assert "! tap t2: multi_queue no -> yes" in said
    assert "made again" in said


THREE = TWO_NAMESPACES.replace(
    "wires:", "      ns3: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0}}}\nwires:"
).replace("10.99.1.2/24]", "10.99.1.3/24], mtu: 1400").replace("[ns1-eth0, ns2-eth0]", "[ns1-eth0, ns3-eth0]")


def switch(lab: Lab) -> list[str]:
    rows = lab.box.run(
        "ovs-vsctl -f json --columns=name,tag,external_ids list port; ovs-vsctl -f json --columns=name list bridge"
    ).stdout
    return [*lab.flows(), *sorted(rows.split("["))]


def test_with_open_vswitch_a_killed_apply_is_taken_back(box: Box) -> None:
    box.start_ovs()
    lab = Lab(box)
    lab.apply(TWO_NAMESPACES)
    assert lab.ping("ns1", "10.99.1.2", within=5)
    namespaces = ("ns1", "ns2")
    before, rows = looks(box, namespaces), switch(lab)
    lab.write(THREE)
    for delay in (0.0, 0.05, 0.2):
        killed(lab, delay)
        lab.netctl("confirm", "--cancel", check=False)
        is_again(box, before, namespaces)
        assert switch(lab) == rows
    assert lab.ping("ns1", "10.99.1.2", within=5)
    lab.write(TWO_NAMESPACES)
    assert lab.netctl("plan", lab.policy, "--exit-code").returncode == 0


def killed(lab: Lab, delay: float) -> None:
    """An apply that is killed so many seconds after its journal is there; one that is done sooner is taken back too."""
    process = lab.box.popen(
        [sys.executable, "-m", "netctl.cli", "apply", lab.policy, "--confirm", "60"], stdout=-1, stderr=-1
    )
    lab.box.wait_for(lambda: lab.box.path("/run/netctl/journal.json").exists(), 20, interval=0.001)
    time.sleep(delay)
    lab.box.run(f"kill -9 {watchdog(lab)}")
    process.communicate()


def test_with_open_vswitch_what_is_not_confirmed_is_taken_back(box: Box) -> None:
    box.start_ovs()
    lab = Lab(box)
    lab.apply(TWO_NAMESPACES)
    rows = switch(lab)
    lab.write(THREE)
    lab.netctl("apply", lab.policy, "--confirm", "60")
    assert switch(lab) != rows
    box.run(["kill", str(watchdog(lab))])
    box.wait_for(lambda: not box.path("/run/netctl/journal.json").exists(), 20)
    assert switch(lab) == rows
    assert lab.ping("ns1", "10.99.1.2", within=5)
    lab.write(TWO_NAMESPACES)
    assert lab.netctl("plan", lab.policy, "--exit-code").returncode == 0


def test_a_killed_agent_s_change_is_taken_back_before_the_next_begins(lab: Lab) -> None:
    lab.write(NIC.format(said="mtu: 1400"))
    before = looks(lab.box)
    code = (
        "import os; from netctl.kernel import Host, journal; from netctl.kernel.past import remember;"
        "from netctl.kernel.journal import Journal; from netctl.policy import load;"
        "from netctl.desired.host import devices;"
        "from netctl.desired.device import plan_host\n"
        "with Host('hv1') as host:\n"
        f"    wanted = devices(load('{lab.policy}'), 'hv1')\n"
        "    plan = plan_host(wanted, host.observe([each.item for each in wanted]))\n"
        "    journal.begin(Journal('hv1', 'netctl agent --host hv1', remember(host, plan)))\n"
        "    host.apply(plan); os._exit(9)"
    )
    assert lab.box.run([sys.executable, "-c", code], check=False).returncode == 9
    assert looks(lab.box) != before
    lab.write(NIC.format(said="mtu: 1500").replace("      spare: {kind: bridge, mac: \"02:00:00:00:00:77\"}\n", ""))
    agent = lab.agent()
    lab.box.wait_for(lambda: lab.agent_status()["converged"], 20)
    assert "`netctl agent --host hv1` was broken off: what it changed is taken back" in lab.log("agent")
    assert not lab.box.path("/run/netctl/journal.json").exists()
    agent.terminate()
    agent.wait(10)
    lab.netctl("down")
    is_again(lab.box, before)
