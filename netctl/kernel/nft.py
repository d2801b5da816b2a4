"""Whether a firewall looks at what is forwarded: chains at the kernel's hook for that (nfnetlink, nf_tables.h)."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from struct import Struct

from netctl.kernel.rtnl import NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR, attributes, messages, packed

NETLINK_NETFILTER = 12
NFT_MSG_GETCHAIN = 10 << 8 | 4
NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_USE = 4, 5, 6
NFTA_HOOK_HOOKNUM = 1
NF_INET_FORWARD = 2
NF_DROP = 0

FORWARDS = {"iptables": {1, 2}, "ip6tables": {1, 10}}
"""The families of nf_tables (NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6) that see what the tables' programs are for."""
_LEGACY = {"iptables": "ip_tables_names", "ip6tables": "ip6_tables_names"}

_HEAD = 4
"""Octets of a struct nfgenmsg."""
_BE32 = Struct("!I")
_RECEIVE = 1 << 18


def forwards() -> frozenset[str]:
    """Which of the two have rules, or a policy to drop, for what is forwarded, in the namespace of this thread."""
    families = _families()
    found = {name for name, kinds in FORWARDS.items() if families & kinds}
    for name, file in _LEGACY.items():
        with suppress(OSError):
            if "filter" in Path("/proc/thread-self/net", file).read_text(encoding="ascii").split():
                found.add(name)
    return frozenset(found)


def _families() -> set[int]:
    found: set[int] = set()
    with suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as asked:
        asked.settimeout(1.0)
        asked.send(packed(bytes(_HEAD), NFT_MSG_GETCHAIN, NLM_F_DUMP))
        while True:
            for kind, _, _, body in messages(asked.recv(_RECEIVE)):
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    return found
                chain = attributes(body, _HEAD)
                hook = attributes(chain.get(NFTA_CHAIN_HOOK, b""))
                if _number(hook, NFTA_HOOK_HOOKNUM, -1) == NF_INET_FORWARD and (
                    _number(chain, NFTA_CHAIN_USE, 0) or _number(chain, NFTA_CHAIN_POLICY, 1) == NF_DROP
                ):
                    found.add(body[0])
    return found


def _number(found: dict[int, bytes], kind: int, otherwise: int) -> int:
    value = found.get(kind)
    return otherwise if value is None else int(_BE32.unpack_from(value)[0])
