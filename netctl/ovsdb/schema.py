"""The tables and columns of the Open_vSwitch database that netctl reads or writes, and no others.

The rest stays on the server: statistics alone would wake every client every five seconds. Constraints are
left out, because the server checks them.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def _optional(kind: str) -> Json:
    return {"type": {"key": kind, "min": 0, "max": 1}}


def _rows(table: str) -> Json:
    return {"type": {"key": {"type": "uuid", "refTable": table}, "min": 0, "max": "unlimited"}}


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer"}
_BOOLEAN: Json = {"type": "boolean"}
_TEXTS: Json = {"type": {"key": "string", "min": 0, "max": "unlimited"}}
_MAP: Json = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}

COLUMNS: dict[str, dict[str, Json]] = {
    "Open_vSwitch": {"bridges": _rows("Bridge"), "next_cfg": _NUMBER, "cur_cfg": _NUMBER, "other_config": _MAP},
    "Bridge": {
        "name": _TEXT,
        "datapath_type": _TEXT,
        "datapath_id": _optional("string"),
        "fail_mode": _optional("string"),
        "protocols": _TEXTS,
        "controller": _rows("Controller"),
        "ports": _rows("Port"),
        "other_config": _MAP,
        "external_ids": _MAP,
    },
    "Port": {
        "name": _TEXT,
        "interfaces": _rows("Interface"),
        "tag": _optional("integer"),
        "qos": {"type": {"key": {"type": "uuid", "refTable": "QoS"}, "min": 0, "max": 1}},
        "external_ids": _MAP,
    },
    "QoS": {
        "type": _TEXT,
        "queues": {
            "type": {
                "key": "integer",
                "value": {"type": "uuid", "refTable": "Queue"},
                "min": 0,
                "max": "unlimited",
            }
        },
        "other_config": _MAP,
        "external_ids": _MAP,
    },
    "Queue": {"dscp": _optional("integer"), "other_config": _MAP, "external_ids": _MAP},
    "Interface": {
        "name": _TEXT,
        "type": _TEXT,
        "ofport": _optional("integer"),
        "ofport_request": _optional("integer"),
        "error": _optional("string"),
        "ifindex": _optional("integer"),
        "link_state": _optional("string"),
        "mac_in_use": _optional("string"),
        "external_ids": _MAP,
    },
    "Controller": {
        "target": _TEXT,
        "type": _optional("string"),
        "connection_mode": _optional("string"),
        "max_backoff": _optional("integer"),
        "inactivity_probe": _optional("integer"),
        "controller_rate_limit": _optional("integer"),
        "controller_burst_limit": _optional("integer"),
        "controller_queue_size": _optional("integer"),
        "is_connected": _BOOLEAN,
        "external_ids": _MAP,
    },
}

DATABASE = "Open_vSwitch"

ROOTS = ("Open_vSwitch", "QoS", "Queue")
"""The tables whose rows stay when nothing refers to them."""


def schema() -> Json:
    """A database schema (RFC 7047, 3.2) of just these columns."""
    return {
        "name": DATABASE,
        "version": "8.0.0",
        "tables": {
            table: {"columns": columns, "isRoot": table in ROOTS}
            for table, columns in COLUMNS.items()
        },
    }
