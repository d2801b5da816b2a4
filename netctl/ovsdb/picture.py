"""The bridges of an Open vSwitch as `netctl doctor` looks at them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from netctl.desired.row import MARK
from netctl.doctor.picture import Interface, Switch
from netctl.ovsdb.appctl import ask
from netctl.ovsdb.remote import default_remote
from netctl.ovsdb.select import Row, select

_QUESTIONS = (
    ("Bridge", "", "", ("name", "ports", "datapath_type", "stp_enable", "rstp_enable", "external_ids")),
    ("Port", "", "", ("_uuid", "interfaces")),
    ("Interface", "", "", ("_uuid", "name", "type", "error", "lldp", "ingress_policing_rate", "ofport")),
)
_LEARNED = re.compile(r"^\s*(\d+)\s+\d+\s+([0-9a-f:]{17})\s", re.MULTILINE)
LEARNING_SECONDS = 0.2
"""How long ovs-vswitchd is given to tell what a bridge has learned."""


def switches(remote: str) -> tuple[Switch, ...]:
    """All bridges, with what they have learned where the Open vSwitch is this machine's. Raises NoAnswer, BadRemote."""
    bridges, ports, interfaces = select(remote, *_QUESTIONS)
    of_port = {row["_uuid"]: _several(row["interfaces"]) for row in ports}
    by_id = {row["_uuid"]: row for row in interfaces}
    here = remote == default_remote()
    found = []
    for bridge in bridges:
        rows = [by_id[each] for port in _several(bridge["ports"]) for each in of_port.get(port, ()) if each in by_id]
        found.append(
            Switch(
                bridge["name"],
                bridge["datapath_type"] or "system",
                bool(bridge["stp_enable"]),
                bool(bridge["rstp_enable"]),
                MARK in bridge["external_ids"],
                tuple(sorted((_interface(row) for row in rows), key=lambda each: each.name)),
                _learned(bridge["name"], rows) if here else {},
            )
        )
    return tuple(sorted(found, key=lambda each: each.name))


def _interface(row: Row) -> Interface:
    return Interface(
        row["name"],
        str(row["error"] or ""),
        row["lldp"].get("enable") == "true",
        row["ingress_policing_rate"],
        row["type"],
    )


def _learned(bridge: str, rows: list[Row]) -> Mapping[str, set[str]]:
    names = {str(row["ofport"]): row["name"] for row in rows}
    found: dict[str, set[str]] = {}
    with suppress(OSError, ValueError):
        for number, mac in _LEARNED.findall(ask("fdb/show", bridge, timeout=LEARNING_SECONDS)):
            if number in names:
                found.setdefault(names[number], set()).add(mac)
    return found


def _several(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
