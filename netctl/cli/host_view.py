"""`netctl show host`: this host as a tree for people, as a graph for Graphviz or Mermaid, or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from netctl.cli.graph import entities, quoted
from netctl.cli.plain import plain
from netctl.export import View
from netctl.export.view import BRIDGES, Cable, Device, Line, Switch

STYLES = {"down": "yellow", "no carrier": "yellow"}


def show(view: View) -> None:
    """A tree: bridges and what hangs on them, namespaces, the other devices, and where the host's own traffic goes."""
    from rich.console import Console

    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 10_000, highlight=False)
    console.print(_Tree(view).tree())


class _Tree:
    def __init__(self, view: View) -> None:
        self.view = view
        self.told: set[tuple[str, str]] = set()
        """The devices that are in the tree already."""

    def tree(self) -> Any:
        from rich.text import Text
        from rich.tree import Tree

        tree = Tree(Text(f"host {plain(self.view.host)}", style="bold"))
        for switch in self.view.switches:
            self._switch(tree, switch)
        self._bridges(tree, "")
        for name, owner in self.view.namespaces.items():
            branch = tree.add(_text(f"namespace {name}", "bold", whose(owner, self.view.host)))
            self._bridges(branch, name)
            self._rest(branch, name)
            self._routing(branch, name)
        rest = Tree(Text("other devices", style="bold"))
        self._rest(rest, "")
        if rest.children:
            tree.children.append(rest)
        self._uplinks(tree)
        self._routing(tree, "")
        for said in self.view.unsaid:
            tree.add(Text(plain(said), style="dim"))
        return tree

    def _switch(self, tree: Any, switch: Switch) -> None:
        rest = {"drop": "ports without a wire: nothing", "normal": "ports without a wire: a learning switch"}
        said = ["Open vSwitch", switch.datapath, *filter(None, [rest.get(switch.unpatched, "")])]
        if switch.foreign_flows:
            said.append(f"{switch.foreign_flows} flow{'s' * (switch.foreign_flows > 1)} of others")
        owner = f"{whose(switch.owner, self.view.host)}{', taken over' if switch.adopted else ''}"
        branch = tree.add(_text(f"bridge {switch.name}", "bold", ", ".join(said), owner))
        own = self.view.at(("", switch.name))
        if own is not None:
            self.told.add(own.place)
        if switch.problem:
            branch.add(_text(switch.problem, "red"))
        for port in switch.ports:
            device = self.view.at(("", port))
            if device is None:
                leaf = branch.add(_text(port, "", "not a device of the host"))
            else:
                leaf = self._device(branch, device)
            for cable in self.view.wires:
                if cable.bridge == switch.name and port in [end[0] for end in cable.ends]:
                    leaf.add(_text(_wire_at(cable, port), "" if cable.ours else "dim"))
                elif cable.bridge == switch.name and port in cable.copies:
                    leaf.add(_text(f"copy of {_wire(cable)}", ""))

    def _bridges(self, tree: Any, netns: str) -> None:
        for device in self.view.devices:
            if device.netns == netns and device.kind in ("bridge", "bond") and device.place not in self.told:
                branch = self._device(tree, device, "bold")
                for port in self.view.ports_of(device):
                    self._device(branch, port)

    def _rest(self, tree: Any, netns: str) -> None:
        for device in self.view.devices:
            if device.netns == netns and device.place not in self.told:
                self._device(tree, device)

    def _device(self, tree: Any, device: Device, style: str = "") -> Any:
        self.told.add(device.place)
        state = "down" if not device.up else ("" if device.carrier else "no carrier")
        kind = f"Linux {device.kind}" if device.kind == "bridge" else device.kind
        head = f"{kind} {device.name}" if style else device.name
        told = [device.detail] if style else [kind, device.detail]
        text = _text(head, style, *filter(None, [*told, state, *_tied(device), _mtu(device), *device.addresses]))
        text.append(f"  {whose(device.owner, self.view.host)}", style="dim")
        branch = tree.add(text)
        if device.mac:
            why = f": {device.mac_why}" if device.mac_why else ""
            branch.add(_text(f"MAC {device.mac}{why}", "dim"))
        if device.guest and device.peer is None:
            branch.add(_text(f"guest {device.guest}, NIC {device.nic}", ""))
        return branch

    def _uplinks(self, tree: Any) -> None:
        for uplink in self.view.uplinks:
            text = f"{' '.join(uplink.address)} by {' '.join(uplink.gateway)}, table {uplink.table}"
            tree.add(_text(f"uplink {uplink.dev}", "bold", text))

    def _routing(self, tree: Any, netns: str) -> None:
        rules = self.view.rules.get(netns, ())
        if rules:
            branch = tree.add(_text("rules", "bold"))
            _lines(branch, rules)
        for number, routes in self.view.tables.get(netns, {}).items():
            _lines(tree.add(_text(f"table {number}" if number != 254 else "table main", "bold")), routes)
        settings = self.view.settings.get(netns, {})
        if settings:
            branch = tree.add(_text("settings", "bold", "netctl's"))
            for name, value in settings.items():
                branch.add(_text(f"{name} = {value}", ""))


def _text(head: str, style: str, *told: str) -> Any:
    from rich.text import Text

    text = Text(plain(head), style=style)
    for each in told:
        text.append(f"  {plain(each)}", style=f"not bold {STYLES.get(each, '')}".strip())
    return text


def _lines(tree: Any, lines: Iterable[Line]) -> None:
    for line in lines:
        text = _text(line.text, "")
        text.append(f"  {line.by if line.by != 'netctl' else _OURS}", style="dim")
        tree.add(text)


_OURS = "netctl's"


def whose(owner: str | None, host: str) -> str:
    if owner is None:
        return "somebody else's"
    return _OURS if owner == host else f"netctl's, for the host {owner}"


def place(where: tuple[str, str]) -> str:
    return "/".join(each for each in where if each)


def _tied(device: Device) -> Iterator[str]:
    if device.on is not None:
        yield f"on {place(device.on)}"
    if device.peer is not None:
        yield f"<-> {place(device.peer)}"
    elif device.kind == "veth":
        yield "<-> something in a namespace without a name"


def _mtu(device: Device) -> str:
    return f"MTU {device.mtu}" if device.mtu != 1500 else ""


def _wire(cable: Cable) -> str:
    return f"wire {cable.name or '--'.join(end[0] for end in cable.ends)}"


def _wire_at(cable: Cable, port: str) -> str:
    """A wire as it is seen from one of its ends."""
    here = 0 if cable.ends[0][0] == port else 1
    (_, vlan), (far, other) = cable.ends[here], cable.ends[1 - here]
    vlans = [f" VLAN {each}" if each is not None else "" for each in (vlan, other)]
    rates = [f"{cable.rates[here]} out" if cable.rates[here] else "", f"{cable.rates[1 - here]} in"]
    rate = ", ".join(each for each in (rates[0], rates[1] if cable.rates[1 - here] else "") if each)
    said = f"{_wire(cable)}{vlans[0]} <-> {far}{vlans[1]}{f'  {rate}' if rate else ''}"
    return said if cable.ours else f"{said}  somebody else's flows"


# -- graphs


def _groups(view: View) -> Iterator[tuple[str, list[Device]]]:
    """The namespaces, the host's own first, each with its devices."""
    for name in ("", *view.namespaces):
        inside = [device for device in view.devices if device.netns == name]
        if inside or name:
            yield name, inside


def _label(device: Device, view: View) -> str:
    lines = [device.name, " ".join(filter(None, (device.kind, device.detail))), device.mac, *device.addresses]
    if device.guest and device.peer is None:
        lines.append(f"guest {device.guest}, NIC {device.nic}")
    if device.owner is None:
        lines.append(whose(None, view.host))
    return "\n".join(filter(None, lines))


def _edges(view: View) -> Iterator[tuple[str, tuple[str, str], tuple[str, str], str]]:
    """What is tied to what: (kind, one, other, label)."""
    there = {device.place for device in view.devices}
    for device in view.devices:
        if device.master:
            yield "port", device.place, (device.netns, device.master), ""
        if device.switch and ("", device.switch) in there:
            yield "port", device.place, ("", device.switch), ""
        if device.on is not None and device.on in there:
            yield "on", device.place, device.on, ""
        if device.peer is not None and device.peer in there and device.place < device.peer:
            yield "veth", device.place, device.peer, ""
    for cable in view.wires:
        ends = [("", end[0]) for end in cable.ends]
        if all(end in there for end in ends):
            yield "wire", ends[0], ends[1], cable.name


def dot(view: View) -> str:
    """For Graphviz (the DOT language)."""
    ids = {device.place: f"d{number}" for number, device in enumerate(view.devices)}
    lines = ["graph netctl {", "  rankdir=LR;", "  node [shape=box];"]
    for number, (name, inside) in enumerate(_groups(view)):
        title = f"namespace {name}" if name else f"host {view.host}"
        lines += [f"  subgraph cluster{number} {{", f"    label={quoted(title)};"]
        for device in inside:
            style = "" if device.owner is not None else ", style=dashed"
            shape = ", shape=box3d" if device.kind in BRIDGES else ""
            label = quoted(_label(device, view).replace("\n", " · "))
            lines.append(f"    {ids[device.place]} [label={label}{shape}{style}];")
        lines.append("  }")
    for kind, one, other, label in _edges(view):
        said = f", label={quoted(label)}" if label else ""
        lines.append(f"  {ids[one]} -- {ids[other]} [{_DOT[kind]}{said}];")
    return "\n".join([*lines, "}"])


_DOT = {"port": "color=gray", "on": "style=dotted", "veth": "style=bold", "wire": "color=green, style=bold"}


def mermaid(view: View) -> str:
    """For Mermaid, which many wikis draw."""
    ids = {device.place: f"d{number}" for number, device in enumerate(view.devices)}
    lines = ["flowchart LR"]
    for number, (name, inside) in enumerate(_groups(view)):
        title = f"namespace {name}" if name else f"host {view.host}"
        lines.append(f"  subgraph s{number}[{entities(title)}]")
        for device in inside:
            label = entities(_label(device, view).replace("\n", " · "))
            framed = f"[[{label}]]" if device.kind in BRIDGES else f"[{label}]"
            lines.append(f"    {ids[device.place]}{framed}")
        lines.append("  end")
    for kind, one, other, label in _edges(view):
        lines.append(f"  {ids[one]} {_MERMAID[kind]}{f'|{entities(label)}|' if label else ''} {ids[other]}")
    return "\n".join(lines)


_MERMAID = {"port": "---", "on": "-.-", "veth": "===", "wire": "<-->"}

DRAW: dict[str, Callable[[View], str]] = {"dot": dot, "mermaid": mermaid}
