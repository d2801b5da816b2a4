"""`netctl show topology`: what is connected to what, as a tree for people, or as a graph for Graphviz or Mermaid."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import click

from netctl.cli.graph import entities, quoted
from netctl.cli.plain import plain

Json = dict[str, Any]

Port = tuple[str, str]
"""What its switch is called, and its own name."""

STYLES = {"up": "green", "down": "yellow", "waiting": "red"}
SPEEDS = (("Gbit/s", 10**6), ("Mbit/s", 10**3), ("kbit/s", 1))
RESERVED = 0xFFFFFF00
"""Ports above it are reserved, the bridge's own among them (OpenFlow 1.3.5, 7.2.1)."""


@dataclass(frozen=True)
class Edge:
    """Two ports that are connected."""

    kind: str
    """«link» or «wire»."""
    ends: tuple[Port, Port]
    state: str
    """Of a wire: up, down or waiting; of a link: both, or one way."""
    name: str = ""
    why: str = ""
    vlans: tuple[int | None, int | None] = (None, None)


@dataclass(frozen=True)
class Leaf:
    """What is at a port without being one."""

    kind: str
    """«host» or «neighbour»."""
    port: Port
    text: str


@dataclass
class Switch:
    name: str
    dpid: str
    """Empty for a bridge that is not connected."""
    ports: dict[str, Json] = field(default_factory=dict)
    """Those that the switch told of, by name."""


@dataclass
class Picture:
    """The answer of /api/v1/topology, ready to be drawn."""

    switches: dict[str, Switch]
    edges: list[Edge]
    leaves: list[Leaf]

    @cached_property
    def at(self) -> dict[str, dict[str, list[Edge | Leaf]]]:
        """What is at each port of each switch."""
        found: dict[str, dict[str, list[Edge | Leaf]]] = {name: {} for name in self.switches}
        for edge in self.edges:
            for switch, port in dict.fromkeys(edge.ends):
                found[switch].setdefault(port, []).append(edge)
        for leaf in self.leaves:
            found[leaf.port[0]].setdefault(leaf.port[1], []).append(leaf)
        return found

    def used(self, switch: Switch) -> list[str]:
        """The ports of a switch that have something at them, in its own order."""
        used = self.at[switch.name]
        return [name for name in {**switch.ports, **used} if name in used]


def picture(answer: Json) -> Picture:
    """Raises KeyError, TypeError or ValueError where that is no such answer."""
    switches: dict[str, Switch] = {}
    names: dict[str, str] = {}
    for each in answer["switches"]:
        name = f"{each['host']}/{each['bridge']}" if each["bridge"] is not None else f"switch {each['dpid']}"
        names[each["dpid"]] = name
        ports = {port["name"]: port for port in each["ports"] if port["number"] <= RESERVED}
        switches[name] = Switch(name, each["dpid"], ports)

    def place(end: Json) -> Port:
        name = f"{end['host']}/{end['bridge']}"
        switches.setdefault(name, Switch(name, ""))
        return name, end["port"]

    edges = [
        Edge(
            "link",
            _pair((names[end["dpid"]], end["port"]) for end in link["ends"]),
            "one way" if link["one_way"] else "both",
        )
        for link in answer["links"]
    ]
    edges += [
        Edge(
            "wire",
            _pair(map(place, wire["ends"])),
            wire["state"],
            wire["name"],
            wire["why"],
            (wire["ends"][0]["vlan"], wire["ends"][1]["vlan"]),
        )
        for wire in answer["wires"]
    ]
    leaves = [
        Leaf("host", (names[each["dpid"]], each["port"]), _host(each))
        for each in answer["hosts"]
        if each["dpid"] in names
    ]
    leaves += [Leaf("neighbour", place(each), _neighbour(each)) for each in answer["neighbours"]]
    return Picture(switches, edges, leaves)


def _pair(ends: Iterable[Port]) -> tuple[Port, Port]:
    one, other = ends
    return one, other


def _host(station: Json) -> str:
    addresses = [*station["ipv4"], *station["ipv6"]]
    return " ".join(filter(None, (station["guest"], station["mac"], *addresses)))


def _neighbour(neighbour: Json) -> str:
    return f"{neighbour['name'] or neighbour['chassis']}, port {neighbour['port_id']}"


def show(answer: Json) -> None:
    """A tree: the switches, their ports, and what is at each."""
    from rich.console import Console

    drawn = picture(answer)
    if not drawn.switches:
        click.echo("no switch is connected, and no wire wanted")
        return
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 10_000)
    for switch in drawn.switches.values():
        console.print(_tree(drawn, switch))


def _tree(drawn: Picture, switch: Switch) -> Any:
    from rich.text import Text
    from rich.tree import Tree

    head = Text(plain(switch.name), style="bold")
    if not switch.dpid:
        head.append("  not connected", style="red")
    elif switch.dpid not in switch.name:
        head.append(f"  {switch.dpid}", style="not bold dim")
    tree = Tree(head)
    used = drawn.used(switch)
    for name in used:
        branch = tree.add(_port(name, switch.ports.get(name)))
        for each in drawn.at[switch.name][name]:
            if isinstance(each, Leaf):
                branch.add(Text(f"{each.kind} {plain(each.text)}"))
            else:
                branch.add(_edge(each, (switch.name, name)))
    left = len(switch.ports.keys() - set(used))
    if left:
        ports = "1 port with nothing at it" if left == 1 else f"{left} ports with nothing at them"
        tree.add(Text(ports, "dim"))
    return tree


def _port(name: str, port: Json | None) -> Any:
    from rich.text import Text

    text = Text(plain(name))
    if port is None:
        return text.append("  not there", style="red")
    text.append(f" ({port['number']})", style="dim")
    text.append("  up" if port["up"] else "  down", style=STYLES["up" if port["up"] else "down"])
    if port["speed"]:
        text.append(f"  {speed(port['speed'])}", style="dim")
    return text


def speed(kilobits: int) -> str:
    for unit, size in SPEEDS:
        if kilobits >= size:
            return f"{kilobits / size:g} {unit}"
    return f"{kilobits} kbit/s"


def _edge(edge: Edge, at: Port) -> Any:
    """An edge as it is seen from one of its ends."""
    from rich.text import Text

    here = edge.ends.index(at)
    switch, port = edge.ends[1 - here]
    far = port if switch == at[0] else f"{switch}/{port}"
    vlans = [f" VLAN {vlan}" if vlan is not None else "" for vlan in edge.vlans]
    arrow = "<->" if edge.state != "one way" else ("->", "<-")[here]
    name = f" {edge.name}" if edge.name else ""
    text = Text(plain(f"{edge.kind}{name}{vlans[here]} {arrow} {far}{vlans[1 - here]}"))
    if edge.kind == "wire":
        text.append(f"  {edge.state}", style=STYLES.get(edge.state, ""))
        if edge.why:
            text.append(plain(f": {edge.why}"))
    elif edge.state == "one way":
        text.append("  one way", style=STYLES["down"])
    return text


def dot(answer: Json) -> str:
    """For Graphviz (the DOT language)."""
    drawn = picture(answer)
    ids = _ids(drawn)
    lines = ["graph netctl {", "  rankdir=LR;", "  node [shape=box];"]
    for number, switch in enumerate(drawn.switches.values()):
        lines += [f"  subgraph cluster{number} {{", f"    label={quoted(_head(switch))};"]
        lines += [f"    {ids[switch.name, name]} [label={quoted(name)}];" for name in drawn.used(switch)]
        lines.append("  }")
    for edge in drawn.edges:
        one, other = (ids[end] for end in edge.ends)
        lines.append(f"  {one} -- {other} [{_DOT[edge.kind, edge.state]}label={quoted(_label(edge))}];")
    for number, leaf in enumerate(drawn.leaves):
        shape = "ellipse" if leaf.kind == "host" else "component"
        lines.append(f"  leaf{number} [shape={shape}, label={quoted(leaf.text)}];")
        lines.append(f"  {ids[leaf.port]} -- leaf{number} [style=dotted];")
    return "\n".join([*lines, "}"])


_DOT = {
    ("link", "both"): "style=bold, ",
    ("link", "one way"): "style=bold, dir=forward, color=orange, ",
    ("wire", "up"): "color=green, ",
    ("wire", "down"): "color=orange, style=dashed, ",
    ("wire", "waiting"): "color=red, style=dashed, ",
}


def mermaid(answer: Json) -> str:
    """For Mermaid, which many wikis draw."""
    drawn = picture(answer)
    ids = _ids(drawn)
    lines = ["flowchart LR"]
    for number, switch in enumerate(drawn.switches.values()):
        lines.append(f"  subgraph s{number}[{entities(_head(switch))}]")
        lines += [f"    {ids[switch.name, name]}[{entities(name)}]" for name in drawn.used(switch)]
        lines.append("  end")
    for edge in drawn.edges:
        one, other = (ids[end] for end in edge.ends)
        label = _label(edge)
        lines.append(f"  {one} {_MERMAID[edge.kind, edge.state]}{f'|{entities(label)}|' if label else ''} {other}")
    for number, leaf in enumerate(drawn.leaves):
        shape = "({})" if leaf.kind == "host" else "[[{}]]"
        lines.append(f"  {ids[leaf.port]} -.- leaf{number}{shape.format(entities(leaf.text))}")
    return "\n".join(lines)


_MERMAID = {
    ("link", "both"): "===",
    ("link", "one way"): "==>",
    ("wire", "up"): "---",
    ("wire", "down"): "-.-",
    ("wire", "waiting"): "-.-",
}


def _ids(drawn: Picture) -> dict[Port, str]:
    ports = ((switch.name, name) for switch in drawn.switches.values() for name in drawn.used(switch))
    return {port: f"p{number}" for number, port in enumerate(ports)}


def _head(switch: Switch) -> str:
    return switch.name if switch.dpid else f"{switch.name} (not connected)"


def _label(edge: Edge) -> str:
    return edge.name if edge.state in ("up", "both") else f"{edge.name} {edge.state}".strip()


DRAW: dict[str, Callable[[Json], str]] = {"dot": dot, "mermaid": mermaid}
