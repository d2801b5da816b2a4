"""What this host has, whoever made it: its devices, its Open vSwitch, and whose policy is about it."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from netctl.cli.machine import Failed
from netctl.desired.flow import MAX_PORT, Flow
from netctl.desired.row import Bridge
from netctl.desired.survey import Survey, Switching
from netctl.export import Known, View, known, view
from netctl.export.draft import Guest
from netctl.kernel.survey import survey
from netctl.openflow.local import LocalSwitch, SwitchError, management
from netctl.ovsdb.database import Database
from netctl.ovsdb.remote import default_remote, reachable
from netctl.plan import Found
from netctl.policy import load
from netctl.policy.source import find

PATIENCE = 3.0
"""Seconds that the database is given to answer."""


def look(host: str | None) -> tuple[Survey, Switching, str]:
    """The host, its switch, and what the host is called: as said, or by the marks of what netctl made, or by its own
    name. Raises KernelError and Failed."""
    seen = survey()
    name = host or _name(seen)
    return seen, switching(name), name


def picture() -> View:
    """The host as a person looks at it; of several hosts on one machine as the first sees it. An Open vSwitch that does
    not answer is told of. Raises KernelError."""
    seen = survey()
    name = next(iter(_names(seen)), None) or _name(seen)
    try:
        return view(seen, switching(name), name, knowledge(name))
    except Failed as error:
        return view(replace(seen, unsaid=(*seen.unsaid, str(error))), Switching(), name, knowledge(name))


def knowledge(host: str) -> Known:
    """What the policies say that may be in force here, those of agents and that which is looked for: a host keeps
    neither the names of wires nor those of guests."""
    sources = [str(each.get("source") or "") for each in agents()]
    guests: dict[str, Guest] = {}
    names: dict[int, str] = {}
    for path in reversed(dict.fromkeys((*filter(None, sources), str(find(None, None))))):
        found = known(load(path), host)
        guests |= found.guests
        names |= found.names
    return Known(guests, names)


def _names(survey: Survey) -> list[str]:
    return sorted(survey.hosts) or sorted(str(each["host"]) for each in agents() if "host" in each)


def _name(survey: Survey) -> str:
    marks = _names(survey)
    if len(marks) > 1:
        raise Failed(f"here is what netctl made for several hosts: {', '.join(marks)}; say which with --host")
    return marks[0] if marks else re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()) or "host"


def agents() -> list[dict[str, Any]]:
    """What the agents of this machine wrote in their status files; what cannot be read of it is left out."""
    directory = Path(os.environ.get("NETCTL_RUN_DIR") or "/run/netctl")
    found = []
    for path in sorted(directory.glob("agent-*.json")):
        with suppress(OSError, ValueError):
            status = json.loads(path.read_bytes())
            if isinstance(status, dict):
                found.append(status)
    return found


def switching(host: str) -> Switching:
    """Nothing where no Open vSwitch runs. Raises Failed where one runs that does not answer."""
    remote = default_remote()
    if not reachable(remote):
        return Switching()
    database = Database(remote, host)
    try:
        for _ in range(int(PATIENCE / 0.1)):
            database.wait(0.1)
            if database.connected:
                break
        else:
            raise Failed(database.error)
        observed = database.observe()
    finally:
        database.close()
    flows: dict[str, tuple[Found[Flow], ...]] = {}
    numbers: dict[str, Mapping[str, int]] = {}
    silent: dict[str, str] = {}
    for found in observed.rows:
        if not isinstance(found.item, Bridge):
            continue
        name = found.item.name
        try:
            with LocalSwitch(management(name)) as switch:
                numbers[name] = {port.name: port.number for port in switch.ports() if port.number < MAX_PORT}
                flows[name] = tuple(switch.flows())
        except SwitchError as error:
            silent[name] = str(error)
    return Switching(observed, flows, numbers, silent)
