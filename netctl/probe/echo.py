"""Echo requests (RFC 792, RFC 4443) by raw sockets: what `ping` does, also from inside another namespace."""

from __future__ import annotations

import select
import socket
import struct
import time

from netctl.probe.checksum import internet_checksum

REQUEST = {4: 8, 6: 128}
REPLY = {4: 0, 6: 129}
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_PROBE = 10, 23, 3
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33


def request(version: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """The ICMP message; for IPv6 the kernel fills in the checksum, which covers addresses."""
    message = struct.pack("!BBHHH", REQUEST[version], 0, 0, identifier, sequence) + payload
    if version == 4:
        message = message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]
    return message


def reply(version: int, packet: bytes) -> bytes | None:
    """The payload of an echo reply, as a raw socket gives it: of IPv4 with its header; None for something else."""
    if version == 4:
        packet = packet[(packet[0] & 15) * 4 :] if packet else b""
    return packet[8:] if len(packet) >= 8 and packet[0] == REPLY[version] else None


def opened(version: int, target: str, source: str = "", device: str = "") -> socket.socket:
    """A raw socket in the namespace of the calling thread that speaks with `target` alone, and tells when something
    came (SO_TIMESTAMPNS). Raises OSError."""
    link = socket.socket(_FAMILY[version], socket.SOCK_RAW, _PROTOCOL[version])
    try:
        link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        if version == 4:
            link.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        else:
            link.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
        if device:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        if source:
            link.bind((source, 0))
        link.connect((target, 0))
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    return link


def stamped(link: socket.socket) -> tuple[bytes, int] | None:
    """The next message and when the kernel got it, in nanoseconds of the time of day; None when there is none."""
    try:
        data, ancillary, _, _ = link.recvmsg(1 << 16, 64)
    except OSError:
        return None
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("@qq", value[:16])
            return data, seconds * 1_000_000_000 + nanoseconds
    return data, time.time_ns()


def answered(link: socket.socket, version: int, tries: int, wait: float, size: int = 32) -> int:
    """How many of `tries` requests with `size` octets of payload are answered, each within `wait` seconds."""
    good = 0
    for number in range(tries):
        payload = struct.pack("!QI", time.monotonic_ns(), number).ljust(size, b"\0")
        try:
            link.send(request(version, 0x6E63, number, payload))
        except OSError:
            continue
        end = time.monotonic() + wait
        while (left := end - time.monotonic()) > 0 and select.select([link], [], [], left)[0]:
            got = stamped(link)
            if got is not None and reply(version, got[0]) == payload:
                good += 1
                break
    return good
