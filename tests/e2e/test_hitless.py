"""A wire loses nothing while something else changes: numbered frames, a thousand a second each way, and every one of
them arrives, once and in its order. What somebody else put on the bridge stays as it was."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.box import Box
from tests.e2e.stream import Stream, deepen
from tests.e2e.test_patching import WIRES, Panel

PORTS = ("p1", "p2", "p3", "p4", "p5", "p6", "ta", "tb")
POLICY = f"""
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {{datapath: netdev, ports: [{", ".join(PORTS)}]}}
wires:
  - [p1, p2]
"""
FIRST = "p1--p2"
FLOWS = 3
"""Of this policy."""
MANY = 500

FOREIGN = (
    "cookie=0x77,table=0,priority=7,in_port=p6,actions=drop",
    "cookie=0x77,table=0,priority=200,in_port=p5,dl_type=0x88b6,actions=output:p6",
    "cookie=0x77,table=5,priority=100,in_port=p1,actions=output:p3",
)
FULL = (
    "ovs-vsctl -- --id=@t create Flow_Table flow_limit={} overflow_policy=refuse"
    " -- set Bridge ovbr0 flow_tables:0=@t"
)


def many(prefix: str) -> str:
    """Wires between VLANs of two ports that nothing else uses."""
    ends = "{{port: ta, vlan: {0}}}, {{port: tb, vlan: {0}}}"
    lines = (f"  - {{name: {prefix}{vlan}, ends: [{ends.format(vlan)}]}}\n" for vlan in range(1, MANY + 1))
    return "".join(lines)


class Bench(Panel):
    """A wire from p1 to p2 that is up, and flows of somebody else's beside it."""

    def foreign(self) -> str:
        dump = ["ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", "ovbr0", "cookie=0x77/-1"]
        return str(self.box.run(dump).stdout)

    def becomes(self, text: str, flows: int) -> None:
        """The policy is changed, and that done."""
        before = self.status()["policy"]["digest"]
        self.write(text)
        self.box.wait_for(lambda: self.status()["policy"]["digest"] != before, 10, "the policy to be read")
        self.settles(flows)

    def settles(self, flows: int) -> None:
        def done() -> bool:
            (bridge,) = self.read("/api/v1/bridges")
            return bool(bridge["flows"] == flows and self.status()["converged"])

        self.box.wait_for(done, 15, f"{flows} flows and nothing left to do")

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Frames cross meanwhile, every one, and nobody else's flow is touched."""
        before = self.foreign()
        assert len(before.splitlines()) == len(FOREIGN)
        there, back = Stream(self.box, "tp1", "tp2"), Stream(self.box, "tp2", "tp1")
        self.passes(there, back)
        yield
        self.passes(there, back)
        assert self.foreign() == before
        for stream in (there, back):
            crossed = stream.end()
            print(f"{crossed.sent} frames, {len(crossed.lost)} lost, longest gap {1000 * crossed.longest:.0f} ms")
            assert crossed.whole, self.log()[-3000:]
            assert crossed.sent > 300

    def passes(self, *streams: Stream, frames: int = 100) -> None:
        """Until so many more frames have arrived of each."""
        for stream in streams:
            count = len(stream.arrivals())
            self.box.wait_for(lambda: len(stream.arrivals()) >= count + frames, 10, "frames to cross")  # noqa: B023


def bench(box: Box, python: str | None = None) -> Bench:
    box.start_ovs()
    for port in PORTS:
        box.run(f"ip link add {port} type veth peer name t{port}; ip link set {port} up; ip link set t{port} up")
    lab = Bench(box, python) if python else Bench(box)
    lab.write(POLICY)
    lab.start()
    lab.settles(FLOWS)
    deepen(box)
    for flow in FOREIGN:
        box.run(["ovs-ofctl", "-O", "OpenFlow13", "add-flow", "ovbr0", flow])
    return lab


@pytest.fixture
def lab(box: Box) -> Bench:
    return bench(box)


def test_the_controller_is_killed_and_ended(box: Box, engine_python: str) -> None:
    lab = bench(box, engine_python)
    before = lab.dump()
    with lab.streaming():
        for sign in (signal.SIGKILL, signal.SIGTERM):
            lab.running.send_signal(sign)
            lab.running.wait(10)
            lab.start()
            lab.settles(FLOWS)
            assert lab.status()["flow_changes"] == 0
    assert lab.dump() == before


def test_the_policy_changes_other_wires(lab: Bench) -> None:
    with lab.streaming():
        lab.becomes(POLICY + "  - [p3, p4]\n", FLOWS + 2)
        lab.becomes(POLICY + "  - {name: other, ends: [p3, p4]}\n", FLOWS + 2)
        assert set(lab.wires()) == {FIRST, "other"}
        lab.becomes(POLICY + "  - [p3, p4]\n" + many("w"), FLOWS + 2 + 2 * MANY)
        lab.becomes(POLICY + many("v"), FLOWS + 2 * MANY)
        assert {name[0] for name in lab.wires() if name != FIRST} == {"v"}
        lab.becomes(POLICY, FLOWS)


def test_ports_come_and_go(lab: Bench) -> None:
    """The bridge gets and loses ports: a transaction of the database, in which the wire has no part."""
    more = POLICY.replace("tb]", "tb, n1, n2, n3, n4]") + "  - [n1, n2]\n  - [n3, n4]\n"
    lab.box.run("for n in n1 n3; do ip link add $n type veth peer name n$((${n#n}+1)); done")
    lab.box.run("for n in n1 n2 n3 n4; do ip link set $n up; done")
    with lab.streaming():
        lab.becomes(more, FLOWS + 4)
        lab.becomes(POLICY, FLOWS)


def test_wires_are_patched_and_a_scene_recalled(lab: Bench) -> None:
    with lab.streaming():
        assert lab.ask("PUT", f"{WIRES}/other", ["p3", "p4"])[0] == 201
        lab.netctl("wire", "add", "ta@7", "tb@8", "--name", "tagged")
        lab.netctl("scene", "save", "day")
        assert lab.ask("DELETE", f"{WIRES}/other")[0] == 200
        lab.netctl("wire", "rm", "tagged")
        assert set(lab.wires()) == {FIRST}
        vlans = [[{"port": port, "vlan": vlan} for port in ("ta", "tb")] for vlan in range(1, 100)]
        more = [{"name": f"x{number}", "ends": ends} for number, ends in enumerate(vlans)]
        assert lab.ask("POST", WIRES, {"put": [["p3", "p4"], *more]})[1]["result"] == "done"
        lab.netctl("scene", "load", "day")
        assert set(lab.wires()) == {FIRST, "other", "tagged"}
        assert lab.ask("PUT", f"{WIRES}/{FIRST}", ["p1", "p2"])[0] == 200, "once more"


def test_the_wire_itself_is_renamed_and_copied(lab: Bench) -> None:
    """More than is promised: its flows are replaced, and nothing is lost even so."""
    with lab.streaming():
        lab.becomes(POLICY.replace("[p1, p2]", "{name: core, ends: [p1, p2]}"), FLOWS)
        assert set(lab.wires()) == {"core"}
        copy = Stream(lab.box, "tp1", "tp4")
        lab.becomes(POLICY + "taps:\n  - {of: p1--p2, to: p4}\n", FLOWS)
        lab.passes(copy)
        lab.becomes(POLICY + "taps:\n  - {of: p1--p2, to: p4}\n  - {of: p1--p2, to: p3}\n", FLOWS)
        lab.becomes(POLICY, FLOWS)
        lab.becomes(POLICY.replace("[p1, p2]", "{ends: [p1, p2], observe: lldp}"), FLOWS + 4)
        lab.becomes(POLICY, FLOWS)


def test_the_switch_refuses_a_change(lab: Bench) -> None:
    """It has no room for another flow in its first table: what it has stays, and who was refused is named."""
    box = lab.box
    full = FLOWS + sum("table=0" in flow for flow in FOREIGN)
    box.run(FULL.format(full))
    before = lab.dump()
    with lab.streaming():
        status, problem = lab.ask("PUT", f"{WIRES}/other", ["p3", "p4"])
        assert (status, "other" in problem["detail"], "table full" in problem["detail"]) == (409, True, True), problem
        assert (lab.dump(), lab.patched(), set(lab.wires())) == (before, None, {FIRST})
        lab.settles(FLOWS)

        lab.write(POLICY + "  - {name: one-more, ends: [p3, p4]}\n" + many("w"))
        box.wait_for(lambda: lab.read("/api/v1/bridges")[0]["problems"], 10, "the switch to refuse")
        said = json.dumps(lab.read("/api/v1/bridges")[0]["problems"])
        assert "wire one-more" in said
        assert "table full" in said
        assert not lab.status()["converged"]
        assert "wire one-more" in lab.log()
        assert lab.dump() == before
        wires = {wire["name"]: wire for wire in lab.read("/api/v1/wires")}
        assert (wires[FIRST]["state"], wires["one-more"]["state"]) == ("up", "waiting")

        box.run("ovs-vsctl clear Bridge ovbr0 flow_tables")
        lab.settles(FLOWS + 2 + 2 * MANY)
        assert lab.read("/api/v1/bridges")[0]["problems"] == []
        lab.becomes(POLICY, FLOWS)
    assert "Traceback" not in lab.log()
