"""The two ends of a wire, where frames are put in and taken out."""

from __future__ import annotations

import errno
import fcntl
import json
import socket
import struct
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType

from netctl.desired.flow import TPID
from netctl.probe.frames import with_tag
from netctl.probe.namespace import in_namespace

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 0x10
TP_STATUS_VLAN_TPID_VALID = 0x40
SIOCGIFMTU = 0x8921
SO_RCVBUFFORCE = 33

LARGEST = 65_553
"""Octets of the largest frame: an IPv4 packet behind an Ethernet header and a tag."""

ANSWER = 2.0
"""Seconds within which a played guest must describe itself."""


class NoEnd(Exception):
    """Frames cannot be put in there; the message says why, and what would help."""

    testable = True
    """Whether they could be if everything was as it should; false where that is for others to do."""


class NotHere(NoEnd):
    """Nobody on this machine can put frames in there."""

    testable = False


class End(ABC):
    """One end, open: a context manager. `mac` is 6 octets, `mtu` octets, `link` what frames pass by."""

    def __init__(self, name: str, link: socket.socket, mac: bytes, mtu: int) -> None:
        self.name = name
        self.mac = mac
        self.mtu = mtu
        self.link = link
        link.setblocking(False)

    def __enter__(self) -> End:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.link.close()

    def fileno(self) -> int:
        return self.link.fileno()

    @property
    def raw(self) -> End:
        """The port that this is a part of, or all of."""
        return self

    def outside(self, frame: bytes) -> bytes:
        """How a frame that is put in here looks on the port."""
        return frame

    def inside(self, frame: bytes) -> bytes | None:
        """What comes out here of a frame that came out of the port; None for one that is not this end's."""
        return frame

    def send(self, frame: bytes) -> str:
        """Put a frame in. Returns why it could not be, empty when it could."""
        try:
            self.link.send(self.outside(frame))
        except BlockingIOError:
            return "the end's send queue is full"
        except OSError as error:
            if error.errno == errno.ENETDOWN:
                return "the end is down"
            if error.errno == errno.ENOBUFS:
                return "what is behind the end refuses it"
            return error.strerror or str(error)
        return ""

    @abstractmethod
    def receive(self) -> bytes | None:
        """The next frame that came out of the wire, whole; None when there is none. Never waits."""


class NamespaceEnd(End):
    """A NIC inside a named network namespace, by a packet socket (packet(7)) there."""

    def __init__(self, name: str, namespace: str, device: str) -> None:
        """`name` is the end's in the policy. Raises NoEnd."""

        def make() -> tuple[socket.socket, int]:
            link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            try:
                link.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
                link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
                mtu = fcntl.ioctl(link, SIOCGIFMTU, struct.pack("16s24x", device.encode()))
                link.bind((device, ETH_P_ALL))
            except BaseException:
                link.close()
                raise
            return link, struct.unpack("16xi20x", mtu)[0]

        try:
            link, mtu = in_namespace(namespace, make)
        except FileNotFoundError:
            raise NoEnd(f"{name}: there is no namespace {namespace}; `netctl apply` makes it") from None
        except PermissionError:
            raise NoEnd(f"{name}: looking into a namespace needs root") from None
        except OSError as error:
            if error.errno in {errno.ENODEV, errno.ENXIO}:
                why = f"{name}: namespace {namespace} has no {device}; `netctl apply` makes it"
            else:
                why = f"{name}: {device} in namespace {namespace}: {error.strerror}"
            raise NoEnd(why) from None
        super().__init__(name, link, link.getsockname()[4], mtu)

    def receive(self) -> bytes | None:
        while True:
            try:
                frame, ancillary, _, address = self.link.recvmsg(LARGEST, 64)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno == errno.ENETDOWN:
                    continue
                raise
            if address[2] != PACKET_OUTGOING:
                return whole(frame, ancillary)


def whole(frame: bytes, ancillary: list[tuple[int, int, bytes]]) -> bytes:
    """The frame as it was on the wire: the kernel takes the outer tag out and hands it over beside the frame
    (struct tpacket_auxdata: status, len, snaplen of 32 bits, mac, net, vlan_tci, vlan_tpid of 16)."""
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, tci, tpid = struct.unpack("=I12xHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                if not status & TP_STATUS_VLAN_TPID_VALID:
                    tpid = 0x8100
                return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
    return frame


class VlanEnd(End):
    """One VLAN of another end: what is put in gets its tag, and what comes out with it is handed on without."""

    def __init__(self, end: End, vlan: int) -> None:
        super().__init__(end.name, end.link, end.mac, end.mtu)
        self.vlan = vlan
        self._end = end

    @property
    def raw(self) -> End:
        return self._end

    def outside(self, frame: bytes) -> bytes:
        return with_tag(frame, TPID, self.vlan)

    def inside(self, frame: bytes) -> bytes | None:
        tpid, tci = frame[12:14], int.from_bytes(frame[14:16], "big")
        if tpid == TPID.to_bytes(2, "big") and tci & 0xFFF == self.vlan:
            return frame[:12] + frame[16:]
        return None

    def receive(self) -> bytes | None:
        while (frame := self._end.receive()) is not None:
            within = self.inside(frame)
            if within is not None:
                return within
        return None


class PlayedEnd(End):
    """A tap whose guest netctl plays (`netctl.probe.guest`), by its control socket."""

    def __init__(self, name: str, control: Path) -> None:
        """Raises NoEnd."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(ANSWER)
        try:
            link.connect(str(control))
            hello = json.loads(link.recv(LARGEST))
        except PermissionError:
            link.close()
            raise NoEnd(f"{name}: speaking to the guest that netctl plays there needs root") from None
        except (OSError, ValueError):
            link.close()
            raise nobody(name) from None
        if not hello["open"]:
            link.close()
            raise NoEnd(f"{name}: the guest that netctl plays waits for the tap; `netctl apply` makes it")
        super().__init__(name, link, bytes.fromhex(hello["mac"].replace(":", "")), hello["mtu"])

    def receive(self) -> bytes | None:
        try:
            return self.link.recv(LARGEST) or None
        except (BlockingIOError, ConnectionError):
            return None


def nobody(tap: str) -> NoEnd:
    """Why a tap that netctl does not play has no end for frames."""
    carrier = Path("/sys/class/net") / tap / "carrier"
    try:
        held = carrier.read_text().strip() == "1"
    except FileNotFoundError:
        return NoEnd(f"{tap}: there is no such tap; `netctl apply` makes it")
    except OSError:
        return NoEnd(f"{tap}: the tap is down; `netctl apply` puts it up")
    if held:
        return NotHere(
            f"{tap}: a guest that netctl does not play holds the tap, and only from inside it can frames be sent"
        )
    return NoEnd(f"{tap}: no guest holds the tap; `netctl up --play-guests` plays one")
