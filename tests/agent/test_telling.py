"""What the agent as a process says of itself: over HTTP to whoever asks, and to a service manager."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.agent.test_daemon import COMMAND, POLICY, Agent
from tests.e2e.box import Box

pytestmark = pytest.mark.e2e

CURL = "curl -sS --max-time 5 --unix-socket /run/netctl/agent-hv1.sock http://agent"


def values(box: Box, where: str = f"{CURL}/metrics") -> dict[str, float]:
    """What is measured, by name or by name and label."""
    found = {}
    for family in text_string_to_metric_families(box.run(where).stdout):
        for sample in family.samples:
            kind = sample.labels.get("kind")
            found[f"{sample.name}/{kind}" if kind else sample.name] = sample.value
    return found


def test_status_and_metrics(box: Box) -> None:
    agent = Agent(box, POLICY, "--listen", "127.0.0.1:9469")
    agent.converged()
    assert json.loads(box.run(f"{CURL}/status").stdout) == agent.status()
    before = values(box)
    assert before["netctl_agent_converged"] == 1
    assert before["netctl_agent_drift"] == before["netctl_agent_fights"] == before["netctl_agent_policy_refused"] == 0
    assert before["netctl_agent_devices_wanted"] == before["netctl_agent_devices_found"] >= 5
    assert 0 < before["netctl_agent_plan_seconds"] < 1
    assert 0 < before["netctl_agent_look_seconds"] < 1
    assert abs(before["netctl_agent_last_look_timestamp_seconds"] - time.time()) < 60
    agent.repaired("ip link del vm1-eth1", "ip link show vm1-eth1")
    after = values(box, "curl -sS --max-time 5 http://127.0.0.1:9469/metrics")
    assert after["netctl_agent_repairs_total/tap"] == 1
    assert after["netctl_agent_last_look_timestamp_seconds"] > before["netctl_agent_last_look_timestamp_seconds"]
    agent.write("version: 2\n")
    box.wait_for(lambda: values(box)["netctl_agent_policy_refused"] == 1, 5, "the refusal")
    agent.process.terminate()
    assert agent.process.wait(5) == 0
    assert not box.path("/run/netctl/agent-hv1.sock").exists()
    assert "Traceback" not in agent.log()


def test_silent_clients_keep_nobody_from_anything(box: Box) -> None:
    agent = Agent(box)
    agent.converged()
    path = str(box.path("/run/netctl/agent-hv1.sock"))
    crowd = []
    for _ in range(40):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        client.send(b"GET /metrics HT")
        crowd.append(client)
    assert agent.repaired("ip link del vm1-eth1", "ip link show vm1-eth1") < 1
    assert json.loads(box.run(f"{CURL}/status").stdout)["repairs"] == 1
    for client in crowd:
        client.close()


@pytest.mark.parametrize(
    ("listen", "why"), [("0.0.0.0:9469", "not on the loopback"), ("9469", "ADDRESS:PORT"), ("127.0.0.1:80", "in use")]
)
def test_where_it_does_not_listen(box: Box, listen: str, why: str) -> None:
    box.path("/run/policy.yaml").write_text(POLICY)
    holder = "import socket as s, time; s = s.create_server(('127.0.0.1', 80)); print(flush=True); time.sleep(60)"
    with box.popen(["python3", "-c", holder], stdout=-1) as process:
        assert process.stdout
        process.stdout.readline()
        done = box.run([*COMMAND, "--listen", listen], check=False)
        process.kill()
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def listener(box: Box) -> socket.socket:
    there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.bind(str(box.path("/run/notify")))
    there.settimeout(10)
    return there


def until(listener: socket.socket, enough: Callable[[str], bool]) -> list[str]:
    said: list[str] = []
    while not (said and enough(said[-1])):
        said.append(listener.recv(4096).decode())
    return said


def start(box: Box, *environment: str) -> Agent:
    """An agent as a service manager starts it."""
    agent = Agent.__new__(Agent)
    agent.box = box
    box.path("/run/agent.log").touch()
    agent.process = box.popen(["env", "NOTIFY_SOCKET=/run/notify", *environment, *COMMAND])
    return agent


def test_a_service_manager_hears_when_it_is_ready_and_when_it_stops(box: Box, listener: socket.socket) -> None:
    box.path("/run/policy.yaml").write_text(POLICY)
    agent = start(box, "WATCHDOG_USEC=400000")
    said = until(listener, lambda text: text == "READY=1")
    assert box.run("ip link show vm1-eth1"), "ready is when the policy is in force"
    assert "STATUS=the host is as the policy says" in said
    assert until(listener, lambda text: text == "WATCHDOG=1")
    begin = time.monotonic()
    for _ in range(5):
        assert listener.recv(4096) == b"WATCHDOG=1"
    assert 0.6 < time.monotonic() - begin < 2
    agent.write("version: 2\n")
    assert "STATUS=the newest policy is refused: /run/policy.yaml:1" in until(listener, lambda t: "refused" in t)[-1]
    agent.process.terminate()
    assert until(listener, lambda text: text == "STOPPING=1")
    agent.process.wait(5)


def test_it_is_ready_too_when_the_policy_is_refused(box: Box, listener: socket.socket) -> None:
    box.path("/run/policy.yaml").write_text("version: 2\n")
    agent = start(box)
    said = until(listener, lambda text: text == "READY=1")
    assert said[0].startswith("STATUS=no policy in force: /run/policy.yaml:1")
    agent.process.terminate()
    agent.process.wait(5)
