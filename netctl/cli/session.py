"""The operator's own session: whether a plan would cut the path by which it comes in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

from netctl.desired.device import Device
from netctl.desired.link import Link, Macvlan, Nic
from netctl.desired.routing import IPV6_METRIC, Address, Route, Rule
from netctl.desired.row import Bridge, Port, Row
from netctl.kernel.reach import Reach, reach
from netctl.kernel.rtnl import Rtnl
from netctl.plan import Plan, Step
from netctl.plan.text import line

VARIABLE = "SSH_CONNECTION"
"""«CLIENT PORT SERVER PORT», set by sshd (ssh(1), ENVIRONMENT)."""

PORT_FACTS = ("pvid", "vlans", "isolated")


@dataclass(frozen=True)
class Cut:
    step: Step[Any]
    how: str

    def told(self, path: Reach) -> str:
        return (
            f"this would cut your own session (SSH from {path.client} to {path.server}): it {self.how}\n"
            f"  {line(self.step)}"
        )


def find() -> Reach | None:
    """By what the session goes in which this process was started; None where it is not one over SSH, or not by this
    host's network. Raises OSError."""
    ends = connection(environments())
    if ends is None:
        return None
    with Rtnl() as rtnl:
        return reach(rtnl, *ends)


def connection(environments: Iterable[Mapping[str, str]]) -> tuple[str, str] | None:
    """(client, server): the addresses of the session, from the first environment that tells of one."""
    for environment in environments:
        words = environment.get(VARIABLE, "").split()
        if len(words) == 4:
            try:
                for word in (words[0], words[2]):
                    ip_address(word.partition("%")[0])
            except ValueError:
                continue
            return words[0], words[2]
    return None


def environments() -> Iterable[Mapping[str, str]]:
    """This process's, then its parent's and so on: sudo(8) hands on few variables."""
    yield os.environ
    pid = os.getppid()
    while pid > 0:
        try:
            content = Path(f"/proc/{pid}/environ").read_bytes()
            parent = int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
        pairs = (each.partition(b"=") for each in content.split(b"\0"))
        yield {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
        pid = parent


def cut(plan: Plan[Device], rows: Plan[Row], path: Reach) -> Cut | None:
    """The first step of a plan that would cut the path, if one would."""
    for step in plan.steps:
        how = _cuts(step, path)
        if how:
            return Cut(step, how)
    for row in rows.steps:
        how = _cuts_row(row, path)
        if how:
            return Cut(row, how)
    return _diverted(plan, path)


def _cuts(step: Step[Device], path: Reach) -> str:
    item = step.item
    if isinstance(item, Address):
        return f"takes the address {path.server} away" if step.verb == "remove" and _is(item.text, path.server) else ""
    if not isinstance(item, Link):
        return ""
    if isinstance(item, Macvlan) and _takes_over(item, path) and step.verb != "remove":
        return f"takes what comes in by {item.lower}"
    if item.name not in path.devices:
        return ""
    if item.netns:
        moves = isinstance(item, Nic) and step.verb == "add"
        return f"moves {item.name} to the namespace {item.netns}" if moves else ""
    match step.verb:
        case "remove" if isinstance(item, Nic):
            return f"takes {item.name} from {item.master}" if item.master else ""
        case "remove":
            return f"removes {item.name}"
        case "replace":
            return f"removes {item.name} and makes it again"
        case _:
            return _changes(step, item, path)


def _takes_over(item: Macvlan, path: Reach) -> bool:
    return item.mode == "passthru" and not item.lower_netns and item.lower in path.devices


def _changes(step: Step[Device], after: Link, path: Reach) -> str:
    changes = {change.fact: change for change in step.changes}
    before = step.before
    if "up" in changes and after.up is False:
        return f"takes {after.name} down"
    if "master" in changes:
        return f"makes {after.name} a port of {after.master}" if after.master else f"takes {after.name} from its master"
    if "mac" in changes:
        return f"gives {after.name} another MAC"
    if "vlan_filtering" in changes:
        return f"changes which VLANs {after.name} looks at"
    if any(fact in changes for fact in PORT_FACTS):
        return f"changes what {after.name} passes as a port"
    if isinstance(before, Link) and after.addresses is not None:
        had = any(_is(each, path.server) for each in before.addresses or ())
        if had and not any(_is(each, path.server) for each in after.addresses):
            return f"takes the address {path.server} from {after.name}"
    return ""


def _cuts_row(step: Step[Row], path: Reach) -> str:
    item = step.item
    if isinstance(item, Port) and item.name in path.devices:
        if step.verb == "add":
            return f"makes {item.name} a port of {item.bridge}"
        return f"takes {item.name} from {item.bridge}" if step.verb in ("remove", "replace") else ""
    if isinstance(item, Bridge) and item.name in path.devices:
        return f"changes the bridge {item.name}"
    return ""


def _diverted(plan: Plan[Device], path: Reach) -> Cut | None:
    """The step since which answers leave otherwise than before, when all is done."""
    before = _way(path.rules, path.routes, path)
    if before is None:
        return None
    rules, routes = {each.key: each for each in path.rules}, {each.key: each for each in path.routes}
    blamed: Cut | None = None
    for step in plan.steps:
        item = step.item
        if isinstance(item, Rule) and not item.netns:
            rules.pop(step.key, None)
            if isinstance(step.after, Rule):
                rules[step.key] = step.after
        elif isinstance(item, Route) and not item.netns and item.family == before.family:
            routes.pop(step.key, None)
            if isinstance(step.after, Route) and ip_address(path.client) in ip_network(item.to):
                routes[step.key] = step.after
        else:
            continue
        now = _way(rules.values(), routes.values(), path)
        if now is not None and (now.dev, now.via) == (before.dev, before.via):
            blamed = None
        elif blamed is None:
            blamed = Cut(step, f"sends the answers to {path.client} {_by(now)}" if now else "leaves no way back to you")
    return blamed


def _by(route: Route) -> str:
    return f"by {route.dev} via {route.via}" if route.via else f"by {route.dev}"


def _way(rules: Iterable[Rule], routes: Iterable[Route], path: Reach) -> Route | None:
    """The route that an answer takes (ip-rule(8)). Rules that look at more than addresses are passed over."""
    client, server = ip_address(path.client), ip_address(path.server)
    tables: dict[int, list[Route]] = {}
    for route in routes:
        tables.setdefault(route.table, []).append(route)
    for rule in sorted(rules, key=lambda rule: rule.priority):
        if rule.more or rule.family != client.version:
            continue
        if (rule.source and server not in ip_network(rule.source)) or (rule.to and client not in ip_network(rule.to)):
            continue
        best = min(tables.get(rule.table, ()), key=_rank, default=None)
        if best is not None and (rule.suppress_prefixlength is None or _length(best) > rule.suppress_prefixlength):
            return best
    return None


def _rank(route: Route) -> tuple[int, int]:
    return -_length(route), route.metric or (IPV6_METRIC if route.family == 6 else 0)


def _length(route: Route) -> int:
    return ip_network(route.to).prefixlen


def _is(address: str, server: str) -> bool:
    return ip_interface(address).ip == ip_address(server)
