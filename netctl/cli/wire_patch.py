"""`netctl wire add` and `netctl wire rm`: patch and unpatch a running controller."""

from __future__ import annotations

import re
from typing import Any

import click

from netctl.cli.change import asks, request, tell

_VLAN = re.compile(r"(?P<port>.+)@(?P<vlan>[0-9]{1,4})")


def _end(_: click.Context, param: click.Parameter, value: str) -> str | dict[str, str | int]:
    """An end as the policy language writes it, from [HOST/[BRIDGE/]]PORT[@VLAN]."""
    if not value:
        raise click.BadParameter("the name of a port is missing", param=param)
    found = _VLAN.fullmatch(value)
    return {"port": found["port"], "vlan": int(found["vlan"])} if found else value


@click.command("add")
@click.argument("a", callback=_end)
@click.argument("b", callback=_end)
@click.option("--name", help="What it is called; A--B, from the names of its ports, when left out.")
@click.option(
    "--carrier",
    type=click.Choice(["follow", "ignore"]),
    help="When one end goes down: follow takes the other down, as a cable would; ignore leaves it.",
)
@click.option("--rate", metavar="RATE", help="How fast it may go, such as 10mbit; RATE/RATE for A to B and back.")
@click.option("--replace", is_flag=True, help="Take the place of another wire of that name.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")
@asks
def add(
    a: Any,
    b: Any,
    name: str | None,
    carrier: str | None,
    rate: str | None,
    replace: bool,
    dry_run: bool,
    url: str,
    as_json: bool,
) -> None:
    """Put a wire between A and B, now and after every restart.

    An end is [HOST/[BRIDGE/]]PORT, as little as is unique; with @VLAN it is one VLAN of the port.

    \b
    netctl wire add vm1-eth1 vm2-eth1
    netctl wire add vm3-eth1@100 ovbr0/eno3@200 --name trunk-100 --dry-run
    netctl wire add vm1-eth1 vm2-eth1 --rate 10mbit/100mbit --replace
    """
    wire: dict[str, Any] = {"ends": [a, b]}
    wire |= {"name": name} if name is not None else {}
    wire |= {"carrier": carrier} if carrier is not None else {}
    wire |= {"rate": _rate(rate)} if rate is not None else {}
    query = {"dry_run": _flag(dry_run), "replace": _flag(replace)}
    changed = request(url, as_json, "POST", "/api/v1/wires", {"put": [wire]}, query)
    if not as_json:
        tell(changed, f"wire {changed['put'][0]}")


@click.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")
@asks
def rm(names: tuple[str, ...], dry_run: bool, url: str, as_json: bool) -> None:
    """Take wires out, all of them or none, now and after every restart."""
    wanted = list(dict.fromkeys(names))
    changed = request(url, as_json, "POST", "/api/v1/wires", {"remove": wanted}, {"dry_run": _flag(dry_run)})
    if not as_json:
        tell(changed, f"{'wire' if len(wanted) == 1 else 'wires'} {', '.join(wanted)} out")


def _rate(value: str) -> str | dict[str, str]:
    """A rate as the policy language writes it, from RATE or RATE/RATE, of which one may be left out."""
    there, both, back = value.partition("/")
    if not both or back == "s":
        return value
    return {key: rate for key, rate in (("a_to_b", there), ("b_to_a", back)) if rate}


def _flag(value: bool) -> str:
    return "true" if value else "false"
