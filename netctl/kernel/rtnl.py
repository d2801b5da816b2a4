"""rtnetlink (rtnetlink(7)).

Reading is a plain walk over the attributes because a daemon looks at all devices again and again: 1 000 of
them take 17 ms so, 260 ms by pyroute2's decoder. What is asked is packed here too: there may be thousands at once,
and pyroute2 takes 0.3 s to load, for which a hook of libvirt's has no time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_interface
from struct import Struct
from types import TracebackType

from netctl.kernel.attribute import attribute, i32, text, u32

NETLINK_ROUTE = 0
SOL_NETLINK = 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 10, 11, 12

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_ACK_TLVS = 0x1, 0x4, 0x10, 0x200
NLM_F_DUMP, NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x300, 0x100, 0x200, 0x400, 0x800

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWNSID, RTM_DELNSID, RTM_GETNSID = 88, 89, 90
RTM_NEWLINKPROP, RTM_DELLINKPROP = 108, 109

IFF_UP, IFF_RUNNING, IFF_PROMISC, IFF_ALLMULTI = 0x1, 0x40, 0x100, 0x200
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFA_F_PERMANENT = 0x80
IFAPROT_KERNEL_LL = 3
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK = 1, 3, 4, 5
IFLA_MASTER, IFLA_TXQLEN, IFLA_LINKINFO, IFLA_IFALIAS = 10, 13, 18, 20
IFLA_GROUP, IFLA_NET_NS_FD, IFLA_EXT_MASK, IFLA_PROP_LIST, IFLA_ALT_IFNAME = 27, 28, 29, 52, 53
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
IFLA_AF_SPEC = 26
AF_BRIDGE = 7
RTEXT_FILTER_BRVLAN, RTEXT_FILTER_SKIP_STATS = 2, 8
TUN_MODE_TAP = 2

NETNSA_NSID, NETNSA_FD = 1, 3

_HEADER = Struct("=IHHII")
_RTGEN = bytes(4)
_IFINFO = Struct("=BxHiII")
IFADDR = Struct("=BBBBI")
"""struct ifaddrmsg: family, prefix length, flags, scope, index of the device."""
_ATTRIBUTE = Struct("=HH")
_U32 = Struct("=I")
_I32 = Struct("=i")

_RECEIVE = 1 << 18
"""More than the kernel puts into one answer."""
_DUMP_TRIES = 8


@dataclass(frozen=True)
class Link:
    """A network device as the kernel describes it."""

    index: int
    name: str
    kind: str
    """"veth", "tun" (taps too), "bridge"…; "" for hardware."""
    up: bool
    """Administratively."""
    running: bool
    """Whether it is up and has carrier."""
    mac: str
    mtu: int
    alias: str
    group: int
    lower: int
    """The index of the device under this one, or of a veth's peer; 0 for none."""
    lower_nsid: int | None
    """The namespace in which `lower` counts, by its ID here; None for this one."""
    tap: bool
    """Of kind tun: whether it carries Ethernet frames."""
    promisc: bool = False
    allmulticast: bool = False
    """Both as somebody asked for them; what the kernel needs itself does not count."""
    txqueuelen: int = 0
    master: int = 0
    """The index of what it is a port of; 0 for none."""
    data: bytes = b""
    """IFLA_INFO_DATA: the attributes that its kind has."""
    port_kind: str = ""
    """The kind of its master, where it tells of its ports: "bridge", "bond"."""
    port_data: bytes = b""
    """IFLA_INFO_SLAVE_DATA: what that says of it."""
    altnames: tuple[str, ...] = ()


@dataclass(frozen=True)
class Address:
    index: int
    """Of the device that has it."""
    text: str
    """«address/prefix length», as `ipaddress.ip_interface` prints it."""
    permanent: bool
    """Without a lifetime: not from DHCP or a router's advertisement."""
    made_by_kernel: bool
    """The link-local IPv6 address that every device gets."""

    @property
    def configured(self) -> bool:
        """Whether somebody gave it to the device, for good."""
        return self.permanent and not self.made_by_kernel


class Rtnl:
    """A socket of the network namespace in which the calling thread is, and stays in. A context manager.

    It keeps the namespace from being freed until it is closed.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
        self._socket.bind((0, 0))
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        self._sequence = 0
        self._interrupted = False

    def __enter__(self) -> Rtnl:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ioctl(self, request: int, argument: bytearray) -> None:
        """A device ioctl (netdevice(7)) in the socket's namespace. Raises OSError."""
        fcntl.ioctl(self._socket, request, argument)

    def ask(self, kind: int, message: bytes, flags: int = 0) -> None:
        """Have one thing done. `message` is the body of the request. Raises OSError with the kernel's own words where
        it has any."""
        self._send(packed(message, kind, flags | NLM_F_ACK))
        for _ in self._answers():
            pass

    def links(self) -> list[Link]:
        """All devices of the namespace."""
        return [read_link(body) for body in self._dump(_ALL_LINKS)]

    def link(self, name: str) -> Link | None:
        """The device called `name`; None where there is none."""
        message = link_message(0, text(IFLA_IFNAME, name), u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))
        try:
            self._send(packed(message, RTM_GETLINK, NLM_F_ACK))
            (link,) = [read_link(body) for body in self._answers()]
            return link
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise

    def described(self, name: str = "") -> list[bytes]:
        """The bodies of the RTM_NEWLINK messages, with statistics, that describe the device called `name` or, without a
        name, all of the namespace; none where there is none."""
        if not name:
            return self._dump(_ALL_LINKS_COUNTED)
        try:
            self._send(packed(link_message(0, text(IFLA_IFNAME, name)), RTM_GETLINK, NLM_F_ACK))
            return list(self._answers())
        except OSError as error:
            if error.errno == errno.ENODEV:
                return []
            raise

    def addresses(self, index: int = 0) -> list[Address]:
        """All addresses of the namespace, or those of the device with that index."""
        question = packed(IFADDR.pack(0, 0, 0, 0, index), RTM_GETADDR, NLM_F_DUMP)
        found = [read_address(body) for body in self._dump(question)]
        return [each for each in found if index in (0, each.index)]

    def bridged(self) -> list[bytes]:
        """The bodies of the RTM_NEWLINK messages that describe the ports of bridges with their VLANs."""
        message = link_message(0, u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN), family=AF_BRIDGE)
        return self._dump(packed(message, RTM_GETLINK, NLM_F_DUMP))

    def nsid(self, namespace: int) -> int | None:
        """The ID that the namespace behind a file descriptor has here; None while it has none."""
        self._send(packed(_RTGEN + u32(NETNSA_FD, namespace), RTM_GETNSID, NLM_F_ACK))
        for body in self._answers():
            found = attributes(body, len(_RTGEN)).get(NETNSA_NSID)
            if found is not None:
                number: int = _I32.unpack(found)[0]
                return None if number < 0 else number
        return None

    def heed(self, namespace: int) -> None:
        """Give the namespace behind a file descriptor an ID here, if it has none: what happens in there is announced
        here too then. Raises OSError."""
        try:
            self.ask(RTM_NEWNSID, _RTGEN + i32(NETNSA_NSID, -1) + u32(NETNSA_FD, namespace))
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise

    def told(self, kind: int, body: bytes) -> list[bytes]:
        """The answers to a question about one thing. Raises OSError."""
        self._send(packed(body, kind, NLM_F_ACK))
        return list(self._answers())

    def matching(self, kind: int, body: bytes, keep: Callable[[bytes], bool] = lambda _: True) -> list[bytes]:
        """What fits the header and the attributes of a question, by the kernel's own choice, and then `keep`."""
        self._socket.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        try:
            return self._dump(packed(body, kind, NLM_F_DUMP), keep)
        finally:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 0)

    def _dump(self, question: bytes, keep: Callable[[bytes], bool] = lambda _: True) -> list[bytes]:
        """Every answer to one question. What changes while the kernel answers makes it start again."""
        for _ in range(_DUMP_TRIES):
            self._send(question)
            self._interrupted = False
            answers = [each for each in self._answers() if keep(each)]
            if not self._interrupted:
                break
        return answers

    def _send(self, request: bytes) -> None:
        self._sequence += 1
        self._socket.send(request[:8] + _U32.pack(self._sequence) + request[12:])

    def _answers(self) -> Iterator[bytes]:
        while True:
            for kind, flags, sequence, body in messages(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                if flags & NLM_F_DUMP_INTR:
                    self._interrupted = True
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    code = -_I32.unpack_from(body)[0]
                    if code:
                        raise OSError(code, _words(body, flags) or os.strerror(code))
                    return
                yield body


def packed(message: bytes, kind: int, flags: int) -> bytes:
    """The request as it goes to the kernel, but for its sequence number. `message` is its body."""
    return _HEADER.pack(_HEADER.size + len(message), kind, flags | NLM_F_REQUEST, 0, 0) + message


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(type, flags, sequence number, body) of each message in what a socket received."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def attributes(body: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes that begin at `offset`, by their type. What is cut off is left out."""
    found: dict[int, bytes] = {}
    end = len(body)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def listed(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes of a list, where several have one type."""
    while len(body) >= 4:
        length, kind = _ATTRIBUTE.unpack_from(body)
        if length < 4:
            return
        yield kind & 0x3FFF, body[4:length]
        body = body[(length + 3) & ~3 :]


def link_name(body: bytes) -> str:
    """The name in the body of an RTM_NEWLINK or RTM_DELLINK."""
    return _text(attributes(body, _IFINFO.size).get(3, b""))


def is_up(body: bytes) -> bool:
    """Whether the device in the body of an RTM_NEWLINK or RTM_DELLINK is administratively up."""
    return bool(_IFINFO.unpack_from(body)[3] & IFF_UP)


def read_link(body: bytes) -> Link:
    """The device that the body of an RTM_NEWLINK or RTM_DELLINK describes."""
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    found = attributes(body, _IFINFO.size)
    info = attributes(found.get(IFLA_LINKINFO, b""))
    kind = _text(info.get(IFLA_INFO_KIND, b""))
    data = info.get(IFLA_INFO_DATA, b"")
    mode = attributes(data).get(3) if kind == "tun" else None
    nsid = found.get(37)
    return Link(
        index=index,
        name=_text(found.get(3, b"")),
        kind=kind,
        up=bool(flags & IFF_UP),
        running=bool(flags & IFF_RUNNING),
        mac=found.get(1, b"").hex(":"),
        mtu=_number(found, 4),
        alias=_text(found.get(20, b"")),
        group=_number(found, 27),
        lower=_number(found, 5),
        lower_nsid=None if nsid is None else _I32.unpack(nsid)[0],
        tap=mode is not None and mode[0] == TUN_MODE_TAP,
        promisc=bool(flags & IFF_PROMISC),
        allmulticast=bool(flags & IFF_ALLMULTI),
        txqueuelen=_number(found, IFLA_TXQLEN),
        master=_number(found, IFLA_MASTER),
        data=data,
        port_kind=_text(info.get(IFLA_INFO_SLAVE_KIND, b"")),
        port_data=info.get(IFLA_INFO_SLAVE_DATA, b""),
        altnames=tuple(_text(value) for _, value in listed(found.get(IFLA_PROP_LIST, b""))),
    )


def read_address(body: bytes) -> Address:
    """The address that the body of an RTM_NEWADDR or RTM_DELADDR describes."""
    family, length, flags, _, index = IFADDR.unpack_from(body)
    found = attributes(body, IFADDR.size)
    address = ip_address(found[2] if 2 in found and family == socket.AF_INET else found[1])
    flags = _number(found, 8) or flags
    protocol = found.get(11)
    if protocol is not None:
        made_by_kernel = protocol[0] == IFAPROT_KERNEL_LL
    else:
        made_by_kernel = isinstance(address, IPv6Address) and address.is_link_local
    return Address(index, f"{address}/{length}", bool(flags & IFA_F_PERMANENT), made_by_kernel)


def _number(found: Mapping[int, bytes], kind: int) -> int:
    value = found.get(kind)
    if value is None:
        return 0
    number: int = _U32.unpack_from(value)[0]
    return number


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _words(body: bytes, flags: int) -> str:
    """What the kernel adds to an error number (NLMSGERR_ATTR_MSG)."""
    if not flags & NLM_F_ACK_TLVS:
        return ""
    return _text(attributes(body, 4 + _HEADER.size).get(1, b""))


def address_message(index: int, text: str) -> bytes:
    """The body of a request about an address, «address/prefix length», of the device with that index."""
    interface = ip_interface(text)
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    head = IFADDR.pack(family, interface.network.prefixlen, 0, 0, index)
    return head + attribute(IFA_LOCAL, interface.packed) + attribute(IFA_ADDRESS, interface.packed)


def link_message(index: int, *attributes: bytes, flags: int = 0, mask: int = 0, family: int = 0) -> bytes:
    """The body of a request about the device with that index; `mask` are the `flags` that are to be set or cleared."""
    return _IFINFO.pack(family, 0, index, flags, mask) + b"".join(attributes)


_ALL_LINKS = packed(link_message(0, u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)), RTM_GETLINK, NLM_F_DUMP)
_ALL_LINKS_COUNTED = packed(link_message(0), RTM_GETLINK, NLM_F_DUMP)
