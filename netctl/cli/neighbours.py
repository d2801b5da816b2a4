"""`netctl show neighbours`: as `lldpcli show neighbors details` prints them, or in its format json0."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import click

from netctl.cli.plain import plain
from netctl.topology import lldpcli
from netctl.topology.announcement import Announcement

RULER = "-" * 79


def tags(answer: list[dict[str, Any]]) -> list[lldpcli.Tag]:
    """What the REST API answers, as lldpcli's tree. Raises ValueError, KeyError or TypeError for anything else."""
    from pydantic import TypeAdapter

    announcements = TypeAdapter(Announcement)
    now = datetime.now(timezone.utc)
    heard = []
    for each in answer:
        age = now - datetime.fromisoformat(each["changed"].replace("Z", "+00:00"))
        where = [("bridge", "bridge", f"{each['host']}/{each['bridge']}")]
        if each["wire"] is not None:
            where.append(("wire", "wire", each["wire"]))
        announced = announcements.validate_python(each["announced"])
        heard.append(lldpcli.Heard(each["port"], announced, age.total_seconds(), tuple(where)))
    return lldpcli.tree(heard)


def show(tags: list[lldpcli.Tag]) -> None:
    if not tags:
        click.echo("no neighbours")
        return
    click.echo(f"{RULER}\nLLDP neighbors:\n{RULER}")
    for tag in tags:
        for line in lldpcli.lines([tag]):
            click.echo(plain(line))
        click.echo(RULER)
