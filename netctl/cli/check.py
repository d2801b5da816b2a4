"""`netctl check`: is the policy right?"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from netctl.policy import Loaded, Policy, load
from netctl.policy.source import find

WRONG = 2


@click.command("check")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--schema", "show_schema", is_flag=True, help="Print the JSON Schema of the language, and no more."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(paths: tuple[str, ...], show_schema: bool, as_json: bool) -> None:
    """Say whether a policy is right; nothing is touched.

    PATH is a file, or a directory whose *.yaml are one policy. Several PATHs are several policies, each checked
    on its own. Without one it is what NETCTL_POLICY names, ./flows, or /etc/netctl/flows.

    Every problem is a line: file:line:col: what is wrong, and what would be right. Exits 0 when all are right, 2
    when one is not.

    \b
    netctl check flows/lab.yaml
    netctl check --json /etc/netctl/flows | jq '.[].problems'
    netctl check --schema > netctl-policy.schema.json
    """
    if show_schema:
        from netctl.policy import schema

        click.echo(schema.FILE.read_text(encoding="utf-8"), nl=False)
        return
    found = [load(path) for path in paths or (find(None, None),)]
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in found], indent=2))
    else:
        for each in found:
            for problem in each.problems:
                click.echo(str(problem), err=True)
            if each.policy is not None:
                click.echo(f"{each.source}: right: {_summary(each.policy)}")
    if any(each.problems for each in found):
        sys.exit(WRONG)


def _counts(policy: Policy) -> dict[str, int]:
    return {
        "wires": len(policy.wires),
        "guests": sum(len(host.guests) for host in policy.hosts.values()),
        "bridges": sum(len(host.bridges) for host in policy.hosts.values()),
        "hosts": len(policy.hosts),
    }


def _summary(policy: Policy) -> str:
    return ", ".join(
        f"{count} {what[:-1] if count == 1 else what}" for what, count in _counts(policy).items()
    )


def _as_json(loaded: Loaded) -> dict[str, Any]:
    return {
        "policy": loaded.source,
        "right": loaded.policy is not None,
        **(_counts(loaded.policy) if loaded.policy else {}),
        "problems": [
            {"file": each.file, "line": each.line, "col": each.col, "message": each.message}
            for each in loaded.problems
        ],
    }
