"""Filters of tc that send frames to a device which is gone (linux/pkt_sched.h, tc_act/tc_mirred.h)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct

from netctl.doctor.picture import Redirect
from netctl.kernel.rtnl import Rtnl, attributes

RTM_GETTFILTER, RTM_GETQDISC = 46, 38
TCA_KIND = 1
INGRESS, EGRESS = 0xFFFF_FFF2, 0xFFFF_FFF3
"""Where filters hang: at what comes in, and of a clsact at what goes out too."""

_TCMSG = Struct("=BxxxiIII")
_MIRRED = b"mirred\0"
_PARMS = Struct("=HH20xiI")
"""TCA_MIRRED_PARMS with its head: struct tc_mirred, of which the action and the device's index count."""
_PARMS_HEAD = Struct("=HH").pack(_PARMS.size, 2)


def dead(rtnl: Rtnl, netns: str, names: Mapping[int, str]) -> Iterator[Redirect]:
    """Those of a namespace. Raises OSError."""
    everywhere = _TCMSG.pack(0, 0, 0, 0, 0)
    for body in rtnl.matching(RTM_GETQDISC, everywhere, lambda body: b"ingress\0" in body or b"clsact\0" in body):
        _, index, _, _, _ = _TCMSG.unpack_from(body)
        kind = attributes(body, _TCMSG.size).get(TCA_KIND, b"").rstrip(b"\0")
        sides = {b"ingress": (INGRESS,), b"clsact": (INGRESS, EGRESS)}.get(kind, ())
        for side in sides if index in names else ():
            told = set()
            for each in rtnl.matching(RTM_GETTFILTER, _TCMSG.pack(0, index, 0, side, 0), leads_nowhere):
                preference = _TCMSG.unpack_from(each)[4] >> 16
                if preference not in told:
                    told.add(preference)
                    yield Redirect(netns, names[index], "ingress" if side == INGRESS else "egress", preference)


def leads_nowhere(body: bytes) -> bool:
    """Whether an action of the filter that a RTM_NEWTFILTER describes names no device, wherever its kind keeps them."""
    at = body.find(_MIRRED)
    while at >= 0:
        parms = body.find(_PARMS_HEAD, at)
        if parms < 0:
            return False
        if parms + _PARMS.size <= len(body) and not _PARMS.unpack_from(body, parms)[3]:
            return True
        at = body.find(_MIRRED, parms)
    return False
