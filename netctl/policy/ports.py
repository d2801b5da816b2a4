"""Every port that a policy has, and which one a wire's end means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from netctl.policy.guest import MacvtapNic, TapNic, VethNic
from netctl.policy.model import Policy
from netctl.policy.name import device_name, shown, suggest

Path = tuple[str | int, ...]
"""The way to a value from the top of a policy, e.g. ("hosts", "hv1", "bridges", "ovbr0")."""


_MOST_SHOWN = 5
_UNDECLARED = " (a port that the policy does not declare is written {}bridge/port)"


@dataclass(frozen=True, order=True, slots=True)
class PortRef:
    """A port of an Open vSwitch bridge of a host."""

    host: str
    bridge: str
    port: str

    def __str__(self) -> str:
        return f"{self.host}/{self.bridge}/{self.port}"


@dataclass(frozen=True)
class Declared:
    """Where a port comes from."""

    path: Path
    nic: TapNic | VethNic | MacvtapNic | None = None
    """The guest's NIC whose host side it is."""
    guest: str | None = None
    fabric: bool = False
    """Whether it leads to another switch."""


class PortError(Exception):
    """A wire's end that means no port; the message says what would."""

    def __init__(self, message: str, word: str = "", known: Callable[[], Collection[str]] = tuple, right: str = ""):
        """`known` are names that `word` may have been meant for; they are looked through when the text is asked for,
        because that takes long when there are many."""
        super().__init__(message, right)
        self.word = word
        self.known = known

    @property
    def short(self) -> str:
        """The message without «did you mean»."""
        return "".join(self.args)

    def __str__(self) -> str:
        message, right = self.args
        return f"{message}{suggest(self.word, self.known())}{right}"


class UnknownPort(PortError):
    pass


class AmbiguousPort(PortError):
    def __init__(self, spec: str, candidates: Sequence[PortRef]):
        some = ", ".join(map(str, candidates[:_MOST_SHOWN]))
        more = f" and {len(candidates) - _MOST_SHOWN} more" if len(candidates) > _MOST_SHOWN else ""
        super().__init__(f"{shown(spec)} can be any of {some}{more}: write which")
        self.candidates = tuple(candidates)


class Ports:
    """The ports of a policy: those of its bridges and guests (`declared`), and those that only a wire or a
    tap names, with their bridge (`implied`)."""

    def __init__(self, policy: Policy):
        self.declared: dict[PortRef, Declared] = {}
        self.implied: dict[PortRef, Path | str] = {}
        """Each with where it is named first: its path, or in words."""
        self.fabric: dict[PortRef, Path] = {}
        """Of the declared ones those to another switch, each with where that is said."""
        self._bridges: dict[str, dict[str, None]] = {}
        """The hosts that have a bridge of that name, in order."""
        self._hosts = set(policy.hosts)
        self._named: dict[str, list[PortRef]] = {}
        for host_name, host in policy.hosts.items():
            for bridge in host.bridges:
                self._bridges.setdefault(bridge, {})[host_name] = None
            for ref, declared in _declared(policy, host_name):
                if ref not in self.declared:
                    self.declared[ref] = declared
                    if declared.fabric:
                        self.fabric[ref] = (*declared.path, "role")
                    self._named.setdefault(ref.port, []).append(ref)
        for path, spec in specs(policy):
            if "/" in spec:
                try:
                    ref = self.resolve(spec)
                except PortError:
                    continue
                if ref not in self.declared:
                    self.implied.setdefault(ref, path)

    def all(self) -> Iterator[tuple[PortRef, Path | str]]:
        """Every port, declared and implied, with where the policy asks for it."""
        for ref, declared in self.declared.items():
            yield ref, declared.path
        yield from self.implied.items()

    def is_bridge(self, host: str, name: str) -> bool:
        return host in self._bridges.get(name, ())

    def of_host(self, host: str, port: str) -> PortRef | None:
        """The declared port of that name on any bridge of a host, the first if there are several."""
        return next((ref for ref in self._named.get(port, ()) if ref.host == host), None)

    def resolve(self, spec: str) -> PortRef:
        """The port that `spec` means: [host/[bridge/]]port. Raises PortError."""
        parts = spec.split("/")
        if len(parts) == 1:
            found = self._named.get(spec, ())
            if len(found) == 1:
                return found[0]
            if found:
                raise AmbiguousPort(spec, found)
            raise UnknownPort(f"no port is called {shown(spec)}", spec, lambda: self._named, _UNDECLARED.format(""))
        if len(parts) > 3 or not all(parts):
            raise UnknownPort(f"{shown(spec)} is not a port: write port, bridge/port or host/bridge/port")
        if len(parts) == 3:
            host, bridge, port = parts
            if host not in self._hosts:
                raise UnknownPort(f"no host is called {shown(host)}", host, lambda: self._hosts)
            if host not in self._bridges.get(bridge, ()):
                raise UnknownPort(f"host {host} has no bridge {shown(bridge)}", bridge, lambda: self._bridges_of(host))
            return _ref(host, bridge, port)
        return self._resolve_pair(spec, parts[0], parts[1])

    def _resolve_pair(self, spec: str, first: str, port: str) -> PortRef:
        declared = self._within.get((first, port), ())
        if len(declared) == 1:
            return declared[0]
        if declared:
            raise AmbiguousPort(spec, declared)
        hosts = self._bridges.get(first, {})
        if len(hosts) == 1:
            return _ref(next(iter(hosts)), first, port)
        if hosts:
            raise AmbiguousPort(spec, [PortRef(host, first, port) for host in hosts])
        if first in self._hosts:
            raise UnknownPort(
                f"host {first} has no port {shown(port)}",
                port,
                lambda: [ref.port for ref in self.declared if ref.host == first],
                _UNDECLARED.format(f"{first}/"),
            )
        raise UnknownPort(f"no bridge is called {shown(first)}", first, lambda: [*self._bridges, *self._hosts])

    @cached_property
    def _within(self) -> dict[tuple[str, str], list[PortRef]]:
        """The declared ports by a name for where they are, their bridge's or their host's, and their own."""
        within: dict[tuple[str, str], list[PortRef]] = {}
        for ref in self.declared:
            for place in {ref.bridge, ref.host}:
                within.setdefault((place, ref.port), []).append(ref)
        return within

    def _bridges_of(self, host: str) -> list[str]:
        return [bridge for bridge, hosts in self._bridges.items() if host in hosts]


def specs(policy: Policy) -> Iterator[tuple[Path, str]]:
    """Every mention of a port by a wire or a tap, and where."""
    for number, wire in enumerate(policy.wires):
        for end, each in enumerate(wire.ends):
            yield ("wires", number, "ends", end), each.port
    for number, tap in enumerate(policy.taps):
        yield ("taps", number, "to"), tap.to


def host_side(guest: str, nic_name: str, nic: TapNic | VethNic | MacvtapNic) -> str:
    """What the host's device of a guest's NIC is called."""
    return nic.name or f"{guest}-{nic_name}"


def _ref(host: str, bridge: str, port: str) -> PortRef:
    try:
        return PortRef(host, bridge, device_name(port))
    except ValueError as error:
        raise UnknownPort(str(error)) from None


def _declared(policy: Policy, host_name: str) -> Iterator[tuple[PortRef, Declared]]:
    host = policy.hosts[host_name]
    for bridge_name, bridge in host.bridges.items():
        for number, port in enumerate(bridge.ports):
            path: Path = ("hosts", host_name, "bridges", bridge_name, "ports", number)
            yield PortRef(host_name, bridge_name, port.name), Declared(path, fabric=port.role == "fabric")
    for guest_name, guest in host.guests.items():
        for nic_name, nic in guest.nics.items():
            if nic.bridge is not None:
                path = ("hosts", host_name, "guests", guest_name, "nics", nic_name)
                ref = PortRef(host_name, nic.bridge, host_side(guest_name, nic_name, nic))
                yield ref, Declared(path, nic, guest_name)
