"""The NICs of this machine, namespace by namespace, and what people call an end of a way between two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address, ip_interface
from itertools import product
from types import TracebackType

from netctl.kernel import netns, offload
from netctl.kernel.errors import NamespaceMissing
from netctl.kernel.rtnl import Link, Rtnl

HERE = "."
"""How the namespace that netctl runs in is called."""


class NoPlace(Exception):
    """No such end; the message says what there is."""


@dataclass(frozen=True)
class Nic:
    """A device of a namespace, with its addresses that reach beyond its link."""

    namespace: str
    """"" for the one that netctl runs in."""
    link: Link
    addresses: tuple[str, ...]
    """«address/prefix length», IPv4 first."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.link.name}" if self.namespace else self.link.name


@dataclass(frozen=True)
class Place:
    """One end: addresses that it may have, and where."""

    name: str
    namespace: str | None
    """None for an address that nothing on this machine has."""
    device: str
    """The device that somebody named; empty where any of the namespace will do."""
    addresses: tuple[str, ...]
    """«address/prefix length»; of an address elsewhere only the address."""


class Places:
    """This machine as it was when it was first looked at. A context manager; sockets are kept."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._rooms: dict[str, Rtnl] = {}
        self._nics: dict[str, list[Nic]] = {}

    def __enter__(self) -> Places:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._rooms.clear()

    def namespaces(self) -> list[str]:
        """The named ones."""
        return [name for name in netns.names() if self._is_there(name)]

    def _is_there(self, name: str) -> bool:
        with suppress(NamespaceMissing, OSError), netns.opened(name):
            return True
        return False

    def rtnl(self, namespace: str) -> Rtnl:
        """A socket there. Raises NamespaceMissing, OSError."""
        if namespace not in self._rooms:
            if namespace:
                with netns.opened(namespace) as descriptor:
                    self._rooms[namespace] = self._stack.enter_context(netns.rtnl(descriptor))
            else:
                self._rooms[namespace] = self._stack.enter_context(Rtnl())
        return self._rooms[namespace]

    def nics(self, namespace: str) -> list[Nic]:
        """All devices of a namespace but its loopback. Raises NamespaceMissing, OSError."""
        if namespace not in self._nics:
            room = self.rtnl(namespace)
            addresses: dict[int, list[str]] = {}
            for each in room.addresses():
                if not ip_interface(each.text).is_link_local:
                    addresses.setdefault(each.index, []).append(each.text)
            self._nics[namespace] = [
                Nic(namespace, link, tuple(sorted(addresses.get(link.index, []), key=version)))
                for link in room.links()
                if link.name != "lo"
            ]
        return self._nics[namespace]

    def every(self) -> Iterator[Nic]:
        """Of this namespace and of the named ones."""
        for namespace in ("", *self.namespaces()):
            yield from self.nics(namespace)

    def nic_of(self, namespace: str, address: str) -> Nic | None:
        """The one that has an address."""
        return next((nic for nic in self.nics(namespace) if address in map(bare, nic.addresses)), None)

    def leaves_checksums(self, nic: Nic) -> bool:
        """Whether it may leave checksums of what it sends to whoever receives."""
        with suppress(OSError):
            return offload.tx_checksum(offload.requested(self.rtnl(nic.namespace), nic.link.name))
        return False

    def find(self, name: str) -> Place:
        """What `name` means: NAMESPACE, NAMESPACE/DEVICE or NAMESPACE/ADDRESS, with «.» for this namespace; an
        address; a device here, or what is behind it. Raises NoPlace."""
        namespace, slash, inside = name.partition("/")
        if slash:
            return self._inside(name, "" if namespace == HERE else namespace, inside)
        if is_address(name):
            return self._at(name)
        if name == HERE or name in self.namespaces():
            return self._anywhere(name, "" if name == HERE else name)
        return self._device(name)

    def _inside(self, name: str, namespace: str, inside: str) -> Place:
        if namespace and namespace not in self.namespaces():
            raise NoPlace(f"{name}: there is no namespace {namespace}; {self._known(namespace, self.namespaces())}")
        nics = self.nics(namespace)
        if is_address(inside):
            nic = self.nic_of(namespace, str(ip_address(inside)))
            if nic is None:
                have = ", ".join(bare(each) for other in nics for each in other.addresses)
                raise NoPlace(f"{name}: nothing there has that address; it has {have or 'no address'}")
            return Place(name, namespace, nic.link.name, tuple(a for a in nic.addresses if same(a, inside)))
        for nic in nics:
            if inside in (nic.link.name, *nic.link.altnames):
                return self._of(name, nic)
        raise NoPlace(f"{name}: no such device there; {self._known(inside, [nic.link.name for nic in nics])}")

    def _at(self, address: str) -> Place:
        having = [nic for nic in self.every() if any(same(each, address) for each in nic.addresses)]
        if not having:
            return Place(address, None, "", (str(ip_address(address)),))
        if len(having) > 1:
            which = " or ".join(f"{nic.namespace or HERE}/{address}" for nic in having)
            raise NoPlace(f"{address}: {len(having)} devices here have it; say which: {which}")
        nic = having[0]
        return Place(address, nic.namespace, nic.link.name, tuple(a for a in nic.addresses if same(a, address)))

    def _anywhere(self, name: str, namespace: str) -> Place:
        addresses = tuple(each for nic in self.nics(namespace) for each in nic.addresses)
        if not addresses:
            give = f"{ip(namespace)} addr add ADDRESS/LENGTH dev DEVICE"
            raise NoPlace(f"{name}: no device there has an address; `{give}`")
        return Place(name, namespace, "", addresses)

    def _device(self, name: str) -> Place:
        nics = self.nics("")
        nic = next((each for each in nics if name in (each.link.name, *each.link.altnames)), None)
        if nic is None:
            known = [*self.namespaces(), *(each.link.name for each in nics)]
            raise NoPlace(f"{name}: neither a namespace nor a device nor an address; {self._known(name, known)}")
        if nic.addresses:
            return self._of(name, nic)
        if nic.link.tap:
            raise NoPlace(
                f"{name}: behind a tap is a guest, in which netctl cannot run; name the address of the guest, "
                "or prove the wire with `netctl wire check`"
            )
        if nic.link.kind == "veth":
            return self._of(name, self._peer(nic))
        raise NoPlace(f"{name}: it has no address; name the namespace or the address that is to be reached")

    def _peer(self, nic: Nic) -> Nic:
        if nic.link.lower_nsid is None:
            peers = self.nics("")
        else:
            peers = []
            for namespace in self.namespaces():
                with netns.opened(namespace) as descriptor:
                    if self.rtnl("").nsid(descriptor) == nic.link.lower_nsid:
                        peers = self.nics(namespace)
        for peer in peers:
            if peer.link.index == nic.link.lower:
                return peer
        raise NoPlace(
            f"{nic}: its other end is in no namespace that has a name; `ip netns attach NAME PID` gives it one"
        )

    def _of(self, name: str, nic: Nic) -> Place:
        if not nic.addresses:
            give = f"{ip(nic.namespace)} addr add ADDRESS/LENGTH dev {nic.link.name}"
            raise NoPlace(f"{name}: {nic} has no address; `{give}`")
        return Place(name, nic.namespace, nic.link.name, nic.addresses)

    @staticmethod
    def _known(name: str, known: Sequence[str]) -> str:
        near = get_close_matches(name, known, n=1)
        return f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(known)[:20]) or 'none'}"


def pair(one: Place, other: Place) -> tuple[str, str]:
    """The addresses by which two places speak: of one network if they have such. Raises NoPlace."""
    pairs = [(a, b) for a, b in product(one.addresses, other.addresses) if version(a) == version(b)]
    if not pairs:
        raise NoPlace(f"{one.name} and {other.name} have no addresses of the same family")
    near = [(a, b) for a, b in pairs if "/" in b and ip_interface(a).network == ip_interface(b).network]
    first, second = (near or pairs)[0]
    return bare(first), bare(second)


def is_address(text: str) -> bool:
    with suppress(ValueError):
        ip_address(text)
        return True
    return False


def same(interface: str, address: str) -> bool:
    return ip_interface(interface).ip == ip_address(address)


def version(interface: str) -> int:
    return ip_interface(interface).version


def bare(interface: str) -> str:
    """The address without its prefix length."""
    return interface.partition("/")[0]


def ip(namespace: str) -> str:
    """`ip` as it is called to act in a namespace."""
    return f"ip -n {namespace}" if namespace else "ip"
