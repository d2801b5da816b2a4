"""`netctl apply --confirm` and `netctl confirm`; what would cut the operator's own session; changes broken off."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest

from tests.e2e.box import Box, Process
from tests.e2e.lab import Lab

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
    return [plain(each) for each in value] if isinstance(value, list) else value


def looks(box: Box, namespaces: tuple[str, ...] = ()) -> dict[str, object]:
    """All that `ip` says of the host, and of namespaces."""
    said: dict[str, object] = {}
    for where in ("", *namespaces):
        for look in LOOKS:
            text = box.run(look.replace("ip ", f"ip -n {where} ", 1) if where else look).stdout
            found = plain(json.loads(text or "[]")) if "-j" in look else text
            said[f"{where} {look}"] = sorted(map(json.dumps, found)) if isinstance(found, list) else found
    return said


def is_again(box: Box, before: dict[str, object], namespaces: tuple[str, ...] = (), wait: float = 3.0) -> None:
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
    box.wait_for(lambda: "UP" == json.loads(box.run("ip -j link show eth0").stdout)[0]["operstate"])
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
    code, said = typed(lab, "apply", lab.policy, "--confirm", "2")
    assert code == 0, said
    assert "netctl confirm" in said
    assert not reached(lab)
    lab.box.wait_for(lambda: reached(lab), 10)
    is_again(lab.box, before)
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
    is_again(lab.box, before, wait=10)


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
