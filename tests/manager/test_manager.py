"""`ryu-manager` as a process, on both engines, with real switches."""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import Any

import pytest

from tests.e2e.box import Box, Process

pytestmark = pytest.mark.e2e

WATCHER = "tests.manager.watcher"


class Manager:
    """A ryu-manager in a box. What its applications print is `events`, everything else `log`."""

    def __init__(self, box: Box, python: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.box = box
        self._out = box.path("/run/manager.out")
        self._log = box.path("/run/manager.log")
        with open(self._out, "w") as out, open(self._log, "w") as log:
            self.process: Process = box.popen(
                [python, "-m", "netctl.manager", *arguments], env=env, stdout=out, stderr=log
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._out.read_text().splitlines()]

    def wait(self, event: str, timeout: float = 15, **what: Any) -> dict[str, Any]:
        """The first event of that name with these values."""

        def found() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.log
            for each in self.events:
                if each["event"] == event and what.items() <= each.items():
                    return each
            return None

        try:
            return self.box.wait_for(found, timeout, f"{event} {what}")  # type: ignore[return-value]
        except AssertionError:
            raise AssertionError(f"no {event} {what} in {self.events}\n{self.log}") from None

    def listens(self, port: int = 6653) -> None:
        def open_port() -> bool:
            assert self.process.poll() is None, self.log
            return f":{port} " in self.box.run("ss -Hltn").stdout

        self.box.wait_for(open_port, 15, f"a listener on {port}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


def refused(box: Box, python: str, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code and the last line of a ryu-manager that cannot go on; never a traceback."""
    done = box.run([python, "-m", "netctl.manager", *arguments], check=False, env=env, timeout=20)
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return done.returncode, said.strip().rpartition("\n")[2]


def bridge(box: Box, target: str = "tcp:127.0.0.1:6653", name: str = "br0") -> None:
    box.run(
        f"ovs-vsctl add-br {name} -- set bridge {name} datapath_type=netdev fail_mode=secure protocols=OpenFlow13"
        f" other-config:datapath-id=00000000000000ab other-config:disable-in-band=true"
        f" -- set-controller {name} {target}"
        f" -- set controller {name} connection_mode=out-of-band max_backoff=1000"
    )


def test_a_switch_comes_is_changed_and_read_and_its_ports_are_told(box: Box, engine_python: str) -> None:
    box.start_ovs()
    manager = Manager(box, engine_python, WATCHER, env={"FLOWS": "3000"})
    manager.listens()
    box.run("ip link add v1 type veth peer name w1; ip link set v1 up; ip link set w1 up")
    bridge(box)
    assert manager.wait("up")["dpid"] == 0xAB
    assert manager.wait("changed") == {"event": "changed", "count": 3000, "atomic": True, "errors": []}
    assert manager.wait("read") == {"event": "read", "count": 3000, "ours": 3000}
    box.run("ovs-vsctl add-port br0 v1")
    manager.wait("port", reason="add", name="v1")
    box.run("ip link set w1 down")
    manager.wait("port", reason="modify", name="v1", up=False)
    box.run("ovs-vsctl del-port v1")
    manager.wait("port", reason="delete", name="v1")
    assert manager.end() == 0
    assert manager.events[-1] == {"event": "close"}
    assert "Traceback" not in manager.log


def test_a_refused_flow_is_an_error_and_nothing_is_changed(box: Box, engine_python: str) -> None:
    box.start_ovs()
    bridge(box)
    manager = Manager(box, engine_python, WATCHER, env={"BAD_FLOW": "1"})
    changed = manager.wait("changed")
    assert (changed["count"], len(changed["errors"])) == (0, 1)
    assert changed["errors"][0].endswith("bad action: bad output port")
    assert manager.wait("read")["count"] == 0


def test_a_switch_that_stops_answering_is_given_up_and_welcomed_again(box: Box, engine_python: str) -> None:
    box.start_ovs()
    bridge(box)
    manager = Manager(box, engine_python, WATCHER)
    manager.wait("read")
    pid = box.path("/run/openvswitch/ovs-vswitchd.pid").read_text().strip()
    box.run(["kill", "-STOP", pid])
    manager.wait("down", timeout=12)
    box.run(["kill", "-CONT", pid])
    box.wait_for(lambda: [each["event"] for each in manager.events].count("read") == 2, 15, "a second read")


def test_ovs_vswitchd_that_ends_is_down_at_once(box: Box, engine_python: str) -> None:
    box.start_ovs()
    bridge(box)
    manager = Manager(box, engine_python, WATCHER)
    manager.wait("read")
    box.stop_vswitchd()
    manager.wait("down", timeout=2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(box: Box, engine_python: str, number: signal.Signals) -> None:
    manager = Manager(box, engine_python, WATCHER, "--pid-file", "/run/manager.pid")
    manager.listens()
    assert box.path("/run/manager.pid").read_text().strip().isdigit()
    begin = time.monotonic()
    assert manager.end(number) == 0
    assert time.monotonic() - begin < 2
    assert not box.path("/run/manager.pid").exists()
    assert manager.log.rstrip().endswith(f"ended by {number.name}")


def test_by_default_only_this_machine_can_connect(box: Box, engine_python: str) -> None:
    manager = Manager(box, engine_python, WATCHER)
    manager.listens()
    assert [line.split()[3] for line in box.run("ss -Hltn").stdout.splitlines()] == ["127.0.0.1:6653"]


def test_where_it_listens_can_be_chosen(box: Box, engine_python: str) -> None:
    box.path("/run/ryu.conf").write_text("[DEFAULT]\nofp_listen_host = 0.0.0.0\nofp_tcp_listen_port = 7001\n")
    manager = Manager(box, engine_python, "--config-file", "/run/ryu.conf", WATCHER)
    manager.listens(7001)
    assert [line.split()[3] for line in box.run("ss -Hltn").stdout.splitlines()] == ["0.0.0.0:7001"]
    manager.end()
    manager = Manager(box, engine_python, "--ofp-listen-host", "::1", "--ofp-tcp-listen-port", "7002", WATCHER)
    manager.listens(7002)
    assert [line.split()[3] for line in box.run("ss -Hltn").stdout.splitlines()] == ["[::1]:7002"]


def test_a_port_that_is_taken_is_said(box: Box, engine_python: str) -> None:
    manager = Manager(box, engine_python, WATCHER)
    manager.listens()
    code, said = refused(box, engine_python, WATCHER)
    assert code == 1
    assert "cannot listen for switches on 127.0.0.1:6653: Address already in use" in said
    assert "--ofp-tcp-listen-port" in said


BAD: list[tuple[list[str], str]] = [
    ([], "no application is named; «ryu-manager netctl.app» runs netctl's controller"),
    (["no.such.application"], "cannot run no.such.application: No module named 'no'"),
    ([WATCHER, "/run/broken.py"], "cannot run /run/broken.py: SyntaxError"),
    (["/run/raises.py"], "cannot run /run/raises.py: ZeroDivisionError: division by zero"),
    (["tests.e2e.box"], "cannot run tests.e2e.box: there is no"),
    (["--config-file", "/run/none.conf", WATCHER], "no configuration file /run/none.conf"),
    (["--config-file", "/run/bad.conf", WATCHER], "Invalid Integer value: many"),
    (["--config-file", "/run/broken.conf", WATCHER], "configuration: "),
    (["--ofp-tcp-listen-port", "many", WATCHER], "many"),
    (["--no-such-option", WATCHER], "unrecognized arguments: --no-such-option"),
    (["--user-flags", "/run/none.py", WATCHER], "--user-flags: no Python file /run/none.py"),
    (["--pid-file", "/run/no/manager.pid", WATCHER], "--pid-file: No such file or directory"),
    (["--log-file", "/run/no/manager.log", WATCHER], "the log cannot be set up: No such file or directory"),
    (["--ctl-cert", "/run/cert.pem", WATCHER], "--ctl-privkey and --ctl-cert go together"),
    (
        ["--ctl-cert", "/run/cert.pem", "--ctl-privkey", "/run/key.pem", WATCHER],
        "--ctl-cert, --ctl-privkey or --ca-certs: No such file or directory",
    ),
]


def test_bad_input_is_refused_by_name(box: Box, engine_python: str) -> None:
    box.path("/run/broken.py").write_text("def (:\n")
    box.path("/run/raises.py").write_text("1 / 0\n")
    box.path("/run/bad.conf").write_text("[DEFAULT]\nofp_tcp_listen_port = many\n")
    box.path("/run/broken.conf").write_text("[DEFAULT\nofp_tcp_listen_port\n")
    for arguments, message in BAD:
        code, said = refused(box, engine_python, *arguments)
        assert (code, message in said) == (2, True), f"{arguments}: {code} {said}"


def test_an_engine_that_is_not_there(box: Box) -> None:
    for wanted, message in (("pox", "it can be ryu or os-ken"), ("ryu", "not installed in this Python")):
        code, said = refused(box, sys.executable, WATCHER, env={"NETCTL_ENGINE": wanted})
        assert (code, message in said) == (2, True), said


def test_peers_that_speak_something_else_cost_a_line(box: Box, engine_python: str) -> None:
    box.start_ovs()
    manager = Manager(box, engine_python, WATCHER)
    manager.listens()
    for greeting in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xc8" + bytes(200),
        bytes(64),
        b"\x04\x00\x00\x00\x00\x00\x00\x01" * 8,
        b"\x01\x00\x00\x08\x00\x00\x00\x01",
        b"\x04\x06\x00\x09\x00\x00\x00\x01\x00",
        b"\x04\x13\x00\x10\x80\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00",
    ):
        with box.connect("127.0.0.1", 6653) as peer:
            peer.sendall(greeting)
            time.sleep(0.1)
    bridge(box)
    manager.wait("read")
    assert "hub: uncaught exception" not in manager.log


def certificates(box: Box) -> None:
    """An authority, a controller's certificate and a switch's, and a stranger's that it did not sign."""
    box.run(
        "cd /run; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca"
        " -keyout ca.key -out ca.pem 2>/dev/null\n"
        "for who in controller switch; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        " -subj /CN=$who -keyout $who.key -out $who.csr 2>/dev/null;"
        " openssl x509 -req -days 2 -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $who.pem 2>/dev/null;"
        " done\n"
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=stranger"
        " -keyout stranger.key -out stranger.pem 2>/dev/null"
    )


def test_tls_serves_every_switch_that_the_authority_knows(box: Box, engine_python: str) -> None:
    box.start_ovs()
    certificates(box)
    tls = ["--ctl-privkey", "/run/controller.key", "--ctl-cert", "/run/controller.pem", "--ca-certs", "/run/ca.pem"]
    manager = Manager(box, engine_python, WATCHER, *tls)
    manager.listens()
    box.run("ovs-vsctl set-ssl /run/stranger.key /run/stranger.pem /run/ca.pem")
    bridge(box, "ssl:127.0.0.1:6653")
    box.wait_for(lambda: "connection from 127.0.0.1 closed" in manager.log, 10, "the stranger to be refused")
    assert all(each["event"] != "up" for each in manager.events)
    box.run("ovs-vsctl set-ssl /run/switch.key /run/switch.pem /run/ca.pem")
    manager.wait("read")
    box.run(["ovs-appctl", "-t", "ovs-vswitchd", "bridge/reconnect", "br0"])
    box.wait_for(lambda: [each["event"] for each in manager.events].count("read") == 2, 10, "a second connection")
    assert manager.end() == 0


def test_other_applications_run_beside(box: Box, engine_python: str) -> None:
    """A file that names the engine's own modules, and on Ryu two of the applications that come with it."""
    package, base = ("ryu", "RyuApp") if " on ryu " in _engine(box, engine_python) else ("os_ken", "OSKenApp")
    box.path("/run/beside.py").write_text(
        f"from {package}.base import app_manager\n"
        f"class Beside(app_manager.{base}):\n"
        "    def start(self):\n"
        "        super().start()\n"
        '        print(\'{"event": "beside"}\', flush=True)\n'
    )
    apps = ["/run/beside.py", *(["ryu.app.simple_switch_13", "ryu.app.rest_topology"] if package == "ryu" else [])]
    box.start_ovs()
    bridge(box)
    manager = Manager(box, engine_python, WATCHER, *apps)
    manager.wait("beside")
    manager.wait("up")
    if package == "ryu":
        switches = box.wait_for(lambda: box.read("http://127.0.0.1:8080/v1.0/topology/switches"), 10)
        assert switches[0]["dpid"] == f"{0xAB:016x}"
        assert manager.wait("read")["count"] == 2, "ours and simple_switch_13's table-miss"
        code, said = refused(box, engine_python, "ryu.app.rest_topology", "--ofp-tcp-listen-port", "7001")
        assert (code, "--wsapi-port" in said) == (1, True), said
        both = ["netctl.app", "ryu.app.rest_topology", "--ofp-tcp-listen-port", "7001", "--wsapi-port", "8081"]
        code, said = refused(box, engine_python, *both)
        assert (code, "netctl.app serves the web itself" in said) == (2, True), said
    assert manager.end() == 0


def _engine(box: Box, python: str) -> str:
    return box.run([python, "-m", "netctl.manager", "--version"]).stdout


OPTIONS = """
    ofp-listen-host ofp-tcp-listen-port ofp-ssl-listen-port ctl-privkey ctl-cert ca-certs wsapi-host wsapi-port
    observe-links config-file verbose version pid-file user-flags app-lists netctl-policy
""".split()  # noqa: SIM905


def test_what_it_says_of_itself(box: Box, engine_python: str) -> None:
    said = _engine(box, engine_python)
    assert said.startswith("ryu-manager of netctl ")
    assert "ryu 4.34" in said or "os-ken " in said
    options = box.run([engine_python, "-m", "netctl.manager", "--help"]).stdout
    for option in OPTIONS:
        assert f"--{option}" in options
    for option in ("--ofp-listen-host", "--wsapi-host"):
        assert "(default 127.0.0.1" in options.split(f"  {option} ")[1][:200]


def test_netctl_controller_takes_the_same_options(box: Box) -> None:
    """`netctl controller` is the manager with netctl.app in front."""
    cli = [sys.executable, "-c", "from netctl.cli.main import main; main()", "controller"]
    assert "ofp-listen-host" in box.run([*cli, "--help"]).stdout
    done = box.run([*cli, "--ofp-tcp-listen-port", "many"], check=False)
    assert done.returncode == 2
    assert "many" in done.stderr
