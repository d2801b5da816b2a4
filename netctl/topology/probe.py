"""The LLDP frame by which netctl looks for links (IEEE 802.1AB-2016), and the token in it that nobody else can make.

Chassis and port are said as Ryu says them, so that what reads Ryu's reads these: «dpid:» and 16 hex digits, locally
assigned, and the port's OpenFlow number in 4 octets as a port component. An organisationally specific TLV follows: a
nonce, and HMAC-SHA256 (RFC 2104, the first 16 octets) over all that the frame says and the nonce, with a key of this
run of the controller. A nonce is of one probe; who sent it when is known (netctl.topology.discovery), so the token is
good for one port and a short time.

Everything has its place, so a probe is told from other LLDP, and read, without looking for it.
"""

from __future__ import annotations

import hmac
import struct
from typing import NamedTuple

from netctl.topology import lldp

OUI = b"nct"
"""Locally administered (IEEE 802, 8.2.2): nobody can be given it."""
SUBTYPE = 1
MAC_OCTETS = 16

PORT_COMPONENT = 2

_SAID_AT = 14
"""Where the data begin, behind the Ethernet header."""
_FIXED = struct.Struct("!2sHB5s16sHBIHHH3sB")
"""From the EtherType to the nonce."""
_FIXED_AT = 12
_NONCE = struct.Struct("!Q")
_NONCE_AT = _FIXED_AT + _FIXED.size
_MAC_AT = _NONCE_AT + _NONCE.size
_END_AT = _MAC_AT + MAC_OCTETS
_END = lldp.tlv(lldp.END, b"")
_LENGTH = _END_AT + len(_END)

_DPID = b"dpid:"
_MARK_AT = slice(_NONCE_AT - 6, _NONCE_AT)
_MARK = lldp.tlv(lldp.ORGANISATIONAL, OUI + bytes((SUBTYPE,)) + bytes(_NONCE.size + MAC_OCTETS))[:6]
"""How the TLV with the token begins."""


class Probe(NamedTuple):
    dpid: int
    port: int
    """The OpenFlow number of the port that it was sent by."""
    nonce: int


def is_probe(frame: bytes) -> bool:
    """Whether an Ethernet frame looks like a probe, whoever made it."""
    return frame[_MARK_AT] == _MARK


class Mint:
    """Makes probes and tells them from forged ones. `key` is kept from run to run, `epoch` is of this one: octets
    that are never used again."""

    def __init__(self, key: bytes, epoch: bytes) -> None:
        self._secret = hmac.digest(key, b"netctl probe" + epoch, "sha256")

    def head(self, dpid: int, port: int, source: bytes, ttl: int) -> bytes:
        """What all probes of a port begin with. `source` is its MAC; `ttl`, in seconds, is for others that hear it."""
        said = (
            lldp.tlv(lldp.CHASSIS, bytes((lldp.CHASSIS_LOCAL,)) + _DPID + b"%016x" % dpid),
            lldp.tlv(lldp.PORT, bytes((PORT_COMPONENT,)) + port.to_bytes(4, "big")),
            lldp.tlv(lldp.TTL, ttl.to_bytes(2, "big")),
            _MARK,
        )
        return lldp.NEAREST_BRIDGE + source + lldp.ETHERTYPE.to_bytes(2, "big") + b"".join(said)

    def probe(self, head: bytes, nonce: int) -> bytes:
        """A whole Ethernet frame."""
        begin = head + _NONCE.pack(nonce)
        return begin + self._mac(begin) + _END

    def read(self, frame: bytes) -> Probe | None:
        """What a frame says that looks like a probe; None where this mint did not make it."""
        if len(frame) < _LENGTH or not hmac.compare_digest(self._mac(frame[:_MAC_AT]), frame[_MAC_AT:_END_AT]):
            return None
        _, _, _, _, dpid, _, _, port, *_ = _FIXED.unpack_from(frame, _FIXED_AT)
        return Probe(int(dpid, 16), port, _NONCE.unpack_from(frame, _NONCE_AT)[0])

    def _mac(self, begin: bytes) -> bytes:
        return hmac.digest(self._secret, begin[_SAID_AT:], "sha256")[:MAC_OCTETS]
