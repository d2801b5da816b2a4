"""Rules of the routing policy (ip-rule(8)); netctl's by their protocol number (FRA_PROTOCOL)."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection
from dataclasses import replace
from ipaddress import ip_address, ip_network
from struct import Struct

from netctl.desired.routing import PROTOCOL, Routing, Rule
from netctl.kernel.attribute import attribute, u8, u32
from netctl.kernel.errors import Refused
from netctl.kernel.rtnl import NLM_F_CREATE, NLM_F_EXCL, Rtnl, attributes
from netctl.plan import Found, Key

RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
FRA_DST, FRA_SRC, FRA_PRIORITY, FRA_SUPPRESS_IFGROUP, FRA_SUPPRESS_PREFIXLEN = 1, 2, 6, 13, 14
FRA_TABLE, FRA_PROTOCOL = 15, 21
FR_ACT_TO_TBL = 1
FIB_RULE_INVERT = 2

_HEAD = Struct("=BBBBBBBBI")
_U32 = Struct("=I")
_NONE = 0xFFFF_FFFF
_MARK = u8(FRA_PROTOCOL, PROTOCOL)[:5]
_SAID = {FRA_DST, FRA_SRC, FRA_PRIORITY, FRA_SUPPRESS_IFGROUP, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_PROTOCOL}
_FAMILY = {socket.AF_INET: 4, socket.AF_INET6: 6}


def look(rtnl: Rtnl, netns: str, wanted: Collection[Key]) -> list[Found[Routing]]:
    """Those with our mark, and what stands under one of the keys that are wanted."""
    mine: dict[Key, Rule] = {}
    others: dict[Key, Rule] = {}
    for body in _all(rtnl, marked=not wanted):
        rule = read(body, netns)
        if rule is None:
            continue
        if protocol(body) == PROTOCOL:
            there = mine.get(rule.key)
            mine[rule.key] = replace(rule, copies=there.copies + 1 if there else 1)
        elif rule.key in wanted:
            others[rule.key] = rule
    return [
        *(Found[Routing](rule) for rule in mine.values()),
        *(Found[Routing](rule, ours=False) for key, rule in others.items() if key not in mine),
    ]


def make(rule: Rule, rtnl: Rtnl) -> None:
    """One of ours that is there meanwhile is no error. Raises Refused."""
    family = socket.AF_INET if rule.family == 4 else socket.AF_INET6
    source = ip_network(rule.source) if rule.source else None
    to = ip_network(rule.to) if rule.to else None
    body = _HEAD.pack(
        family, to.prefixlen if to else 0, source.prefixlen if source else 0, 0, 0, 0, 0, FR_ACT_TO_TBL, 0
    )
    body += u32(FRA_PRIORITY, rule.priority) + u32(FRA_TABLE, rule.table) + u8(FRA_PROTOCOL, PROTOCOL)
    if source:
        body += attribute(FRA_SRC, source.network_address.packed)
    if to:
        body += attribute(FRA_DST, to.network_address.packed)
    if rule.suppress_prefixlength is not None:
        body += u32(FRA_SUPPRESS_PREFIXLEN, rule.suppress_prefixlength)
    try:
        rtnl.ask(RTM_NEWRULE, body, NLM_F_CREATE | NLM_F_EXCL)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise Refused(f"the rule {rule.key[-1]}", error) from error


def alter(rule: Rule, rtnl: Rtnl) -> None:
    """Remove what is there more than once. Raises Refused."""
    _remove(rule, rtnl, leave=1)


def remove(rule: Rule, rtnl: Rtnl) -> None:
    """One that is gone, or is no longer ours, is no error. Raises Refused."""
    _remove(rule, rtnl, leave=0)


def _remove(rule: Rule, rtnl: Rtnl, leave: int) -> None:
    try:
        there = [body for body in _all(rtnl, marked=True) if protocol(body) == PROTOCOL]
        same = [body for body in there if (seen := read(body, rule.netns)) and seen.key == rule.key]
        for body in same[leave:]:
            rtnl.ask(RTM_DELRULE, body)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise Refused(f"removing the rule {rule.key[-1]}", error) from error


def read(body: bytes, netns: str) -> Rule | None:
    """The rule that the body of an RTM_NEWRULE describes; None for one of another family than IPv4 and IPv6."""
    family, to_length, source_length, tos, table, _, _, action, flags = _HEAD.unpack_from(body)
    if family not in _FAMILY:
        return None
    found = attributes(body, _HEAD.size)
    suppressed = _number(found, FRA_SUPPRESS_PREFIXLEN, _NONE)
    more = bool(set(found) - _SAID or tos or flags & FIB_RULE_INVERT or action != FR_ACT_TO_TBL)
    more |= _number(found, FRA_SUPPRESS_IFGROUP, _NONE) != _NONE
    return Rule(
        priority=_number(found, FRA_PRIORITY, 0),
        table=_number(found, FRA_TABLE, table),
        family=_FAMILY[family],
        source=_network(found.get(FRA_SRC), source_length),
        to=_network(found.get(FRA_DST), to_length),
        suppress_prefixlength=None if suppressed == _NONE else suppressed,
        netns=netns,
        more="and more" if more else "",
    )


def every(rtnl: Rtnl) -> list[bytes]:
    """The bodies of the RTM_NEWRULE messages that describe all rules, whoever made them."""
    return _all(rtnl, marked=False)


def protocol(body: bytes) -> int:
    """Who made the rule that the body of an RTM_NEWRULE or RTM_DELRULE describes."""
    return attributes(body, _HEAD.size).get(FRA_PROTOCOL, b"\0")[0]


def _all(rtnl: Rtnl, marked: bool) -> list[bytes]:
    """`marked` leaves out most that are not ours."""
    return rtnl.matching(RTM_GETRULE, _HEAD.pack(socket.AF_UNSPEC, *8 * (0,)), lambda body: not marked or _MARK in body)


def _network(value: bytes | None, length: int) -> str | None:
    if value is None:
        return None
    address = ip_address(value)
    return str(address) if length == address.max_prefixlen else f"{address}/{length}"


def _number(found: dict[int, bytes], kind: int, otherwise: int) -> int:
    value = found.get(kind)
    return otherwise if value is None else int(_U32.unpack_from(value)[0])
