"""`netctl doctor` on a host with 1 000 devices: taps at a bridge of Open vSwitch and one of Linux, veths into
namespaces, each with an address; the picture, the checks, and the whole command with the start of Python.

Run as root: python -m tests.bench.doctor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from netctl.cli.doctor import Visit
from netctl.doctor import examine, wishes
from netctl.policy import load
from tests.e2e.box import Box

TAPS, BRIDGED, ROOMS = 500, 300, 100
"""1 000 devices: a veth is two."""
ROUNDS = 5
LIMIT = 1.0
POLICY = Path("/run/policy.yaml")


def policy() -> str:
    lines = ["version: 1", "hosts:", "  hv1:", "    bridges: {ovbr0: {datapath: netdev}}"]
    lines += ["    links: {br0: {kind: bridge, addresses: [10.2.0.1/24]}}", "    guests:"]
    for number in range(ROOMS):
        nic = f"{{device: veth, bridge: ovbr0, addresses: [10.1.{number}.1/24]}}"
        lines.append(f"      r{number}: {{namespace: true, nics: {{eth0: {nic}}}}}")
    for number in range(TAPS + BRIDGED):
        where = "bridge: ovbr0" if number < TAPS else "master: br0"
        mac = f'"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"'
        lines.append(f"      t{number}: {{nics: {{eth0: {{device: tap, {where}, mac: {mac}}}}}}}")
    return "\n".join(lines) + "\n"


def inside() -> None:
    """Prints what took how long, in seconds, the best of some rounds."""
    took: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        start = time.perf_counter()
        wanted = wishes(load(POLICY), "hv1")
        read = time.perf_counter()
        visit = Visit(str(POLICY), wanted, "")
        picture = visit.picture()
        seen = time.perf_counter()
        found = examine(picture, wanted)
        checked = time.perf_counter()
        assert found == [], found
        assert len(picture.links) >= TAPS + BRIDGED + 2 * ROOMS
        for what, seconds in (("policy", read - start), ("picture", seen - read), ("checks", checked - seen)):
            took.setdefault(what, []).append(seconds)
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "netctl.cli", "doctor", str(POLICY)], check=True, stdout=subprocess.DEVNULL
        )
        took.setdefault("whole command", []).append(time.perf_counter() - start)
    print(json.dumps({what: min(seconds) for what, seconds in took.items()}))


def main() -> None:
    with Box() as box:
        box.start_ovs()
        box.path(str(POLICY)).write_text(policy())
        box.run([sys.executable, "-m", "netctl.cli", "apply", str(POLICY)], timeout=300)
        took = json.loads(box.run([sys.executable, "-m", "tests.bench.doctor", "inside"], timeout=300).stdout)
    for what, seconds in took.items():
        print(f"{what:15} {seconds:6.3f} s")
    doctor = took["picture"] + took["checks"]
    print(f"{'doctor':15} {doctor:6.3f} s, to be under {LIMIT} s: {'yes' if doctor < LIMIT else 'NO'}")
    sys.exit(doctor >= LIMIT)


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside()
    else:
        main()
