"""`netctl check` of a policy of 10 000 wires: seconds, memory, and the ratio to libyaml's loader alone.

python tests/bench/check_policy.py [WIRES]

Each runs as a process of its own, from its start to its end, best of three; memory is the largest resident set.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 3.0
MOST_MEGABYTES = 300.0
RUNS = 3
LOADER = "import sys, yaml; yaml.load(open(sys.argv[1]), Loader=yaml.CSafeLoader)"


def policy(wires: int) -> Iterator[str]:
    """A bridge, two guests for each wire."""
    yield "version: 1\nhosts:\n  hv1:\n    bridges: {ovbr0: {datapath: netdev}}\n    guests:"
    for guest in range(2 * wires):
        mac = f"52:54:00:{guest >> 16:02x}:{guest >> 8 & 255:02x}:{guest & 255:02x}"
        yield f'      g{guest}: {{nics: {{eth1: {{mac: "{mac}", device: tap, bridge: ovbr0}}}}}}'
    yield "wires:"
    for wire in range(wires):
        yield f"  - [g{2 * wire}-eth1, g{2 * wire + 1}-eth1]"


def measure(*command: str) -> tuple[float, float]:
    """Seconds and megabytes of the best run."""
    best = (float("inf"), float("inf"))
    for _ in range(RUNS):
        start = time.perf_counter()
        child = os.posix_spawn(sys.executable, [sys.executable, *command], {**os.environ, "PYTHONPATH": str(ROOT)})
        _, status, used = os.wait4(child, 0)
        seconds = time.perf_counter() - start
        if status != 0:
            sys.exit(f"{' '.join(command)} failed")
        best = min(best, (seconds, used.ru_maxrss / 1024))
    return best


def main() -> int:
    wires = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "policy.yaml"
        file.write_text("\n".join(policy(wires)) + "\n")
        check = measure("-c", "from netctl.cli.main import main; main()", "check", str(file))
        loader = measure("-c", LOADER, str(file))
    print(f"netctl check, {wires} wires       {check[0]:6.2f} s {check[1]:6.0f} MB")
    print(f"yaml.CSafeLoader alone         {loader[0]:6.2f} s {loader[1]:6.0f} MB")
    print(f"ratio                          {check[0] / loader[0]:6.2f}   {check[1] / loader[1]:6.2f}")
    return int(check[0] > MOST_SECONDS or check[1] > MOST_MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
