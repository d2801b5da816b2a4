"""A wire as a file says it, in a fraction of the memory that its model takes: there may be very many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import yaml

from netctl.policy.name import is_wire_name

_TEXT = yaml.ScalarEvent
_KEYS = ("name", "carrier", "observe")
_CHOICES = {"carrier": ("follow", "ignore"), "observe": ("lldp",)}


class Brief(NamedTuple):
    """A wire that has nothing but what is here, and whose values the model would take. Its ends are as written."""

    name: str
    ports: tuple[str, str]
    vlans: tuple[int | None, int | None] = (None, None)
    carrier: str | None = None
    observe: str | None = None


class Found(NamedTuple):
    brief: Brief
    starts: tuple[Any, Any, Any, Any]
    """The events where its first end starts, the port of that, its second end, and the port of that."""


def brief(events: Sequence[Any], value: Callable[[str], Any]) -> Found | None:
    """The wire that the events of one entry of `wires` say; None when it is more than a Brief, or wrong.

    `value` makes a plain scalar what YAML says it is.
    """
    if type(events[0]) is yaml.SequenceStartEvent:
        pair = _ends(events, 0, value)
        if pair is None:
            return None
        said: dict[str, str] = {}
    else:
        entries = _entries(events, value)
        if entries is None:
            return None
        said, pair = entries
    one, other, _ = pair
    name = said.get("name")
    if name is None:
        name = f"{one.port.rpartition('/')[2]}--{other.port.rpartition('/')[2]}"
    if not is_wire_name(name):
        return None
    made = Brief(name, (one.port, other.port), (one.vlan, other.vlan), said.get("carrier"), said.get("observe"))
    return Found(made, (one.start, one.port_start, other.start, other.port_start))


class _End(NamedTuple):
    port: str
    vlan: int | None
    start: Any
    port_start: Any
    after: int
    """Where the events go on."""


_Pair = tuple[_End, _End, int]


def _entries(events: Sequence[Any], value: Callable[[str], Any]) -> tuple[dict[str, str], _Pair] | None:
    """What a mapping says beside its ends, and its ends."""
    said: dict[str, str] = {}
    pair: _Pair | None = None
    at, last = 1, len(events) - 1
    if events[0].anchor is not None or events[0].tag is not None:
        return None
    while at < last:
        key = events[at]
        if type(key) is not _TEXT or key.anchor is not None or key.tag is not None:
            return None
        word = key.value
        if word == "ends" and pair is None and type(events[at + 1]) is yaml.SequenceStartEvent:
            pair = _ends(events, at + 1, value)
            if pair is None:
                return None
            at = pair[2]
        elif word in _KEYS and word not in said:
            text = _text(events[at + 1], value)
            if text is None or text not in _CHOICES.get(word, (text,)):
                return None
            said[word] = text
            at += 2
        else:
            return None
    return None if pair is None else (said, pair)


def _ends(events: Sequence[Any], at: int, value: Callable[[str], Any]) -> _Pair | None:
    if events[at].anchor is not None or events[at].tag is not None:
        return None
    one = _end(events, at + 1, value)
    other = _end(events, one.after, value) if one is not None else None
    if one is None or other is None or type(events[other.after]) is not yaml.SequenceEndEvent:
        return None
    return one, other, other.after + 1


def _end(events: Sequence[Any], at: int, value: Callable[[str], Any]) -> _End | None:
    start = events[at]
    if type(start) is _TEXT:
        port = _text(start, value)
        return _End(port, None, start, start, at + 1) if port else None
    if type(start) is not yaml.MappingStartEvent or start.anchor is not None or start.tag is not None:
        return None
    port, port_start, vlan = None, None, None
    at += 1
    while type(key := events[at]) is _TEXT:
        if key.anchor is not None or key.tag is not None:
            return None
        inside = events[at + 1]
        if key.value == "port" and port is None:
            port, port_start = _text(inside, value), inside
            if not port:
                return None
        elif key.value == "vlan" and vlan is None:
            if type(inside) is not _TEXT or not inside.implicit[0] or inside.anchor is not None:
                return None
            vlan = value(inside.value)
            if type(vlan) is not int or not 1 <= vlan <= 4094:
                return None
        else:
            return None
        at += 2
    if port is None or type(key) is not yaml.MappingEndEvent:
        return None
    return _End(port, vlan, start, port_start, at + 1)


def _text(event: Any, value: Callable[[str], Any]) -> str | None:
    if type(event) is not _TEXT or event.anchor is not None or event.tag is not None:
        return None
    text = value(event.value) if event.implicit[0] else event.value
    return text if type(text) is str else None
