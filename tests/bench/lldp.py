"""How long an LLDP frame takes to read: netctl's codec against scapy's and the engine's, in turns.

python -m tests.bench.lldp. The frame is a usual one, with the TLVs of IEEE 802.1AB, 802.1 and 802.3 that lldpd sends;
scapy takes those apart as netctl does, the engine leaves the organisational ones as octets. Then what a frame costs
that is heard again, and a million frames of nonsense, none of which may raise.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from statistics import median

from netctl.topology import lldp
from netctl.topology.announcement import Announcement, Malformed
from netctl.topology.neighbours import Neighbours, Place
from tests.topology import frames

ROUNDS = 5
NONSENSE = 1_000_000


def microseconds(read: Callable[[bytes], object], frame: bytes, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        read(frame)
    return (time.perf_counter() - start) / count * 1e6


def nonsense(count: int) -> Iterator[bytes]:
    """Octets from nowhere behind a good beginning, good frames with octets changed, cut out, and strange TLVs."""
    dice = random.Random(802)
    good = [
        frames.frame(*frames.ALL),
        frames.frame(frames.BT),
        frames.tagged(frames.frame(*frames.MED), "88a80064", "81000002"),
    ]
    for number in range(count):
        frame = bytearray(dice.choice(good))
        if number % 4 == 0:
            yield bytes(frame[: dice.choice((14, 41))]) + dice.randbytes(dice.randrange(80))
        elif number % 4 == 1:
            for _ in range(dice.randrange(1, 6)):
                frame[dice.randrange(len(frame))] = dice.getrandbits(8)
            yield bytes(frame)
        elif number % 4 == 2:
            at = dice.randrange(len(frame))
            del frame[at : at + dice.randrange(20)]
            yield bytes(frame)
        else:
            tlvs = dice.sample(frames.ALL, 6)
            tlvs.insert(dice.randrange(7), dice.randbytes(dice.randrange(12)))
            yield frames.frame(*tlvs, ttl=dice.randrange(65536))


def main() -> None:
    import scapy.contrib.lldp  # noqa: F401
    from os_ken.lib.packet.packet import Packet
    from scapy.layers.l2 import Ether

    frame = frames.frame(*frames.BASIC, *frames.DOT1, *frames.DOT3[:1], *frames.DOT3[2:])
    table = Neighbours()
    readers: dict[str, tuple[Callable[[bytes], object], int]] = {
        "netctl": (lldp.decode, 5000),
        "netctl, heard again": (lambda frame: table.hear(Place(1, 1), frame, 0, 0), 5000),
        "scapy": (Ether, 300),
        "os-ken": (Packet, 1000),
    }
    took: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(ROUNDS):
        for name, (read, count) in readers.items():
            took[name].append(microseconds(read, frame, count))
    ours = median(took["netctl"])
    for name, each in took.items():
        print(f"{name}: {median(each):.1f} us a frame of {len(frame)} octets, {median(each) / ours:.1f} times netctl's")
    read = malformed = 0
    for each in nonsense(NONSENSE):
        said = lldp.decode(each)
        read += isinstance(said, Announcement)
        malformed += isinstance(said, Malformed) and bool(said.why)
    assert read + malformed == NONSENSE
    print(f"{NONSENSE} frames of nonsense: {read} could be read, {malformed} were malformed, none raised")


if __name__ == "__main__":
    main()
