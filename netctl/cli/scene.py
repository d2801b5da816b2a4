"""`netctl scene`: sets of wires under a name, kept and recalled."""

from __future__ import annotations

import sys
from typing import Any

import click

from netctl.cli.change import Json, asks, request, tell
from netctl.cli.remote import part

SCENES = "/api/v1/scenes"

_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")


@click.group("scene")
def command() -> None:
    """Keep the wires as they are under a name, and recall them.

    \b
    netctl scene save day
    netctl scene diff night
    netctl scene load night --dry-run
    netctl scene load night
    """


@command.command("save")
@click.argument("name")
@asks
def save(name: str, url: str, as_json: bool) -> None:
    """Keep the wires that are in force as the scene NAME."""
    saved = request(url, as_json, "PUT", f"{SCENES}/{part(name)}")
    if not as_json:
        before = "" if saved["new"] else ", in place of what it was"
        click.echo(f"scene {name}: {_count(saved['wires'])} kept{before}")


@command.command("load")
@click.argument("name")
@_dry_run
@asks
def load(name: str, dry_run: bool, url: str, as_json: bool) -> None:
    """Make the wires those of the scene NAME: put in, replace and take out, all of it or nothing."""
    query = {"dry_run": "true" if dry_run else "false"}
    changed = request(url, as_json, "POST", f"{SCENES}/{part(name)}/load", query=query)
    if not as_json:
        tell(changed, f"scene {name}")


@command.command("list")
@asks
def list_(url: str, as_json: bool) -> None:
    """The names of all scenes."""
    scenes = request(url, as_json, "GET", SCENES)
    if not as_json:
        for each in scenes:
            click.echo(each["name"])
        if not scenes:
            click.echo("no scenes; `netctl scene save NAME` keeps the wires as they are", err=True)


@command.command("diff")
@click.argument("name")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if loading the scene would change anything.")
@asks
def diff(name: str, exit_code: bool, url: str, as_json: bool) -> None:
    """What loading the scene NAME would do to the wires."""
    found = request(url, as_json, "GET", f"{SCENES}/{part(name)}/diff")
    if not as_json:
        for sign, key in (("-", "remove"), ("+", "add")):
            for wire in found[key]:
                click.echo(f"{sign} {_wire(wire)}")
        for each in found["change"]:
            click.echo(f"~ {_wire(each['now'])} -> {_said(each['then'])}")
        if found["same"]:
            click.echo(f"the wires are those of the scene {name}")
    if exit_code and not found["same"]:
        sys.exit(1)


@command.command("rm")
@click.argument("name")
@asks
def rm(name: str, url: str, as_json: bool) -> None:
    """Forget the scene NAME; the wires stay as they are."""
    request(url, as_json, "DELETE", f"{SCENES}/{part(name)}")
    if not as_json:
        click.echo(f"scene {name}: forgotten; the wires stay as they are")


@command.command("show")
@click.argument("name")
@asks
def show(name: str, url: str, as_json: bool) -> None:
    """The wires of the scene NAME."""
    scene = request(url, as_json, "GET", f"{SCENES}/{part(name)}")
    if not as_json:
        for wire in scene["wires"]:
            click.echo(_wire(wire))
        if not scene["wires"]:
            click.echo(f"no wire is in the scene {name}", err=True)


def _count(wires: int) -> str:
    return "1 wire" if wires == 1 else f"{wires} wires"


def _wire(wire: Json) -> str:
    return f"{wire['name']}  {_said(wire)}"


def _said(wire: Json) -> str:
    """A wire without its name: its ends, and what else is said of it."""
    more = [f"{key} {_value(value)}" for key, value in wire.items() if key not in ("name", "ends")]
    ends = " -- ".join(map(_end, wire["ends"]))
    return f"{ends} ({', '.join(more)})" if more else ends


def _value(value: Any) -> str:
    """A rate of both directions has a part for each."""
    return " ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)


def _end(end: Any) -> str:
    return f"{end['port']}@{end['vlan']}" if "vlan" in end else str(end["port"])
