"""`netctl wire check`: what a wire carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from netctl.cli.evidence import Evidence
from netctl.cli.inputs import BAD_INPUT, need_root, read_host, read_policy, say_and_exit
from netctl.controller.planning import Panel
from netctl.policy import Wire
from netctl.probe.crossing import Row
from netctl.probe.wires import Checked, UnknownWire, check_wires

SIDE_BY_SIDE = 2
"""Wires in one table."""


@click.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--policy", "path", envvar="NETCTL_POLICY", help="The policy: a file or a directory of them.")
@click.option("--host", envvar="NETCTL_HOST", help="Which of the policy's hosts this machine is.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(names: tuple[str, ...], path: str | None, host: str | None, as_json: bool) -> None:
    """Prove, frame kind by frame kind, what crosses each wire.

    One frame of each kind is put in at each end and looked for at the other: in a namespace, or at a tap
    whose guest netctl plays. What arrives must be byte for byte what was sent, but for the tags that the wire
    changes. What is lost is sent again while counters are watched, to say where and why. Exit code 0: every wire
    carried everything that can be tested here.
    """
    panel = read_policy(path)
    this = read_host(panel, host)
    need_root("netctl wire check")
    assert panel.loaded.policy is not None
    try:
        checked = check_wires(panel.loaded.policy, this, names, witness=witness(panel))
    except UnknownWire as error:
        say_and_exit(str(error), BAD_INPUT)
    if as_json:
        click.echo(json.dumps([each.as_json() for each in checked], indent=2))
    else:
        show(Console(), checked)
    raise SystemExit(0 if all(each.good for each in checked) else 1)


def witness(panel: Panel) -> Callable[[Wire], Evidence]:
    """Who tells about a wire, as a context manager."""
    cables = {cable.name: cable for cable in panel.cables()}
    return lambda wire: Evidence(panel, cables[wire.name])


def show(console: Console, checked: Sequence[Checked]) -> None:
    """Print what crossed: a table of frame kinds, a column for each wire, and under it what went wrong."""
    if not checked:
        console.print("The policy has no wire on this host.", style="yellow")
    signs = Signs(console)
    for each in checked:
        if each.missing:
            say(console, "not installed", "red", f"{each.wire}: {each.missing}")
    proved = [each for each in checked if each.rows]
    for first in range(0, len(proved), SIDE_BY_SIDE):
        console.print(table(proved[first : first + SIDE_BY_SIDE], signs))
    for each in checked:
        if each.problem:
            head, style = ("not checked", "red") if each.testable else ("not testable here", "yellow")
            say(console, head, style, f"{each.wire}: {each.problem}")
        for text, rows in together(each, signs).items():
            say(console, rows[0].outcome, STYLE[rows[0].outcome], text)
            for reason in rows[0].because:
                say(console, "  because", "yellow", str(reason))
            for reason in rows[0].besides:
                say(console, "  besides", "dim", str(reason))
        for note in each.notes:
            say(console, "note", "yellow", f"{each.wire}: {note}")
    good = sum(each.crossed for each in checked)
    untestable = sum(not each.testable for each in checked)
    if checked:
        style = "green" if all(each.good for each in checked) else "red"
        aside = f" {untestable} cannot be tested here." if untestable else ""
        console.print(f"{good} of {len(checked)} wires carry everything.{aside}", style=style)


def say(console: Console, head: str, style: str, text: str) -> None:
    console.print(Text.assemble((f"{head}  ", style), text), soft_wrap=True)


def together(checked: Checked, signs: Signs) -> dict[str, list[Row]]:
    """What a person reads about the rows that did not just cross; kinds to which the same happened are one line."""
    alike: dict[tuple[object, ...], list[Row]] = {}
    for row in checked.rows:
        if row.outcome not in ("crossed", "kept out"):
            same = (row.sender, row.receiver, row.outcome, row.detail, row.because, row.besides)
            alike.setdefault(same, []).append(row)
    lines = {}
    for rows in alike.values():
        row = rows[0]
        of_way = [each for each in checked.rows if (each.sender, each.receiver) == (row.sender, row.receiver)]
        kinds = "everything" if rows == of_way else ", ".join(each.kind for each in rows)
        detail = f": {row.detail}" if row.detail else ""
        lines[f"{checked.wire}: {kinds}, {row.sender} {signs.there} {row.receiver}{detail}"] = rows
    return lines


STYLE = {
    "crossed": "green",
    "kept out": "green",
    "changed": "yellow",
    "lost": "red",
    "leaked": "red",
    "not testable": "yellow",
}


class Signs:
    """Arrows and the micro sign, or what a terminal without them can show."""

    def __init__(self, console: Console) -> None:
        if console.encoding.lower().startswith("utf"):
            self.there, self.back, self.micro = "→", "←", "µs"
        else:
            self.there, self.back, self.micro = "->", "<-", "us"


def table(checked: Sequence[Checked], signs: Signs) -> Table:
    grid = Table("frame")
    for each in checked:
        one, other = each.ends
        title = f"{one} {signs.there} {other}"
        grid.add_column(title if each.wire == f"{one}--{other}" else f"{each.wire}\n{title}")
    kinds = list(dict.fromkeys(row.kind for each in checked for row in each.rows))
    for kind in kinds:
        grid.add_row(kind, *(cell(each, kind, signs) for each in checked))
    return grid


def cell(checked: Checked, kind: str, signs: Signs) -> Text:
    """Both directions of one kind: «→ 113 µs  ← 98 µs»."""
    width = max(9, *(len(outcome(row, signs)) + 1 for row in checked.rows))
    text = Text()
    for row in checked.rows:
        if row.kind == kind:
            sign = signs.there if row.sender == checked.ends[0] else signs.back
            text.append(f"{sign} {outcome(row, signs):<{width}}", STYLE[row.outcome])
    return text


def outcome(row: Row, signs: Signs) -> str:
    return f"{row.microseconds} {signs.micro}" if row.outcome == "crossed" else row.outcome
