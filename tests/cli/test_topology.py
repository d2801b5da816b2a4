"""`netctl show topology`: the tree, and the graphs for Graphviz and Mermaid."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netctl.api.graph import graph
from netctl.cli import topology
from netctl.controller.snapshot import LinkView, Snapshot, WireEnd, WireView
from tests.api.world import DPID, EMPTY, FAR, GOOD, TROUBLED
from tests.cli.test_show import controller, run_dir, show  # noqa: F401
from tests.e2e.box import ROOT

Serve = Callable[[Any], str]

TREE = """\
hv1/ovbr0  00000000000000ab
├── vm1-eth1 (1)  up
│   ├── wire vm1-eth1--vm2-eth1 <-> vm2-eth1  up
│   ├── host vm1 52:54:00:84:e3:62 10.0.0.1 fe80::1 fd00::1
│   └── neighbour sw-a, port eth0
├── vm2-eth1 (2)  down
│   └── wire vm1-eth1--vm2-eth1 <-> vm1-eth1  up
└── last (4294967040)  up
    └── link <-> switch fedcba9876543210/eno2
switch fedcba9876543210
└── eno2 (1)  up  10 Gbit/s
    └── link <-> hv1/ovbr0/last
"""

LAB = replace(GOOD, stations=GOOD.stations[:1])


def test_the_tree(controller: Serve) -> None:  # noqa: F811
    done = show("topology", "--url", controller(LAB))
    assert (done.exit_code, done.output) == (0, TREE)


def test_what_is_not_there(controller: Serve) -> None:  # noqa: F811
    unused = replace(TROUBLED, wires=TROUBLED.wires[1:], stations=(), neighbours=())
    said = show("topology", "--url", controller(unused)).output
    assert "├── last (4294967040)  up\n" in said
    assert "└── 2 ports with nothing at them\n" in said
    assert said.endswith(
        "hv2/ovbr0  not connected\n"
        "├── eno2  not there\n"
        "│   └── wire core <-> eno3  waiting: hv2 is not connected\n"
        "└── eno3  not there\n"
        "    └── wire core <-> eno2  waiting: hv2 is not connected\n"
    )
    assert show("topology", "--url", controller(EMPTY)).output == "no switch is connected, and no wire wanted\n"


def test_one_way_and_vlans(controller: Serve) -> None:  # noqa: F811
    ends = WireEnd("hv1", "ovbr0", "vm1-eth1", 100), WireEnd("hv1", "ovbr0", "vm1-eth1", 200)
    odd = replace(
        LAB,
        links=(LinkView(DPID, 2, FAR, 1, 1.0, one_way=True),),
        wires=(WireView("loop", ends, "down", "no carrier at vm1-eth1"),),
        neighbours=(),
    )
    said = show("topology", "--url", controller(odd)).output
    assert "link -> switch fedcba9876543210/eno2  one way\n" in said
    assert "link <- hv1/ovbr0/vm2-eth1  one way\n" in said
    assert said.count("wire loop VLAN 100 <-> vm1-eth1 VLAN 200  down: no carrier at vm1-eth1\n") == 1


def test_json_is_what_the_controller_says(controller: Serve) -> None:  # noqa: F811
    url = controller(LAB)
    for options in (["--json"], ["--format", "json"], ["--json", "--format", "json"]):
        assert json.loads(show("topology", "--url", url, *options).output) == told(LAB)


def told(snapshot: Snapshot) -> Any:
    return json.loads(graph(snapshot, ""))


DOT = """\
graph netctl {
  rankdir=LR;
  node [shape=box];
  subgraph cluster0 {
    label="hv1/ovbr0";
    p0 [label="vm1-eth1"];
    p1 [label="vm2-eth1"];
    p2 [label="last"];
  }
  subgraph cluster1 {
    label="switch fedcba9876543210";
    p3 [label="eno2"];
  }
  p2 -- p3 [style=bold, label=""];
  p0 -- p1 [color=green, label="vm1-eth1--vm2-eth1"];
  leaf0 [shape=ellipse, label="vm1 52:54:00:84:e3:62 10.0.0.1 fe80::1 fd00::1"];
  p0 -- leaf0 [style=dotted];
  leaf1 [shape=component, label="sw-a, port eth0"];
  p0 -- leaf1 [style=dotted];
}
"""

MERMAID = """\
flowchart LR
  subgraph s0["hv1/ovbr0"]
    p0["vm1-eth1"]
    p1["vm2-eth1"]
    p2["last"]
  end
  subgraph s1["switch fedcba9876543210"]
    p3["eno2"]
  end
  p2 === p3
  p0 ---|"vm1-eth1--vm2-eth1"| p1
  p0 -.- leaf0("vm1 52:54:00:84:e3:62 10.0.0.1 fe80::1 fd00::1")
  p0 -.- leaf1[["sw-a, port eth0"]]
"""


def test_graphs(controller: Serve) -> None:  # noqa: F811
    url = controller(LAB)
    assert show("topology", "--url", url, "--format", "dot").output == DOT
    assert show("topology", "--url", url, "--format", "mermaid").output == MERMAID


@pytest.mark.parametrize("example", [TREE, DOT, MERMAID], ids=["tree", "dot", "mermaid"])
def test_the_page_shows_them(example: str) -> None:
    assert example in (ROOT / "docs" / "topology.md").read_text(encoding="utf-8")


@given(st.text(max_size=30))
def test_no_name_gets_out_of_its_quotes(name: str) -> None:
    ends = WireEnd("hv1", "ovbr0", "vm1-eth1"), WireEnd("hv1", "ovbr0", name or "x")
    answer = told(replace(LAB, wires=(WireView(name, ends, "up"),)))
    for line in topology.dot(answer).splitlines():
        unquoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
        assert re.fullmatch(r"[a-zA-Z0-9 {}\[\]=,;-]*", unquoted), line
    for line in topology.mermaid(answer).splitlines():
        unquoted = re.sub(r'"[^"]*"', "", line)
        assert re.fullmatch(r"[a-zA-Z0-9 \[\]()=|.-]*", unquoted), line


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["wires", "--format", "dot"], "only the host and the topology are drawn"),
        (["--format", "dot"], "only the host and the topology are drawn"),
        (["topology", "--json", "--format", "dot"], "either dot or JSON"),
        (["topology", "--format", "svg"], "'svg' is not one of"),
    ],
)
def test_bad_requests(argv: list[str], said: str) -> None:
    done = show(*argv)
    assert done.exit_code == 2
    assert said in done.output


def test_many_wires_are_drawn_in_a_moment() -> None:
    wires = tuple(
        WireView(f"w{i}", (WireEnd("hv1", "ovbr0", f"a{i}"), WireEnd("hv1", "ovbr0", f"b{i}")), "up")
        for i in range(20_000)
    )
    answer = told(replace(LAB, wires=wires))
    drawn = topology.picture(answer)
    assert len(drawn.used(drawn.switches["hv1/ovbr0"])) == 40_002
    assert topology.dot(answer).count(" -- ") == 20_003
