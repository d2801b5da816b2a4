"""`netctl show` against a REST server on a real socket, and agents' status files on a real disk."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import WSGIRequestHandler, make_server

from netctl.api.wsgi import application
from netctl.cli.show import BRIEF, command
from netctl.controller.snapshot import Snapshot
from netctl.rundir import write_json, write_pid
from tests.api.world import EMPTY, GOOD, TROUBLED


class Quiet(WSGIRequestHandler):
    def log(self, *args: Any) -> None:
        pass


@pytest.fixture
def controller() -> Iterator[Callable[[Any], str]]:
    """Serves a snapshot, or any WSGI application, and gives its URL."""
    servers = []

    def serve(what: Any) -> str:
        app = application(lambda: what, engine="os-ken 4.2.2") if isinstance(what, Snapshot) else what
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETCTL_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("NETCTL_URL", raising=False)
    monkeypatch.setenv("TZ", "UTC")
    return tmp_path


def show(*argv: str) -> Result:
    return CliRunner().invoke(command, argv)


AGENT = {
    "pid": 1,
    "host": "hv1",
    "started": 1_790_000_000.0,
    "source": "flows/lab.yaml",
    "digest": "5f" * 32,
    "since": 1_790_000_001.5,
    "refused": [],
    "plan": ["+ tap vm1-eth1  (not there; flows/lab.yaml:31:9 guest vm1, NIC eth1)"],
    "planned": 1_790_000_002.0,
    "converged": True,
    "problems": [],
    "repairs": 3,
}


def test_wires(controller: Callable[[Any], str]) -> None:
    done = show("wires", "--url", controller(TROUBLED))
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            "WIRE                STATE    A                   B                   RATE                           "
            "WHY                   POLICY",
            "vm1-eth1--vm2-eth1  up       hv1/ovbr0/vm1-eth1  hv1/ovbr0/vm2-eth1  -                              "
            "-                     "
            "flows/lab.yaml:12:5",
            "core                waiting  hv2/ovbr0/eno2      hv2/ovbr0/eno3      10mbit to eno3 (not kept yet)  "
            "hv2 is not connected  "
            "flows/lab.yaml:14:5",
        ],
    )


def test_ports(controller: Callable[[Any], str]) -> None:
    done = show("ports", "--url", controller(TROUBLED) + "/")
    assert [line.split() for line in done.output.splitlines()] == [
        ["PORT", "NUMBER", "MAC", "STATE", "WIRE", "MADE", "BY", "ERROR"],
        ["hv1/ovbr0/vm1-eth1", "1", "fe:54:00:00:00:01", "up", "vm1-eth1--vm2-eth1", "netctl", "-"],
        ["hv1/ovbr0/vm2-eth1", "2", "fe:54:00:00:00:02", "up", "vm1-eth1--vm2-eth1", "netctl", "-"],
        ["hv1/ovbr0/sniffer0", "3", "fe:54:00:00:00:03", "down", "-", "netctl", "-"],
        ["hv2/ovbr0/eno2", "-", "-", "unknown", "core", "somebody", "else", *["no", "network", "device", "eno2"]],
    ]


def test_bridges(controller: Callable[[Any], str]) -> None:
    done = show("bridges", "--url", controller(TROUBLED))
    lines = done.output.splitlines()
    assert lines[1].split() == ["hv1/ovbr0", "netdev", "drop", "00000000000000ab", "yes", "4", "-"]
    assert lines[2].endswith("add bridge ovbr0; add port eno2")


def test_status(controller: Callable[[Any], str]) -> None:
    lines = show("status", "--url", controller(TROUBLED)).output.splitlines()
    assert lines[1:] == [
        "policy        flows/lab.yaml in force since 2026-09-21 14:13:20 (SHA-256 5f5f5f5f5f5f)",
        "refused       flows/lab.yaml:3:1: «wire» is unknown; write «wires»",
        "state         not there yet:",
        "              flows/lab.yaml:3:1: «wire» is unknown; write «wires»",
        "              host hv2: connection refused",
        "              bridge hv2/ovbr0: still to be done: add bridge ovbr0 and 1 more",
        "              bridge hv2/ovbr0: its OpenFlow session is not up",
        "              wire core waits: hv2 is not connected",
        "host          hv1 connected (unix:/var/run/openvswitch/db.sock)",
        "host          hv2 not connected (tcp:192.0.2.2:6640); connection refused",
        "wires         1 up, 0 down, 1 waiting",
        "flow changes  4",
    ]


@pytest.mark.parametrize("what", ["wires", "ports", "bridges", "status"])
def test_json_is_what_the_api_answers(controller: Callable[[Any], str], what: str) -> None:
    from werkzeug.test import Client

    done = show(what, "--json", "--url", controller(TROUBLED))
    answer = json.loads(done.output)
    expected = Client(application(lambda: TROUBLED, engine="os-ken 4.2.2")).get(f"/api/v1/{what}").json
    for each in (answer, expected):
        if what == "status":
            each["uptime"] = 0
    assert answer == expected


@pytest.mark.parametrize("what", ["wires", "ports", "bridges", "status"])
def test_nothing_yet(controller: Callable[[Any], str], what: str) -> None:
    done = show(what, "--url", controller(EMPTY))
    assert done.exit_code == 0
    assert ("none in force" if what == "status" else f"no {what}") in done.output


def test_overview(controller: Callable[[Any], str]) -> None:
    write_json("agent-hv1", AGENT)
    wires = tuple(replace(GOOD.wires[0], name=f"wire{number}") for number in range(BRIEF + 5))
    done = show("--url", controller(replace(GOOD, wires=wires)))
    assert done.exit_code == 0
    assert "all that the policy asks for is so" in done.output
    assert "hv1/ovbr0/sniffer0" in done.output
    assert f"wire{BRIEF - 1} " in done.output
    assert f"wire{BRIEF} " not in done.output
    assert "… and 5 more: netctl show wires" in done.output
    assert "the host is as the policy says" in done.output


def test_overview_as_json(controller: Callable[[Any], str]) -> None:
    write_json("agent-hv1", AGENT)
    answer = json.loads(show("--json", "--url", controller(GOOD)).output)
    assert list(answer) == ["status", "bridges", "wires", "ports", "agents"]
    assert answer["agents"] == [{**AGENT, "running": False}]


def test_host() -> None:
    write_json("agent-hv1", {**AGENT, "pid": os.getpid()})
    write_pid("agent-hv1")
    write_json(
        "agent-hv2.example",
        {
            **AGENT,
            "host": "hv2.example",
            "converged": False,
            "problems": ["tap vm9-eth1: busy"],
            "refused": ["x:1:2: bad"],
        },
    )
    done = show("host", "--status")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            f"agent      hv1, process {os.getpid()}",
            "policy     flows/lab.yaml in force since 2026-09-21 14:13:21 (SHA-256 5f5f5f5f5f5f)",
            "state      the host is as the policy says",
            "repairs    3",
            "last plan  + tap vm1-eth1  (not there; flows/lab.yaml:31:9 guest vm1, NIC eth1)",
            "",
            "agent      hv2.example, not running; this is what it said last",
            "policy     flows/lab.yaml in force since 2026-09-21 14:13:21 (SHA-256 5f5f5f5f5f5f)",
            "refused    x:1:2: bad",
            "state      not there yet:",
            "           tap vm9-eth1: busy",
            "repairs    3",
            "last plan  + tap vm1-eth1  (not there; flows/lab.yaml:31:9 guest vm1, NIC eth1)",
        ],
    )
    assert [agent["running"] for agent in json.loads(show("host", "--status", "--json").output)] == [True, False]


def test_host_with_what_the_agent_did_for_the_wires() -> None:
    wires = {"restores": 2, "restored": 1_790_000_003.0, "restore_ms": 7.4, "stood_in": 0, "alone": ["br0", "br1"]}
    write_json("agent-hv1", {**AGENT, "wires": {**wires, "problems": ["bridge br2 refuses"]}})
    assert show("host", "--status").output.splitlines()[3:-1] == [
        "repairs    3",
        "restores   2, the last took 7 ms",
        "alone      no controller is connected to br0, br1: this agent decides there",
        "wires      bridge br2 refuses",
    ]


def test_host_as_the_agent_writes_it() -> None:
    from netctl.agent.daemon import as_json
    from netctl.agent.messages import Status

    write_json("agent-hv1", as_json(Status("hv1", started=1.0), 1_790_000_000.0))
    done = show("host", "--status")
    assert done.exit_code == 0, done.output
    assert "none in force" in done.output


def test_no_agent(run_dir: Path) -> None:
    done = show("host", "--status")
    assert (done.exit_code, done.output) == (
        1,
        "netctl show: no agent has run here; start one with `netctl agent` or `netctl up`\n",
    )
    run_dir.rmdir()
    assert show("host", "--status").exit_code == 1
    assert not run_dir.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"host": "hv1"}', "\xff"])
def test_a_broken_status_file(run_dir: Path, text: str) -> None:
    (run_dir / "agent-hv1.json").write_text(text, encoding="latin-1")
    done = show("host", "--status")
    assert done.exit_code == 1
    assert "status file" in done.output
    assert "Traceback" not in done.output


def test_no_controller_shows_at_least_the_agent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    write_json("agent-hv1", AGENT)
    done = show("--url", f"http://127.0.0.1:{port}")
    assert done.exit_code == 1
    assert "the host is as the policy says" in done.output
    assert f"no controller answers at http://127.0.0.1:{port} (Connection refused); start one with" in done.output


def answering(status: str, body: bytes) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Type", "application/json")])
        return [body]

    return app


@pytest.mark.parametrize(
    ("app", "says"),
    [
        (answering("404 Not Found", b"<html>"), "answers 404: Not Found. Is that a netctl controller?"),
        (answering("503 Busy", b'{"detail": "no time"}'), "answers 503: no time"),
        (answering("200 OK", b"<html>"), "no controller answers"),
        (answering("200 OK", b"{}"), "is not of this version of netctl"),
        (answering("200 OK", b'{"a": [1]}'), "is not of this version of netctl"),
        (answering("200 OK", b"null"), "is not of this version of netctl"),
    ],
)
@pytest.mark.parametrize("argv", [[], ["wires"], ["status"]])
def test_somebody_else_answers(controller: Callable[[Any], str], app: Any, says: str, argv: list[str]) -> None:
    done = show(*argv, "--url", controller(app))
    assert done.exit_code == 1
    assert says in done.output


@pytest.mark.parametrize("garbage", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_no_http_at_all(garbage: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(garbage)

        thread = threading.Thread(target=answer)
        thread.start()
        done = show("wires", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert done.exit_code == 1
    assert "no controller answers" in done.output


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "file:///etc/passwd", "http://", "http://[::1", "http://h:99999", ""]
)
def test_a_wrong_url_is_a_usage_error(url: str) -> None:
    done = show("wires", "--url", url)
    assert done.exit_code == 2
    assert "is not a URL such as http://127.0.0.1:8080" in done.output


def test_a_table_on_a_terminal(controller: Callable[[Any], str]) -> None:
    import pty

    master, slave = pty.openpty()
    url = controller(replace(GOOD, wires=(replace(GOOD.wires[0], name="[red]odd[/red]", why="\x1b[2J"),)))
    done = subprocess.Popen(
        [sys.executable, "-m", "netctl.cli", "show", "wires", "--url", url],
        stdout=slave,
        env={**os.environ, "COLUMNS": "200", "TERM": "xterm"},
    )
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:
        pass
    finally:
        os.close(master)
    assert done.wait() == 0
    assert b"[red]odd[/red]" in shown
    assert "─".encode() in shown
    assert b"\x1b[32mup" in shown
    assert b"\x1b[2J" not in shown


def test_neighbours(controller: Callable[[Any], str]) -> None:
    lines = show("neighbours", "--url", controller(GOOD)).output.splitlines()
    assert lines[:3] == ["-" * 79, "LLDP neighbors:", "-" * 79]
    assert re.fullmatch(
        r"Interface:    vm1-eth1, via: LLDP, RID: 1, Time: -?\d+ days?, \d\d:\d\d:\d\d, bridge: hv1/ovbr0, "
        "wire: vm1-eth1--vm2-eth1",
        lines[3],
    )
    assert lines[4:12] == [
        "  Chassis:",
        "    ChassisID:    mac 02:00:00:00:00:01",
        "    SysName:      sw-a",
        "    SysDescr:     Debian GNU/Linux, Büro",
        "    MgmtIP:       10.1.1.1",
        "    MgmtIface:    3",
        "    MgmtIP:       2001:db8::1",
        "    MgmtIface:    7",
    ]
    assert lines[-3:] == [
        "  Unknown TLVs:",
        "    TLV:          OUI: 33,44,55, SubType: 254, Len: 3 55,55,55",
        "-" * 79,
    ]


def test_neighbours_in_json0(controller: Callable[[Any], str]) -> None:
    answer = json.loads(show("neighbours", "--json", "--url", controller(GOOD)).output)
    (interface,) = answer["lldp"][0]["interface"]
    assert (interface["name"], interface["bridge"], interface["via"]) == ("vm1-eth1", "hv1/ovbr0", "LLDP")
    assert interface["chassis"][0]["id"] == [{"type": "mac", "value": "02:00:00:00:00:01"}]
    assert interface["vlan"] == [{"vlan-id": "100", "pvid": True}]
    assert json.loads(show("neighbours", "--json", "--url", controller(EMPTY)).output) == {"lldp": [{}]}


def test_what_a_neighbour_says_cannot_move_the_cursor(controller: Callable[[Any], str]) -> None:
    (neighbour,) = GOOD.neighbours
    evil = replace(neighbour, announced=replace(neighbour.announced, system_name="a\x1b[2J\nb"))
    output = show("neighbours", "--url", controller(replace(GOOD, neighbours=(evil,)))).output
    assert "    SysName:      a?[2J?b\n" in output
