"""Patching a running controller: over REST and by command, kept by restarts, and harmless when it is wrong."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.box import Box, Process
from tests.e2e.lab import REST, Lab

POLICY = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev}
    guests:
      ns1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      ns2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
      ns3: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.3/24]}}}
      ns4: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.4/24]}}}
wires:
  - [ns1-eth0, ns2-eth0]
"""
FIRST = "ns1-eth0--ns2-eth0"
OTHER = "ns3-eth0--ns4-eth0"
PATCHED = "/run/policy.patched.yaml"


class Panel(Lab):
    """A lab whose controller is patched."""

    running: Process

    def start(self) -> None:
        self.running = self.controller()
        self.box.wait_for(lambda: self.read("/healthz"), 10, "the controller to answer")

    def restart(self, sign: signal.Signals) -> None:
        self.running.send_signal(sign)
        self.running.wait(10)
        self.start()
        self.converged()

    def ask(
        self, method: str, path: str, body: Any = None, token: str | None = None, raw: bytes = b""
    ) -> tuple[int, Any]:
        known = self.box.path("/run/lib/netctl/token").read_text().strip() if token is None else token
        headers = {"Authorization": f"Bearer {known}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else raw
        status, _, answer = self.box.request(REST + path, method, data, headers, timeout=20)
        return status, json.loads(answer)

    def wires(self) -> dict[str, str]:
        return {wire["name"]: wire["state"] for wire in self.read("/api/v1/wires")}

    def patched(self) -> Any:
        path = self.box.path(PATCHED)
        return yaml.safe_load(path.read_text()) if path.exists() else None

    def dump(self) -> str:
        """All flows, byte for byte, without what counts and ages."""
        return str(self.box.run(["ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", "ovbr0"]).stdout)

    def everything(self) -> tuple[str, Any, Any, list[str]]:
        """All that a change that is refused must leave as it was."""
        scenes = self.box.run("ls /run/scenes 2>/dev/null || true").stdout.split()
        return self.dump(), self.patched(), self.wires(), scenes


def panel(box: Box, python: str | None = None) -> Panel:
    box.start_ovs()
    lab = Panel(box, python) if python else Panel(box)
    lab.write(POLICY)
    lab.start()
    lab.agent()
    lab.converged()
    return lab


@pytest.fixture
def lab(box: Box) -> Panel:
    return panel(box)


@pytest.fixture(scope="module")
def steady(module_box: Box) -> Iterator[Panel]:
    """One for all the tests that change nothing, and see to it."""
    lab = panel(module_box)
    lab.netctl("wire", "add", "ns3-eth0", "ns4-eth0")
    lab.netctl("scene", "save", "day")
    before = lab.everything(), lab.status()["flow_changes"]
    yield lab
    assert (lab.everything(), lab.status()["flow_changes"]) == before


def test_a_wire_comes_and_goes(box: Box, engine_python: str) -> None:
    lab = panel(box, engine_python)
    before = lab.dump()
    assert not lab.ping("ns3", "10.99.1.4")

    done = lab.netctl("wire", "add", "ns3-eth0", "ns4-eth0").stdout.splitlines()
    assert done[0] == f"wire {OTHER}: done"
    assert len([line for line in done if line.startswith("  + flow")]) == 2
    assert done[-1] == f"written to {PATCHED}"
    assert len(lab.dump().splitlines()) == len(before.splitlines()) + 2
    assert lab.ping("ns3", "10.99.1.4", within=2)
    assert [wire["name"] for wire in lab.patched()["wires"]] == [OTHER]
    assert lab.wires() == {FIRST: "up", OTHER: "up"}
    assert "nothing to do" in lab.netctl("wire", "add", "ns3-eth0", "ns4-eth0").stdout

    lab.netctl("wire", "rm", OTHER)
    assert lab.dump() == before
    assert not lab.ping("ns3", "10.99.1.4")
    assert lab.patched() is None


def test_over_rest(lab: Panel) -> None:
    status, answer = lab.ask("PUT", "/api/v1/wires/core", ["ns3-eth0", "ns4-eth0"])
    assert (status, answer["result"], answer["saved"]) == (201, "done", PATCHED)
    assert lab.ping("ns3", "10.99.1.4", within=2)
    status, answer = lab.ask(
        "POST",
        "/api/v1/wires",
        {"remove": [FIRST], "put": [{"name": "core", "ends": ["ns1-eth0", "ns3-eth0"]}, ["ns2-eth0", "ns4-eth0"]]},
    )
    assert (status, answer["result"]) == (200, "done")
    assert lab.wires() == {"core": "up", "ns2-eth0--ns4-eth0": "up"}
    assert lab.ping("ns1", "10.99.1.3", within=2)
    assert lab.ping("ns2", "10.99.1.4", within=2)
    assert not lab.ping("ns1", "10.99.1.2")
    status, answer = lab.ask("DELETE", "/api/v1/wires/core")
    assert (status, answer["removed"]) == (200, ["core"])


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"])
def test_a_restart_keeps_what_was_patched(lab: Panel, sign: signal.Signals) -> None:
    lab.netctl("wire", "add", "ns3-eth0@100", "ns4-eth0", "--name", "trunk", "--carrier", "ignore")
    lab.netctl("wire", "rm", FIRST)
    lab.netctl("scene", "save", "night")
    assert (lab.patched()["unwire"], [wire["name"] for wire in lab.patched()["wires"]]) == ([FIRST], ["trunk"])
    before = lab.everything()
    lab.restart(sign)
    assert lab.everything() == before
    assert lab.status()["flow_changes"] == 0
    lab.netctl("wire", "rm", "trunk")
    lab.netctl("wire", "add", "ns1-eth0", "ns2-eth0")
    assert lab.patched() is None
    assert lab.wires() == {FIRST: "up"}


def test_scenes(lab: Panel) -> None:
    lab.netctl("scene", "save", "day")
    lab.netctl("wire", "add", "ns1-eth0", "ns3-eth0", "--name", FIRST, "--replace")
    lab.netctl("wire", "add", "ns2-eth0", "ns4-eth0")
    night = lab.dump()
    lab.netctl("scene", "save", "night")
    assert lab.netctl("scene", "list").stdout.split() == ["day", "night"]

    differs = lab.netctl("scene", "diff", "day", "--exit-code", check=False)
    assert (differs.returncode, differs.stdout.splitlines()) == (
        1,
        [
            "- ns2-eth0--ns4-eth0  hv1/ovbr0/ns2-eth0 -- hv1/ovbr0/ns4-eth0",
            f"~ {FIRST}  hv1/ovbr0/ns1-eth0 -- hv1/ovbr0/ns3-eth0 -> hv1/ovbr0/ns1-eth0 -- hv1/ovbr0/ns2-eth0",
        ],
    )
    planned = lab.netctl("scene", "load", "day", "--dry-run").stdout.splitlines()
    assert lab.dump() == night
    loaded = lab.netctl("scene", "load", "day").stdout.splitlines()
    assert loaded[0] == "scene day: done"
    assert loaded[1:-1] == planned[1:-1] != []
    assert lab.wires() == {FIRST: "up"}
    assert lab.ping("ns1", "10.99.1.2", within=2)
    assert lab.patched() is None
    assert lab.netctl("scene", "diff", "day", "--exit-code").returncode == 0

    lab.netctl("scene", "load", "night")
    assert lab.dump() == night
    assert lab.ping("ns1", "10.99.1.3", within=2)
    lab.restart(signal.SIGKILL)
    assert lab.dump() == night
    lab.netctl("scene", "rm", "night")
    assert lab.netctl("scene", "list").stdout.split() == ["day"]
    assert lab.dump() == night


WRONG_WORDS = [
    ("wire", "add", "ns3-eth0", "nobody"),
    ("wire", "add", "ns1-eth0", "ns3-eth0"),
    ("wire", "add", "ns1-eth0", "ovbr0/eno7"),
    ("wire", "add", "ns3-eth0", "ns3-eth0"),
    ("wire", "add", "ns3-eth0", "ovbr9/eno7"),
    ("wire", "add", "ns3-eth0@4095", "ovbr0/eno7"),
    ("wire", "add", "ns3-eth0", "ovbr0/a-name-that-is-too-long"),
    ("wire", "add", "ns1-eth0", "ovbr0/eno7", "--name", OTHER),
    ("wire", "add", "ns1-eth0", "ovbr0/eno7", "--name", "a b"),
    ("wire", "add", "ns1-eth0"),
    ("wire", "add", "ns1-eth0", "ovbr0/eno7", "--carrier", "sometimes"),
    ("wire", "rm", "nothing"),
    ("wire", "rm", FIRST, "nothing"),
    ("wire", "rm"),
    ("scene", "load", "night"),
    ("scene", "rm", "night"),
    ("scene", "save", "a/b"),
]


@pytest.mark.parametrize("words", WRONG_WORDS, ids=" ".join)
def test_wrong_words_touch_nothing(steady: Panel, words: tuple[str, ...]) -> None:
    before = steady.everything()
    done = steady.netctl(*words, check=False)
    assert done.returncode == 2, done.stdout
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert steady.everything() == before


WIRES = "/api/v1/wires"
WRONG_REQUESTS: list[tuple[int, str, str, Any]] = [
    (400, "PUT", f"{WIRES}/core?dry_run=maybe", ["ns1-eth0", "ns3-eth0"]),
    (404, "DELETE", f"{WIRES}/nothing", None),
    (404, "POST", f"{WIRES}", {"remove": [FIRST, "nothing"]}),
    (404, "POST", "/api/v1/scenes/night/load", None),
    (405, "PATCH", f"{WIRES}/{FIRST}", []),
    (409, "PUT", f"{WIRES}/{FIRST}?replace=false", ["ns1-eth0", "ovbr0/eno7"]),
    (422, "PUT", f"{WIRES}/core", ["ns1-eth0", "ovbr0/eno7"]),
    (422, "PUT", f"{WIRES}/core", ["ns1-eth0"]),
    (422, "PUT", f"{WIRES}/core", {"ends": ["ns1-eth0", "nobody"]}),
    (422, "PUT", f"{WIRES}/core", {"ends": [{"port": "ovbr0/eno7", "vlan": 0}, "ovbr0/eno8"]}),
    (422, "PUT", f"{WIRES}/core", {"ends": ["ovbr0/eno7", "ovbr0/eno8"], "rate": "10%"}),
    (422, "POST", WIRES, {"put": [["ovbr0/eno7", "ovbr0/eno8"], ["ovbr0/eno8", "ovbr0/eno9"]]}),
    (422, "POST", WIRES, {"remove": [FIRST], "put": [["ns1-eth0", "nobody"]]}),
    (422, "PUT", "/api/v1/scenes/day", {"wires": [["a"]]}),
]


@pytest.mark.parametrize(("status", "method", "path", "body"), WRONG_REQUESTS)
def test_wrong_requests_touch_nothing(steady: Panel, status: int, method: str, path: str, body: Any) -> None:
    before = steady.everything()
    answered, problem = steady.ask(method, path, body)
    assert (answered, problem["status"]) == (status, status), problem
    assert problem["detail"]
    assert steady.everything() == before


def test_bytes_that_are_no_wire_touch_nothing(steady: Panel) -> None:
    before = steady.everything()
    for raw, status in ((b"{", 400), (b"", 400), (b"\xff", 400), (b"[" * 50_000, 400), (b" " * 70_000, 413)):
        assert steady.ask("PUT", f"{WIRES}/core", raw=raw)[0] == status
    assert steady.everything() == before


def test_without_the_token_nothing_is_touched(steady: Panel) -> None:
    before = steady.everything()
    for method, path, body in (
        ("DELETE", f"{WIRES}/{FIRST}", None),
        ("POST", WIRES, {"remove": [FIRST]}),
        ("POST", "/api/v1/scenes/day/load", None),
    ):
        assert steady.ask(method, path, body, token="wrong")[0] == 401
        assert steady.box.request(REST + path, method, b"{}")[0] == 401
    file = steady.box.path("/run/lib/netctl/token")
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    try:
        status, problem = steady.ask("DELETE", f"{WIRES}/{FIRST}")
        assert (status, "may be read by others" in problem["detail"]) == (503, True)
        assert "may be read by others" in steady.netctl("wire", "rm", FIRST, check=False).stderr
    finally:
        file.chmod(0o600)
    assert steady.everything() == before


def test_a_dry_run_touches_nothing(steady: Panel) -> None:
    before = steady.everything()
    said = steady.netctl("wire", "rm", FIRST, "--dry-run").stdout.splitlines()
    assert said[0] == f"wire {FIRST} out: this would be done; nothing was touched"
    assert len([line for line in said if line.startswith("  - flow")]) == 2
    assert said[-1] == f"would be written to {PATCHED}"
    body = {"remove": [FIRST, OTHER], "put": [["ns1-eth0", "ns3-eth0"], ["ns2-eth0", "ns4-eth0"]]}
    assert steady.ask("POST", f"{WIRES}?dry_run=true", body)[1]["result"] == "planned"
    assert steady.everything() == before


def test_a_port_that_is_not_there_yet(lab: Panel) -> None:
    done = lab.netctl("wire", "add", "ns3-eth0", "ovbr0/later").stdout.splitlines()
    assert done[0] == "wire ns3-eth0--later: saved, and in force as soon as what it waits for is there"
    assert any(line.startswith("waits for: ") and "later" in line for line in done)
    assert lab.wires()["ns3-eth0--later"] == "waiting"
    lab.box.run("ip link add later type veth peer name far; ip link set later up; ip link set far up")
    lab.box.wait_for(lambda: lab.wires()["ns3-eth0--later"] == "up", 15, "the wire to be up")


def test_what_a_switch_has_from_others_is_not_overwritten(lab: Panel) -> None:
    flow = "table=0,priority=100,in_port=ns3-eth0"
    assert "priority=100," in lab.dump()
    lab.box.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flow", "ovbr0", f"cookie=5,{flow},actions=drop"])
    lab.restart(signal.SIGTERM)
    before = lab.everything()
    status, problem = lab.ask("PUT", f"{WIRES}/core", ["ns3-eth0", "ns4-eth0"])
    assert status == 409, problem
    assert "netctl did not make it" in problem["detail"]
    assert lab.everything() == before


def test_what_the_switch_refuses_is_taken_back(lab: Panel) -> None:
    full = "flow_limit=4 overflow_policy=refuse"
    lab.box.run(f"ovs-vsctl -- --id=@t create Flow_Table {full} -- set Bridge ovbr0 flow_tables:0=@t")
    before = lab.everything()
    assert len(before[0].splitlines()) == 3
    status, problem = lab.ask("PUT", f"{WIRES}/core", ["ns3-eth0", "ns4-eth0"])
    assert status == 409, problem
    assert "core" in problem["detail"]
    assert lab.everything() == before
    done = lab.netctl("scene", "load", "day", check=False)
    assert done.returncode == 2
    done = lab.netctl("wire", "add", "ns3-eth0", "ns4-eth0", check=False)
    assert (done.returncode, "a switch refused it, and all is as it was" in done.stderr) == (2, True)
    moved = {"remove": [FIRST], "put": [["ns1-eth0", "ns3-eth0"], ["ns2-eth0", "ns4-eth0"]]}
    assert lab.ask("POST", WIRES, moved)[0] == 409
    assert lab.everything() == before
    assert lab.ping("ns1", "10.99.1.2", within=2)
    lab.box.run("ovs-vsctl clear Bridge ovbr0 flow_tables")
    assert lab.ask("POST", WIRES, moved)[0] == 200


def test_what_cannot_be_written_is_not_done(box: Box) -> None:
    box.run("mkdir /run/flows && mount -t tmpfs flows /run/flows")
    box.start_ovs()
    lab = Panel(box)
    lab.policy = "/run/flows"
    box.path("/run/flows/lab.yaml").write_text(POLICY)
    lab.start()
    lab.agent()
    lab.converged()
    before = lab.dump(), lab.wires()
    box.run("mount -o remount,ro /run/flows")
    status, problem = lab.ask("PUT", f"{WIRES}/core", ["ns3-eth0", "ns4-eth0"])
    assert (status, "/run/flows/patched.yaml" in problem["detail"]) == (507, True), problem
    assert lab.ask("PUT", "/api/v1/scenes/day")[0] == 507
    done = lab.netctl("wire", "rm", FIRST, check=False)
    assert (done.returncode, "Read-only file system" in done.stderr) == (1, True)
    assert (lab.dump(), lab.wires()) == before
    box.run("mount -o remount,rw /run/flows")
    assert lab.ask("PUT", f"{WIRES}/core", ["ns3-eth0", "ns4-eth0"])[1]["saved"] == "/run/flows/patched.yaml"
    assert lab.ask("PUT", "/api/v1/scenes/day")[0] == 201
    assert sorted(box.run("ls -A /run/flows /run/flows/scenes").stdout.split()) == sorted(
        ["/run/flows:", "lab.yaml", "patched.yaml", "scenes", "/run/flows/scenes:", "day.yaml"]
    )


def test_what_was_patched_may_be_edited(lab: Panel) -> None:
    lab.netctl("wire", "add", "ns3-eth0", "ns4-eth0")
    path = lab.box.path(PATCHED)
    text = path.read_text()
    path.write_text(text.replace(OTHER, "renamed"))
    lab.box.wait_for(lambda: set(lab.wires()) == {FIRST, "renamed"}, 5, "the edited file to be in force")
    lab.netctl("wire", "rm", "renamed")
    assert not path.exists()
    path.write_text("version: 1\nunwire: [ns1-eth0--ns2-eth0]\n")
    lab.box.wait_for(lambda: lab.wires() == {}, 5, "the policy's wire to go")
    path.unlink()
    lab.box.wait_for(lambda: lab.wires() == {FIRST: "up"}, 5, "the policy's wire to come back")


def test_the_token_has_its_place(box: Box) -> None:
    lab = Panel(box)
    lab.write(POLICY)
    box.path("/run/netctl.conf").write_text("[netctl]\ntoken_file = /run/a/token\n")
    for arguments, place in (
        (("--config-file", "/run/netctl.conf"), "/run/a/token"),
        (("--netctl-token-file", "/run/b/token"), "/run/b/token"),
        (("--netctl-token-file", "/proc/token"), ""),
    ):
        controller = lab.controller({"NETCTL_TOKEN_FILE": ""}, *arguments)
        box.wait_for(lambda: lab.status()["policy"]["digest"], 10, "the policy to be read")
        if place:
            file = box.path(place)
            assert file.stat().st_mode & 0o777 == 0o600
            token = file.read_text().strip()
            assert lab.ask("DELETE", f"{WIRES}/nothing", token="wrong")[0] == 401
            assert lab.ask("DELETE", f"{WIRES}/nothing", token=token)[0] == 404
            file.unlink()
            assert lab.ask("DELETE", f"{WIRES}/nothing", token=token)[0] == 401
            assert file.read_text().strip() not in ("", token)
        else:
            status, problem = lab.ask("DELETE", f"{WIRES}/nothing", token="any")
            assert (status, "no token can be made in /proc" in problem["detail"]) == (503, True)
            box.wait_for(lambda: "wires cannot be changed over REST: no token can be made in /proc" in lab.log(), 5)
        controller.send_signal(signal.SIGTERM)
        controller.wait(10)
