"""Whether each address of a host answers from its own NIC with its own MAC, asked from outside of the host.

Two questions from each place that can ask. ARP (RFC 826): which MACs answer for the address? An echo request, to the
NIC's own MAC from a neighbour and by the routes from elsewhere: by which NIC does it come in, by which does the answer
leave, and does it arrive? The host is watched meanwhile, which must be on this machine.
"""

from __future__ import annotations

import ctypes
import secrets
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address

from netctl.probe import echo
from netctl.probe.checksum import internet_checksum
from netctl.probe.ends import ETH_P_ALL, PACKET_OUTGOING
from netctl.probe.namespace import at
from netctl.probe.verdict import Seat, Seen, Vantage

TRIES = 2
ARP_WAIT = 0.2
"""Seconds that all have to answer ARP: who answers second is waited for."""
ECHO_WAIT = 0.5
"""Seconds within which an echo request must be answered."""
REST = 0.02
"""Seconds for what is still to be read when all have arrived."""

MARK = 16
"""Octets by which an echo request is known again."""

BROADCAST = b"\xff" * 6
ARP = b"\x08\x06"
SO_ATTACH_FILTER = 26

_ARP_OR_ICMP = (
    (0x28, 0, 0, 12),
    (0x15, 6, 0, 0x0806),
    (0x15, 0, 2, 0x0800),
    (0x30, 0, 0, 23),
    (0x15, 3, 4, 1),
    (0x15, 0, 3, 0x86DD),
    (0x30, 0, 0, 20),
    (0x15, 0, 1, 58),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)
"""A filter (Documentation/networking/filter.rst) of code, jump if true, jump if false, operand: a busy host would drown
us in the rest."""


@dataclass
class _Trial:
    seat: Seat
    vantage: Vantage
    link: socket.socket
    mark: bytes = field(default_factory=lambda: secrets.token_bytes(MARK))
    heard: bool = False
    macs: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    left_mac: str = ""
    arrived: bool = False

    @property
    def version(self) -> int:
        return ip_address(self.seat.address).version

    @property
    def resolves(self) -> bool:
        return self.vantage.near and self.version == 4

    def ask_mac(self) -> None:
        mac, target = _octets(self.vantage.mac), ip_address(self.seat.address).packed
        source = ip_address(self.vantage.source or "0.0.0.0").packed
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + source + bytes(6) + target
        with suppress(OSError):
            self.link.send((BROADCAST + mac + ARP + body).ljust(60, b"\0"))

    def ask_echo(self) -> None:
        message = echo.request(self.version, 0x6E63, 1, self.mark)
        with suppress(OSError):
            if self.resolves:
                packet = _ipv4(self.vantage.source, self.seat.address, message)
                self.link.send(_octets(self.seat.mac) + _octets(self.vantage.mac) + b"\x08\x00" + packet)
                return
            with at(
                self.vantage.namespace, lambda: echo.opened(self.version, self.seat.address, self.vantage.source)
            ) as link:
                link.send(message)

    def outside(self, frame: bytes, outgoing: bool) -> None:
        """A frame at the vantage, which is of this trial."""
        if outgoing:
            return
        if frame[12:14] == ARP and frame[20:22] == b"\0\2" and self.resolves:
            mac = frame[22:28].hex(":")
            if frame[28:32] == ip_address(self.seat.address).packed and mac not in self.macs:
                self.macs.append(mac)
        elif _kind(frame) == echo.REPLY[self.version]:
            self.arrived = True

    def inside(self, frame: bytes, device: str, outgoing: bool) -> None:
        """A frame at a device of the host."""
        if frame[12:14] == ARP:
            if not outgoing and frame[22:28] == _octets(self.vantage.mac):
                self.heard |= frame[38:42] == ip_address(self.seat.address).packed
        else:
            kind = _kind(frame)
            if kind == echo.REQUEST[self.version] and not outgoing and device not in self.asked:
                self.asked.append(device)
            if kind == echo.REPLY[self.version] and outgoing and device not in self.left:
                self.left.append(device)
                self.left_mac = frame[6:12].hex(":")

    def seen(self) -> Seen:
        heard = self.heard or bool(self.asked or self.macs)
        return Seen(heard, tuple(self.macs), tuple(self.asked), tuple(self.left), self.left_mac, self.arrived)


def look(namespace: str, questions: Sequence[tuple[Seat, Vantage]]) -> list[Seen]:
    """Ask all of them, the host being `namespace`, "" for this one. Takes a second or two. Raises OSError."""
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        host = stack.enter_context(at(namespace, partial(_tapped, "")))
        links: dict[tuple[str, str], socket.socket] = {}
        trials: list[_Trial] = []
        for seat, vantage in questions:
            where = vantage.namespace, vantage.device
            if where not in links:
                links[where] = stack.enter_context(at(vantage.namespace, partial(_tapped, vantage.device)))
            trials.append(_Trial(seat, vantage, links[where]))
        by_link: dict[socket.socket, _Index] = {}
        for trial in trials:
            by_link.setdefault(trial.link, _Index()).add(trial)
        everything = _Index(trials)
        for link in (host, *links.values()):
            selector.register(link, selectors.EVENT_READ)

        def gather(seconds: float, enough: Callable[[], bool]) -> None:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                if enough():
                    end = min(end, time.monotonic() + REST)
                for key, _ in selector.select(left):
                    link = key.fileobj
                    assert isinstance(link, socket.socket)
                    _take(link, everything if link is host else by_link[link], link is host)

        for _ in range(TRIES):
            for trial in trials:
                if trial.resolves:
                    trial.ask_mac()
            gather(ARP_WAIT, lambda: False)
        for _ in range(TRIES):
            waiting = [trial for trial in trials if not trial.vantage.own and not trial.arrived]
            for trial in waiting:
                trial.ask_echo()
            gather(ECHO_WAIT, partial(_all_arrived, waiting))
        return [trial.seen() for trial in trials]


def _all_arrived(trials: Iterable[_Trial]) -> bool:
    return all(trial.arrived for trial in trials)


class _Index:
    """Trials by what their frames carry: there may be thousands."""

    def __init__(self, trials: Iterable[_Trial] = ()) -> None:
        self._by_mark: dict[bytes, _Trial] = {}
        self._by_address: dict[bytes, list[_Trial]] = {}
        for trial in trials:
            self.add(trial)

    def add(self, trial: _Trial) -> None:
        self._by_mark[trial.mark] = trial
        self._by_address.setdefault(ip_address(trial.seat.address).packed, []).append(trial)

    def of(self, frame: bytes) -> Sequence[_Trial]:
        """Those to which a frame may belong."""
        if frame[12:14] == ARP:
            asking = frame[20:22] == b"\0\1"
            return self._by_address.get(frame[38:42] if asking else frame[28:32], ())
        start = _message(frame)
        trial = self._by_mark.get(frame[start + 8 : start + 8 + MARK]) if start else None
        return (trial,) if trial else ()


def _take(link: socket.socket, index: _Index, host: bool) -> None:
    while True:
        try:
            frame, address = link.recvfrom(4096)
        except BlockingIOError:
            return
        except OSError:
            continue
        for trial in index.of(frame):
            if host:
                trial.inside(frame, address[0], address[2] == PACKET_OUTGOING)
            else:
                trial.outside(frame, address[2] == PACKET_OUTGOING)


def _tapped(device: str) -> socket.socket:
    """A packet socket (packet(7)) of ARP and ICMP at a device, or at all of the namespace."""
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        program = b"".join(struct.pack("=HBBI", *each) for each in _ARP_OR_ICMP)
        buffer = ctypes.create_string_buffer(program, len(program))
        link.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(_ARP_OR_ICMP), ctypes.addressof(buffer))
        )
        link.setsockopt(socket.SOL_SOCKET, echo.SO_RCVBUFFORCE, 4 << 20)
        if device:
            link.bind((device, ETH_P_ALL))
        else:
            _bind_all(link)
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    return link


def _bind_all(link: socket.socket) -> None:
    """Python's bind() takes no packet socket without a device: struct sockaddr_ll with index 0."""
    address = struct.pack("=HHiHBB8x", socket.AF_PACKET, socket.htons(ETH_P_ALL), 0, 0, 0, 0)
    if ctypes.CDLL(None, use_errno=True).bind(link.fileno(), address, len(address)):
        raise OSError(ctypes.get_errno(), "bind")


def _ipv4(source: str, target: str, message: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0x4000, 64, 1, 0)
    head += ip_address(source).packed + ip_address(target).packed
    return head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + message


def _message(frame: bytes) -> int:
    """Where the ICMP message of a frame begins; 0 where there is none."""
    if frame[12:14] == b"\x08\x00" and len(frame) > 34:
        start = 14 + (frame[14] & 15) * 4
    else:
        start = 54 if frame[12:14] == b"\x86\xdd" else 0
    return start if len(frame) > start else 0


def _kind(frame: bytes) -> int:
    """The type of the ICMP message in a frame that has one."""
    return frame[_message(frame)]


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
