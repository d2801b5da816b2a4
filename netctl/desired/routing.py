"""What a host has beside its devices: addresses of NICs, routes, rules, kernel settings, and what it tells other
programs of them. A key reads as `ip` says it; where the thing is in a namespace, that stands before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import ClassVar

from netctl.plan import Key, Value

PROTOCOL = 110
"""netctl's mark on addresses (IFA_PROTO), routes (rtm_protocol) and rules (FRA_PROTOCOL)."""

MAIN = 254
"""The number of the table `main`."""

IPV6_METRIC = 1024
"""What the kernel gives an IPv6 route that says none (IP6_RT_PRIO_USER)."""

_SWAP = str.maketrans("./", "/.")


@dataclass(frozen=True)
class Address:
    """An address of netctl's on a device that is not netctl's."""

    dev: str
    text: str
    """«address/prefix length», as `ipaddress.ip_interface` prints it."""
    netns: str = ""

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return _key("address", self.netns, f"{self.text} dev {self.dev}")

    def facts(self) -> Mapping[str, Value]:
        return {}


@dataclass(frozen=True)
class Route:
    to: str
    """A network, as `ipaddress.ip_network` prints it."""
    dev: str
    via: str | None = None
    src: str | None = None
    """The address to send from; for IPv4 only, the kernel refuses one of IPv6 as long as it looks for duplicates."""
    metric: int = 0
    """0 for the kernel's own."""
    table: int = MAIN
    netns: str = ""
    copies: int = 1
    """How often netctl's mark is on it; more than once is too often."""

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def family(self) -> int:
        return ip_network(self.to).version

    @property
    def key(self) -> Key:
        said = [self.to if ip_network(self.to).prefixlen else ("default" if self.family == 4 else "default (IPv6)")]
        said += ["dev", self.dev]
        if self.table != MAIN:
            said += ["table", str(self.table)]
        if self.metric and not (self.family == 6 and self.metric == IPV6_METRIC):
            said += ["metric", str(self.metric)]
        return _key("route", self.netns, " ".join(said))

    def facts(self) -> Mapping[str, Value]:
        return {"via": self.via, "src": self.src, "copies": self.copies}


@dataclass(frozen=True)
class Rule:
    """A rule of the routing policy (ip-rule(8)). All of it is its name: a rule never changes."""

    priority: int
    table: int
    family: int = 4
    source: str | None = None
    """An address or network; None for all."""
    to: str | None = None
    suppress_prefixlength: int | None = None
    """Routes with so short a prefix, or a shorter one, do not count."""
    netns: str = ""
    more: str = ""
    """What a rule that was found says besides."""
    copies: int = 1

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        said = [f"{self.priority}:", "from", self.source or "all"]
        if self.to:
            said += ["to", self.to]
        said += ["lookup", "main" if self.table == MAIN else str(self.table)]
        if self.suppress_prefixlength is not None:
            said += ["suppress_prefixlength", str(self.suppress_prefixlength)]
        if self.more:
            said.append(self.more)
        if self.family == 6 and not self.source and not self.to:
            said.append("(IPv6)")
        return _key("rule", self.netns, " ".join(said))

    def facts(self) -> Mapping[str, Value]:
        return {"copies": self.copies}


@dataclass(frozen=True)
class Sysctl:
    """A setting of the kernel's under net."""

    name: str
    """As `sysctl` prints it: dots between, and a dot in the name of a device written «/»."""
    value: str
    """Several values have one space between."""
    netns: str = ""

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return _key("sysctl", self.netns, self.name)

    def facts(self) -> Mapping[str, Value]:
        return {"value": self.value}


@dataclass(frozen=True)
class DropIn:
    """A file that tells another program of what netctl does."""

    path: str
    text: str
    """All of it. The first line is `signature`."""

    fixed: ClassVar[frozenset[str]] = frozenset()

    @property
    def key(self) -> Key:
        return ("dropin", self.path)

    def facts(self) -> Mapping[str, Value]:
        return {"says": tuple(self.text.splitlines())}


@dataclass(frozen=True)
class Waiting:
    """Something that is wanted, is not there, and need not or cannot be made now. Nothing is ever made from it."""

    key: Key

    fixed: ClassVar[frozenset[str]] = frozenset()

    def facts(self) -> Mapping[str, Value]:
        return {}


Routing = Address | Route | Rule | Sysctl | DropIn | Waiting

KINDS = ("dropin", "address", "sysctl", "route", "rule")

RT_TABLES = "/etc/iproute2/rt_tables.d/netctl.conf"
NETWORKMANAGER = "/etc/NetworkManager/conf.d/netctl.conf"
NETWORKD = "/etc/systemd/networkd.conf.d/netctl.conf"
DROP_INS = (RT_TABLES, NETWORKMANAGER, NETWORKD)

_SIGNED = "# Written by netctl for the host "


def signature(host: str) -> str:
    """The first line of a file of netctl's."""
    return f"{_SIGNED}{host}: `netctl down` removes it, and so may you."


def signed(text: str, host: str | None) -> bool:
    """Whether a file is `host`'s, or with None any host's."""
    first = text.partition("\n")[0]
    return first.startswith(_SIGNED) if host is None else first == signature(host)


def signer(text: str) -> str | None:
    """The host whose a file is; None where it is not netctl's."""
    first = text.partition("\n")[0]
    return first.removeprefix(_SIGNED).partition(": ")[0] if first.startswith(_SIGNED) else None


def dotted(name: str) -> str:
    """A setting as `sysctl` prints it, from either way to write it: the first separator decides (sysctl(8))."""
    return name.translate(_SWAP) if "/" in name.partition(".")[0] else name


def setting_of(dev: str, family: int, name: str) -> str:
    """A device's own setting, e.g. «net.ipv4.conf.eth0/100.arp_ignore»."""
    return f"net.ipv{family}.conf.{dev.translate(_SWAP)}.{name}"


def slashed(name: str) -> str:
    """The path of a setting under /proc/sys, from its name as `dotted` gives it."""
    return name.translate(_SWAP)


def place(key: Key) -> tuple[str, str]:
    """(namespace, the rest) of the key of one of these."""
    return ("", key[1]) if len(key) == 2 else (key[1], key[2])


def device_of(key: Key) -> str:
    """The device of an address or a route, from its key."""
    words = key[-1].split()
    return words[words.index("dev") + 1]


def _key(kind: str, netns: str, said: str) -> Key:
    return (kind, netns, said) if netns else (kind, said)
