"""What a guest answers when it is spoken to: ARP, neighbour discovery, echo requests. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_interface

from netctl.probe.checksum import internet_checksum

ALL_NODES = IPv6Address("ff02::1").packed


class Station:
    """A host with one NIC: `mac` of 6 octets and its addresses, each «address/prefix length» or bare."""

    def __init__(self, mac: bytes, addresses: Iterable[str]) -> None:
        self.mac = mac
        owned = [ip_interface(each).ip for each in addresses]
        self._v4 = {each.packed for each in owned if isinstance(each, IPv4Address)}
        self._v6 = {each.packed for each in owned if isinstance(each, IPv6Address)}

    def answer(self, frame: bytes) -> bytes | None:
        """The frame with which to answer `frame`; None where there is nothing to say."""
        kind = frame[12:14]
        if kind == b"\x08\x06":
            return self._arp(frame)
        if kind == b"\x08\x00" and frame[:6] == self.mac:
            return self._ping(frame)
        if kind == b"\x86\xdd":
            return self._icmp6(frame)
        return None

    def _arp(self, frame: bytes) -> bytes | None:
        body = frame[14:42]
        if len(body) < 28 or body[:8] != b"\x00\x01\x08\x00\x06\x04\x00\x01" or body[24:28] not in self._v4:
            return None
        reply = body[:6] + b"\x00\x02" + self.mac + body[24:28] + body[8:18]
        return (body[8:14] + self.mac + b"\x08\x06" + reply).ljust(60, b"\0")

    def _ping(self, frame: bytes) -> bytes | None:
        packet = frame[14:]
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return None
        head = (packet[0] & 15) * 4
        total, fragment = struct.unpack("!2xH2xH", packet[:8])
        packet = packet[:total]
        if packet[9] != 1 or fragment & 0x3FFF or packet[16:20] not in self._v4 or len(packet) < head + 8:
            return None
        message = packet[head:]
        if message[0] != 8 or internet_checksum(message):
            return None
        reply = b"\0\0\0\0" + message[4:]
        reply = reply[:2] + struct.pack("!H", internet_checksum(reply)) + reply[4:]
        ip = struct.pack("!BBHHHBBH", 0x45, packet[1], 20 + len(reply), 0, 0x4000, 64, 1, 0)
        ip += packet[16:20] + packet[12:16]
        ip = ip[:10] + struct.pack("!H", internet_checksum(ip)) + ip[12:]
        return (frame[6:12] + self.mac + b"\x08\x00" + ip + reply).ljust(60, b"\0")

    def _icmp6(self, frame: bytes) -> bytes | None:
        packet = frame[14:]
        if len(packet) < 48 or packet[6] != 58:
            return None
        length = int.from_bytes(packet[4:6], "big")
        source, target, message = packet[8:24], packet[24:40], packet[40 : 40 + length]
        if len(message) < 8 or internet_checksum(pseudo(source, target, message) + message):
            return None
        if message[0] == 135 and packet[7] == 255 and message[8:24] in self._v6:
            return self._advertise(frame[6:12], source, message[8:24])
        if message[0] == 128 and target in self._v6 and frame[:6] == self.mac:
            return self._send6(frame[6:12], target, source, 64, b"\x81\0" + message[4:])
        return None

    def _advertise(self, mac: bytes, asker: bytes, address: bytes) -> bytes:
        """A neighbour advertisement (RFC 4861, 4.4); to all nodes where the asker has no address yet."""
        nobody = not any(asker)
        flags = 0x2000_0000 if nobody else 0x6000_0000
        message = b"\x88\0" + struct.pack("!I", flags) + address + b"\x02\x01" + self.mac
        if nobody:
            return self._send6(bytes.fromhex("333300000001"), address, ALL_NODES, 255, message)
        return self._send6(mac, address, asker, 255, message)

    def _send6(self, mac: bytes, source: bytes, target: bytes, hops: int, rest: bytes) -> bytes:
        """`rest` is an ICMPv6 message (RFC 4443) without its checksum."""
        empty = rest[:2] + b"\0\0" + rest[2:]
        checksum = internet_checksum(pseudo(source, target, empty) + empty)
        message = rest[:2] + struct.pack("!H", checksum) + rest[2:]
        ip = struct.pack("!IHBB", 6 << 28, len(message), 58, hops) + source + target
        return mac + self.mac + b"\x86\xdd" + ip + message


def pseudo(source: bytes, target: bytes, message: bytes) -> bytes:
    """The header that ICMPv6's checksum covers besides the message (RFC 8200, 8.1)."""
    return source + target + struct.pack("!I3xB", len(message), 58)
