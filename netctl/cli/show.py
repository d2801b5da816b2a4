"""`netctl show`: what is there now, as the controller and this machine's agents tell it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from netctl.cli import neighbours, topology
from netctl.cli.plain import plain
from netctl.cli.remote import DEFAULT_URL, Unreachable, get, is_url
from netctl.rundir import alive
from netctl.topology import lldpcli

BRIEF = 20
"""Rows of a table in the overview."""

Row = Sequence[str]
Json = dict[str, Any]


class Unanswered(Exception):
    """There is nothing to show; says why and what to do."""


@click.command("show")
@click.argument(
    "what",
    required=False,
    type=click.Choice(["host", "wires", "ports", "bridges", "neighbours", "topology", "status"]),
    metavar="[host|wires|ports|bridges|neighbours|topology|status]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as the REST API and the agent write it.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "text", "json", *topology.DRAW]),
    help="How the host or the topology is drawn: `tree`, which is meant when nothing is said (`text` is the same), "
    "`dot` for Graphviz, `mermaid` for wikis, `json` as --json.",
)
@click.option("--status", "only_status", is_flag=True, help="Of the host no more than what its agents say.")
@click.option(
    "--url",
    default=DEFAULT_URL,
    show_default=True,
    envvar="NETCTL_URL",
    help="Where the controller's REST API is.",
)
def command(what: str | None, as_json: bool, form: str | None, only_status: bool, url: str) -> None:
    """What is there now.

    Wires, ports, bridges, neighbours, topology and status are asked of the controller. `host` is a picture of this
    machine: what its agents say of themselves ($NETCTL_RUN_DIR, or /run/netctl), then bridges and what hangs on them,
    namespaces, MACs and why they are what they are, routing, and what of it is netctl's; it needs root, and --status,
    which is the first part alone, does not. Without a word: all of it in brief.

    Neighbours, heard by LLDP, are printed as `lldpcli show neighbors details` does, and as JSON in its format json0.
    The topology is a tree: switches, their ports, and what is at each.

    \b
    netctl show
    netctl show wires --json | jq '.[] | select(.state != "up")'
    netctl show ports --url http://192.0.2.1:8080
    netctl show topology --format dot | dot -Tsvg >topology.svg
    """
    if not is_url(url):
        raise click.BadParameter(f"{url!r} is not a URL such as {DEFAULT_URL}", param_hint="--url")
    if form is not None and what not in ("topology", "host"):
        raise click.BadParameter("only the host and the topology are drawn: netctl show host", param_hint="--format")
    if only_status and (what != "host" or form in topology.DRAW):
        raise click.BadParameter("this is of the host, and not drawn: netctl show host --status", param_hint="--status")
    if form is not None and form != "json" and as_json:
        raise click.BadParameter(f"either {form} or JSON", param_hint="--format")
    as_json = as_json or form == "json"
    try:
        if what is None:
            _overview(url, as_json)
        elif what == "host":
            _host_shown(only_status, as_json, form)
        elif what == "neighbours":
            tags = neighbours.tags(_ask(url, what))
            _print(lldpcli.json0(tags) if as_json else tags, as_json, neighbours.show)
        elif what == "topology" and form in topology.DRAW:
            click.echo(topology.DRAW[form](_ask(url, what)))
        else:
            _print(_ask(url, what), as_json, _SHOW[what])
    except (Unanswered, Unreachable) as error:
        _end(str(error))
    except (KeyError, TypeError, ValueError) as error:
        whose = "an agent's status file" if what == "host" else f"what answers at {url}"
        _end(f"{whose} is not of this version of netctl ({type(error).__name__}: {error})")


def _host_shown(only_status: bool, as_json: bool, form: str | None) -> None:
    """Raises Unanswered."""
    agents = read_agents()
    if only_status:
        if not agents:
            raise Unanswered("no agent has run here; start one with `netctl agent` or `netctl up`")
        _print(agents, as_json, _show_agents)
        return
    from netctl.cli import host_view
    from netctl.cli.host_look import picture
    from netctl.cli.inputs import need_root
    from netctl.cli.machine import Failed
    from netctl.kernel.errors import KernelError

    need_root("A picture of the host (`netctl show host --status` is what its agents say)")
    try:
        view = picture()
    except (Failed, KernelError) as error:
        raise Unanswered(str(error)) from None
    if form in host_view.DRAW:
        click.echo(host_view.DRAW[form](view))
    elif as_json:
        click.echo(json.dumps({"agents": agents, **view.as_json()}, indent=2, ensure_ascii=False))
    else:
        if agents:
            _show_agents(agents)
            click.echo()
        host_view.show(view)


def _end(message: str) -> NoReturn:
    click.echo(f"netctl show: {message}", err=True)
    sys.exit(1)


def _ask(url: str, what: str) -> Any:
    answer = get(url, f"/api/v1/{what}")
    if not isinstance(answer, dict if what in ("status", "topology") else list):
        raise TypeError(f"/api/v1/{what} is a JSON {type(answer).__name__}")
    return answer


def _print(answer: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        show(answer)


def _overview(url: str, as_json: bool) -> None:
    agents = read_agents()
    try:
        answers = {each: _ask(url, each) for each in ("status", "bridges", "wires", "ports")}
    except Unreachable:
        if agents and not as_json:
            _show_agents(agents)
        raise
    if as_json:
        click.echo(json.dumps({**answers, "agents": agents}, indent=2, ensure_ascii=False))
        return
    _show_status(answers["status"])
    for each in ("bridges", "wires", "ports"):
        click.echo()
        _SHOW[each](answers[each][:BRIEF])
        left = len(answers[each]) - BRIEF
        if left > 0:
            click.echo(f"… and {left} more: netctl show {each}")
    if agents:
        click.echo()
        _show_agents(agents)


def read_agents() -> list[Json]:
    """What each agent of this machine last wrote about itself, with `running` added. Raises Unanswered."""
    directory = Path(os.environ.get("NETCTL_RUN_DIR") or "/run/netctl")
    agents = []
    for path in sorted(directory.glob("agent-*.json")):
        try:
            status = json.loads(path.read_bytes())
        except OSError as error:
            raise Unanswered(f"{path} cannot be read: {error.strerror}") from None
        except ValueError:
            status = None
        if not isinstance(status, dict):
            raise Unanswered(f"{path} is not an agent's status file; remove it and restart the agent")
        agents.append({**status, "running": alive(path.stem) is not None})
    return agents


def _show_agents(agents: list[Json]) -> None:
    for number, agent in enumerate(agents):
        if number:
            click.echo()
        _facts(
            [
                ("agent", f"{agent['host']}, {_process(agent)}"),
                ("policy", _in_force(agent["source"], agent["digest"], agent["since"])),
                *(("refused", each) for each in agent["refused"]),
                ("state", "the host is as the policy says" if agent["converged"] else "not there yet:"),
                *(("", each) for each in agent["problems"]),
                ("repairs", _repairs(agent)),
                *(("foreign tap", each) for each in agent.get("foreign_taps", ())),
                *_stand_in(agent.get("wires", {})),
                *(("last plan" if first else "", each) for first, each in _first(agent["plan"])),
            ]
        )


def _repairs(agent: Json) -> str:
    """How many, and of what; an agent that is older did not say of what."""
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(agent.get("repaired", {}).items()))
    return f"{agent['repairs']}{f' ({kinds})' if kinds else ''}"


def _stand_in(wires: Json) -> Iterator[tuple[str, str]]:
    """What an agent did for the wires; one that is older said nothing of them."""
    if wires.get("restores"):
        yield "restores", f"{wires['restores']}, the last took {wires['restore_ms']:.0f} ms"
    if wires.get("alone"):
        yield "alone", f"no controller is connected to {', '.join(wires['alone'])}: this agent decides there"
    yield from (("wires", each) for each in wires.get("problems", ()))


def _process(agent: Json) -> str:
    return f"process {agent['pid']}" if agent["running"] else "not running; this is what it said last"


def _first(lines: Sequence[str]) -> list[tuple[bool, str]]:
    shown = [*lines[:BRIEF], *([f"… and {len(lines) - BRIEF} more"] if len(lines) > BRIEF else [])]
    return [(number == 0, each) for number, each in enumerate(shown)]


def _show_status(status: Json) -> None:
    policy = status["policy"]
    wires = status["wires"]
    _facts(
        [
            (
                "controller",
                f"netctl {status['version']} on {status['engine']}, up {_duration(status['uptime'])}",
            ),
            ("policy", _in_force(policy["source"], policy["digest"], policy["since"])),
            *(("refused", _problem(problem)) for problem in policy["refused"]),
            ("state", "all that the policy asks for is so" if status["converged"] else "not there yet:"),
            *(("", line) for line in status["why"]),
            *(("host", _host(host)) for host in status["hosts"]),
            ("wires", f"{wires['up']} up, {wires['down']} down, {wires['waiting']} waiting"),
            ("flow changes", str(status["flow_changes"])),
        ]
    )


def _in_force(source: str, digest: str, since: str | float | None) -> str:
    if not digest:
        return f"none in force (looked for in {source or 'no place yet'})"
    return f"{source} in force{f' since {_local(since)}' if since else ''} (SHA-256 {digest[:12]})"


def _problem(problem: Json) -> str:
    return f"{problem['at']}: {problem['message']}" if problem["at"] else problem["message"]


def _host(host: Json) -> str:
    state = "connected" if host["connected"] else "not connected"
    problems = "".join(f"; {_problem(problem)}" for problem in host["problems"])
    return f"{host['name']} {state} ({host['ovsdb'] or 'the local database'}){problems}"


def _local(since: str | float) -> str:
    """The controller writes RFC 3339, the agent seconds since the epoch."""
    if isinstance(since, str):
        when = datetime.fromisoformat(since.replace("Z", "+00:00")).astimezone()
    else:
        when = datetime.fromtimestamp(since).astimezone()
    return when.strftime("%Y-%m-%d %H:%M:%S")


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _show_bridges(bridges: list[Json]) -> None:
    _table(
        ("BRIDGE", "DATAPATH", "UNPATCHED", "DPID", "CONNECTED", "FLOWS", "TO DO"),
        [
            (
                f"{each['host']}/{each['name']}",
                each["datapath"],
                each["unpatched"],
                each["dpid"] or "-",
                "yes" if each["connected"] else "no",
                str(each["flows"]),
                "; ".join([*map(_problem, each["problems"]), *each["pending"]]) or "-",
            )
            for each in bridges
        ],
        "no bridges",
    )


def _show_ports(ports: list[Json]) -> None:
    _table(
        ("PORT", "NUMBER", "MAC", "STATE", "WIRE", "MADE BY", "ERROR"),
        [
            (
                f"{each['host']}/{each['bridge']}/{each['name']}",
                "-" if each["number"] is None else str(each["number"]),
                each["mac"] or "-",
                {True: "up", False: "down", None: "unknown"}[each["up"]],
                each["wire"] or "-",
                "netctl" if each["ours"] else "somebody else",
                each["error"] or "-",
            )
            for each in ports
        ],
        "no ports",
    )


def _end_of_wire(end: Json) -> str:
    port = "/".join((end["host"], end["bridge"], end["port"]))
    return port if end["vlan"] is None else f"{port} VLAN {end['vlan']}"


def _rate(rate: Json) -> str:
    return f"{rate['rate']} to {rate['to']} ({rate['by'] or rate['why']})"


def _show_wires(wires: list[Json]) -> None:
    _table(
        ("WIRE", "STATE", "A", "B", "RATE", "WHY", "POLICY"),
        [
            (
                each["name"],
                each["state"],
                *map(_end_of_wire, each["ends"]),
                "; ".join(map(_rate, each["rates"])) or "-",
                each["why"] or "-",
                each["said"] or "-",
            )
            for each in wires
        ],
        "no wires",
    )


_SHOW: dict[str, Callable[[Any], None]] = {
    "status": _show_status,
    "bridges": _show_bridges,
    "ports": _show_ports,
    "wires": _show_wires,
    "topology": topology.show,
}


def _facts(rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:{width}}  {plain(text)}".rstrip())


def _table(head: Row, rows: Sequence[Row], nothing: str) -> None:
    """A table on a terminal, else columns of aligned text. Columns that say nothing are left out."""
    if not rows:
        click.echo(nothing)
        return
    told = [column for column in range(len(head)) if any(row[column] != "-" for row in rows)]
    head, rows = [head[each] for each in told], [[plain(row[each]) for each in told] for row in rows]
    if sys.stdout.isatty():
        _terminal(head, rows)
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


_COLOURS = {"up": "green", "down": "yellow", "waiting": "red", "no": "red", "unknown": "yellow"}


def _terminal(head: Row, rows: Sequence[Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    Console().print(table)
